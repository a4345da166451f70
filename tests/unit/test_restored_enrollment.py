"""Enrollment on a database of before, which decides in another order what it had decided and told."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from services.enrollment.certificates.documents import PRIOR_ISSUES, SEQUENCES, Certificate, NumberSequence
from services.enrollment.certificates.restore import PriorIssues, with_places
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.terms import CompletionTerms
from shared.contracts.agency import TrainingCompleted
from shared.contracts.cloudevents import encode
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRevoked,
    CompletionRecorded,
    EmployeeRecorded,
)
from shared.contracts.payload import Payload
from shared.pipeline.epochs import VERSIONS, epoch_of, next_version
from shared.pipeline.handlers import Published
from shared.pipeline.outcome import Verdict
from shared.pipeline.store import Session, Write, in_transaction
from tests.factories import NIP, completed, registered, reinstate, rendering, revoke
from tests.memory_store import MemoryStore
from tests.property.harness import ENROLLMENT, TERMS
from tests.unit.given import NINE, Given

BUDI = registered(NIP)
RESTORED = replace(ENROLLMENT, terms=replace(TERMS, epoch=1), epoch=1)


def training(code: str, **more: Any) -> TrainingCompleted:
    return completed(NIP, code=code, organizer="PUSDIK", score=None, **more)


FIRST, SECOND, THIRD = (training(code) for code in ("K1", "K2", "K3"))


def id_of(completion: TrainingCompleted) -> str:
    one = completion.training
    return TERMS.ids.completion(TERMS.ids.employee(NIP), one.organizer.code, one.code, one.batch)


class Lost(Given[CompletionTerms]):
    """Keeps all that it published, as the log has it, with what the backup holds."""

    def __init__(self, *history: Payload) -> None:
        super().__init__(ENROLLMENT, *history)
        self.backup, self.told = dict(self.stored), list[Published]()

    def tell(self, payload: Payload, **how: Any) -> None:
        self.when(payload, **how)
        self.told += [
            Published(encode(one, id="1", source="urn:kompeten:enrollment", time=self.now, subject="s",
                             partitionkey="p", traceparent=None), ())
            for one in self.facts
        ]  # fmt: skip


def restored(lost: Lost, told: list[Published] | None = None) -> Given[CompletionTerms]:
    """Adopts twice, as after a crash in between."""

    async def adopted() -> MemoryStore:
        store = MemoryStore()

        async def before(session: Session) -> None:
            await session.write([
                Write(collection, id, store.encode(one), new=True)
                for (collection, id), one in lost.backup.items() if collection is SEQUENCES
            ])  # fmt: skip

        await in_transaction(store, before)
        for _ in range(2):
            restore = PriorIssues(RESTORED.terms)
            for one in lost.told if told is None else told:
                await restore.adopt([one], store)
        writes = await restore.finish(store)
        await in_transaction(store, lambda session: session.write(writes))
        return store

    async def documents() -> dict[Any, Any]:
        store = await adopted()
        return {
            (collection, one.id): one
            for collection in (PRIOR_ISSUES, SEQUENCES)
            for one in await store.documents(cast("Any", collection))
        }

    again = Given(RESTORED)
    again.stored = {**lost.backup, **asyncio.run(documents())}
    again.now = lost.now
    return again


def certificate(of: Given[CompletionTerms], completion: TrainingCompleted) -> Certificate:
    found = of.stored[COMPLETIONS, id_of(completion)].certificate  # type: ignore[attr-defined]
    assert found is not None
    return cast("Certificate", found)


def places(of: Given[CompletionTerms]) -> list[int]:
    return [certificate(of, one).ordinal for one in (FIRST, SECOND, THIRD)]


def test_what_was_told_a_number_keeps_it_in_any_order() -> None:
    lost = Lost(BUDI)
    for one in (FIRST, SECOND):
        lost.tell(one)
    again = restored(lost)
    for one in (THIRD, SECOND, FIRST):
        again.when(one)
    assert places(again) == [1, 2, 3]
    for one in (FIRST, SECOND):
        before, after = certificate(lost, one), certificate(again, one)
        assert (after.number, after.revision, after.code) == (before.number, before.revision, before.code)
        assert after.issued_at == before.issued_at, "the PDF is dated, and its link signed, by it"


def test_a_number_that_nobody_was_told_is_given_anew() -> None:
    """Decided and not yet published when the database was lost: no gap stays."""
    lost = Lost(BUDI)
    lost.when(FIRST)
    lost.tell(SECOND)
    again = restored(lost)
    for one in (THIRD, SECOND, FIRST):
        again.when(one)
    assert places(again) == [3, 2, 1]


@given(
    st.permutations((FIRST, SECOND, THIRD)),
    st.permutations((FIRST, SECOND, THIRD)),
    st.sets(st.integers(0, 2)),
)
def test_numbers_stay_gapless_whatever_was_told(
    then: list[TrainingCompleted], now: list[TrainingCompleted], told: set[int]
) -> None:
    """`told`: which of the three had been published when the database was lost."""
    lost = Lost(BUDI)
    for n, one in enumerate(then):
        lost.tell(one) if n in told else lost.when(one)
    again = restored(lost)
    for one in now:
        again.when(one)
    assert sorted(places(again)) == [1, 2, 3]
    assert all(certificate(again, then[n]).number == certificate(lost, then[n]).number for n in told)


def test_without_adoption_numbers_would_change() -> None:
    lost = Lost(BUDI)
    for one in (FIRST, SECOND):
        lost.tell(one)
    again = restored(lost, [])
    for one in (THIRD, SECOND, FIRST):
        again.when(one)
    assert places(again) == [3, 2, 1]


def test_numbers_that_were_free_before_are_taken_first() -> None:
    assert with_places(NumberSequence(id="x/2026", last=3, free=[2]), {2, 5}) == NumberSequence(
        id="x/2026", last=5, free=[4]
    )


def test_versions_lie_above_all_that_were_told() -> None:
    lost = Lost(BUDI)
    lost.tell(FIRST)
    again = restored(lost)
    again.when(FIRST)
    recorded = next(one for one in again.facts if isinstance(one, CompletionRecorded))
    assert recorded.version == VERSIONS + 1
    again.when(registered(NIP, name="Budi Santoso, M.Kom."))
    (employee,) = [one for one in again.facts if isinstance(one, EmployeeRecorded)]
    assert epoch_of(employee.version) == 1


def test_versions_count_within_their_epoch() -> None:
    assert [next_version(0, 0), next_version(7, 0)] == [1, 8]
    assert [next_version(7, 1), next_version(VERSIONS + 1, 1)] == [VERSIONS + 1, VERSIONS + 2]


def test_a_revision_is_never_told_with_another_content() -> None:
    """Revoked before its correction then, after it now: the correction is an issue that nobody has seen."""
    completion_id, employee_id = id_of(FIRST), TERMS.ids.employee(NIP)
    revocation = revoke(completion_id=completion_id, employee_id=employee_id, opd=None)
    lifted = reinstate(completion_id=completion_id, employee_id=employee_id, revocation_id="r", opd=None)
    corrected = training("K1", title="Judul yang benar", revision=2)
    lost = Lost(BUDI)
    lost.tell(FIRST, time=NINE)
    lost.tell(revocation, id="r")
    lost.tell(corrected, time=NINE + timedelta(minutes=1))
    lost.tell(lifted, id="l")
    assert certificate(lost, FIRST).revision == 2

    again = restored(lost)
    again.when(FIRST, time=NINE)
    again.when(corrected, time=NINE + timedelta(minutes=1))
    (issued,) = [one for one in again.facts if isinstance(one, CertificateIssued)]
    assert issued.revision == 2, "the same content keeps its revision, whatever came in between"
    again.when(revocation, id="r")
    (taken,) = [one for one in again.facts if isinstance(one, CertificateRevoked)]
    assert taken.revision == 2
    again.when(lifted, id="l")
    assert certificate(again, FIRST).revision == 3
    codes = {certificate(again, FIRST).code, *certificate(again, FIRST).earlier_codes}
    assert {certificate(lost, FIRST).code, *certificate(lost, FIRST).earlier_codes} < codes


def test_a_code_that_was_told_is_never_unknown() -> None:
    lost = Lost(BUDI)
    lost.tell(FIRST, time=NINE)
    lost.tell(training("K1", title="Judul yang benar", revision=2), time=NINE + timedelta(minutes=1))
    again = restored(lost)
    again.when(FIRST, time=NINE)
    assert certificate(again, FIRST).revision == 1
    assert certificate(lost, FIRST).code in certificate(again, FIRST).earlier_codes


def test_events_of_strangers_are_not_adopted() -> None:
    lost = Lost(BUDI)
    lost.tell(FIRST)
    forged = [one._replace(value=(one.value or b"").replace(b'"cmp_', b'"cmp_f')) for one in lost.told]
    again = restored(lost, [*forged, Published(b"{", ()), Published(None, ())])
    assert not [key for key in again.stored if key[0] is PRIOR_ISSUES]


def test_a_pdf_of_a_certificate_that_this_database_does_not_issue_is_no_dead_letter() -> None:
    """Two topics were read in another order than they had come in: it was issued for a moment, and is not by arrival."""
    lost = Lost(BUDI)
    lost.tell(FIRST)
    told = certificate(lost, FIRST)
    command = rendering(certificate_id=told.id, completion_id=id_of(FIRST), revision=1)
    assert restored(lost).when(command).verdict is Verdict.NOTHING
