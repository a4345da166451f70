"""What follows from changed completions: their certificates, the JP of the years they touch, the facts to publish.

One function for every cause (completed, corrected, revoked, reinstated), so that order can't matter and
reversal needs no code of its own; and for all changes of a batch to one employee's completions, so that a year is
recounted once, however many of them came.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.bodies.timeline import called_now
from services.enrollment.certificates.documents import (
    KEPT,
    RENDERINGS,
    SEQUENCES,
    STORED_PDFS,
    Certificate,
    Printed,
    Rendering,
    rendering_id,
)
from services.enrollment.certificates.face import CertificateFace
from services.enrollment.certificates.numbering import (
    Numbered,
    Sequences,
    codes_before,
    content_digest,
    issue,
    numbered,
    prior_issue,
)
from services.enrollment.completions.agency_names import names_of
from services.enrollment.completions.authority import (
    Effective,
    Grounds,
    Register,
    asked_since,
    effective,
    effective_contests,
    organizer_of,
    register_of,
    trusted,
)
from services.enrollment.completions.contents import ContestState, effective_revocations, first_asked
from services.enrollment.completions.documents import (
    COMPLETIONS,
    CONTESTED,
    Completion,
    Content,
    Contest,
    Contested,
    Revocation,
    file_of,
)
from services.enrollment.completions.reasons import Groundless, Uncertified, cut, uncertified, without_ground
from services.enrollment.completions.recalculation_needs import (
    reach_of,
    recounted_together,
    same_training,
    year_of,
    years_of,
)
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.learning_hours.jp import Credit, Learning, credit_learnings
from services.enrollment.persons.documents import Employee
from services.enrollment.persons.persons import Person
from services.enrollment.training import CompletedTraining
from shared.contracts.enrollment import (
    NO_LINK,
    NOT_VALID,
    CertificateIssued,
    CertificateRevoked,
    CompletionRecorded,
    CompletionRestated,
    CompletionUncertified,
    HoursAfter,
    JpCredited,
)
from shared.contracts.payload import CompletionId, EmployeeId
from shared.contracts.vocabulary import Bilingual, Form, Level
from shared.identity.links import Links, download_until
from shared.pipeline.context import Context
from shared.pipeline.documents import State
from shared.pipeline.epochs import next_version
from shared.pipeline.outcome import OutgoingEvent, Put, Remove
from shared.wording import WIB

REVOKED = "revoked"
DONE = "done"
TWIN, DOUBTED_RULE = "twin", "contested"
DOUBTED: Final = Bilingual(
    "instansi Anda menyatakan bahwa ini bukan pembelajaran Anda; belum dihitung sampai petugas kota yang berwenang "
    "untuk semua instansi memutuskannya",
    "your agency says that this is not your learning; it does not count until the city's officer for all agencies "
    "decides",
)
DECIDED_AGAINST: Final = Bilingual(
    "tidak dihitung: petugas kota yang berwenang untuk semua instansi memutuskan bahwa ini bukan pembelajaran Anda, "
    "seperti yang dinyatakan instansi Anda",
    "it does not count: the city's officer for all agencies decided that this is not your learning, as your agency said",
)
SAME_TRAINING: Final = Bilingual(
    "pelatihan yang sama sudah diakui dari laporan dengan nomor pegawai lain",
    "the same training counts already, by a report under another employee number of yours",
)
UNGROUNDED: Final = "without-ground"
NO_MORE: Final = Bilingual("laporannya tidak berlaku", "its report does not count")
NO_RATE: Final = "there is no rate for this form"


class Changed(NamedTuple):
    """A completion whose sets changed."""

    before: Completion
    """As it was recalculated last."""
    after: Completion
    """Its sets as they are; of all else the certificate counts, which a worker may have added a PDF to."""
    now: datetime
    """Of the record that changed them, of which a batch has many; so is the trace."""
    traceparent: str | None


class Recalculated(NamedTuple):
    completions: dict[str, Completion]
    """Those that changed, as they are from now on."""
    changes: list[Put | Remove]
    facts: list[tuple[OutgoingEvent, int]]
    """Each with the place, among those that changed, of the one that it follows from."""


class _Now(NamedTuple):
    """What counts of a completion's sets."""

    content: Content | None
    """None: a revocation overtook the completion and waits as a tombstone, or nobody who may say so has reported it."""
    grounds: str
    certified: bool
    """Whether who reported it is enough for a certificate."""
    backed: bool
    revocations: list[Revocation]
    year: str
    """That it counts in, if any."""
    contests: Sequence[tuple[Contest, ContestState]] = ()
    """By which it counts for nothing."""
    groundless: Groundless | None = None
    """Why what stood does not any more, as nobody had the right to report it."""
    withheld: Uncertified | None = None
    """Why what stands has no certificate of ours."""

    @property
    def withdrawn(self) -> bool:
        """Whether a certificate that it may have does not stand."""
        return bool(self.revocations) or self.groundless is not None or self.withheld is not None

    @property
    def upheld(self) -> bool:
        return any(one is ContestState.UPHELD for _, one in self.contests)


def effective_now(known: Completion, current: Effective | None, person: Person, register: Register) -> _Now:
    if current is None and not known.effective:
        return _Now(None, "", known.certified, known.backed, [], "")
    if current is None:
        # What stood has lost its ground: it stays what it was, and counts for nothing.
        stood = next(
            (content for content in known.contents if content.digest == known.effective), known.contents[0]
        )
        why = without_ground(stood, register.trust)
        return _Now(stood, "", known.certified, known.backed, [], "", groundless=why)
    revocations = effective_revocations(known, current.content)
    contests = effective_contests(known, person, backed=current.backed)
    counts = not revocations and not contests
    year = year_of(known.employee_id, current.content.facts.completed_on) if counts else ""
    withheld = None
    if not current.certified:
        claimed = current.grounds is Grounds.CLAIM
        body = called_now(register.body, register.trust.heir)
        withheld = uncertified(organizer_of(known), body, claimed=claimed)
        withheld = withheld._replace(lost=_lost(known, withheld.issuing, register))
    return _Now(
        current.content,
        current.grounds.value,
        current.certified,
        current.backed,
        revocations,
        year,
        contests,
        withheld=withheld,
    )


def _lost(known: Completion, issuing: str, register: Register) -> Groundless | None:
    """What the agency that issues reported, and does not count."""
    trust = register.trust
    for content in known.contents if issuing else ():
        if trust.heir(content.sender) == issuing and not trusted([content], trust):
            return without_ground(content, trust)
    return None


def recalculate(
    changed: Sequence[Changed],
    person: Person,
    context: Context[CompletionTerms],
    sequences: Sequences | None = None,
) -> Recalculated:
    """Of one person. All but the sets of contents and revocations is worked out here. `sequences`: as those who were
    recalculated before by the same decision left them; it takes note of what it uses."""
    state, terms = context.state, context.terms
    last = len(changed) - 1
    changed = [*changed, *_twins(changed, person, context)]
    stated = _all_stated(changed, person, context)
    years = set[str]()
    years.update(*(_years_before(change.before, terms) for change in changed))
    years.update(*(_years(completion, terms) for completion in stated.values()))
    year = _Year.of(stated, years, context)
    together = _Together(context, person.main, year)
    recalculated = Recalculated({}, [], [])
    sequences = {} if sequences is None else sequences
    for place, one in enumerate(changed):
        after, now = stated[one.after.id]
        facts, number = list[OutgoingEvent](), None
        if now.content is not None:
            if _is_certified_first(one.before, after):
                given = prior_issue(after.id, context)
                number = numbered(now.content.facts, given, sequences, state, terms.bodies)
            after, puts, facts = _recalculate(one, stated[after.id], number, together)
            recalculated.changes.extend(puts)
        recalculated.completions[after.id] = after
        recalculated.changes.append(Put(COMPLETIONS, after))
        recalculated.changes.extend(_listed(after, now, state))
        recalculated.facts.extend((fact, min(place, last)) for fact in facts)
    recalculated.changes.extend(Put(SEQUENCES, sequence) for sequence in sequences.values())
    for other, fact in _others(stated, year, terms):
        recalculated.changes.append(Put(COMPLETIONS, other))
        if fact is not None:
            recalculated.facts.append((fact, last))
    return recalculated


def _twins(changed: Sequence[Changed], person: Person, context: Context[CompletionTerms]) -> list[Changed]:
    """Completions of the same trainings that were reported under other numbers of the person: one of each counts."""
    if not person.merged:
        return []
    known = {change.after.id for change in changed}
    found: list[Changed] = []
    for change in changed:
        if not change.after.contents:
            continue
        for id in same_training(change.after.contents[0].facts, person, context.terms):
            twin = None if id in known else context.state.get(COMPLETIONS, id)
            if twin is not None and twin.employee_id == person.main.id:
                known.add(id)
                found.append(Changed(twin, twin, change.now, change.traceparent))
    return found


def _listed(completion: Completion, now: _Now, state: State) -> list[Put | Remove]:
    """The worklist of contests, where the completion enters or leaves it."""
    if not completion.contests:
        return []
    waits = any(one is ContestState.UNDECIDED for _, one in now.contests)
    if waits is (state.get(CONTESTED, completion.id) is not None):
        return []
    return [Put(CONTESTED, Contested(completion.id)) if waits else Remove(CONTESTED, completion.id)]


class _Stated(NamedTuple):
    """A completion with what counts of its sets."""

    completion: Completion
    now: _Now

    @property
    def content(self) -> Content | None:
        """None: nothing stands, nor did."""
        return self.now.content


def _all_stated(
    changed: Sequence[Changed], person: Person, context: Context[CompletionTerms]
) -> dict[str, _Stated]:
    state, terms = context.state, context.terms
    found: dict[str, tuple[Changed, Completion, _Now]] = {}
    for change in changed:
        register = register_of(change.after, state)
        current = effective(change.after, person, register)
        now = effective_now(change.after, current, person, register)
        since = None
        if current is not None and not current.backed:
            since = asked_since(change.after, current.content, person, register)
        after = msgspec.structs.replace(change.after, judged=register.generation, asked_since=since)
        found[after.id] = (change, after, now)
    counts = _counted_once({id: (after, now) for id, (_, after, now) in found.items()}, person, terms)
    return {
        id: _stated(one, msgspec.structs.replace(after, twin_of=counts.get(id, "")), now, person.main, terms)
        for id, (one, after, now) in found.items()
    }


def _counted_once(
    completions: Mapping[str, tuple[Completion, "_Now"]], person: Person, terms: CompletionTerms
) -> dict[str, str]:
    """Of a training that was reported under several numbers: by id of one that does not count, the id of the one that
    does, which is a certified one first, then that of the older file."""
    if not person.merged:
        return {}
    order = {one.id: place for place, one in enumerate(person.files)}
    groups: dict[str, list[tuple[bool, int, str]]] = {}
    for id, (completion, now) in completions.items():
        if now.content is not None and now.year:
            training = min(same_training(completion.contents[0].facts, person, terms))
            place = order.get(EmployeeId(file_of(completion)), len(order))
            groups.setdefault(training, []).append((not now.certified, place, id))
    twins: dict[str, str] = {}
    for group in groups.values():
        (*_, first), *others = sorted(group)
        twins |= {id: first for *_, id in others}
    return twins


def _stated(
    one: Changed, after: Completion, now: "_Now", employee: Employee, terms: CompletionTerms
) -> _Stated:
    """In a version of its own where the content that stands, whether it counts, whose it is, whether it is certified, or
    its place among others is another than before."""
    before = one.before
    year = "" if after.twin_of else now.year
    if now.content is None:
        return _Stated(msgspec.structs.replace(after, learning_year=year, reaches=""), now)
    reaches = reach_of(year, after.employee_id, now.content.facts, terms)
    after = msgspec.structs.replace(after, learning_year=year, reaches=reaches)
    after = msgspec.structs.replace(
        after,
        grounds=now.grounds,
        certified=now.certified,
        backed=now.backed,
        reporter=now.content.sender,
        contested=bool(now.contests),
        contest_upheld=now.upheld,
    )
    place = (now.backed, _arrived(after, now.content.facts))
    said = (now.content.digest, bool(year), now.certified, after.employee_id, place, now.upheld)
    withdrawn = bool(now.withdrawn)
    # Also of one that counts for nothing either way: contested, or of a training that counts elsewhere.
    turned = before.certificate is not None and before.certificate.revoked != withdrawn
    if (
        turned
        or _is_reprinted(before, now.content, employee)
        or said
        != (
            before.effective,
            bool(before.learning_year),
            before.certified,
            before.employee_id,
            _place_before(before),
            before.contest_upheld,
        )
    ):
        version = next_version(before.version, terms.epoch)
        after = msgspec.structs.replace(
            after, version=version, effective=now.content.digest, stated=version, stated_at=one.now
        )
    return _Stated(after, now)


def _is_reprinted(before: Completion, content: Content, employee: Employee) -> bool:
    """A higher revision of what stands, whose holder is called otherwise by now: so its body mends a name that was wrong
    when it was printed. A later change of name changes nothing by itself."""
    certificate, profile = before.certificate, employee.profile
    if certificate is None or certificate.revoked or before.effective != content.digest:
        return False
    if (certificate.holder_name, certificate.holder_number) == (profile.name, profile.employee_number):
        return False
    return all(
        earlier.revision < content.revision for earlier in before.contents if earlier.digest == content.digest
    )


def _place_before(before: Completion) -> tuple[bool, Arrival | None] | None:
    return (before.backed, _arrived(before, effective_training(before))) if before.effective else None


def _arrived(completion: Completion, facts: CompletedTraining) -> Arrival | None:
    """Of one that the person's agency does not stand behind: since when it asks for these hours without a break, by which
    caps are shared. None: from before that was kept."""
    return None if completion.backed else completion.asked_since or first_asked(completion, facts)


def _years(one: _Stated, terms: CompletionTerms) -> set[str]:
    """Its year too when it comes revoked: what is published about it gives the year's total."""
    if one.content is None:
        return set()
    return years_of(one.completion.employee_id, one.content.facts, terms)


def _years_before(one: Completion, terms: CompletionTerms) -> set[str]:
    """In which it leaves room for others, should it count no more."""
    if not one.learning_year or not one.effective:
        return {one.learning_year} - {""}
    return {one.learning_year, *years_of(one.employee_id, effective_training(one), terms)}


class _Together(NamedTuple):
    """What all completions have in common that are recalculated together."""

    context: Context[CompletionTerms]
    employee: Employee
    year: "_Year"


def _is_certified_first(before: Completion, after: Completion) -> bool:
    return after.certificate is None and after.certified and after.version != before.version


def _recalculate(
    one: Changed, stated: _Stated, number: Numbered | None, together: _Together
) -> tuple[Completion, list[Put], list[OutgoingEvent]]:
    """The completion itself: its certificate and its JP. `number`: that of its first certificate."""
    before, (after, now) = one.before, stated
    context, employee, year = together
    current = now.content
    assert current is not None
    puts: list[Put] = []
    facts: list[OutgoingEvent] = []
    if after.version != before.version:
        facts.append(_recorded(after, current.facts, now))
        if after.learning_year and now.withheld is not None and after.certificate is None:
            facts.append(_uncertified(after, current, now.withheld, year, context))
    if number is not None or _is_certified_anew(before, stated, employee):
        own = one._replace(after=after)
        after, puts, more = _certified(own, current, number, together, revoked=now.withdrawn)
        facts += more
        if now.withdrawn and not (before.certificate is not None and before.certificate.revoked):
            counted = bool(before.learning_year)
            facts.append(_revoked(after, current.facts, now, context, counted=counted))
    after = _said_again(after, current)
    after, fact = _credited(before, after, year, now, context.terms)
    return after, puts, facts if fact is None else [*facts, fact]


def _is_certified_anew(before: Completion, stated: _Stated, employee: Employee) -> bool:
    """Not where it merely begins or ends to count, or comes to be another person's."""
    after, now = stated
    certificate = after.certificate
    if certificate is None or now.content is None or after.version == before.version:
        return False
    if before.effective != after.effective or certificate.revoked != now.withdrawn:
        return True
    return _is_reprinted(before, now.content, employee)


class Restated(NamedTuple):
    completion: Completion
    changes: list[Put | Remove]
    facts: list[OutgoingEvent]


def restate(known: Completion, person: Person, context: Context[CompletionTerms]) -> Restated:
    """What stands, said once more in a version of its own, since an event id never says two things. Letters keep
    their names, which come from the revision."""
    state, terms, now, traceparent = context
    certificate, facts = known.certificate, effective_training(known)
    after = msgspec.structs.replace(known, version=next_version(known.version, terms.epoch))
    register = register_of(after, state)
    judged = effective_now(after, effective(after, person, register), person, register)
    stated: dict[str, _Stated] = {after.id: _Stated(after, judged._replace(content=effective_content(known)))}
    years = _years_before(known, terms) | _years(stated[after.id], terms)
    year = _Year.of(stated, years, context)
    after, own = _credited(known, after, year, judged, terms)
    others = list(_others(stated, year, terms))
    recorded = _recorded(after, facts, judged)
    said = [recorded._replace(payload=CompletionRestated(**dict(recorded.payload)))]
    changes: list[Put | Remove] = [
        Put(COMPLETIONS, completion) for completion in (after, *(other for other, _ in others))
    ]
    if certificate is not None and judged.withdrawn:
        said.append(_revoked(after, facts, judged, context, counted=None))
    elif certificate is not None:
        id = rendering_id(certificate.id, certificate.revision)
        item, pdf = state.get(RENDERINGS, id), state.get(STORED_PDFS, id)
        face = _as_printed(certificate, facts, person.main, None, terms) if item is None else item.face
        digest = content_digest(face, terms)
        credit = year.credit(after, facts, terms)
        said.append(
            _issued(after, certificate, facts, credit, terms, digest=digest, told_at=now, reinstated=None)
        )
        # One that is done is nobody's any more: no worker writes it.
        if (pdf is None or certificate.sha256 is None) and (item is None or item.state == DONE):
            rendering = _rendering(after, certificate, face, terms.links, now=now, traceparent=traceparent)
            changes.append(Put(RENDERINGS, rendering))
    if certificate is None and after.learning_year and judged.withheld is not None:
        said.append(_uncertified(after, effective_content(known), judged.withheld, year, context))
    said.append(own or _jp_fact(after, facts, year.totals))
    return Restated(after, changes, [*said, *(fact for _, fact in others if fact is not None)])


def _as_printed(
    certificate: Certificate,
    facts: CompletedTraining,
    employee: Employee,
    item: Rendering | None,
    terms: CompletionTerms,
) -> CertificateFace:
    """The face that was issued, by what the certificate keeps; of one from before that was kept by its rendering `item`,
    and where that is gone by what stands now."""
    face = msgspec.structs.replace(
        _face(certificate.number, facts, employee, certificate.jp, terms),
        holder_name=certificate.holder_name,
        employee_number=certificate.holder_number,
    )
    if (shown := certificate.printed or (None if item is None else item.face)) is None:
        return face
    return msgspec.structs.replace(face, **{name: getattr(shown, name) for name in KEPT})


def _issued_before(
    certificate: Certificate, current: Content, employee: Employee, context: Context[CompletionTerms]
) -> CertificateFace | None:
    """The face of a revoked certificate, if it certified what stands: it comes back as it was, whatever people and bodies
    are called by now. None: it was corrected since."""
    state, terms = context.state, context.terms
    printed = certificate.printed
    if printed is not None:
        if (printed.content, printed.revision) != (current.digest, current.revision):
            return None
        return _as_printed(certificate, current.facts, employee, None, terms)
    item = state.get(RENDERINGS, rendering_id(certificate.id, certificate.revision))
    face = _as_printed(certificate, current.facts, employee, item, terms)
    if item is not None and content_digest(face, terms) != content_digest(item.face, terms):
        return None
    return face


def _said_again(completion: Completion, current: Content) -> Completion:
    """What is printed was sent with a higher revision, and nothing of it is another by that."""
    certificate = completion.certificate
    if certificate is None or certificate.revoked or (printed := certificate.printed) is None:
        return completion
    if printed.content != current.digest or printed.revision >= current.revision:
        return completion
    printed = msgspec.structs.replace(printed, revision=current.revision)
    return msgspec.structs.replace(
        completion, certificate=msgspec.structs.replace(certificate, printed=printed)
    )


def learning_of(
    completion_id: str, facts: CompletedTraining, *, backed: bool = True, arrived: Arrival | None = None
) -> Learning:
    return Learning(
        completion_id=completion_id,
        form=facts.form,
        level=facts.level,
        start_date=facts.start_date,
        end_date=facts.end_date,
        completed_on=facts.completed_on,
        programme_jp=facts.programme_jp,
        sessions=facts.sessions,
        backed=backed,
        arrived=arrived,
    )


def learning_in_year(completion: Completion, facts: CompletedTraining) -> Learning:
    """With its place among the others of the year."""
    arrived = _arrived(completion, facts)
    return learning_of(completion.id, facts, backed=completion.backed, arrived=arrived)


def effective_content(completion: Completion) -> Content:
    """As it was recalculated last."""
    return next(content for content in completion.contents if content.digest == completion.effective)


def revocations_standing(completion: Completion) -> list[Revocation]:
    """By any officer while nothing stands yet, since nobody knows the body; else by those of the body."""
    if completion.effective:
        return effective_revocations(completion, effective_content(completion))
    lifted = {reinstatement.revocation_id for reinstatement in completion.reinstatements}
    return [revocation for revocation in completion.revocations if revocation.id not in lifted]


def effective_training(completion: Completion) -> CompletedTraining:
    return effective_content(completion).facts


def _by_rate(facts: CompletedTraining, completion_id: str, terms: CompletionTerms) -> Decimal:
    """JP by rate, whatever other completions leave of a cap: what the certificate states."""
    return credit_learnings([learning_of(completion_id, facts)], terms.rates)[completion_id].asked


class _Year(NamedTuple):
    """The years that changed completions leave or enter, recounted with those that share a cap with them."""

    completions: dict[str, Completion]
    credits: dict[str, Credit]
    """Of all that count in these years, by completion."""
    totals: dict[str, Decimal]
    """By year."""

    def credit(self, completion: Completion, facts: CompletedTraining, terms: CompletionTerms) -> Credit:
        """Of one that does not count: what its rate gives, and nothing of it."""
        known = self.credits.get(completion.id)
        if known is not None:
            return known
        rule, reason = _why_nothing(completion)
        asked = _by_rate(facts, completion.id, terms)
        return Credit(asked, Decimal(0), rule, reason=_id(reason), reason_en=_en(reason))

    @classmethod
    def of(cls, stated: Mapping[str, _Stated], years: set[str], context: Context[CompletionTerms]) -> "_Year":
        state, terms = context.state, context.terms
        found = cls({}, {}, {})
        by_owner: dict[str, list[Learning]] = {}
        for year in sorted(recounted_together(years, state, terms)):
            found.totals[year] = Decimal(0)
            learnings = by_owner.setdefault(year.rpartition("/")[0], [])
            for completion in state.all(COMPLETIONS, "learning_year", year):
                if completion.id not in stated:
                    found.completions[completion.id] = completion
                    learnings.append(learning_in_year(completion, effective_training(completion)))
            for id, changed in stated.items():
                if changed.content is not None and changed.completion.learning_year == year:
                    found.completions[id] = changed.completion
                    learnings.append(learning_in_year(changed.completion, changed.content.facts))
        for learnings in by_owner.values():
            found.credits.update(credit_learnings(learnings, terms.rates))
        for id, credit in found.credits.items():
            found.totals[found.completions[id].learning_year] += credit.jp
        return found


def _credited(
    before: Completion, after: Completion, year: _Year, now: _Now, terms: CompletionTerms
) -> tuple[Completion, OutgoingEvent | None]:
    """The completion with its JP, and what is said when they are others than before."""
    credit = year.credits.get(after.id)
    if credit is None:
        jp, (rule, why) = Decimal(0), _taken_back(now) or _why_nothing(after)
    else:
        jp, rule, why = credit.jp, credit.rule, _reason_of(credit)
    as_before = (jp, rule, after.employee_id) == (before.jp, before.jp_rule, before.employee_id)
    # Of the same content it follows from hours and rule: other words for the same are not announced.
    said_before = _id(why) == before.jp_reason or (credit is not None and before.effective == after.effective)
    if as_before and said_before and not _is_of_another_year(before, after):
        return after, None
    version = after.version
    if version == before.version:
        version = next_version(before.version, terms.epoch)
    after = msgspec.structs.replace(
        after, version=version, jp=jp, jp_rule=rule, jp_reason=_id(why), jp_reason_en=_en(why)
    )
    return after, _jp_fact(after, effective_training(after), year.totals)


def _is_of_another_year(before: Completion, after: Completion) -> bool:
    if not before.effective or before.effective == after.effective:
        return False
    return effective_training(before).completed_on.year != effective_training(after).completed_on.year


def _taken_back(now: _Now) -> tuple[str, Bilingual] | None:
    """Rule and reason of 0 JP of what was revoked, or stood without a right."""
    if now.revocations:
        return REVOKED, NOT_VALID
    return (UNGROUNDED, NO_MORE) if now.groundless else None


def _why_nothing(completion: Completion) -> tuple[str, Bilingual | None]:
    """Rule and reason of 0 JP."""
    if completion.contested:
        return DOUBTED_RULE, DECIDED_AGAINST if completion.contest_upheld else DOUBTED
    return (TWIN, SAME_TRAINING) if completion.twin_of else ("", None)


def _others(
    stated: Mapping[str, _Stated], year: _Year, terms: CompletionTerms
) -> Iterable[tuple[Completion, OutgoingEvent | None]]:
    """Completions whose JP the coming or going of those changed; and those of before it was kept what they reach."""
    for id, credit in year.credits.items():
        if id in stated:
            continue
        known = year.completions[id]
        reaches = reach_of(known.learning_year, known.employee_id, effective_training(known), terms)
        completion = known if known.reaches == reaches else msgspec.structs.replace(known, reaches=reaches)
        if not _differs(completion, credit):
            if completion is not known:
                yield completion, None
        else:
            changed = msgspec.structs.replace(
                completion,
                version=next_version(completion.version, terms.epoch),
                jp=credit.jp,
                jp_rule=credit.rule,
                jp_reason=_id(reason := _reason_of(credit)),
                jp_reason_en=_en(reason),
            )
            yield changed, _jp_fact(changed, effective_training(changed), year.totals)


def _reason_of(credit: Credit) -> Bilingual | None:
    if credit.reason is not None:
        # What can't be credited has an English sentence; a rule file's row has an Indonesian one.
        unrated = credit.reason if credit.rule == "none" else NO_RATE
        return Bilingual(credit.reason, credit.reason_en or unrated)
    if credit.capped is None:
        return None
    return cut(credit.capped)


def _id(reason: Bilingual | None) -> str | None:
    return None if reason is None else reason.id


def _en(reason: Bilingual | None) -> str | None:
    return None if reason is None else reason.en


def _differs(completion: Completion, credit: Credit) -> bool:
    """Of one whose content is as it was: the reason follows from hours and rule then, and other words for the same are
    not announced."""
    return (completion.jp, completion.jp_rule) != (credit.jp, credit.rule)


def _certified(
    one: Changed, current: Content, number: Numbered | None, together: _Together, *, revoked: bool
) -> tuple[Completion, list[Put], list[OutgoingEvent]]:
    """A first certificate with its number, or a new revision under the old one; none of them when revoked."""
    context, employee, year = together
    terms, changes = context.terms, list[Put]()
    after, now, facts, certificate = one.after, one.now, current.facts, one.after.certificate
    if certificate is not None and revoked:
        issued = msgspec.structs.replace(certificate, revoked=True)
        return msgspec.structs.replace(after, certificate=issued), changes, []
    given = prior_issue(after.id, context)
    if certificate is None:
        assert number is not None, "a first certificate comes with its number"
        id, before_revision = terms.ids.certificate(after.id), 0
    else:
        id, before_revision = certificate.id, certificate.revision
        number = Numbered(certificate.number, certificate.series, certificate.ordinal)
    credit = year.credit(after, facts, terms)
    again = certificate is not None and certificate.revoked
    face = None
    if certificate is not None and again:
        face = _issued_before(certificate, current, employee, context)
    if face is None:
        face = _face(number.text, facts, employee, credit.asked, terms)
    digest = content_digest(face, terms)
    # Revoked before it was ever issued, it has a number, and nothing of it is made.
    revision, issued_at = (1, now) if revoked else issue(given, before_revision, digest, now)
    issued = Certificate(
        id=id,
        number=number.text,
        revision=revision,
        code=terms.ids.verification_code(id, revision),
        earlier_codes=codes_before(id, revision, given, terms),
        issued_at=issued_at,
        completion_version=after.version,
        holder_name=face.holder_name,
        holder_number=face.employee_number,
        jp=face.jp,
        revoked=revoked,
        series=number.series,
        ordinal=number.ordinal,
        printed=_printed(face, b"" if revoked else current.digest, current.revision),
    )
    after = msgspec.structs.replace(after, certificate=issued)
    if revoked:
        return after, changes, []
    rendering = _rendering(after, issued, face, terms.links, now=now, traceparent=one.traceparent)
    changes.append(Put(RENDERINGS, rendering))
    lifted = _lifted(one.before, after) if again else None
    fact = _issued(
        after, issued, facts, credit, terms, digest=digest, told_at=issued_at, reinstated=again, lifted=lifted
    )
    return after, changes, [fact]


def _printed(face: CertificateFace, content: bytes, revision: int) -> Printed:
    kept = {name: getattr(face, name) for name in KEPT}
    return Printed(content=content, revision=revision, **kept)


def _lifted(before: Completion, after: Completion) -> str | None:
    """In the words of the officer who did it last; None: no officer did."""
    known = {reinstatement.id for reinstatement in before.reinstatements}
    new = [reinstatement for reinstatement in after.reinstatements if reinstatement.id not in known]
    return max(new, key=lambda reinstatement: (reinstatement.at, reinstatement.id)).reason if new else None


def _recorded(completion: Completion, facts: CompletedTraining, now: _Now) -> OutgoingEvent:
    effective = bool(completion.learning_year)
    _, why_not = _taken_back(now) or _why_nothing(completion)
    arrived = _arrived(completion, facts)
    payload = CompletionRecorded(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        version=completion.version,
        standing=effective,
        title=facts.title,
        organizer_code=facts.organizer_code,
        form=Form(facts.form),
        level=Level(facts.level),
        predicate=facts.predicate,
        completed_on=facts.completed_on,
        twin_of=CompletionId(completion.twin_of) if completion.twin_of else None,
        why_not=None if effective else _id(why_not),
        why_not_en=None if effective else _en(why_not),
        backed=completion.backed,
        arrived=None if arrived is None else arrived.at,
    )
    return OutgoingEvent(payload, completion.id, completion.version, completion.employee_id)


def _uncertified(
    completion: Completion,
    current: Content,
    withheld: Uncertified,
    year: _Year,
    context: Context[CompletionTerms],
) -> OutgoingEvent:
    terms, facts, names = context.terms, current.facts, names_of(completion, context.state)
    credit, external = year.credit(completion, facts, terms), facts.external_certificate
    reason = _reason_of(credit)
    payload = CompletionUncertified(
        certificate_id=terms.ids.certificate(completion.id),
        completion_id=completion.id,
        employee_id=completion.employee_id,
        completion_version=completion.version,
        title=facts.title,
        organizer_name=facts.organizer_name,
        completed_on=facts.completed_on,
        jp=credit.jp,
        jp_by_rate=credit.asked,
        jp_reason=_id(reason),
        jp_reason_en=_en(reason),
        why=withheld.why,
        organizer_code=withheld.code,
        issuing=withheld.issuing or None,
        issuing_name=names.get(withheld.issuing),
        issuing_unused=withheld.lost is not None,
        reporter=current.sender,
        reporter_name=names.get(current.sender),
        external_issuer=None if external is None else external.issuer,
        external_certificate=None if external is None else external.number,
    )
    return OutgoingEvent(payload, completion.id, completion.version, completion.employee_id)


def _issued(
    completion: Completion,
    certificate: Certificate,
    facts: CompletedTraining,
    credit: Credit,
    terms: CompletionTerms,
    *,
    digest: str,
    told_at: datetime,
    reinstated: bool | None,
    lifted: str | None = None,
) -> OutgoingEvent:
    """`reinstated` None: nobody knows any more. `lifted`: why the officer lifted its revocation."""
    reason = _reason_of(credit)
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
        jp_reason=_id(reason),
        jp_reason_en=_en(reason),
        verification_url=terms.links.verification(certificate.code),
        download_url=NO_LINK,
        download_until=download_until(told_at),
        series=certificate.series or None,
        place=certificate.ordinal or None,
        content_digest=digest,
        reinstated=reinstated,
        reinstated_reason=lifted,
    )
    return OutgoingEvent(payload, certificate.id, completion.version, completion.employee_id)


def _revoked(
    completion: Completion,
    facts: CompletedTraining,
    now: _Now,
    context: Context[CompletionTerms],
    *,
    counted: bool | None,
) -> OutgoingEvent:
    """`counted`: whether it did until now; None: nobody knows any more."""
    certificate = completion.certificate
    assert certificate is not None
    reason = _why_withdrawn(now, completion, context.state)
    payload = CertificateRevoked(
        certificate_id=certificate.id,
        completion_id=completion.id,
        employee_id=completion.employee_id,
        completion_version=completion.version,
        revision=certificate.revision,
        certificate_number=certificate.number,
        title=facts.title,
        reason=reason if isinstance(reason, str) else reason.id,
        reason_en=None if isinstance(reason, str) else reason.en,
        organizer_name=facts.organizer_name,
        hours=_hours_after(completion, counted),
        verification_url=context.terms.links.verification(certificate.code),
        series=certificate.series or None,
        place=certificate.ordinal or None,
    )
    return OutgoingEvent(payload, certificate.id, completion.version, completion.employee_id)


def _why_withdrawn(now: _Now, completion: Completion, state: State) -> str | Bilingual:
    """An officer's own words, or ours."""
    if now.revocations:
        return now.revocations[0].reason
    ground = now.groundless or now.withheld
    assert ground is not None
    return ground.told(names_of(completion, state))


def _hours_after(completion: Completion, counted: bool | None) -> HoursAfter | None:
    if completion.learning_year:
        return "kept"
    if counted is None:
        return None
    return "taken_back" if counted else "none"


def _jp_fact(completion: Completion, facts: CompletedTraining, totals: dict[str, Decimal]) -> OutgoingEvent:
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
    return OutgoingEvent(payload, completion.id, completion.version, completion.employee_id)


def _rendering(
    completion: Completion,
    certificate: Certificate,
    face: CertificateFace,
    links: Links,
    *,
    now: datetime,
    traceparent: str | None,
) -> Rendering:
    face = msgspec.structs.replace(
        face,
        issued_on=certificate.issued_at.astimezone(WIB).date(),
        verification_url=links.verification(certificate.code),
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


def _face(
    number: str, facts: CompletedTraining, employee: Employee, jp: Decimal, terms: CompletionTerms
) -> CertificateFace:
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
