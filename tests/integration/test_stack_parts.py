"""What the shared stack promises: a broker with our settings, transactions, tokens that verify."""

import uuid

import httpx
import jwt
import pymongo
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from devstack import Stack
from shared.kafka.topics import TopicsDiffer, create_topics


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("size_bytes", [3, 15_000_000])
async def test_a_record_comes_back_from_kafka(stack: Stack, size_bytes: int) -> None:
    topic = fresh("round-trip")
    await create_topics(stack.kafka, [(topic, 1, {})])
    sent = b"x" * size_bytes
    limit = {"max_request_size": 20_000_000, "acks": "all", "enable_idempotence": True}
    async with AIOKafkaProducer(**stack.kafka.options(), **limit) as producer:
        await producer.send_and_wait(topic, sent)
    consumer = AIOKafkaConsumer(topic, **stack.kafka.options(), auto_offset_reset="earliest")
    async with consumer:
        received = await consumer.getone()
    assert received.value == sent


async def test_producing_to_an_undeclared_topic_makes_no_topic(stack: Stack) -> None:
    topic = fresh("typing-error")
    async with AIOKafkaProducer(**stack.kafka.options(), request_timeout_ms=2000) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait(topic, b"x")
    admin = AIOKafkaAdminClient(**stack.kafka.options())
    await admin.start()
    assert topic not in await admin.list_topics()
    await admin.close()


async def test_topics_are_created_once_with_their_settings(stack: Stack) -> None:
    declared = [(fresh("a"), 4, {"message.timestamp.type": "LogAppendTime"}), (fresh("b"), 1, {})]
    assert await create_topics(stack.kafka, declared) == [declared[0][0], declared[1][0]]
    assert await create_topics(stack.kafka, declared) == []


async def test_a_dry_run_makes_no_topic_and_tells_what_would_be_refused(stack: Stack) -> None:
    topic = fresh("dry")
    for _ in range(2):
        assert await create_topics(stack.kafka, [(topic, 1, {})], dry_run=True) == [topic]
    with pytest.raises(TopicsDiffer, match=f"topic {topic} could not be created: .*no.such.setting"):
        await create_topics(stack.kafka, [(topic, 1, {"no.such.setting": "1"})], dry_run=True)


async def test_another_number_of_partitions_is_refused(stack: Stack) -> None:
    topic = fresh("fixed")
    await create_topics(stack.kafka, [(topic, 4, {})])
    with pytest.raises(TopicsDiffer, match=f"{topic} has 4, declared are 5"):
        await create_topics(stack.kafka, [(topic, 5, {})])


async def test_a_setting_that_kafka_does_not_know_is_named(stack: Stack) -> None:
    topic = fresh("odd")
    with pytest.raises(TopicsDiffer, match=f"topic {topic} could not be created: .*no.such.setting"):
        await create_topics(stack.kafka, [(topic, 1, {"no.such.setting": "1"})])


def test_mongodb_commits_and_rolls_back(stack: Stack) -> None:
    with pymongo.MongoClient[dict[str, int]](stack.mongo) as client:
        facts = client[fresh("db")]["facts"]
        with client.start_session() as session, session.start_transaction():
            facts.insert_one({"_id": 1}, session=session)
        with client.start_session() as session:
            session.start_transaction()
            facts.insert_one({"_id": 2}, session=session)
            session.abort_transaction()
        assert [fact["_id"] for fact in facts.find()] == [1]
        client.drop_database(facts.database)


def test_a_token_verifies_against_the_discovered_keys(stack: Stack) -> None:
    found = httpx.get(f"{stack.issuer}/.well-known/openid-configuration").json()
    wish = {"role": "learner", "employee_number": "X-1", "opd": "opd-a"}
    token = httpx.post(found["token_endpoint"], json=wish).raise_for_status().json()["access_token"]
    key = jwt.PyJWKClient(found["jwks_uri"]).get_signing_key_from_jwt(token)
    said = jwt.decode(token, key, algorithms=["RS256"], audience="kompeten", issuer=stack.issuer)
    assert said | {"iat": 0, "exp": 0} == {
        "iss": stack.issuer,
        "aud": "kompeten",
        "sub": "local-learner",
        "iat": 0,
        "exp": 0,
        "roles": ["learner"],
        "employee_number": "X-1",
        "opd": "opd-a",
    }


def test_a_wish_with_a_spelling_mistake_is_refused(stack: Stack) -> None:
    answer = httpx.post(f"{stack.issuer}/token", json={"role": "learner", "employe_number": "X-1"})
    assert answer.status_code == 422
