"""Which content of a completion stands, by who may say so: what a sender was, or came to be, when its record arrived.

A body's own agency goes before the home of the person, the home before an agency that merely claims the person; all
others' contents are kept and don't stand until something said later gives them a ground. What arrived before the register
of bodies began stands as it stood: see `effective_before`.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival
from services.enrollment.agencies.trust import TRUSTING, Trust, trust_of
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.timeline import called_now, issuing_since, unconfirmed_at
from services.enrollment.completions.contents import (
    ContestState,
    asks,
    contest_state,
    effective_before,
    without_gaps,
)
from services.enrollment.completions.documents import Completion, Content, Contest, file_of
from services.enrollment.completions.reasons import without_ground
from services.enrollment.persons.homes import Homes, homes
from services.enrollment.persons.persons import Person
from shared.contracts.lists import GROUNDLESS
from shared.identity.identifiers import key
from shared.pipeline.documents import Doc, Needs, State


class Grounds(StrEnum):
    ISSUING = "issuing"
    """Its sender issues for the body."""
    HOME = "home"
    """Its sender is the home of the person."""
    CLAIM = "claim"
    """Its sender claims the person, and nobody better has said anything."""
    BEFORE = "before"
    """It stood when the register began to judge."""


class Effective(NamedTuple):
    content: Content
    grounds: Grounds
    certified: bool
    """Whether any of the contents is enough for a certificate of ours."""
    backed: bool = True
    """Whether the person's agency stands behind it: it reported it too, or it stood before senders were judged."""


class Register(NamedTuple):
    """What a decision about one completion looks up of the register."""

    body: Body | None
    judges_from: Arrival | None
    generation: int = 0
    trust: Trust = TRUSTING

    def judges(self, arrival: Arrival | None) -> bool:
        return self.judges_from is not None and arrival is not None and arrival > self.judges_from


def register_needs(code: str) -> Needs:
    """Without a lock: what changes the register has all that was decided by an older one decided again."""
    yield Doc(REGISTERS, REGISTER)
    if code:
        yield Doc(BODIES, body_id(code))


def register_of(completion: Completion, state: State) -> Register:
    return register_for(organizer_of(completion), state)


def register_for(code: str, state: State) -> Register:
    """`code` of a body itself, not of an alias."""
    known = state.get(REGISTERS, REGISTER)
    body = state.get(BODIES, body_id(code)) if code else None
    if known is None:
        return Register(body, None)
    trust = trust_of(known)
    return Register(called_now(body, trust.heir), known.judges_from, known.generation, trust)


def organizer_of(completion: Completion) -> str:
    """The same body for all contents; empty while only a revocation has come."""
    return completion.contents[0].facts.organizer_code if completion.contents else ""


def effective(completion: Completion, person: Person, register: Register) -> Effective | None:
    """The content that counts, and why; None when none has a ground."""
    contents = trusted(completion.contents, register.trust)
    if register.judges_from is None:
        return _before(contents)
    judged: list[Content] = []
    unjudged: list[Content] = []
    for content in contents:
        (judged if register.judges(content.arrival) else unjudged).append(content)
    before = _before(unjudged)
    if not judged:
        return before
    whose = person.judged(file_of(completion))
    home = _home(judged, whose, register)
    issued = _issued(judged, register)
    if issued is not None:
        return issued._replace(backed=home is not None or before is not None)
    if (
        home is not None and before is not None
    ):  # it had a certificate before, and keeps it when it is corrected
        return home._replace(certified=True)
    return home or before or _claimed(judged, whose, register)


def asked_since(
    completion: Completion, current: Content, person: Person, register: Register
) -> Arrival | None:
    """Since when what asks for the hours and points of the content that stands has stood without a break: what ceased to
    stand has lost its place among others, and what never stood had none.

    Told from what is kept, as if it had come in the order of its arrivals; so in any order of deciding it is the same.
    Where that leaves open what stood meanwhile it is the later time, which takes nothing from anybody else.
    """
    if len(completion.contents) == 1:  # nearly all
        return current.arrival
    contents, asked = trusted(completion.contents, register.trust), asks(current.facts)
    since = max(map(_arrival, contents))
    left = sorted(trusted(without_gaps(completion.contents), register.trust), key=_arrival)
    revisions = {
        content.revision
        for content in contents
        if content.sender == current.sender and asks(content.facts) == asked
    }
    while left:
        then = effective(msgspec.structs.replace(completion, contents=left), person, register)
        if then is None or asks(then.content.facts) != asked:
            break
        since = _arrival(then.content)
        left = left[: left.index(then.content)]
    # Until a copy with an earlier time came these went before what stands now.
    overtook = [
        content.timed
        for content in contents
        if content.timed is not None and content.sender == current.sender and content.revision in revisions
        if asks(content.facts) != asked
    ]
    return max([since, *overtook])


def trusted(contents: Sequence[Content], trust: Trust) -> Sequence[Content]:
    """Those that count, each by the arrival by which it does: that of its first copy, else of the latest."""
    if not trust.distrusts:
        return contents
    found = []
    for content in contents:
        if trust.holds(content.sender, content.arrival):
            found.append(content)
        elif content.again is not None and trust.holds(content.sender, content.again):
            found.append(msgspec.structs.replace(content, arrival=content.again))
    return found


def _before(contents: Sequence[Content]) -> Effective | None:
    current = effective_before(contents)
    return None if current is None else Effective(current, Grounds.BEFORE, certified=True)


def _issued(contents: Sequence[Content], register: Register) -> Effective | None:
    body, heir = register.body, register.trust.heir
    if body is None:
        return None
    since = [(issuing_since(body, content.sender, content.arrival, heir), content) for content in contents]
    best = _highest(since)
    return None if best is None else Effective(best, Grounds.ISSUING, certified=True)


def _home(contents: Sequence[Content], whose: Sequence[Homes], register: Register) -> Effective | None:
    body, heir = register.body, register.trust.heir
    since = [
        (_latest(of.home_since(heir(content.sender), _arrival(content)) for of in whose), content)
        for content in contents
    ]
    best = _highest(since)
    if best is None:
        return None
    certified = body is not None and any(
        begin is not None and unconfirmed_at(body, one.arrival) for begin, one in since
    )
    return Effective(best, Grounds.HOME, certified)


def _claimed(contents: Sequence[Content], whose: Sequence[Homes], register: Register) -> Effective | None:
    """Of several who claim the person the first one's: otherwise who claims it later would change what stands."""
    heir = register.trust.heir
    since = [
        (_latest(of.claimed_since(heir(content.sender), _arrival(content)) for of in whose), content)
        for content in contents
    ]
    first = min((begin for begin, _ in since if begin is not None), default=None)
    best = _highest([(begin, one) for begin, one in since if begin == first])
    return None if best is None else Effective(best, Grounds.CLAIM, certified=False, backed=False)


def _highest(since: Sequence[tuple[Arrival | None, Content]]) -> Content | None:
    """That of the later period; within one the highest revision, then the content that was new last, by the earliest
    time that it was seen under in that revision: so two systems that resend for ever don't flap, and going back to an
    earlier content needs a revision."""
    entitled = [
        (begin, one.revision, one.first_time, one.digest, one) for begin, one in since if begin is not None
    ]
    return max(entitled, key=lambda one: one[:4])[4] if entitled else None


def _latest(begins: Iterable[Arrival | None]) -> Arrival | None:
    return max((begin for begin in begins if begin is not None), default=None)


def _arrival(content: Content) -> Arrival:
    assert content.arrival is not None, "only what arrived after the register began is judged"
    return content.arrival


def effective_contests(
    completion: Completion, person: Person, *, backed: bool
) -> list[tuple[Contest, ContestState]]:
    """Those by which it counts for nothing: upheld; or undecided, of an officer whose agency was the person's home when
    the contest arrived, while that agency does not stand behind the completion itself."""
    found: list[tuple[Contest, ContestState]] = []
    for contest in completion.contests:
        state = contest_state(contest, completion)
        undecided = state is ContestState.UNDECIDED and not backed and of_the_home(contest, person)
        if undecided or state is ContestState.UPHELD:
            found.append((contest, state))
    return found


def of_the_home(contest: Contest, person: Person) -> bool:
    if contest.opd is None or contest.arrival is None:
        return True
    return homes(person.whole).home_at(contest.arrival) == person.trust.heir(key(contest.opd))


def why_not(
    content: Content, current: Effective | None, person: Person, register: Register, *, repeated: bool = False
) -> str:
    """Why a content does not stand, and what would have it stand. `repeated`: it was sent before; this may be meant as a
    return to it."""
    sender = content.sender
    if not trusted([content], register.trust):
        return f"{GROUNDLESS}: {without_ground(content, register.trust).operators}"
    if current is not None and current.content.sender == sender and _has_ground(content, person, register):
        if repeated:
            return "you sent another content too, which stands; to return to this one, send it with a higher revision"
        return (
            "another content stands: a higher revision goes before, then the later time, and of the same time neither; "
            "to have this one stand, send it with a higher revision"
        )
    if sender in homes(person.whole).claimants and current is not None:
        return f"{GROUNDLESS}: what {current.content.sender} reported goes before ({_WORDS[current.grounds]})"
    if current is not None and register.judges_from is None:
        first = current.content.sender
        return f"{first} reported this completion first, so only {first} corrects it"
    return f"{GROUNDLESS}: {without_ground(content, register.trust).operators}"


def _has_ground(content: Content, person: Person, register: Register) -> bool:
    """Whether a higher revision of it, sent in its place, would stand."""
    if not register.judges(content.arrival):
        return True
    alone, whose = [content], [homes(person.whole)]
    grounds = (_issued(alone, register), _home(alone, whose, register), _claimed(alone, whose, register))
    return any(ground is not None for ground in grounds)


_WORDS = {
    Grounds.ISSUING: "it issues for the body",
    Grounds.HOME: "it is the person's agency",
    Grounds.CLAIM: "it claimed the person first",
    Grounds.BEFORE: "it stood before senders were judged",
}
