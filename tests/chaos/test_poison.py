"""What no service can digest, through the real broker: it becomes a dead letter and harms nobody else."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from devstack import Stack
from shared.contracts.cloudevents import STRUCTURED
from tests import factories
from tests.chaos.members import Place, place_of
from tests.chaos.system import producer
from tests.chaos.traffic import AGENCIES, Message, garbled

MB = 1024 * 1024
CONTENT_TYPE = (("content-type", STRUCTURED.encode()),)
RECORDED_WITHIN_S = 30.0


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    """The first agency's topic lets 20 MB through."""
    async with place_of(stack, AGENCIES[1:]) as made:
        await made.create(made.agency(), **{"max.message.bytes": str(20 * MB)})
        yield made


def good(place: Place, n: int, agency: str = AGENCIES[0]) -> Message:
    record = factories.as_record(
        factories.registered(f"19800101200001{1 + n % 2}{n:03}", name=f"Pegawai {n}"), id=f"good-{n}"
    )
    assert record.value is not None
    return Message(place.agency(agency), 0, None, record.value, record.headers)


def completion(place: Place) -> Message:
    record = factories.as_record(factories.completed(form="course", programme_jp=Decimal(20)), id="poison")
    assert record.value is not None
    return Message(place.agency(), 0, None, record.value, record.headers)


def raw(
    place: Place, value: bytes | None, key: bytes | None = None, content_type: bytes | None = None
) -> Message:
    headers = CONTENT_TYPE if content_type is None else (("content-type", content_type),)
    return Message(place.agency(), 0, key, value, headers)  # type: ignore[arg-type]


def poisons(place: Place) -> dict[str, Message]:
    whole = completion(place)
    training = factories.completed(form="course", programme_jp=Decimal(20)).training.model_dump(mode="json")
    title = b"Pelayanan"
    return {
        "empty": raw(place, b""),
        "no value": raw(place, None, key=b"tombstone"),
        "2 MB": garbled(whole, employee_number="1" * (2 * MB)),
        "invalid UTF-8": raw(place, whole.value.replace(title, b"Pelayana\xe9")),
        "lone surrogate, escaped": raw(place, whole.value.replace(title, b"Pelayan\\ud800")),
        "lone surrogate, as bytes": raw(place, whole.value.replace(title, b"Pelayan\xed\xa0\x80")),
        "NUL in a name": raw(place, whole.value.replace(b'"data":', b'"x\\u0000y": 1, "data":')),
        "NUL in a text": raw(place, whole.value.replace(title, b"Pelayan\\u0000")),
        "NUL in the record's key": raw(place, b"{}", key=b"\x00key\xff"),
        "2**63 JP": garbled(whole, training={**training, "programme_jp": 2**63}),
        "a date that is none": garbled(whole, completed_on="2025-02-30"),
        "wrong content type": raw(place, whole.value, content_type=b"text/plain"),
        "no JSON": raw(place, b"\x00\x01\x02 not JSON"),
        "deep": raw(place, b"[" * 100_000),
    }


async def test_poison_anywhere_in_a_batch_is_kept_as_it_came_and_harms_nobody(place: Place) -> None:
    """Each first, amid and last between good ones; all wait in the log, so that batches are large."""
    topic, sent = place.agency(), list[tuple[str, Message]]()
    for name, poison in poisons(place).items():
        one, other = good(place, len(sent)), good(place, len(sent) + 1)
        sent += [(name, poison), ("", one), (name, poison), ("", other), (name, poison)]
    await place.send([message for _, message in sent], max_request_size=20 * MB)
    async with place.member() as member:
        verdicts = await place.decided(topic, len(sent), 120)
        assert not member.faults()
    letters = await place.dead_letters(topic)
    for offset, (name, message) in enumerate(sent):
        if not name:
            assert verdicts[offset] == "accepted", offset
            continue
        assert verdicts[offset] == "refused", (name, offset)
        letter, value = letters[offset]
        assert (value, letter.key) == (message.value, message.key), name
        assert letter.headers == list(message.headers), name
        assert (letter.kind, letter.reason != "") == ("rejected", True), (name, letter.reason)
        assert "199" not in letter.reason, "it repeats nothing of the event"
    assert len(letters) == sum(name != "" for name, _ in sent)


async def test_17_mb_are_kept_in_parts_and_the_rest_goes_on(place: Place) -> None:
    """More than one document of the database holds, and more than a fetch asks for."""
    topic = place.agency()
    huge = garbled(completion(place), employee_number="1" * (17 * MB))
    sent = [huge, good(place, 1), huge, good(place, 2), huge]
    await place.send(sent, max_request_size=20 * MB)
    await place.send([good(place, 3, AGENCIES[1])])
    async with place.member() as member:
        verdicts = await place.decided(topic, 5, 120)
        await place.decided(place.agency(AGENCIES[1]), 1)
        assert not member.faults()
    assert verdicts == {0: "refused", 1: "accepted", 2: "refused", 3: "accepted", 4: "refused"}
    for letter, value in (await place.dead_letters(topic)).values():
        assert letter.chunks == 3
        assert value == huge.value


async def test_every_compression_is_read(place: Place) -> None:
    topic = place.agency(AGENCIES[1])
    zstd = place.agency(AGENCIES[0])
    await place.admin.delete_topics([zstd])
    await _gone(place, zstd)
    await place.create(zstd, **{"compression.type": "zstd"})
    kinds = (None, "gzip", "snappy", "lz4", "zstd")
    for at, kind in enumerate(kinds):
        for agency in AGENCIES:
            start = 10 * at + 100 * AGENCIES.index(agency)
            async with producer(place.stack.kafka, compression_type=kind, linger_ms=20) as sender:
                messages = [good(place, n, agency) for n in range(start, start + 10)]
                acknowledged = [
                    await sender.send(one.topic, one.value, None, 0, headers=list(one.headers))
                    for one in messages
                ]
                await asyncio.gather(*acknowledged)
    async with place.member() as member:
        for name in (topic, zstd):
            verdicts = await place.decided(name, 50, RECORDED_WITHIN_S)
            assert set(verdicts.values()) == {"accepted"}
        assert not member.faults()


async def _gone(place: Place, topic: str) -> None:
    async with asyncio.timeout(30):
        while topic in await place.admin.list_topics():
            await asyncio.sleep(0.05)
