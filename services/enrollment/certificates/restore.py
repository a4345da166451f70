"""After a restore: what was told about certificates since the backup, so that it is told the same way again.

A number, once published, is printed and mailed. What is issued again takes the number, the revision and the
moment of issue that it had; so its code and its PDF are the ones that people hold.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import msgspec

from services.enrollment.certificates.documents import (
    PRIOR_ISSUES,
    SEQUENCES,
    NumberSequence,
    PriorIssue,
    PriorRevision,
)
from services.enrollment.terms import Terms
from shared.contracts.cloudevents import Event, Undecodable, decode, peek
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked
from shared.contracts.payload import Payload
from shared.pipeline.handlers import Published
from shared.pipeline.store import Session, Store, Write, in_transaction

_TYPES: dict[str, type[Payload]] = {
    event_type.TYPE: event_type for event_type in (CertificateIssued, CertificateRevoked)
}


class PriorIssues:
    """Adopts pages of enrollment's own events, in any order and any number of times; `finish` once after them."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._places: dict[str, set[int]] = defaultdict(set)
        """By series."""

    async def adopt(self, page: Sequence[Published], store: Store) -> int:
        """How many of them were about certificates."""
        told: dict[str, list[Event]] = defaultdict(list)
        for published in page:
            if (event := self._told(published)) is not None:
                told[cast("CertificateIssued | CertificateRevoked", event.data).completion_id].append(event)

        async def work(session: Session) -> None:
            found = cast("list[PriorIssue]", await session.find(PRIOR_ISSUES, list(told)))
            known: dict[str, PriorIssue] = {issue.id: issue for issue in found}
            given = [with_events(known.get(id), events) for id, events in told.items()]
            await session.write(
                [
                    Write(PRIOR_ISSUES, issue.id, store.encode(issue), new=issue.id not in known)
                    for issue in given
                ]
            )

        if told:
            await in_transaction(store, work)
        for events in told.values():
            for event in events:
                data = cast("CertificateIssued | CertificateRevoked", event.data)
                if data.series is not None and data.place is not None:
                    self._places[data.series].add(data.place)
        return sum(map(len, told.values()))

    async def finish(self, store: Store) -> list[Write]:
        """The sequences as they have to stand before the first decision."""

        async def work(session: Session) -> list[NumberSequence]:
            return cast("list[NumberSequence]", await session.find(SEQUENCES, sorted(self._places)))

        known = {sequence.id: sequence for sequence in await in_transaction(store, work)}
        after = [
            with_places(known.get(id) or NumberSequence(id=id, last=0), places)
            for id, places in self._places.items()
        ]
        return [Write(SEQUENCES, sequence.id, store.encode(sequence), new=False) for sequence in after]

    def _told(self, record: Published) -> Event | None:
        try:
            event_type, document = peek(record.value, record.headers)
            if (payload := _TYPES.get(event_type)) is None or record.value is None:
                return None
            event = decode(record.value, record.headers, document, payload)
        except Undecodable:
            return None  # nobody has read it as a certificate either
        data = cast("CertificateIssued | CertificateRevoked", event.data)
        # Only who has the secret can name the two together.
        ours = data.certificate_id == self._terms.ids.certificate(data.completion_id)
        return event if ours else None


def with_events(known: PriorIssue | None, events: Sequence[Event]) -> PriorIssue:
    """Of one certificate. The same however often and in whatever order they come."""
    for event in events:
        data = cast("CertificateIssued | CertificateRevoked", event.data)
        given = known or PriorIssue(
            id=data.completion_id,
            number=data.certificate_number,
            series=data.series or "",
            ordinal=data.place or 0,
            revision=0,
        )
        issues = given.issues
        if isinstance(data, CertificateIssued) and data.content_digest is not None:
            issue = PriorRevision(
                data.revision, data.content_digest, event.attributes.time or data.download_until
            )
            if all(earlier.revision != issue.revision for earlier in issues):
                issues = sorted([*issues, issue], key=lambda one: one.revision)
        revision = max(given.revision, data.revision)
        known = msgspec.structs.replace(given, issues=issues, revision=revision)
    assert known is not None
    return known


def with_places(numbers: NumberSequence, given: set[int]) -> NumberSequence:
    """Counts on after the highest that was given out. NumberSequence that were decided and never told, since the database
    was lost in between, are free: they go first, so that no gap stays."""
    last = max(numbers.last, *given)
    free = [*numbers.free, *range(numbers.last + 1, last + 1)]
    return msgspec.structs.replace(
        numbers, last=last, free=[number for number in free if number not in given]
    )
