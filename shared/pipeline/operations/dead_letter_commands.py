"""Handlers that every service has: to its own commands about records that wait, and about dead letters.

All of them go through the log like everything else, so that two operators at once, a repetition and a crash
end in one place; who asked and why stays in the decision and in the dead letter.
"""

import hashlib
from typing import Any

import msgspec

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import STRUCTURED, Undecodable, decode, id_in, peek, subject_of
from shared.contracts.payload import Payload
from shared.contracts.pipeline import DiscardDeadLetter, GiveUpWaiting, ReleaseWaiting, ReplayDeadLetter
from shared.pipeline.channels import is_known
from shared.pipeline.documents import LOAD, Doc, Docs, Lock, Needs, State
from shared.pipeline.handlers import Handler, Recalculated, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Redecide, Verdict
from shared.pipeline.pipeline_collections import (
    DEAD_LETTER_CHUNKS,
    DEAD_LETTERS,
    DISCARDED,
    OPEN,
    REPLAYED,
    WAITING,
    DeadLetter,
    Resolution,
)
from shared.pipeline.records import Received, Record
from shared.pipeline.waiting import WAITING_PAGE, waiting_for

LEFT_OUT = (
    "Its bytes were not kept, since too many of its topic were refused that day: have its sender send it again, or have "
    "the partition decided again from its offset on."
)
_TYPES = {payload.TYPE: payload for payload in EVENT_TYPES}


# Records that wait.


def waiting_needs(
    event: Received[ReleaseWaiting] | Received[GiveUpWaiting], state: State, terms: object
) -> Needs:
    yield from waiting_for(event.data.lacks)


def release(event: Received[ReleaseWaiting], state: State, terms: object) -> Outcome:
    return Outcome(
        Verdict.ACCEPTED,
        subject=event.data.lacks,
        unblocks=[event.data.lacks],
        answer=_asked(event.data.operator, event.data.reason),
    )


def give_up(event: Received[GiveUpWaiting], state: State, terms: object) -> Outcome:
    """Each is decided a last time. A full page is followed by a command to oneself."""
    data = event.data
    page = state.all(WAITING, "lacks", data.lacks)
    over = [
        record
        for record in page
        if record.since <= data.before and data.event_type in (None, record.event_type)
    ]
    last = f"given up after waiting: {data.reason}"
    redecide = [Redecide(record.record(), waited=record, last=last) for record in over]
    facts = []
    if len(page) >= WAITING_PAGE and over:
        facts = [OutgoingEvent(data, "waiting/" + data.lacks, event.at.offset, data.lacks)]
    return Outcome(
        Verdict.ACCEPTED,
        subject=data.lacks,
        facts=facts,
        redecide=redecide,
        answer=_asked(data.operator, data.reason),
    )


def _asked(operator: str | None, reason: str | None) -> dict[str, str | int | bool | None]:
    return {} if operator is None else {"operator": operator, "why": reason}


# Dead letters.


def dead_letter_needs(
    event: Received[ReplayDeadLetter] | Received[DiscardDeadLetter], state: State, terms: object
) -> Needs:
    id = event.data.dead_letter
    yield Lock("dead-letter/" + id)
    yield Doc(DEAD_LETTERS, id)
    yield LOAD
    letter = state.get(DEAD_LETTERS, id)
    if letter is not None and is_split(letter) and event.type == ReplayDeadLetter.TYPE:
        yield Docs(DEAD_LETTER_CHUNKS, "dead_letter", id)


def replay(event: Received[ReplayDeadLetter], state: State, terms: object) -> Outcome:
    """Its record is decided again, as a redelivery of its own; what fails again is a dead letter of its own."""
    data = event.data
    letter = state.get(DEAD_LETTERS, data.dead_letter)
    if (answer := _settled(letter, data.dead_letter, event)) is not None:
        return answer
    assert letter is not None
    if letter.left_out_bytes:
        return _refused(letter.id, "refused", LEFT_OUT)
    chunks = state.all(DEAD_LETTER_CHUNKS, "dead_letter", letter.id) if is_split(letter) else []
    record = letter.record(chunks)
    if data.event is not None:
        if (fault := fault_of_edit(record, data.event)) is not None:
            return _refused(data.dead_letter, "edit-refused", fault)
        record = edited(record, data.event)
    editor = "" if data.event is None else data.operator
    return _resolved(letter, REPLAYED, event, data.event, [Redecide(record, letter=letter, edited_by=editor)])


def discard(event: Received[DiscardDeadLetter], state: State, terms: object) -> Outcome:
    """It stays, with who discarded it and why."""
    data = event.data
    letter = state.get(DEAD_LETTERS, data.dead_letter)
    if (answer := _settled(letter, data.dead_letter, event)) is not None:
        return answer
    assert letter is not None
    done = _resolved(letter, DISCARDED, event)
    # The verdict is on the command: whoever reads the answer asks what became of the letter.
    return msgspec.structs.replace(done, answer={**done.answer, "outcome": DISCARDED})


def is_split(letter: DeadLetter) -> bool:
    """Whether parts of it are in documents of their own."""
    return bool(letter.chunks or letter.head_chunks)


def edited(record: Record, event: str) -> Record:
    """The record with the mended event in place of what came."""
    return msgspec.structs.replace(
        record, value=event.encode(), headers=(("content-type", STRUCTURED.encode()),)
    )


def fault_of_edit(record: Record, event: str) -> str | None:
    """Why a mended event can't stand for the record; None if it can."""
    value = event.encode("utf-8", "replace")
    headers = [("content-type", STRUCTURED.encode())]
    try:
        event_type, document = peek(value, headers)
        if (payload := _TYPES.get(event_type)) is None:
            return "its type is unknown: docs/reference/events.md lists those that exist"
        decode(value, headers, document, payload)
    except Undecodable as error:
        return str(error)
    before = id_in(record.value, record.headers)
    if before and id_in(value, headers) != before:
        return "the event's id must stay as it was: its sender asks for it"
    # Else an edit would make any event out of any other, in the name of whoever sent that one.
    type_before, subject_before = _said_before(record)
    if is_known(type_before) and event_type != type_before:
        return "the event's type must stay as it was: only who may send another one sends it"
    if subject_before is not None and subject_of(value, headers) != subject_before:
        return "the event's subject must stay as it was: discard this one, and have its sender send another"
    return None


def _said_before(record: Record) -> tuple[str, str | None]:
    """Type and subject, as far as they can be read."""
    try:
        type_before, _ = peek(record.value, record.headers)
    except Undecodable:
        type_before = ""
    return type_before, subject_of(record.value, record.headers)


def _settled(
    letter: DeadLetter | None, id: str, event: Received[ReplayDeadLetter] | Received[DiscardDeadLetter]
) -> Outcome | None:
    """The answer when there is nothing to be done any more."""
    if letter is None:
        return _refused(id, "not-found", "There is no dead letter of this id: list them first.")
    if letter.state == OPEN:
        return None
    resolution, data = letter.resolution, event.data
    assert resolution is not None
    edit = data.event if isinstance(data, ReplayDeadLetter) else None
    if resolution.command == event.id and (resolution.operator, resolution.reason, resolution.edited) != (
        data.operator,
        data.reason,
        edit,
    ):
        return _refused(id, "idempotency-key-reused", "this command was given before with another content")
    return Outcome(
        Verdict.DUPLICATE,
        f"it was {letter.state} already, on {resolution.at:%Y-%m-%d %H:%M} UTC",
        subject=id,
        content=_content(event),
        answer={"dead_letter": id, "state": letter.state},
    )


def _content(event: Received[ReplayDeadLetter] | Received[DiscardDeadLetter]) -> bytes:
    """Of the request without the mended event, which may name a person: a plain hash of that could be guessed."""
    data = event.data
    parts = (event.type, data.dead_letter, data.operator, data.reason)
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).digest()


def _refused(id: str, problem: str, reason: str) -> Outcome:
    return Outcome(Verdict.REFUSED, reason, subject=id, answer={"problem": problem})


def _resolved(
    letter: DeadLetter,
    state: str,
    event: Received[ReplayDeadLetter] | Received[DiscardDeadLetter],
    edit: str | None = None,
    redecide: list[Redecide] | None = None,
) -> Outcome:
    data = event.data
    resolution = Resolution(event.id, data.operator, data.reason, event.now, edit)
    return Outcome(
        Verdict.ACCEPTED,
        subject=letter.id,
        content=_content(event),
        changes=[Put(DEAD_LETTERS, msgspec.structs.replace(letter, state=state, resolution=resolution))],
        redecide=redecide or [],
        answer={"dead_letter": letter.id, "state": state, **_asked(data.operator, data.reason)},
    )


DEAD_LETTER_COMMANDS: dict[type[Payload], Handler[Any]] = {
    ReleaseWaiting: handler(waiting_needs, release, recalculated=Recalculated.NOTHING),
    GiveUpWaiting: handler(waiting_needs, give_up, recalculated=Recalculated.NOTHING),
    ReplayDeadLetter: handler(dead_letter_needs, replay, recalculated=Recalculated.NOTHING),
    DiscardDeadLetter: handler(dead_letter_needs, discard, recalculated=Recalculated.NOTHING),
}
