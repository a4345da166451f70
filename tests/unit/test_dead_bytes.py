"""What a topic's senders get wrong is kept with its bytes up to a limit a day; beyond it the log alone has them."""

from datetime import timedelta

import pytest

from shared.contracts.pipeline import ReplayDeadLetter
from shared.contracts.topics import ENROLLMENT_COMMANDS
from shared.pipeline.partitioner import digest
from shared.pipeline.pipeline_collections import DEAD_BYTES, DEAD_LETTERS, DeadLetter
from shared.pipeline.processing import dead_letters as burial
from tests.factories import as_record, completed
from tests.property.harness import AGENCIES, ENROLLMENT, City, Sending
from tests.property.histories import BUDI

TP = ("agency.dinas-a.v1", 0)
JUNK = b"x" * 400


@pytest.fixture
def city(monkeypatch: pytest.MonkeyPatch) -> City:
    monkeypatch.setattr(burial, "MAX_DEAD_BYTES", 2 * len(JUNK))
    return City(services=(ENROLLMENT,))


async def letters(city: City, topic: str = TP[0]) -> list[DeadLetter]:
    await city.recalculate()
    return [one for one in await city.documents("enrollment", DEAD_LETTERS) if one.topic == topic]


async def test_beyond_the_limit_a_letter_says_what_and_where_but_has_no_bytes(city: City) -> None:
    records = [city.append(*TP, b"key", JUNK, (("name", b"value"),)) for _ in range(4)]
    whole, _, third, fourth = await letters(city)
    assert (whole.value, whole.key, whole.left_out_bytes) == (JUNK, b"key", 0)
    for letter, record in ((third, records[2]), (fourth, records[3])):
        assert (letter.value, letter.key, letter.headers) == (None, None, [])
        assert (letter.left_out_bytes, letter.left_out_digest) == (record.size_bytes, digest(record))
        assert (letter.offset, letter.fingerprint) == (record.at.offset, whole.fingerprint)
        assert "are not kept" in letter.reason
    (weight,) = await city.documents("enrollment", DEAD_BYTES)
    assert (weight.kept_bytes, weight.left_out) == (2 * records[0].size_bytes, 2)


async def test_another_topic_and_another_day_have_room_of_their_own(city: City) -> None:
    for _ in range(3):
        city.append(*TP, None, JUNK)
    assert [bool(one.value) for one in await letters(city)] == [True, True, False]
    other = f"agency.{AGENCIES[1]}.v1"
    city.append(other, 0, None, JUNK)
    assert [bool(one.value) for one in await letters(city, other)] == [True]
    city.wait(timedelta(days=1).total_seconds())
    city.append(*TP, None, JUNK)
    assert [bool(one.value) for one in await letters(city)] == [True, True, False, True]


async def test_what_was_not_kept_is_not_replayed_and_says_what_to_do(city: City) -> None:
    for _ in range(3):
        city.append(*TP, None, JUNK)
    *_, left_out = await letters(city)
    replay = ReplayDeadLetter(dead_letter=left_out.id, operator="o", reason="again", event="{}")
    record = as_record(replay, id="replay", topic=ENROLLMENT_COMMANDS)
    city.append(ENROLLMENT_COMMANDS, 0, None, record.value, record.headers)
    await city.recalculate()
    decision = city.members["enrollment"].decided[-1].decisions[-1]
    assert (decision.verdict, decision.answer) == ("refused", {"problem": "refused"})
    assert decision.reason.startswith("Its bytes were not kept")


async def test_what_is_accepted_or_waits_weighs_nothing(city: City) -> None:
    for n in range(5):
        city.send(Sending(completed(BUDI, code=f"C{n}"), f"c{n}"))
    assert await letters(city) == []
    assert await city.documents("enrollment", DEAD_BYTES) == []
