"""Records about somebody that were not accepted: what waits, and what is a dead letter.

They are kept as they came, and no index leads from a person to them: they are looked through, up to a bound, and how
many were not is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.enrollment.completions.documents import Completion
from services.enrollment.persons.documents import Employee
from shared.pipeline.documents import Collection
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, OPEN, PACKED, WAITING, Decision
from shared.pipeline.storage.mongo import MongoStore

MAX_LOOKED_INTO: Final = 5_000
"""Of what waits, the first in order of the log; of dead letters, the latest."""
PAGE: Final = 500
MAX_BYTES: Final = 64 * 1024
"""Of a record that is looked into, so that a page stays small; a usual event has 500."""


class Undecided(NamedTuple):
    decisions: list[Decision]
    """The last one of each record."""
    unlooked: int
    """Records that wait or are dead letters and were not looked into: too many, too large, or not kept."""


NONE: Final = Undecided([], 0)


Marks = frozenset[tuple[bytes, ...]]
"""What records about something have in them: all texts of one of these."""


def marks_of_person(number: str, person: Employee | None) -> Marks:
    """One of the person's numbers, or its id in a command."""
    known = set[str]() if person is None else {person.id, *person.files, *person.numbers}
    return frozenset((name.encode(),) for name in {number, *known})


def marks_of_completions(completions: Sequence[Completion]) -> Marks:
    """Its id, in a command; in an agency's event a number and the training's code, as they were reported before."""
    reported = {
        (content.number.encode(), content.facts.code.encode())
        for completion in completions
        for content in completion.contents
        if content.number
    }
    return frozenset({(completion.id.encode(),) for completion in completions} | reported)


async def undecided(store: MongoStore, marks: Marks) -> Undecided:
    waiting, unlooked = await _having(store, WAITING, {}, {"_id": 1}, marks)
    latest = {"state": 1, "last_failed_at": -1}
    dead, unlooked_dead = await _having(store, DEAD_LETTERS, {"state": OPEN}, latest, marks)
    ids = [
        f"{record['topic']}/{record['partition']}/{record['offset']}/{record['turn']}" for record in waiting
    ]
    ids += [letter["_id"] for letter in dead]
    return Undecided(await store.select(DECISIONS, {"_id": {"$in": ids}}), unlooked + unlooked_dead)


async def _having(
    store: MongoStore,
    collection: Collection[Any],
    filter: Mapping[str, object],
    order: Mapping[str, int],
    marks: Marks,
) -> tuple[list[dict[str, Any]], int]:
    """Those that have one of the marks, and how many were not looked into."""
    # Of others the value is elsewhere, was not kept, or is a compressed batch.
    readable = {
        "value": {"$ne": None},
        "kind": {"$ne": PACKED},
        "$expr": {"$lte": [{"$binarySize": {"$ifNull": ["$value", ""]}}, MAX_BYTES]},
    }
    fields = {"value": 1, "topic": 1, "partition": 1, "offset": 1, "turn": 1}
    total = await store.count(collection, filter)
    found: list[dict[str, Any]] = []
    looked = 0
    for start in range(0, min(total, MAX_LOOKED_INTO), PAGE):
        page = await store.aggregate(collection, [
            {"$match": dict(filter)}, {"$sort": dict(order)}, {"$skip": start}, {"$limit": PAGE},
            {"$match": readable}, {"$project": fields},
        ])  # fmt: skip
        looked += len(page)
        found += [
            document
            for document in page
            if any(all(text in document["value"] for text in mark) for mark in marks)
        ]
    return found, max(0, total - looked)
