"""A service whose database is lost and put back from a backup, while the two others go on."""

import asyncio
import json
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from cli.answers import Held
from cli.comparison import Finding, findings, merged
from services.enrollment.reconciliation.snapshot import snapshot as enrollment_snapshot
from services.incentive.reconciliation.snapshot import snapshot as incentive_snapshot
from services.notification.reconciliation.snapshot import snapshot as notification_snapshot
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import DECISIONS
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.reconciliation.routes import Snapshot, Some
from tests.chaos.backups import Backup, backup, put_back
from tests.chaos.ledger import Found
from tests.chaos.stories import KINDS, Stories
from tests.chaos.system import System, until

pytestmark = pytest.mark.chaos

EACH: Final = 40
"""Completions before the backup, after it, while the service is away, and after it is back."""

LEDGERS: Final[dict[str, Snapshot]] = {
    "enrollment": enrollment_snapshot,
    "incentive": incentive_snapshot,
    "notification": notification_snapshot,
}

KEPT: Final[dict[str, Backup]] = {}
"""By service; of epoch 0."""


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
    """Completions that were told of, or of whose certificate a revision was announced or taken back, by more than one
    letter."""
    of = {one.id: (one.completion_id, one.template, one.revision) for one in found.letters}
    told = Counter(of[id] for id in found.caught if id in of)
    return {str(key): times for key, times in told.items() if times > 1}


def traces(system: System, service: str) -> dict[str, int]:
    """How much the service has decided, and how many mails went out."""
    decided = system.database(service)[DECISIONS.name].count_documents({})
    return {"decided": decided, "mails": sum(system.caught().values())}


async def missed(system: System) -> list[Finding]:
    """What `kompeten reconcile` would say, once all is read: the services' ledgers, compared as it does."""
    looked: dict[str, list[Held]] = {}
    for service, ledger in LEDGERS.items():
        async with store_of(system, service) as store:
            entries = await ledger(store, Some(limit=1_000_000))
            looked[service] = [Held.model_validate(one.model_dump()) for one in entries]
    return [found for id, comparison in merged(looked) for found in findings(id, comparison)]


async def nothing_is_missed(system: System) -> None:
    deadline = time.monotonic() + 60
    while found := await missed(system):
        assert time.monotonic() < deadline, found[:10]
        await asyncio.sleep(0.5)


async def refused(system: System, service: str) -> None:
    """Without a new epoch a restored service says what to do, and neither decides nor sends anything."""
    before = traces(system, service)
    system.launch(service)
    await until(
        lambda: any("KOMPETEN_EPOCH=" in fault for fault in system.faults_of(service) or ()),
        lambda: f"{system.faults_of(service)}\n{system.child(service).tail()}",
        60,
    )
    await asyncio.sleep(1)
    assert traces(system, service)["decided"] == before["decided"]
    if service == "notification":
        assert traces(system, service) == before
    assert await system.stopped(service) == 0


@pytest.mark.parametrize("service", ["enrollment", "incentive", "notification"])
async def test_a_restored_service_ends_where_it_would_have_been(system: System, service: str) -> None:
    if not system.kompeten.children:
        await system.started()
    stories = Stories(system)
    stories.begin(len(KINDS))
    await system.flow(EACH)
    kept = KEPT[service] = backup(system, service)
    await system.flow(EACH)
    assert await stories.ended() == []
    before = await system.settled()
    assert await system.stopped(service) == 0
    put_back(system, service, kept)
    system.expire_leases(service)
    stories.begin(len(KINDS))
    await system.flow(EACH)
    await refused(system, service)
    system.kompeten.env[service]["KOMPETEN_EPOCH"] = "1"
    system.launch(service, "restore-adopted")
    assert await system.died(service) == -signal.SIGKILL
    system.launch(service)
    await system.flow(EACH)
    await system.ready()
    assert await stories.ended() == []
    found = await system.settled()
    assert list(changed_in_hands(before, found)) == []
    numbers = {id: those for id, those in (await numbers_told(system)).items() if len(those) > 1}
    assert numbers == {}, "certificates that were told two numbers"
    assert {id: times for id, times in found.caught.items() if times > 1} == {}, "mails that came twice"
    assert told_twice(found) == {}
    await nothing_is_missed(system)


async def test_an_epoch_that_is_over_is_refused(system: System) -> None:
    """The setting was raised for a restore and then lost: the same ids would come out with other contents."""
    assert await system.stopped("incentive") == 0
    assert system.kompeten.env["incentive"].pop("KOMPETEN_EPOCH") == "1"
    system.launch("incentive")
    await until(
        lambda: any("set it to 1" in fault for fault in system.faults_of("incentive") or ()),
        lambda: f"{system.faults_of('incentive')}",
        60,
    )
    assert await system.stopped("incentive") == 0
    system.kompeten.env["incentive"]["KOMPETEN_EPOCH"] = "1"


async def test_an_epoch_begins_once(system: System) -> None:
    """Restored again from a backup of before the first restore, with the setting as that one had left it."""
    put_back(system, "incentive", KEPT["incentive"])
    system.launch("incentive")
    await until(
        lambda: any("KOMPETEN_EPOCH=2" in fault for fault in system.faults_of("incentive") or ()),
        lambda: f"{system.faults_of('incentive')}",
        60,
    )
    assert await system.stopped("incentive") == 0
    system.kompeten.env["incentive"]["KOMPETEN_EPOCH"] = "2"
    await system.started("incentive")
    await system.settled()


async def test_a_database_that_goes_back_under_a_running_service_is_noticed(system: System) -> None:
    """Nobody stopped it. What was put back says nothing of this epoch, so the next one has to begin."""
    database, kept = system.database("incentive"), KEPT["incentive"]
    for name, documents in kept.items():
        database[name].delete_many({"_id": {"$nin": [one["_id"] for one in documents]}})
        for one in documents:
            database[name].replace_one({"_id": one["_id"]}, one, upsert=True)
    await until(
        lambda: any("KOMPETEN_EPOCH=3" in fault for fault in system.faults_of("incentive") or ()),
        lambda: f"{system.faults_of('incentive')}",
        60,
    )
    assert await system.stopped("incentive") == 0
    system.kompeten.env["incentive"]["KOMPETEN_EPOCH"] = "3"
    await system.started("incentive")
    await system.settled()
    assert await system.stopped("incentive") == 0


async def test_a_replay_is_no_restore(system: System) -> None:
    """An operator sets positions back while the service is stopped: Kafka's copy stands further, and all is well."""
    position = position_id("incentive", (system.kompeten.topic_prefix + ENROLLMENT_EVENTS, 0))
    async with store_of(system, "incentive") as store:
        before = await store.position(position, 0)
        assert before.next > 50
        await store.set_back(position, before.next - 50)  # of these some are types that it reacts to
    await system.started("incentive")
    await until(
        lambda: (
            system.database("incentive")[DECISIONS.name].count_documents({"_id": {"$regex": "/1000000$"}})
            >= 1
        ),
        lambda: f"{system.faults_of('incentive')}",
        60,
    )
    await system.settled()


async def test_where_all_three_are_restored_at_once_nothing_is_missing(system: System) -> None:
    """Each from a moment of its own; pairs, and any moments, are drawn in tests/property/test_reconciliation.py."""
    kept: dict[str, Backup] = {}
    for service in LEDGERS:
        kept[service] = backup(system, service)
        await system.flow(EACH)
    await system.settled()
    for service in LEDGERS:
        assert await system.stopped(service) == 0
        put_back(system, service, kept[service])
        system.expire_leases(service)
        env = system.kompeten.env[service]
        env["KOMPETEN_EPOCH"] = str(int(env["KOMPETEN_EPOCH"]) + 1)
    await system.started()
    await system.settled()
    await nothing_is_missed(system)


@asynccontextmanager
async def store_of(system: System, service: str) -> AsyncIterator[MongoStore]:
    client = connect(system.stack.mongo)
    try:
        yield MongoStore(client, system.kompeten.database(service))
    finally:
        client.close()
