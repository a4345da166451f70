"""A letter that collects is let go when its time is over, by what the consumer has read."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from services.notification.letters.documents import COLLECTING, LETTERS
from services.notification.letters.timers import LetterTimers
from shared.contracts.notification import ReleaseLetter
from shared.contracts.payload import Payload
from shared.pipeline.storage.mongo import MongoStore
from tests.integration.mailing import insert, mail


class Log:
    def __init__(self) -> None:
        self.released: list[str] = []

    async def submit(self, payload: Payload, **_: object) -> None:
        assert isinstance(payload, ReleaseLetter)
        self.released.append(payload.letter_id)


async def released(store: MongoStore, behind_s: Callable[[], float]) -> list[str]:
    log = Log()
    await LetterTimers(store, log, behind_s).step()  # type: ignore[arg-type]
    return sorted(log.released)


async def test_points_that_may_stand_unread_in_the_log_are_waited_for(mail_store: MongoStore) -> None:
    """On a busy day the log is never read to its last record: letters go out all the same."""
    now = datetime.now(UTC)
    due = [now - timedelta(seconds=n) for n in (-60, 5, 50)]
    letters = [replace(mail(n).letter, state=COLLECTING, due=at) for n, at in enumerate(due)]
    await insert(mail_store, LETTERS, *letters, replace(mail(9).letter, state="released", due=now))
    ids = [one.id for one in letters]
    assert await released(mail_store, lambda: math.inf) == []
    assert await released(mail_store, lambda: 20.0) == [ids[2]]
    assert await released(mail_store, lambda: 0.5) == [ids[1], ids[2]]
