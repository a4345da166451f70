"""Lists miss nothing that was decided, name nothing too early, and cost less than a hundredth of what they list."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.reconciliation.documents import ManifestCursor
from services.enrollment.reconciliation.manifest_publisher import WORTH_A_LIST, progress
from shared.contracts.enrollment import ListCompletions, PartitionList
from shared.contracts.lists import Claim, claims_of, grouped
from shared.contracts.payload import CompletionId
from shared.contracts.topics import ENROLLMENT_COMMANDS, ENROLLMENT_EVENTS, PARTITIONS
from shared.pipeline.partitioner import key_into, partition_of
from shared.pipeline.records import Record
from tests.factories import as_record, completed, registered
from tests.property.harness import ENROLLMENT, MORNING, City, Sending

PLACES = ("enrollment/a/0", "enrollment/b/0", "enrollment/c/0")
MAX_OF_TRAFFIC = 0.01


def at(minute: int) -> datetime:
    return MORNING + timedelta(minutes=minute)


def test_a_list_says_what_was_put_into_it() -> None:
    claims = [
        Claim(CompletionId(f"cmp_{n:032x}"), n % 3, n % 2 == 0, n % 5 > 0, n % 7 or None) for n in range(100)
    ]
    assert sorted(claims_of(grouped(claims))) == sorted(claims)


def test_every_partition_has_a_key_that_leads_there() -> None:
    assert [partition_of(key_into(partition)) for partition in range(PARTITIONS)] == list(range(PARTITIONS))


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.tuples(*(st.integers(0, 40) for _ in PLACES))),
        min_size=1,
        max_size=12,
    )
)
def test_each_record_is_listed_after_it_was_decided_however_its_partition_lags(
    steps: list[tuple[int, tuple[int, ...]]],
) -> None:
    """A record came to each partition in each minute; at each step some are decided, up to a minute of its own."""
    mark, decided, now = ManifestCursor(id="completions", until=at(0)), [0] * len(PLACES), 0
    listed: dict[tuple[int, int], int] = {}
    for pause, reached in [*steps, (1, (1000,) * len(PLACES))]:
        now += pause
        decided = [min(now, max(before, to)) for before, to in zip(decided, reached, strict=True)]
        lagging, spans = progress(mark, at(now), {id: at(to) for id, to in zip(PLACES, decided, strict=True)})
        for place, to in enumerate(decided):
            for minute in range(1, to + 1):
                if any(span.after < at(minute) <= span.until for span in spans):
                    listed[place, minute] = listed.get((place, minute), 0) + 1
        mark = ManifestCursor(id="completions", until=at(now), lagging=lagging)
    assert listed.keys() == {(place, minute) for place in range(len(PLACES)) for minute in range(1, now + 1)}
    # As long as nothing lags, nothing is listed twice.
    if all(min(reached) >= 1000 for _, reached in steps):
        assert set(listed.values()) == {1}


def test_a_new_partition_is_listed_from_where_lists_stand() -> None:
    mark = ManifestCursor(id="completions", until=at(9))
    lagging, spans = progress(mark, at(12), {"enrollment/new/0": at(3)})
    assert lagging == {"enrollment/new/0": at(9)}
    assert [(one.after, one.until) for one in spans] == [(at(9), at(12))]


async def test_lists_cost_less_than_a_hundredth_of_the_traffic() -> None:
    """Of the bytes and of the records, where a list is the smallest that is worth one before its time is over."""
    city = City(services=[ENROLLMENT])
    people = [f"1985010120100{n:05d}" for n in range(11001, 11031)]
    sendings = [Sending(registered(person), f"person-{person}") for person in people]
    sendings += [
        Sending(completed(person, code=code, start_date="2026-01-05", form="seminar"), f"{person}-{code}")
        for person in people
        for code in "ABCDE"
    ]
    await city.deliver(sendings)
    completions = len(await city.documents("enrollment", COMPLETIONS))
    assert completions == len(people) * 5
    # Registrations aside, which belong to no completion, though they are traffic too.
    events = [
        one for one in records_of(city, ENROLLMENT_EVENTS) if b"employee.recorded" not in (one.value or b"")
    ]
    traffic = WORTH_A_LIST / completions

    claims = [Claim(CompletionId(f"cmp_{n:032x}"), 1 + n % 2, n % 50 > 0) for n in range(WORTH_A_LIST)]
    lists = tuple(
        PartitionList(partition=partition, completions=grouped(claims[partition::PARTITIONS]))
        for partition in range(PARTITIONS)
    )
    command = ListCompletions(since=MORNING, until=city.now, lists=lists)
    record = as_record(command, id="list", topic=ENROLLMENT_COMMANDS, time=city.now)
    before = len(records_of(city, ENROLLMENT_EVENTS))
    city.append(ENROLLMENT_COMMANDS, 0, None, record.value, record.headers)
    await city.recalculate()
    made = records_of(city, ENROLLMENT_EVENTS)
    assert len(made) == before + PARTITIONS
    made = [one for one in made if b"completions.listed" in (one.value or b"")]
    of_bytes = size(made) / (size(events) * traffic)
    of_records = len(made) / (len(events) * traffic)
    with_command = (size(made) + size([record])) / (size(whole(city, made, record)) * traffic)
    print(
        f"{size(events) / completions:.0f} bytes a completion; lists: {of_bytes:.2%} of the bytes and "
        f"{of_records:.2%} of the records of enrollment.events; with commands {with_command:.2%} of all"
    )
    assert of_bytes < MAX_OF_TRAFFIC
    assert of_records < MAX_OF_TRAFFIC
    assert with_command < MAX_OF_TRAFFIC


def records_of(city: City, topic: str) -> list[Record]:
    return [record for (name, _), those in city.log.items() if name == topic for record in those]


def whole(city: City, lists: list[Record], command: Record) -> list[Record]:
    """All that enrollment reads and publishes, without the lists."""
    every = [record for those in city.log.values() for record in those]
    return [one for one in every if one not in lists and one.value != command.value]


def size(records: list[Record]) -> int:
    return sum(one.size_bytes for one in records)
