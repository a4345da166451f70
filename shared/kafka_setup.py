"""`python -m shared.kafka_setup`: topics, users, rights and quotas, before the services start and whenever they change.

What is there stays, so it may run at every start; a password is set to what its file holds, with a line for each that
was another one. Ends with status 1 and a sentence when something could not be made, or a topic is not as declared. It
deletes nothing: what is there and not declared is told.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from shared.contracts.rights import agency_user
from shared.contracts.services import SERVICES
from shared.kafka_admin import AdminError, KafkaAdmin
from shared.kafka_settings import AdministratorSettings
from shared.setting_types import OpdCodes
from shared.topics import TopicsDiffer


class SetUpSettings(AdministratorSettings):
    """Besides who administers: where passwords are."""

    agencies: OpdCodes = Field((), description="Agencies whose topics are made: codes separated by commas")
    kafka_services_dir: Path = Field(
        Path("/run/kafka/services"),
        description="Folder with a file for each service, named after it: its password",
    )
    kafka_agencies_dir: Path = Field(
        Path("/run/kafka/agencies"),
        description="Folder with a file for each agency that speaks Kafka, named by its code: the password of its "
        "first user. One without a file speaks over HTTP, or has a user by the command line",
    )


def set_up(settings: SetUpSettings) -> Iterator[str]:
    """Does it, and says what it does."""
    admin = KafkaAdmin(settings.connection(), settings.topic_prefix)
    yield from admin.ensure_services(
        {one.name: _password(settings.kafka_services_dir / one.name) for one in SERVICES}
    )
    for opd in settings.agencies:
        yield from _agency(admin, opd, settings.kafka_agencies_dir / opd)
    differences = admin.drift()
    yield from differences
    if not differences:
        yield "topics, users and rights are as declared"


def _agency(admin: KafkaAdmin, opd: str, file: Path) -> list[str]:
    first = agency_user(opd, prefix=admin.prefix)
    if not file.is_file():
        return admin.ensure_agency_topic(opd)
    if admin.next_agency_user(opd) not in (first, agency_user(opd, 2, admin.prefix)):
        return [
            *admin.ensure_agency_topic(opd),
            f"{file.name}: its password was rotated, so its file is left alone",
        ]
    return admin.ensure_agency(opd, first, _password(file))


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise AdminError(
            f"there is no password in {file} ({type(error).__name__}): write one there, "
            "in Compose by deploy/make-secrets.sh"
        ) from error


def main() -> None:
    try:
        for line in set_up(SetUpSettings()):
            sys.stdout.write(f"{line}\n")
    except ValidationError as error:
        sys.exit("; ".join(f"KOMPETEN_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors()))
    except (AdminError, TopicsDiffer, OSError) as error:
        sys.exit(f"kafka: {error}")


if __name__ == "__main__":
    main()
