"""What notification has of each completion, in order of id: for `kompeten reconcile`."""

from collections.abc import Sequence, Set
from itertools import groupby
from typing import Any, Final

from services.notification.letters.documents import LETTERS, MAIL_NOTES, MAILS, RELEASED, STANDS
from services.notification.reconciliation.completeness import MAIL
from shared.pipeline.documents import Collection, Document
from shared.pipeline.storage.mongo import MongoStore
from shared.reconciliation.routes import Entry, Some

MAILS_OR_NOTES: Final[tuple[Collection[Document], ...]] = (MAILS, MAIL_NOTES)
"""Of a mail that is noted it is known that it went."""


async def snapshot(store: MongoStore, some: Some) -> list[Entry]:
    limit = some.limit + 1 if some.ids is None else 0
    letters = await _letters(store, some, limit)
    by_completion = [(id, list(own)) for id, own in groupby(letters, lambda one: str(one["completion_id"]))]
    if limit and len(letters) == limit:
        if len(by_completion) > 1:
            by_completion.pop()  # it may have more letters, which the next page has
        else:
            by_completion = [(by_completion[0][0], await _letters(store, Some(ids=[by_completion[0][0]]), 0))]
    released = [letter["_id"] for letter in letters if letter["state"] == RELEASED]
    there: set[str] = set()
    for collection in MAILS_OR_NOTES:
        missing = {"_id": {"$in": [id for id in released if id not in there]}}
        there |= {
            document["_id"]
            for document in await store.aggregate(collection, [{"$match": missing}, {"$project": {"_id": 1}}])
        }
    return [entry_of(id, own, there) for id, own in by_completion]


async def _letters(store: MongoStore, some: Some, limit: int) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = [
        {"$match": some.of("completion_id")},
        {"$sort": {"completion_id": 1}},
        *([{"$limit": limit}] if limit else []),
        {
            "$project": {
                "completion_id": 1,
                "completion_version": 1,
                "told_again": 1,
                "template": 1,
                "state": 1,
            }
        },
    ]
    return await store.aggregate(LETTERS, stages)


def entry_of(id: str, letters: Sequence[dict[str, Any]], mails: Set[str]) -> Entry:
    """`letters`: of one completion, as they are stored; `mails`: ids of those whose mail is there or noted."""
    newest = max((letter for letter in letters if letter["template"] in STANDS), key=_version, default=None)
    gone = [letter for letter in letters if letter["state"] == RELEASED and letter["_id"] not in mails]
    return Entry(
        completion_id=id,
        version=0 if newest is None else _version(newest),
        standing=newest is not None and STANDS[newest["template"]],
        lacks=[MAIL] * bool(gone),
    )


def _version(letter: dict[str, Any]) -> int:
    """As `Letter.newest_version`."""
    return max(int(letter["completion_version"]), int(letter.get("told_again", 0)))
