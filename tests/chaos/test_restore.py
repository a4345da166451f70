"""A service whose database is lost and put back from a backup, while the two others go on."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

import pytest

from shared.contracts.enrollment import CertificateIssued, CertificateRevoked
from shared.contracts.topics import ENROLLMENT_EVENTS
from tests.chaos.ledger import Found
from tests.chaos.system import System

EACH: Final = 40
"""Completions before the backup, after it, while the service is away, and after it is back."""

Backup = dict[str, list[dict[str, Any]]]


def backup(system: System, service: str) -> Backup:
    """All of a service's database as it was at one moment, while the service runs."""
    with system.client.start_session(snapshot=True) as session:
        database = system.database(service)
        return {
            name: list(database[name].find({}, session=session)) for name in database.list_collection_names()
        }


def put_back(system: System, service: str, kept: Backup) -> None:
    """Only while the service is down. What the backup does not have is gone."""
    assert system.child(service).poll() is not None
    database = system.database(service)
    for name in database.list_collection_names():
        database[name].delete_many({})
    for name, documents in kept.items():
        if documents:
            database[name].insert_many(documents)


async def numbers_told(system: System) -> dict[str, set[str]]:
    """All numbers that were ever published for each certificate."""
    told: dict[str, set[str]] = defaultdict(set)
    for record in await system.published([system.kompeten.topic_prefix + ENROLLMENT_EVENTS]):
        event = json.loads(record.value)
        if event["type"] in (CertificateIssued.TYPE, CertificateRevoked.TYPE):
            told[event["data"]["certificate_id"]].add(event["data"]["certificate_number"])
    return told


def changed_in_hands(before: Found, found: Found) -> Iterator[str]:
    """What people hold that is not what stands any more, nor known as what stood."""
    now = {one.id: one.certificate for one in found.completions}
    for one in before.completions:
        held, stands = one.certificate, now[one.id]
        if held is None:
            continue
        if stands is None or stands.number != held.number:
            yield f"{one.id} was {held.number}, now {stands}"
        elif stands.revision == held.revision:
            same = (held.code, held.issued_at, held.sha256) == (stands.code, stands.issued_at, stands.sha256)
            if not same and not (stands.revoked and held.sha256 is None):
                yield f"{one.id}, revision {held.revision}: {held}, now {stands}"
        elif stands.revision < held.revision or held.code not in stands.earlier_codes:
            yield f"{one.id} was {held.revision} {held.code}, now {stands}"


def told_twice(found: Found) -> dict[str, int]:
    """Certificates of which a revision was announced, or taken back, by more than one letter."""
    of = {one.id: (one.certificate_id, one.template, one.revision) for one in found.letters}
    told = Counter(of[id] for id in found.caught if id in of)
    return {str(key): times for key, times in told.items() if times > 1}


@pytest.mark.parametrize("service", ["enrollment", "incentive", "notification"])
async def test_a_restored_service_ends_where_it_would_have_been(system: System, service: str) -> None:
    if not system.kompeten.children:
        await system.started()
    await system.flow(EACH)
    kept = backup(system, service)
    await system.flow(EACH)
    before = await system.settled()
    system.child(service).kill()
    put_back(system, service, kept)
    await system.flow(EACH)
    epoch = int(system.kompeten.env[service].get("KOMPETEN_EPOCH", "0")) + 1
    system.kompeten.env[service]["KOMPETEN_EPOCH"] = str(epoch)
    system.launch(service)
    await system.flow(EACH)
    await system.ready()
    found = await system.settled()

    assert list(changed_in_hands(before, found)) == []
    numbers = {id: those for id, those in (await numbers_told(system)).items() if len(those) > 1}
    assert numbers == {}, "certificates that were told two numbers"
    assert {id: times for id, times in found.caught.items() if times > 1} == {}, "mails that came twice"
    assert told_twice(found) == {}
