"""What the preflight says of a database, on a real one: before the first start, after it, and where something differs."""

import uuid
from collections.abc import AsyncIterator

import pytest
from pymongo import MongoClient

from devstack import Stack
from services.incentive.settings import IncentiveSettings
from services.preflight import SERVICES, Finding, of_database
from shared.identity.database_key import IDENTITY, hold, no_evidence
from shared.identity.identifiers import Ids
from shared.pipeline.epochs import CURRENT, EPOCHS, Epoch
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.service import ON_PAPER

KEY = str(ON_PAPER["secret"])


@pytest.fixture
async def store(stack: Stack) -> AsyncIterator[MongoStore]:
    store = MongoStore(connect(stack.mongo), f"preflight_{uuid.uuid4().hex[:8]}_incentive")
    yield store
    await store.client.drop_database(store.database)
    store.client.close()


async def said(stack: Stack, store: MongoStore, **settings: object) -> list[Finding]:
    prefix = store.database.name.removesuffix("_incentive")
    given = {**ON_PAPER, "mongo": stack.mongo, "database_prefix": prefix, **settings}
    return [one async for one in of_database(IncentiveSettings(**given))]


async def prepare(store: MongoStore) -> None:
    await store.prepare([*SERVICES[IncentiveSettings], IDENTITY])
    await hold(store, Ids(KEY), no_evidence)


async def test_it_tells_what_the_start_makes_and_makes_nothing(stack: Stack, store: MongoStore) -> None:
    (found,) = await said(stack, store)
    assert found.well
    assert "the start makes collection positions" in found.said
    assert await store.database.list_collection_names() == []
    await prepare(store)
    assert [one.said for one in await said(stack, store)] == ["is as this version needs it"]


async def test_an_index_that_differs_is_named(stack: Stack, store: MongoStore) -> None:
    await prepare(store)
    name, fields = next((one.name, one.indexes[0]) for one in SERVICES[IncentiveSettings] if one.indexes)
    index = [(field, 1) for field in fields]
    with MongoClient(stack.mongo) as client:
        collection = client[store.database.name][name]
        collection.drop_index(index)
        collection.create_index(index, unique=True)
    (found,) = await said(stack, store)
    assert not found.well
    assert f"{name} by {', '.join(fields)} is not as declared: drop it" in found.said


async def test_another_identity_key_and_an_epoch_that_was_lost_are_told(
    stack: Stack, store: MongoStore
) -> None:
    await prepare(store)
    await store.keep([Epoch(id=CURRENT, epoch=2)], EPOCHS)
    wrong = [one.said for one in await said(stack, store, secret="another-one-" * 4) if not one.well]
    assert [sentence.partition(" ")[0] for sentence in wrong] == ["KOMPETEN_SECRET", "it"]
    assert "set KOMPETEN_EPOCH=2" in wrong[1]
    assert "another-one-" not in "".join(wrong)


async def test_a_database_that_is_away_is_a_sentence(stack: Stack, store: MongoStore) -> None:
    away = "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=100"
    (found,) = await said(stack, store, mongo=away)
    assert not found.well
    assert "start mongo" in found.said
