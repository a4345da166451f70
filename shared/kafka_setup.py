"""`python -m shared.kafka_setup`: topics, users, rights and quotas, before the services start and whenever they change.

What is there stays, so it may run at every start; a password is set to what its file holds, with a line for each that
was another one. Ends with status 1 and a sentence when something could not be made, or a topic is not as declared, with
status 2 when a setting or a file of a password is not as it must be. It deletes nothing: what is there and not declared
is told.
"""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import Field

from shared.contracts.rights import agency_user
from shared.contracts.services import SERVICES
from shared.kafka.admin import AdminError, KafkaAdmin
from shared.kafka.settings import AdministratorSettings
from shared.kafka.topics import TopicsDiffer
from shared.settings.reading import EXIT_STATUS, load
from shared.settings.sources import FileProblem, read_exactly
from shared.settings.types import Folder, OpdCodes

SERVICES_DIR: Final = "KOMPETEN_KAFKA_SERVICES_DIR"
AGENCIES_DIR: Final = "KOMPETEN_KAFKA_AGENCIES_DIR"


class SetUpSettings(AdministratorSettings):
    """Besides who administers: where passwords are."""

    agencies: OpdCodes = Field(
        (),
        description="Agencies whose topics are made: codes separated by commas",
        examples=["diskominfo,bkpsdm"],
    )
    kafka_services_dir: Folder = Field(
        Path("/run/kafka/services"),
        description="Folder with a file for each service, named after it: its password",
    )
    kafka_agencies_dir: Folder = Field(
        Path("/run/kafka/agencies"),
        description="Folder with a file for each agency that speaks Kafka, named by its code: the password of its "
        "first user. One without a file speaks over HTTP, or has a user by the command line",
    )


def set_up(settings: SetUpSettings) -> Iterator[str]:
    """Does it, and says what it does."""
    admin = KafkaAdmin(settings.connection(), settings.topic_prefix)
    yield from admin.ensure_services(
        {
            service.name: _password(SERVICES_DIR, settings.kafka_services_dir / service.name)
            for service in SERVICES
        }
    )
    for opd in settings.agencies:
        yield from _agency(admin, opd, settings.kafka_agencies_dir / opd)
    differences = admin.drift()
    yield from differences
    if not differences:
        yield "topics, users and rights are as declared"


def _agency(admin: KafkaAdmin, opd: str, file: Path) -> list[str]:
    first = agency_user(opd, prefix=admin.prefix)
    if not os.path.lexists(file):
        return admin.ensure_agency_topic(opd)
    if admin.next_agency_user(opd) not in (first, agency_user(opd, 2, admin.prefix)):
        return [
            *admin.ensure_agency_topic(opd),
            f"{file.name}: its password was rotated, so its file is left alone",
        ]
    return admin.ensure_agency(opd, first, _password(AGENCIES_DIR, file))


class NoPassword(Exception):
    """A file of a password is missing, or not as it must be."""


def _password(setting: str, file: Path) -> str:
    try:
        password = read_exactly(file)
    except FileProblem as problem:
        raise NoPassword(
            f"{setting} names the folder of {file}, which {problem}; in Compose, deploy/make-secrets.sh makes it"
        ) from None
    if not password:
        raise NoPassword(
            f"{setting} names the folder of {file}, which is empty: write a password there, for example the one that "
            "'openssl rand -hex 24' prints"
        )
    return password


def main() -> None:
    settings = load(SetUpSettings)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says in its words what is told in ours
    try:
        for line in set_up(settings):
            sys.stdout.write(f"{line}\n")
    except NoPassword as error:
        sys.stderr.write(f"{error}.\n")
        sys.exit(EXIT_STATUS)
    except (AdminError, TopicsDiffer, OSError) as error:
        sys.exit(f"kafka: {error}")


if __name__ == "__main__":
    main()
