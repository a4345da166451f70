"""Faults of the services' own processes."""

import asyncio
import functools
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from devstack.kompeten import SERVICES
from devstack.processes import ROOT
from shared.contracts.topics import PARTITIONS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.admin.acls import Acl
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.storage.mongo import MongoStore, connect
from tests.chaos.backups import backup, put_back
from tests.chaos.system import foreign, unacknowledged, until
from tests.chaos.traffic import HOSTILE
from tests.faults.field import Fault, Field, patiently

SESSION_S: Final = 10
SWEPT_WITHIN_S: Final = 150.0
# Services that die in one go: a kill costs the group's session timeout, so they share it.
STEPS: Final = {
    "before the transaction": {
        "enrollment": "before-transaction:3",
        "incentive": "before-transaction:2",
        "notification": "before-transaction:3",
    },
    "before the commit": {
        "enrollment": "before-commit:3",
        "incentive": "before-commit:3",
        "notification": "before-commit:2",
    },
    "after the commit": {
        "enrollment": "after-commit:2",
        "incentive": "after-commit:2",
        "notification": "after-commit:3",
    },
    "half published": {"enrollment": "half-published:5", "incentive": "half-published:4"},
    "after publishing": {
        "enrollment": "after-publish:3",
        "incentive": "after-publish:2",
        "notification": "after-publish:2",
    },
    "a PDF made and not stored": {"enrollment": "rendered-not-stored:2"},
    "a PDF stored and not told": {"enrollment": "rendering-stored:2"},
    "mails leased": {"notification": "mail-leased:2"},
    "mails about to be handed over": {"notification": "mail-handing-over:2"},
    "a mail accepted and not noted": {"notification": "mail-accepted:9"},
    "mails noted": {"notification": "mail-noted:2"},
}
PASSED_WITHIN_S: Final = 60.0
# The last version that was in use before the records and documents of today.
EARLIER: Final = "341d519"
UPGRADED: Final = ("notification", "incentive", "enrollment")
FAKETIME: Final = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")
# Every service at once: as many members as this make some idle.
MEMBERS: Final = PARTITIONS + 1
FLOOD: Final = 500
MAX_FLOODS: Final = 20


async def killed_at(armed: dict[str, str], field: Field) -> None:
    await asyncio.gather(*[_killed_at(field, service, point) for service, point in armed.items()])


async def _killed_at(field: Field, service: str, point: str) -> None:
    await field.restarted(service, KOMPETEN_FAILPOINT=point)
    status = await field.system.died(service, PASSED_WITHIN_S)
    assert status == -signal.SIGKILL, field.system.child(service).tail()
    await field.gone(service)
    field.launch(service)


async def killed_anywhere(service: str, field: Field) -> None:
    await asyncio.sleep(field.dice.uniform(0, 2))
    await field.killed(service)
    field.launch(service)


async def terminated(service: str, field: Field) -> None:
    status = await field.system.stopped(service)
    assert status == 0, field.system.child(service).tail()
    field.launch(service)


async def zombies(field: Field) -> None:
    """Two members each; one is stopped beyond its session, while the other takes over, and goes on."""
    names = {}
    for service in ("enrollment", "incentive"):
        before = set(field.system.kompeten.children)
        field.system.replica(service)
        (names[service],) = set(field.system.kompeten.children) - before
    await asyncio.gather(*[field.system.ready(name) for name in names.values()])
    stopped = [field.system.child(service) for service in names]
    for child in stopped:
        child.send_signal(signal.SIGSTOP)
    await asyncio.sleep(SESSION_S + 3)
    for child in stopped:
        child.send_signal(signal.SIGCONT)
    await asyncio.sleep(1)
    for name in names.values():
        await _left(field, name)


async def _left(field: Field, name: str) -> None:
    await field.system.stopped(name)
    del field.system.kompeten.children[name]


async def storm(field: Field) -> None:
    """Each second a member of enrollment or incentive joins or leaves."""
    joined: list[str] = []
    for turn in range(8):
        if turn % 4 < 2:
            before = set(field.system.kompeten.children)
            field.system.replica(("enrollment", "incentive")[turn % 2])
            joined += set(field.system.kompeten.children) - before
        elif joined:
            field.system.child(joined[0]).send_signal(signal.SIGTERM)
            await _left(field, joined.pop(0))
        await asyncio.sleep(1)
    for name in joined:
        await _left(field, name)


async def crowd(field: Field) -> None:
    """More members of incentive than its topics have partitions."""
    before = set(field.system.kompeten.children)
    for _ in range(MEMBERS - 1):
        field.system.replica("incentive")
    joined = set(field.system.kompeten.children) - before
    await asyncio.gather(*[field.system.ready(name) for name in joined])
    await asyncio.gather(*[_left(field, name) for name in joined])


@functools.cache
def faketime() -> str:
    found = [str(path) for pattern in FAKETIME for path in Path("/").glob(pattern.lstrip("/"))]
    return found[0] if found else ""


async def clock_set_back(service: str, field: Field) -> None:
    """For a while the service believes that it is two hours ago."""
    await field.restarted(service, LD_PRELOAD=faketime(), FAKETIME="-2h", FAKETIME_DONT_FAKE_MONOTONIC="1")
    await field.system.ready(service)
    await asyncio.sleep(5)
    await field.restarted(service)


def no_faketime(field: Field) -> str:
    return "" if faketime() else "libfaketime is not installed (Debian: apt-get install libfaketime)"


@functools.cache
def earlier_tree() -> tuple[Path | None, str]:
    """The earlier version's files, or why they can't be had."""
    place = ROOT / ".run" / f"version-{EARLIER}"
    done = subprocess.run(["git", "-C", str(ROOT), "archive", EARLIER], capture_output=True, check=False)
    if done.returncode:
        return None, f"the repository's history does not hold {EARLIER}: a full clone is needed"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(place)], input=done.stdout, check=True)
    return place, ""


UNKNOWN_EARLIER: Final = (
    "KOMPETEN_BODIES",
    "KOMPETEN_INTERNAL_PORT",
    "KOMPETEN_KAFKA_PASSWORD",
    "KOMPETEN_KAFKA_SECURITY",
    "KOMPETEN_LETTERS_A_DAY",
    "KOMPETEN_REISSUE_QUIET_S",
)
"""Settings that the earlier version would refuse."""


async def upgraded(field: Field) -> None:
    """All services as they were; they write records and documents, and are replaced one by one under traffic, who
    reads a contract before who writes it. They know no credentials for Kafka yet: a listener that asks nobody stays
    open for them until the last one is replaced."""
    place, _ = earlier_tree()
    assert place is not None
    # Of the commands of a sweep it knows none.
    await until(field.system.is_swept, lambda: "the sweep came to no end", SWEPT_WITHIN_S)
    acls, nobody = KafkaAdmin(field.system.stack.kafka).acls, anonymous(field.system.kompeten.topic_prefix)
    await asyncio.to_thread(acls.ensure, nobody)
    for service in SERVICES:
        await field.system.stopped(service)
    for service in SERVICES:
        env = {
            name: value
            for name, value in field.system.kompeten.env[service].items()
            if name not in UNKNOWN_EARLIER
        }
        env["KOMPETEN_KAFKA"] = field.cluster.kafka_open
        child = field.system.processes.start_python(
            service, f"services.{service}", env={**foreign(env), **env}, cwd=place
        )
        field.system.kompeten.children[service] = child
    await field.system.ready()
    await asyncio.sleep(4)
    for service in UPGRADED:
        await field.restarted(service)
        await asyncio.sleep(2)
    await asyncio.to_thread(acls.delete, nobody)


def anonymous(prefix: str) -> list[Acl]:
    """All that the services of one installation need, for whoever comes without credentials."""
    return [Acl("ANONYMOUS", "all", resource, prefix, prefixed=True) for resource in ("topic", "group")]


def no_history(field: Field) -> str:
    return earlier_tree()[1]


async def restored(service: str, field: Field) -> None:
    """Its database is lost, and put back from a backup of a while ago; the others go on meanwhile."""
    system = field.system
    kept = await asyncio.to_thread(backup, system, service)
    await asyncio.sleep(field.outage_s)
    await system.stopped(service)
    await asyncio.to_thread(put_back, system, service, kept)
    await patiently(lambda: system.expire_leases(service))
    epoch = int(system.kompeten.env[service].get("KOMPETEN_EPOCH", "0")) + 1
    system.kompeten.env[service]["KOMPETEN_EPOCH"] = str(epoch)
    field.launch(service)


async def replayed(field: Field) -> None:
    """Every service's positions are set back to the beginning of every topic, while it runs."""
    for service in SERVICES:
        client = connect(field.system.stack.mongo)
        store = MongoStore(client, field.system.kompeten.database(service))
        for position in await store.database["positions"].find({}, {"_id": 1}).to_list(None):
            await store.set_back(position["_id"], 0)
        client.close()
    await asyncio.sleep(6)


async def flooded(field: Field) -> None:
    """An agency sends as fast as its quota lets it, with its own credentials: copies of what it said before."""
    sender = Publisher(field.system.kompeten.kafka_of_agency(HOSTILE), "flood")
    until = time.monotonic() + field.outage_s
    try:
        for _ in range(MAX_FLOODS):
            unsent = field.system.traffic.flood(FLOOD)
            while unsent:
                unsent = await unacknowledged(sender, unsent)
            if time.monotonic() > until:
                return
    finally:
        await sender.stop()


FAULTS: Final = (
    *(
        Fault(
            f"kill -9: {name}",
            functools.partial(killed_at, armed),
            brief=name in ("half published", "after the commit"),
        )
        for name, armed in STEPS.items()
    ),
    *(Fault(f"kill -9 at random: {one}", functools.partial(killed_anywhere, one)) for one in SERVICES),
    *(
        Fault(f"SIGTERM: {one}", functools.partial(terminated, one), brief=one == "notification")
        for one in SERVICES
    ),
    Fault("SIGSTOP beyond the session, SIGCONT", zombies),
    Fault("members join and leave every second", storm),
    Fault("more members than partitions", crowd),
    *(
        Fault(f"clock two hours back: {one}", functools.partial(clock_set_back, one), no_faketime)
        for one in SERVICES
    ),
    Fault("one agency floods its topic", flooded, brief=True),
    Fault("upgrade from an earlier version, one by one", upgraded, no_history, first=True),
    Fault("replay of every topic from the beginning", replayed, brief=True),
    *(Fault(f"restored from a backup: {one}", functools.partial(restored, one)) for one in SERVICES),
)
