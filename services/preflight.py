"""`python -m services.preflight`: whether the next start has all that it needs. It looks, and changes nothing.

For Compose, before an upgrade: settings and secrets of all services, Kafka and its topics, the databases and what the
new version would make there. A line each, with what to do; exit status 1 when something is to be mended first.
"""

import asyncio
import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from services.enrollment.app import COLLECTIONS as ENROLLMENT
from services.enrollment.settings import EnrollmentSettings
from services.incentive.app import COLLECTIONS as INCENTIVE
from services.incentive.settings import IncentiveSettings
from services.notification.app import COLLECTIONS as NOTIFICATION
from services.notification.settings import NotificationSettings
from shared.contracts.topics import topic_specs
from shared.identity.database_key import IDENTITY, KEY, WrongKey
from shared.identity.identifiers import Ids
from shared.kafka.access import NoAccess, Refused, connected
from shared.kafka.connection import KafkaConnection
from shared.kafka.settings import AdministratorSettings
from shared.kafka.topic_rights import check_administrator
from shared.kafka.topics import TopicsDiffer, create_topics
from shared.pipeline.documents import Collection
from shared.pipeline.epochs import CURRENT, EPOCHS
from shared.pipeline.errors import Unavailable
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.settings.common import Settings
from shared.settings.reading import FromEnvironment, WrongSettings, load, read
from shared.settings.sources import PREFIX, FileProblem, read_exactly, variable
from shared.terminal import width_of, wrapped

SERVICES: Final[Mapping[type[Settings], Sequence[Collection[Any]]]] = {
    EnrollmentSettings: ENROLLMENT,
    IncentiveSettings: INCENTIVE,
    NotificationSettings: NOTIFICATION,
}
# As docker-compose.yml mounts them.
MONGO: Final = Path("/run/mongo")
KAFKA: Final = Path("/run/kafka/services")
KAFKA_ADMIN: Final = Path("/run/kafka/admin")
MAX_STOP_S: Final = 25
"""A container is killed 30 s after it was told to stop."""


class Finding(NamedTuple):
    what: str
    said: str
    well: bool = True


def main() -> None:
    logging.disable(logging.CRITICAL)  # the libraries' own words for what is said here
    found = together(asyncio.run(_all()))
    width = width_of(sys.stdout)
    for finding in found:
        line = f"{'ok  ' if finding.well else 'MEND'}  {finding.what}: {finding.said}"
        sys.stdout.write("".join(f"{part}\n" for part in wrapped(line, width, hang=6)))
    wrong = sum(not finding.well for finding in found)
    sys.stdout.write(f"{wrong} to mend before `up`; nothing was changed\n" if wrong else "ready for `up`\n")
    sys.exit(1 if wrong else 0)


async def _all() -> list[Finding]:
    found, valid = [*unknown_names(), *places()], []
    for cls in SERVICES:
        settings, faults = settings_of(cls)
        found += faults
        if settings is not None:
            valid.append(settings)
    found += [finding async for finding in _kafka(valid)]
    for settings in valid:
        found += [finding async for finding in of_database(settings)]
    return found


def together(found: Sequence[Finding]) -> list[Finding]:
    """What is to be mended once is told once: a setting that all services read would be told by each of them."""
    whats: dict[tuple[str, bool], list[str]] = {}
    for finding in found:
        whats.setdefault((finding.said, finding.well), []).append(finding.what)
    told = list[Finding]()
    for finding in found:
        same = [finding.what] if finding.well else whats.pop((finding.said, finding.well), [])
        if same:
            told.append(finding._replace(what=_of_all(list(dict.fromkeys(same)))))
    return told


def _of_all(whats: Sequence[str]) -> str:
    """settings of enrollment, settings of incentive -> settings of enrollment, incentive"""
    shared = {what.rpartition(" ")[0] for what in whats}
    if len(shared) > 1:
        return "; ".join(whats)
    return f"{shared.pop()} {', '.join(what.rpartition(' ')[2] for what in whats)}".lstrip()


# Settings and secrets


def documented() -> set[str]:
    """What may stand in .env: deploy/env.example, which is in the image too."""
    here = Path(__file__).parents[1]
    example = next(path for path in (here / "env.example", here / "deploy/env.example") if path.is_file())
    return set(re.findall(rf"^#?({PREFIX}\w+)=", example.read_text(encoding="utf-8"), re.MULTILINE))


def unknown_names() -> Iterator[Finding]:
    names = documented()
    settings = {variable(name) for cls in SERVICES for name in cls.model_fields}
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX)
        and name not in names | settings
        and name.removesuffix("_FILE") not in settings
    )
    for name in unknown:
        near = get_close_matches(name, names, n=1, cutoff=0.8)
        yield Finding(
            ".env", f"{name} is no setting: {f'did you mean {near[0]}?' if near else 'remove it'}", False
        )
    if not unknown:
        yield Finding(".env", "every name in it is a setting")


def places() -> Iterator[Finding]:
    """What Compose itself takes out of .env, and would refuse or not say while it replaces containers."""
    for cls in SERVICES:
        name = cls.service.upper()
        replicas = os.environ.get(f"{PREFIX}{name}_REPLICAS") or "1"
        ports = os.environ.get(f"{PREFIX}{name}_PORT") or "1"
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", ports)
        if not replicas.isdecimal() or span is None:
            yield Finding(
                f"replicas of {cls.service}",
                f"{PREFIX}{name}_REPLICAS is a number (3), and _PORT a port (8100) or a range (8100-8119)",
                False,
            )
        elif int(span[2] or span[1]) - int(span[1]) + 1 < int(replicas):
            yield Finding(
                f"replicas of {cls.service}",
                f"{replicas} of them need as many ports: set {PREFIX}{name}_PORT to a range, such as 8100-8119",
                False,
            )


def settings_of(cls: type[Settings]) -> tuple[Settings | None, list[Finding]]:
    what, said = f"settings and secrets of {cls.service}", io.StringIO()
    with _environment_of(cls), contextlib.redirect_stderr(said):
        try:
            settings = load(cls)
        except SystemExit:
            return None, [Finding(what, line, False) for line in said.getvalue().splitlines()]
    if settings.stop_timeout_s > MAX_STOP_S:
        sentence = f"KOMPETEN_STOP_TIMEOUT_S is at most {MAX_STOP_S} in Compose, which kills after 30 s"
        return settings, [Finding(what, sentence, False)]
    return settings, [Finding(what, "are valid")]


@contextlib.contextmanager
def _environment_of(cls: type[FromEnvironment]) -> Iterator[None]:
    """Its own variables, as Compose passes them on to it, with its own passwords."""
    before, own = dict(os.environ), {variable(name) for name in cls.model_fields}
    passed = {
        name: value
        for name, value in before.items()
        if not name.startswith(PREFIX) or name.removesuffix("_FILE") in own
    }
    files = {f"{PREFIX}MONGO_FILE": MONGO, f"{PREFIX}KAFKA_PASSWORD_FILE": KAFKA}
    os.environ.clear()
    os.environ.update(passed | {name: str(folder / cls.service) for name, folder in files.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# Kafka


async def _kafka(services: list[Settings]) -> AsyncIterator[Finding]:
    what = "Kafka's administrator"
    given, faults = administrator()
    for fault in faults:
        yield Finding(what, fault, False)
    if given is None:
        return
    admin = given.connection()
    try:
        await check_administrator(admin)
    except NoAccess as error:
        yield Finding(what, f"{error}. See deploy/secrets/kafka_admin, and the log of kafka", False)
        return
    yield Finding("Kafka", "answers its administrator")
    for settings in services:
        if settings.service == EnrollmentSettings.service:
            yield await _topics(admin, settings)
    for settings in services:
        yield await _user(settings)


def administrator() -> tuple[AdministratorSettings | None, list[str]]:
    """Its settings, or a sentence for each that is wrong, with its name."""
    try:
        password = read_exactly(KAFKA_ADMIN)
    except FileProblem as problem:
        return None, [
            f"its password is in deploy/secrets/kafka_admin (here {KAFKA_ADMIN}), which {problem}; "
            "deploy/make-secrets.sh makes it"
        ]
    given = {"kafka_user": "admin", "kafka_mechanism": "plain", "kafka_password": password}
    try:
        with _environment_of(AdministratorSettings):
            return read(AdministratorSettings, **given), []
    except WrongSettings as wrong:
        return None, list(wrong.sentences)


async def _topics(admin: KafkaConnection, settings: Settings) -> Finding:
    specs = topic_specs(settings.agencies, settings.topic_prefix)
    try:
        missing = await create_topics(
            admin, [(spec.name, spec.partitions, spec.config) for spec in specs], dry_run=True
        )
    except (TopicsDiffer, NoAccess) as error:
        return Finding("topics", str(error), False)
    return Finding("topics", _made("are as declared", missing))


async def _user(settings: Settings) -> Finding:
    what = f"Kafka's user {settings.service}"
    try:
        async with connected(settings.kafka_connection(), "kompeten-preflight"):
            return Finding(what, "is let in")
    except Refused:  # nobody can tell a missing user from another password
        return Finding(what, "is not there, or has another password: `up` gives it that of its file")
    except NoAccess as error:
        return Finding(what, str(error), False)


# Databases


async def of_database(settings: Settings) -> AsyncIterator[Finding]:
    name = f"{settings.database_prefix}_{settings.service}"
    what = f"database {name}"
    store = MongoStore(connect(settings.mongo.get_secret_value(), "kompeten-preflight"), name)
    try:
        missing = await store.unprepared([*SERVICES[type(settings)], IDENTITY])
        key, epoch = await store.read(IDENTITY, KEY), await store.read(EPOCHS, CURRENT)
    except Unavailable as error:
        yield Finding(what, f"{error}: start mongo, and see its log", False)
        return
    except ValueError as error:
        yield Finding(what, str(error), False)
        return
    finally:
        store.client.close()
    yield Finding(what, _made("is as this version needs it", missing))
    if key is not None and key.digest != Ids(settings.secret.get_secret_value()).fingerprint():
        yield Finding(what, str(WrongKey(name)), False)
    if epoch is not None and settings.epoch < epoch.epoch:
        yield Finding(what, f"it is of epoch {epoch.epoch}: set KOMPETEN_EPOCH={epoch.epoch}", False)


def _made(well: str, missing: list[str]) -> str:
    return f"the start makes {', '.join(missing)}" if missing else well


if __name__ == "__main__":
    main()
