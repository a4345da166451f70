"""What follows from a changed completion: its certificate, the JP of the years it touches, the facts to publish.

One function for every cause (completed, corrected, revoked, reinstated), so that order can't matter and
reversal needs no code of its own.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.enrollment.certificate_face import WIB, CertificateFace, decimal_comma
from services.enrollment.completions import effective_revocations, standing
from services.enrollment.documents import (
    COMPLETIONS,
    GIVEN,
    RENDERINGS,
    SEQUENCES,
    STORED_PDFS,
    Certificate,
    Completion,
    Content,
    Employee,
    Facts,
    Rendering,
    rendering_id,
)
from services.enrollment.issuing_bodies import sequence_id
from services.enrollment.jp import Credit, Learning, credit_year
from services.enrollment.numbering import codes_before, content_digest, issue, numbered
from services.enrollment.terms import Terms
from shared.contracts.enrollment import (
    NO_LINK,
    CertificateIssued,
    CertificateRevoked,
    CompletionRecorded,
    CompletionRestated,
    JpCredited,
)
from shared.contracts.vocabulary import Form, Level
from shared.links import download_until
from shared.pipeline.documents import LOAD, Doc, Docs, Keys, Lock, State
from shared.pipeline.epochs import next_version
from shared.pipeline.outcome import Fact, Put

REVOKED = "revoked"
DONE = "done"


class Settled(NamedTuple):
    completion: Completion
    changes: list[Put]
    facts: list[Fact]


def settling_keys(
    completion_id: str,
    employee_id: str,
    state: State,
    terms: Terms,
    year: str = "",
    sequence: str = "",
) -> Keys:
    """All that `settle` may look at: the completion, the years that it leaves and enters, the body's sequence.

    `year` and `sequence` are those of a content that comes in.
    """
    yield Lock("employee/" + employee_id)
    yield Doc(COMPLETIONS, completion_id)
    if terms.epoch:
        yield Doc(GIVEN, completion_id)
    if year:
        yield Docs(COMPLETIONS, "learning_year", year)
    yield LOAD
    known = state.get(COMPLETIONS, completion_id)
    contents = () if known is None else known.contents
    for facts in {content.digest: content.facts for content in contents}.values():
        yield Docs(COMPLETIONS, "learning_year", year_of(employee_id, facts.completed_on))
    if known is None or known.certificate is None:
        for one in sorted({sequence, *(sequence_of(content.facts) for content in contents)} - {""}):
            yield Lock("sequence/" + one)
            yield Doc(SEQUENCES, one)


def settle(
    after: Completion, employee: Employee, state: State, terms: Terms, now: datetime, traceparent: str | None
) -> Settled:
    """`after` has its sets of contents and revocations; all else of it is worked out here."""
    before = state.get(COMPLETIONS, after.id) or Completion(
        id=after.id, employee_id=after.employee_id, learning_year=""
    )
    stands = standing(after.contents)
    if stands is None:  # a revocation overtook its completion: it waits as a tombstone
        return Settled(after, [Put(COMPLETIONS, after)], [])
    changes: list[Put] = []
    facts: list[Fact] = []
    revocations = effective_revocations(after, stands)
    was_revoked = before.certificate is not None and before.certificate.revoked
    corrected = before.standing != stands.digest
    if corrected or bool(revocations) != was_revoked:
        version = next_version(before.version, terms.epoch)
        after = msgspec.structs.replace(
            after,
            version=version,
            standing=stands.digest,
            learning_year="" if revocations else year_of(after.employee_id, stands.facts.completed_on),
            stated=version,
            stated_at=now,
        )
        facts.append(_recorded(after, stands.facts, not revocations))
    credits = _credits(before, after, stands, state, terms)
    if after.version != before.version:
        asked = credits[after.id][1].asked if after.id in credits else _by_rate(stands.facts, after.id, terms)
        after, more_changes, more_facts = _certified(
            before, after, stands, employee, asked, bool(revocations), state, terms, now, credits, traceparent
        )
        changes += more_changes
        if revocations and not was_revoked:
            more_facts.append(_revoked(after, stands.facts, revocations[0].reason, terms))
        facts += more_facts
    own, others = _credited(before, after, credits, terms, bool(revocations))
    changes += [Put(COMPLETIONS, own.completion), *(Put(COMPLETIONS, one.completion) for one in others)]
    facts += [one.fact for one in (own, *others) if one.fact is not None]
    return Settled(own.completion, changes, facts)


def restate(
    known: Completion, employee: Employee, state: State, terms: Terms, now: datetime, traceparent: str | None
) -> Settled:
    """What stands, said once more in a version of its own, since an event id never says two things. Letters keep
    their names, which come from the revision."""
    certificate, facts = known.certificate, facts_standing(known)
    assert certificate is not None
    stands = next(content for content in known.contents if content.digest == known.standing)
    after = msgspec.structs.replace(known, version=next_version(known.version, terms.epoch))
    credits = _credits(known, after, stands, state, terms)
    own, others = _credited(known, after, credits, terms, certificate.revoked)
    after = own.completion
    recorded = _recorded(after, facts, not certificate.revoked)
    said = [recorded._replace(payload=CompletionRestated(**dict(recorded.payload)))]
    changes = [Put(COMPLETIONS, after), *(Put(COMPLETIONS, one.completion) for one in others)]
    if certificate.revoked:
        said.append(_revoked(after, facts, effective_revocations(after, stands)[0].reason, terms))
    else:
        id = rendering_id(certificate.id, certificate.revision)
        item, pdf = state.get(RENDERINGS, id), state.get(STORED_PDFS, id)
        face = _printed(certificate, facts, employee, terms) if item is None else item.face
        digest = content_digest(face, terms)
        said.append(_issued(after, certificate, facts, credits[after.id][1], digest, terms, told_at=now))
        # One that is done is nobody's any more: no worker writes it.
        if (pdf is None or certificate.sha256 is None) and (item is None or item.state == DONE):
            changes.append(Put(RENDERINGS, _rendering(after, certificate, face, terms, now, traceparent)))
    said.append(own.fact or _jp_fact(after, facts, _totals(credits)))
    return Settled(after, changes, [*said, *(one.fact for one in others if one.fact is not None)])


def _printed(certificate: Certificate, facts: Facts, employee: Employee, terms: Terms) -> CertificateFace:
    """The face of a certificate whose rendering is gone: what it keeps, and for the rest what stands now."""
    return msgspec.structs.replace(
        _face(certificate.number, facts, employee, certificate.jp, terms),
        holder_name=certificate.holder_name,
        employee_number=certificate.holder_number,
    )


def year_of(employee_id: str, completed_on: date) -> str:
    return f"{employee_id}/{completed_on.year}"


def sequence_of(facts: Facts) -> str:
    return sequence_id(facts.organizer_code, facts.completed_on.year)


def learning_of(completion_id: str, facts: Facts) -> Learning:
    return Learning(
        completion_id=completion_id,
        form=facts.form,
        level=facts.level,
        start_date=facts.start_date,
        end_date=facts.end_date,
        completed_on=facts.completed_on,
        programme_jp=facts.programme_jp,
        sessions=facts.sessions,
    )


def facts_standing(completion: Completion) -> Facts:
    return next(content.facts for content in completion.contents if content.digest == completion.standing)


def _by_rate(facts: Facts, completion_id: str, terms: Terms) -> Decimal:
    """JP by rate, whatever other completions leave of a cap: what the certificate states."""
    return credit_year([learning_of(completion_id, facts)], terms.rates)[completion_id].asked


def _credits(
    before: Completion, after: Completion, stands: Content, state: State, terms: Terms
) -> dict[str, tuple[Completion, Credit]]:
    """Credits of all completions in the years that this one leaves or enters."""
    credits: dict[str, tuple[Completion, Credit]] = {}
    # Its year too when it comes revoked: what is published about it gives the year's total.
    own_year = year_of(after.employee_id, stands.facts.completed_on)
    for year in sorted({before.learning_year, own_year} - {""}):
        those: dict[str, Completion] = {
            one.id: one for one in state.all(COMPLETIONS, "learning_year", year) if one.id != after.id
        }
        learnings = [learning_of(one.id, facts_standing(one)) for one in those.values()]
        if after.learning_year == year:
            those[after.id] = after
            learnings.append(learning_of(after.id, stands.facts))
        for id, credit in credit_year(learnings, terms.rates).items():
            credits[id] = (those[id], credit)
    return credits


class _Credited(NamedTuple):
    completion: Completion
    fact: Fact | None


def _credited(
    before: Completion,
    after: Completion,
    credits: dict[str, tuple[Completion, Credit]],
    terms: Terms,
    revoked: bool,
) -> tuple[_Credited, list[_Credited]]:
    """The completion itself, and the others whose JP its coming or going changed."""
    totals = _totals(credits)
    others = []
    for id, (completion, credit) in credits.items():
        if id != after.id and _differs(completion, credit):
            changed = msgspec.structs.replace(
                completion,
                version=next_version(completion.version, terms.epoch),
                jp=credit.jp,
                jp_rule=credit.rule,
                jp_reason=reason_of(credit),
            )
            others.append(_Credited(changed, _jp_fact(changed, facts_standing(changed), totals)))
    own = credits.get(after.id)
    if own is None:
        own_credit = (Decimal(0), REVOKED if revoked else "", "sertifikat dicabut" if revoked else None)
    else:
        own_credit = (own[1].jp, own[1].rule, reason_of(own[1]))
    if own_credit != (before.jp, before.jp_rule, before.jp_reason):
        version = (
            after.version if after.version != before.version else next_version(before.version, terms.epoch)
        )
        after = msgspec.structs.replace(
            after, version=version, jp=own_credit[0], jp_rule=own_credit[1], jp_reason=own_credit[2]
        )
        return _Credited(after, _jp_fact(after, facts_standing(after), totals)), others
    return _Credited(after, None), others


def _totals(credits: dict[str, tuple[Completion, Credit]]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for completion, credit in credits.values():
        totals[completion.learning_year] = totals.get(completion.learning_year, Decimal(0)) + credit.jp
    return totals


def reason_of(credit: Credit) -> str | None:
    """In Indonesian, as it stands in mails and records."""
    if credit.reason is not None:
        return credit.reason
    if credit.capped is not None:
        span = "sehari" if credit.capped.rule.endswith("_day") else "sebulan"
        asked, given = (decimal_comma(jp) for jp in (credit.capped.asked, credit.capped.given))
        return f"{asked} JP menurut tarif, {given} JP diakui: batas {span} untuk bentuk ini tercapai"
    return None


def _differs(completion: Completion, credit: Credit) -> bool:
    return (completion.jp, completion.jp_rule, completion.jp_reason) != (
        credit.jp,
        credit.rule,
        reason_of(credit),
    )


def _certified(
    before: Completion,
    after: Completion,
    stands: Content,
    employee: Employee,
    asked: Decimal,
    revoked: bool,
    state: State,
    terms: Terms,
    now: datetime,
    credits: dict[str, tuple[Completion, Credit]],
    traceparent: str | None,
) -> tuple[Completion, list[Put], list[Fact]]:
    """A first certificate with the next number, or a new revision under the old one; none of them when revoked."""
    changes: list[Put] = []
    facts, certificate = stands.facts, before.certificate
    if certificate is not None and revoked:
        issued = msgspec.structs.replace(certificate, revoked=True)
        return msgspec.structs.replace(after, certificate=issued), changes, []
    given = state.get(GIVEN, after.id) if terms.epoch else None
    if certificate is None:
        id, before_revision = terms.ids.certificate(after.id), 0
        number, series, place, sequence = numbered(
            facts, given, state.get(SEQUENCES, sequence_of(facts)), terms
        )
        if sequence is not None:
            changes.append(Put(SEQUENCES, sequence))
    else:
        id, before_revision = certificate.id, certificate.revision
        number, series, place = certificate.number, certificate.series, certificate.place
    face = _face(number, facts, employee, asked, terms)
    digest = content_digest(face, terms)
    # Revoked before it was ever issued, it has a number, and nothing of it is made.
    revision, issued_at = (1, now) if revoked else issue(given, before_revision, digest, now)
    issued = Certificate(
        id=id,
        number=number,
        revision=revision,
        code=terms.ids.verification_code(id, revision),
        earlier_codes=codes_before(id, revision, given, terms),
        issued_at=issued_at,
        completion_version=after.version,
        holder_name=employee.profile.name,
        holder_number=employee.profile.employee_number,
        jp=asked,
        revoked=revoked,
        series=series,
        place=place,
    )
    after = msgspec.structs.replace(after, certificate=issued)
    if revoked:
        return after, changes, []
    changes.append(Put(RENDERINGS, _rendering(after, issued, face, terms, now, traceparent)))
    fact = _issued(after, issued, facts, credits[after.id][1], digest, terms, told_at=issued_at)
    return after, changes, [fact]


def _recorded(completion: Completion, facts: Facts, standing: bool) -> Fact:
    payload = CompletionRecorded(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        version=completion.version,
        standing=standing,
        title=facts.title,
        organizer_code=facts.organizer_code,
        form=Form(facts.form),
        level=Level(facts.level),
        predicate=facts.predicate,
        completed_on=facts.completed_on,
    )
    return Fact(payload, completion.id, completion.version, completion.employee_id)


def _issued(
    completion: Completion,
    certificate: Certificate,
    facts: Facts,
    credit: Credit,
    digest: str,
    terms: Terms,
    *,
    told_at: datetime,
) -> Fact:
    payload = CertificateIssued(
        certificate_id=certificate.id,
        completion_id=completion.id,
        employee_id=completion.employee_id,
        completion_version=certificate.completion_version,
        revision=certificate.revision,
        certificate_number=certificate.number,
        title=facts.title,
        organizer_name=facts.organizer_name,
        completed_on=facts.completed_on,
        jp=credit.jp,
        jp_by_rate=certificate.jp,
        jp_reason=reason_of(credit),
        verification_url=terms.links.verification(certificate.code),
        download_url=NO_LINK,
        download_until=download_until(told_at),
        series=certificate.series or None,
        place=certificate.place or None,
        content_digest=digest,
    )
    return Fact(payload, certificate.id, completion.version, completion.employee_id)


def _revoked(completion: Completion, facts: Facts, reason: str, terms: Terms) -> Fact:
    certificate = completion.certificate
    assert certificate is not None
    payload = CertificateRevoked(
        certificate_id=certificate.id,
        completion_id=completion.id,
        employee_id=completion.employee_id,
        completion_version=completion.version,
        revision=certificate.revision,
        certificate_number=certificate.number,
        title=facts.title,
        reason=reason,
        verification_url=terms.links.verification(certificate.code),
        series=certificate.series or None,
        place=certificate.place or None,
    )
    return Fact(payload, certificate.id, completion.version, completion.employee_id)


def _jp_fact(completion: Completion, facts: Facts, totals: dict[str, Decimal]) -> Fact:
    year = year_of(completion.employee_id, facts.completed_on)
    payload = JpCredited(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        version=completion.version,
        year=facts.completed_on.year,
        jp=completion.jp,
        rule=completion.jp_rule,
        reason=completion.jp_reason,
        year_total_jp=totals.get(year, Decimal(0)),
    )
    return Fact(payload, completion.id, completion.version, completion.employee_id)


def _rendering(
    completion: Completion,
    certificate: Certificate,
    face: CertificateFace,
    terms: Terms,
    now: datetime,
    traceparent: str | None,
) -> Rendering:
    face = msgspec.structs.replace(
        face,
        issued_on=certificate.issued_at.astimezone(WIB).date(),
        verification_url=terms.links.verification(certificate.code),
        revision=certificate.revision,
    )
    return Rendering(
        id=rendering_id(certificate.id, certificate.revision),
        certificate_id=certificate.id,
        completion_id=completion.id,
        employee_id=completion.employee_id,
        revision=certificate.revision,
        face=face,
        traceparent=traceparent,
        due=now,
    )


def _face(number: str, facts: Facts, employee: Employee, jp: Decimal, terms: Terms) -> CertificateFace:
    """Still without day of issue, code and revision."""
    profile = employee.profile
    return CertificateFace(
        number=number,
        holder_name=profile.name,
        employee_number=profile.employee_number,
        employment_type=profile.employment_type,  # type: ignore[arg-type]  # the contract's enum, stored as text
        opd=profile.opd,
        training_title=facts.title,
        form=Form(facts.form).label.id,
        organizer=facts.organizer_name,
        start_date=facts.start_date,
        end_date=facts.end_date,
        completed_on=facts.completed_on,
        issued_on=date.min,
        jp=jp,
        verification_url="",
        golongan=profile.golongan,
        pangkat=profile.pangkat,
        jabatan=profile.jabatan,
        batch=f"Angkatan {facts.batch}" if facts.batch.isalnum() and len(facts.batch) <= 5 else facts.batch,
        place=facts.place,
        score=facts.score,
        predicate=facts.predicate,
        signatory=terms.bodies.at(facts.organizer_code, facts.completed_on).signatory,
    )
