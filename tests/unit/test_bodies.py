"""The register of bodies, rule by rule: what operators say, who issues, how it begins, and what waits for it."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from services.enrollment.agencies.documents import REGISTERS, Arrival, Register
from services.enrollment.bodies.beginning import MAX_BYTES, remarks, seeds
from services.enrollment.bodies.documents import (
    ADDED,
    BODIES,
    CHANGED,
    USED,
    Body,
    BodySaid,
    BodyStatement,
    body_id,
    lacks_body,
)
from services.enrollment.bodies.timeline import (
    EffectiveBody,
    effective_body,
    issuing_since,
    unconfirmed_at,
    with_statement,
)
from shared.contracts.bodies import MAX_ALIASES, AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.register import AddAgency, BeginRegister, SuspendAgency
from shared.pipeline.epochs import VERSIONS
from shared.pipeline.outcome import Outcome, Verdict
from shared.pipeline.waiting import kind_of
from tests.property.harness import ENROLLMENT, TERMS
from tests.unit.given import NINE, Given

AGENCIES = BeginRegister(codes=("diskominfo", "bkpsdm"))
KOMINFO = AddBody(
    code="DISKOMINFO", name="Dinas Komunikasi dan Informatika", issuing="diskominfo", operator="op"
)
LAN = AddBody(code="LAN RI", name="Lembaga Administrasi Negara", outside=True, operator="op")


def added(**changes: object) -> AddBody:
    return AddBody(**{**KOMINFO.model_dump(), **changes})


def changed(code: str = "DISKOMINFO", **says: Any) -> ChangeBody:
    return ChangeBody(code=code, operator="op", reason="says so", **says)


def stands(city: Given[Any], code: str = "DISKOMINFO") -> EffectiveBody:
    body = city.stored[BODIES, body_id(code)]
    assert isinstance(body, Body)
    found = effective_body(body)
    assert found is not None
    return found


def register(city: Given[Any]) -> Register:
    return city.one(REGISTERS)


def refused(outcome: Outcome) -> tuple[object, str]:
    assert outcome.verdict is Verdict.REFUSED
    return outcome.answer["problem"], outcome.reason


# What operators say.


def test_a_body_stands_as_it_was_said_and_what_waits_for_it_is_decided() -> None:
    city = Given(ENROLLMENT, AGENCIES)
    outcome = city.when(added(aliases=("Kominfo Bandung", "DISKOMINFO-BDG")))
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.answer == {
        "code": "DISKOMINFO",
        "issuing": "diskominfo",
        "outside": False,
        "confirmed": True,
    }
    assert list(outcome.unblocks) == [
        lacks_body(one) for one in ("DISKOMINFO", "Kominfo Bandung", "DISKOMINFO-BDG")
    ]
    assert stands(city) == EffectiveBody(
        "DISKOMINFO", KOMINFO.name, "diskominfo", aliases=("Kominfo Bandung", "DISKOMINFO-BDG")
    )
    aliases = {one.id: one.alias_of for one in city.all(BODIES) if one.alias_of}
    assert aliases == {"kominfo bandung": "diskominfo", "diskominfo-bdg": "diskominfo"}


def test_a_body_of_others_has_no_agency() -> None:
    city = Given(ENROLLMENT, LAN)
    assert stands(city, "lan  ri") == EffectiveBody("LAN RI", LAN.name, outside=True)


def test_the_same_again_changes_nothing() -> None:
    city = Given(ENROLLMENT, AGENCIES, added(aliases=("Kominfo",)))
    before = dict(city.stored)
    outcome = city.when(added(aliases=("KOMINFO", "Kominfo")))
    assert (outcome.verdict, outcome.unblocks) == (Verdict.DUPLICATE, ())
    assert city.stored == before


def test_a_change_replaces_what_it_names_and_adds_spellings() -> None:
    city = Given(ENROLLMENT, AGENCIES, added(aliases=("Kominfo",)))
    outcome = city.when(changed("diskominfo", issuing="bkpsdm", aliases=("kominfo", "Infokom")))
    assert outcome.verdict is Verdict.ACCEPTED
    assert lacks_body("infokom") in outcome.unblocks
    assert stands(city) == EffectiveBody("DISKOMINFO", KOMINFO.name, "bkpsdm", aliases=("Kominfo", "Infokom"))
    city.when(changed(outside=True))
    assert (stands(city).issuing, stands(city).outside) == ("", True)
    city.when(changed(issuing="diskominfo"))
    assert (stands(city).issuing, stands(city).outside) == ("diskominfo", False)


def test_a_change_of_the_name_says_nothing_of_who_issues() -> None:
    city = Given(ENROLLMENT, BeginBodies(bodies=(BodySeed(code="PUSDIK", used_by=("bkpsdm",)),)))
    city.when(changed("PUSDIK", name="Pusat Pendidikan"))
    assert stands(city, "PUSDIK") == EffectiveBody("PUSDIK", "Pusat Pendidikan", used_by=("bkpsdm",))
    assert not stands(city, "PUSDIK").confirmed


OTHER = AddBody(code="BKPSDM", name="BKPSDM", issuing="bkpsdm", aliases=("BKD",), operator="op")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (added(name="Another"), "with other particulars"),
        (added(code="BKD"), "another spelling of bkpsdm: name that body"),
        (changed("bkd", name="X"), "another spelling of bkpsdm: name that body"),
        (added(code="NEW", aliases=("bkd",)), "has bkd as another spelling of bkpsdm"),
        (added(code="NEW", aliases=("diskominfo",)), "has diskominfo as a body of its own"),
        (changed(aliases=("BKPSDM",)), "has BKPSDM as a body of its own"),
        (added(code="NEW", issuing="dinas-x"), "no agency dinas-x: `kompeten agency list`"),
        (changed(issuing="dinas-x"), "no agency dinas-x: `kompeten agency list`"),
        (changed(aliases=tuple(f"A{n}" for n in range(MAX_ALIASES))), f"at most {MAX_ALIASES}"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_the_register_has_otherwise_is_refused_with_what_to_do(command: Any, says: str) -> None:
    city = Given(ENROLLMENT, AGENCIES, added(aliases=("Kominfo",)), OTHER)
    before = dict(city.stored)
    problem, reason = refused(city.when(command))
    assert (problem, says in reason) == ("refused", True), reason
    assert city.stored == before


def test_a_body_that_nobody_entered_is_not_found() -> None:
    problem, reason = refused(Given(ENROLLMENT).when(changed(name="X")))
    assert (problem, "kompeten body list" in reason) == ("not-found", True)


def test_a_suspended_agency_issues_still() -> None:
    city = Given(ENROLLMENT, AGENCIES, SuspendAgency(code="diskominfo", operator="op", reason="leaked"))
    assert city.when(KOMINFO).verdict is Verdict.ACCEPTED


def test_a_repeated_request_is_done_once_whatever_came_between() -> None:
    city = Given(ENROLLMENT, AGENCIES, KOMINFO)
    first = city.when(changed(aliases=("Kominfo",)), id="request-1")
    city.when(changed(aliases=("Infokom",)), id="request-2")
    again = city.when(changed(aliases=("Kominfo",)), id="request-1")
    assert (again.verdict, again.content) == (Verdict.DUPLICATE, first.content)
    assert stands(city).aliases == ("Kominfo", "Infokom")
    assert refused(city.when(changed(name="B"), id="request-1"))[0] == "idempotency-key-reused"


def test_each_change_and_nothing_else_is_a_new_generation_of_the_one_register() -> None:
    city = Given(ENROLLMENT, AGENCIES, KOMINFO, KOMINFO, LAN, changed(name="B"), changed(name="B"))
    assert register(city).generation == 4
    city.when(AddAgency(code="dinkes", name="Dinas Kesehatan", operator="op"))
    assert register(city).generation == 5
    city.service = replace(ENROLLMENT, terms=replace(TERMS, epoch=1))
    city.when(changed(name="C"))
    assert register(city).generation == VERSIONS + 1


@pytest.mark.parametrize("code", ["A", "LAN RI", "BKN/Kanreg-3", "St. X", "a" * 40])
def test_codes_that_are_allowed(code: str) -> None:
    assert added(code=f" {code}").code == code


@pytest.mark.parametrize("code", ["", " ", "A  B", "DINÁS", "A_B", "A\nB", "A:B", "a" * 41])
def test_other_codes_are_refused_with_those_that_are_allowed(code: str) -> None:
    with pytest.raises(ValidationError, match="1 to 40 of A-Z"):
        added(code=code)


@pytest.mark.parametrize("said", [{"issuing": None}, {"outside": True}], ids=["neither", "both"])
def test_a_body_has_an_agency_or_is_outside(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="say one of both"):
        added(**said)


@pytest.mark.parametrize("said", [{"outside": False}, {"outside": True, "issuing": "x"}], ids=str)
def test_a_change_does_not_say_half_of_it(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="say one of both"):
        changed(**said)


# How it begins.


def test_it_begins_with_what_is_known_and_what_was_used() -> None:
    long = "Pusat Pelatihan & Sertifikasi " * 3
    begin = BeginBodies(
        bodies=(
            BodySeed(code="DISKOMINFO", issuing="diskominfo"),
            BodySeed(code="LAN RI", outside=True),
            BodySeed(code=long, used_by=("bkpsdm", "a")),
            BodySeed(code="diskominfo", outside=True),
        )
    )
    city = Given(ENROLLMENT, AGENCIES)
    outcome = city.when(begin)
    assert {one.id: one.statements[0].kind for one in city.all(BODIES)} == {
        "diskominfo": ADDED,
        "lan ri": ADDED,
        body_id(long): USED,
    }
    assert stands(city).issuing == "diskominfo"
    assert stands(city, long) == EffectiveBody(long, long, used_by=("a", "bkpsdm"))
    assert register(city).judges_from == Arrival(city.now, "topic", 0, 2)
    assert register(city).begun
    assert set(outcome.unblocks) == {lacks_body(one) for one in ("DISKOMINFO", "LAN RI", long)}


def test_it_begins_once_and_without_those_that_were_entered_before() -> None:
    city = Given(ENROLLMENT, AGENCIES, added(aliases=("Kominfo",)))
    city.when(BeginBodies(bodies=tuple(BodySeed(code=one) for one in ("DisKominfo", "KOMINFO", "X"))))
    assert stands(city).confirmed
    assert {one.id for one in city.all(BODIES)} == {"diskominfo", "kominfo", "x"}
    before = dict(city.stored)
    assert city.when(BeginBodies(bodies=(BodySeed(code="Y"),))).verdict is Verdict.NOTHING
    assert city.stored == before


def test_each_body_and_spelling_notes_the_generation_in_which_something_was_said_about_it() -> None:
    city = Given(
        ENROLLMENT, AGENCIES, BeginBodies(bodies=(BodySeed(code="PUSDIK"), BodySeed(code="ITB"))), KOMINFO
    )
    city.when(changed("PUSDIK", outside=True, aliases=("Pus Dik",)))
    assert {one.id: one.generation for one in city.all(BODIES)} == {
        "itb": 2,
        "diskominfo": 3,
        "pusdik": 4,
        "pus dik": 4,
    }


def test_what_is_changed_afterwards_keeps_since_when_bodies_are_judged() -> None:
    city = Given(ENROLLMENT, AGENCIES, BeginBodies(bodies=()))
    begin = register(city).judges_from
    assert begin is not None
    city.when(KOMINFO)
    city.when(AddAgency(code="dinkes", name="Dinas Kesehatan", operator="op"))
    assert register(city).judges_from == begin


SETTING = {"DISKOMINFO": "dinas-a", "lan ri": "outside", "PUSDIK": ""}
RULED = {"Diskominfo": "diskominfo", "BKPSDM": "bkpsdm", "BKD": "bkpsdm", "ITB": None, "X": "elsewhere"}
REPORTED = [
    ("PUSDIK", ["dinas-b"]),
    ("Pusdik", ["dinas-a"]),
    ("BKD", ["dinas-b"]),
    ("unheard of", ["dinas-c", "dinas-a"]),
]


def test_the_setting_goes_before_the_rules_and_the_rules_confirm_nothing_that_was_used() -> None:
    assert seeds(SETTING, RULED, REPORTED, {"bkpsdm", "diskominfo"}) == (
        BodySeed(code="DISKOMINFO", issuing="dinas-a"),
        BodySeed(code="lan ri", outside=True),
        BodySeed(code="PUSDIK", used_by=("dinas-a", "dinas-b")),
        BodySeed(code="BKPSDM", issuing="bkpsdm"),
        BodySeed(code="BKD", used_by=("dinas-b",)),
        BodySeed(code="ITB"),
        BodySeed(code="unheard of", used_by=("dinas-a", "dinas-c")),
    )


def test_a_setting_confirms_what_was_used() -> None:
    assert seeds({"pusdik": "dinas-a"}, {}, REPORTED[:2], set()) == (
        BodySeed(code="pusdik", issuing="dinas-a"),
    )


def test_as_many_as_one_record_takes_begin_those_used_most_first() -> None:
    reported = [(f"BODY {n}", [f"dinas-{n}"] * 3) for n in range(6_000)]
    assert [one.code for one in seeds({}, {}, reported, set())] == [f"BODY {n}" for n in range(5_000)]
    many = [(f"BODY {n}", [f"dinas-{m}" for m in range(300)]) for n in range(1_000)]
    found = seeds({}, {}, many, set())
    assert 100 < len(found) < 1_000
    assert len(BeginBodies(bodies=found).model_dump_json()) <= MAX_BYTES * 1.01


def test_remarks_say_what_an_operator_must_mend() -> None:
    standing = [
        EffectiveBody("A", "A", "dinas-a"),
        EffectiveBody("B", "B", "dinas-gone"),
        EffectiveBody("C", "C", used_by=("dinas-a",)),
        EffectiveBody("D", "D"),
        EffectiveBody("E", "E", outside=True),
    ]
    missing, unconfirmed, orphaned = remarks({"a": "", "F": "dinas-a"}, {"a", "b"}, standing, {"dinas-a"})
    assert missing.startswith("KOMPETEN_BODIES names F, which the register does not have")
    assert unconfirmed == "2 bodies are not confirmed: `kompeten body list`"
    assert orphaned.startswith("1 body is issued for by an agency that is not connected")
    assert remarks({}, set(), standing[:1], {"dinas-a"}) == []


# What holds, in whatever order it was decided.


def at(n: int) -> Arrival:
    return Arrival(NINE + timedelta(seconds=n), "commands", 0, n)


def said(n: int, kind: str, **says: Any) -> BodyStatement:
    return BodyStatement(f"c{n}", at(n), kind, BodySaid(**says))


HISTORY = [
    said(1, USED, code="PUSDIK", used_by=["a", "b"]),
    said(3, CHANGED, issuing="a", outside=False, aliases=["PUS"]),
    said(5, CHANGED, issuing="b", outside=False),
    said(7, CHANGED, issuing="a", outside=False, aliases=["pus", "DIK"]),
]


def of(statements: list[BodyStatement]) -> Body:
    body = None
    for one in statements:
        body = with_statement(body, "pusdik", one, 1)
    assert body is not None
    return body


@pytest.mark.parametrize("order", list(permutations(HISTORY)), ids=lambda _: "")
def test_statements_end_in_the_same_body_in_whatever_order_they_are_decided(
    order: list[BodyStatement],
) -> None:
    body = of(order)
    assert body.statements == HISTORY
    assert effective_body(body) == EffectiveBody(
        "PUSDIK", "PUSDIK", "a", aliases=("PUS", "DIK"), used_by=("a", "b")
    )


@pytest.mark.parametrize(
    ("agency", "arrived", "since"),
    [
        ("a", 0, 1), ("b", 0, 1), ("a", 2, 1), ("b", 2, 1), ("a", 4, 1), ("b", 4, 5), ("a", 6, 7), ("b", 6, 5),
        ("a", 8, 7), ("b", 8, None), ("c", 2, None),
    ],
    ids=str,
)  # fmt: skip
def test_an_agency_issues_for_what_arrived_before_its_time_was_over(
    agency: str, arrived: int, since: int | None
) -> None:
    assert issuing_since(of(HISTORY), agency, at(arrived)) == (None if since is None else at(since))


@pytest.mark.parametrize(("arrived", "unconfirmed"), [(0, True), (2, True), (3, False), (8, False)], ids=str)
def test_a_body_is_unconfirmed_for_what_arrived_before_somebody_said(arrived: int, unconfirmed: bool) -> None:
    assert unconfirmed_at(of(HISTORY), at(arrived)) is unconfirmed


def test_an_alias_stands_for_nothing_by_itself() -> None:
    assert effective_body(Body(id="pus", alias_of="pusdik")) is None
    assert effective_body(None) is None


def test_a_command_met_the_body_as_it_stood_when_it_arrived() -> None:
    met = effective_body(of(HISTORY), before=at(5))
    assert met is not None
    assert met.issuing == "a"
    assert effective_body(of(HISTORY), before=at(1)) is None


def test_what_is_lacked_has_the_kind_that_its_time_is_given_by() -> None:
    assert kind_of(lacks_body("A/B")) == "body"
    assert kind_of(TERMS.ids.lacks_employee("198501012010011001")) == "employee"


def test_the_rules_name_the_agencies_of_their_bodies() -> None:
    assert TERMS.bodies.agencies == {"DISKOMINFO": "diskominfo", "BKPSDM": "bkpsdm"}
