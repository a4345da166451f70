"""The reaction to a service's own command to look at the next page of waiting records."""

from typing import Any

from shared.contracts.payload import Payload
from shared.contracts.pipeline import ReleaseWaiting
from shared.pipeline.attempt import waiting_for
from shared.pipeline.documents import Keys, State
from shared.pipeline.outcome import Outcome, Verdict
from shared.pipeline.reactions import Reaction, react
from shared.pipeline.records import Received


def release_keys(event: Received[ReleaseWaiting], state: State, terms: object) -> Keys:
    yield from waiting_for(event.data.lacks)


def release(event: Received[ReleaseWaiting], state: State, terms: object) -> Outcome:
    return Outcome(Verdict.ACCEPTED, subject=event.data.lacks, appeared=[event.data.lacks])


RELEASE_WAITING: dict[type[Payload], Reaction[Any]] = {ReleaseWaiting: react(release_keys, release)}
