"""`kompeten agency distrust`, `trust`, `replace` and `kompeten contests`: what is shown, asked and ordered."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from cli.agency_view import show_agencies
from cli.answers import Agency
from cli.screen import screens
from tests.factories import NIP
from tests.unit.admin_http import AT, Asked, decided
from tests.unit.test_cli import COMPLETION, EMPLOYEE, WHY, Cli, cli, play
from tests.unit.test_cli_people import shown

__all__ = ["cli", "play"]
DISTRUST = ("agency", "distrust", "dinkes", "--since", "2026-03-05T09:00:00+07:00", *WHY)
TRUST = ("agency", "trust", "dinkes", *WHY)
REPLACE = ("agency", "replace", "dinkes", "--heir", "dinkes-2", *WHY)
DECIDE = ("contests", "decide", COMPLETION, "--contest", "c-7", *WHY)
REACHED: dict[str, Any] = {
    "verdict": "accepted", "reason": None, "completions": 12, "completions_alone": 9, "people": 3, "more": False,
    "since": None, "until": None, "certificates_lost": 11, "hours_kept": 2, "people_moved": 1, "warnings": [],
    "bodies": ["DINKES"], "follows": "Within minutes it counts for nothing.",
}  # fmt: skip


def statement(kind: str, decision: str, **says: Any) -> dict[str, Any]:
    said = {"since": None, "until": None, "distrust": None, "heir": None}
    return {"at": AT, "kind": kind, "operator": "o", "reason": "x", "decision": decision, **said, **says}


def agency(*statements: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"code": "dinkes", "state": "active", "statements": list(statements), **changes}


def contested(**changes: Any) -> dict[str, Any]:
    contest = {
        "contest_id": "c-7", "at": AT, "acting_for": "dinas-a", "by": "u-7", "reason": "was on leave",
        "state": "undecided",
    }  # fmt: skip
    return {
        "completion_id": COMPLETION, "title": "Data Dasar", "organizer": "BKPSDM", "reported_by": "bkpsdm",
        "completed_on": "2026-03-05", "jp": 0.0, "counts": False, "why": "belum dihitung", "contestable": True,
        "contests": [contest], "employee_id": EMPLOYEE, "home": "dinas-a",
    } | changes  # fmt: skip


def orders(cli: Cli) -> list[Asked]:
    return [one for one in cli.world.asked if one.method == "POST" and not one.path.endswith("/preview")]


@pytest.fixture(autouse=True)
def stands(cli: Cli) -> None:
    cli.world.preview = REACHED


# An agency's word.


@pytest.mark.parametrize(
    ("argv", "path", "ordered", "question"),
    [
        (DISTRUST, "distrusts", {"since": "2026-03-05T09:00:00+07:00", "until": None}, "count for nothing?"),
        ((*TRUST, "--decision", "c-3"), "trusts", {"distrust": "c-3"}, "count again?"),
        (REPLACE, "successions", {"heir": "dinkes-2"}, "Does dinkes-2 take its place, for good?"),
    ],
    ids=["distrust", "trust", "replace"],
)
def test_an_order_is_shown_in_numbers_asked_about_and_given(
    cli: Cli, argv: tuple[str, ...], path: str, ordered: dict[str, Any], question: str
) -> None:
    done = cli(*argv, typed="y\n")
    for text in ("12 completions that it reported, 9 of them by nobody else", "3 people", "DINKES", question):
        assert text in done.err
    assert "Within minutes it counts for nothing." in done.err
    assert (done.code, "the register has it: decision c-1" in done.out) == (0, True)
    (order,) = orders(cli)
    assert (order.path, order.body) == (f"/agencies/dinkes/{path}", {**ordered, "reason": WHY[1]})
    assert cli(*argv, typed="n\n").code == 1
    assert len(orders(cli)) == 1


def test_what_to_do_next_names_the_decision(cli: Cli) -> None:
    assert "kompeten agency trust dinkes --decision c-1 --reason TEXT" in cli(*DISTRUST, "--yes").out
    assert "kompeten agency suspend dinkes" in cli(*REPLACE, "--yes").out


def test_how_long_ago_is_a_time_too(cli: Cli) -> None:
    assert cli("agency", "distrust", "dinkes", "--since", "2d", "--until", "1d", *WHY, "--yes").code == 0
    (order,) = orders(cli)
    since, until = (datetime.fromisoformat(order.body[name]) for name in ("since", "until"))
    assert until - since == timedelta(days=1)
    assert timedelta(days=2) <= datetime.now(UTC) - since < timedelta(days=2, minutes=5)
    wrong = cli("agency", "distrust", "dinkes", "--since", "2d", "--until", "tomorrow", *WHY)
    assert (wrong.code, "--until takes a moment" in wrong.err) == (2, True)


def test_the_only_distrust_needs_no_id(cli: Cli) -> None:
    said = [statement("distrusted", "c-1", since=AT), statement("distrusted", "c-2", since=AT)]
    lifted = statement("trusted", "c-3", distrust="c-1")
    cli.world.agencies = [agency(*said, lifted)]
    assert cli(*TRUST, "--yes").code == 0
    assert [one.body["distrust"] for one in orders(cli)] == ["c-2"]
    cli.world.agencies = [agency(*said)]
    several = cli(*TRUST, "--yes")
    assert (several.code, "c-1 (since" in several.err, "c-2 (since" in several.err) == (2, True, True)
    cli.world.agencies = [agency()]
    none = cli(*TRUST, "--yes")
    assert (none.code, "dinkes is not distrusted" in none.err) == (1, True)
    cli.world.agencies = []
    assert cli(*TRUST, "--yes").code == 1


def test_what_would_be_refused_is_not_asked_about(cli: Cli) -> None:
    cli.world.preview = {"verdict": "refused", "reason": "the heir must be another agency"}
    done = cli(*REPLACE)
    assert (done.code, "the heir must be another agency" in done.err) == (1, True)
    assert not orders(cli)


def test_what_the_register_says_already_is_not_ordered_again(cli: Cli) -> None:
    cli.world.preview = {"verdict": "duplicate", "reason": "so already: decision d-1 says it, and holds"}
    done = cli(*DISTRUST)
    assert (done.code, done.out) == (0, "so already: decision d-1 says it, and holds\n")
    assert not orders(cli)


def test_what_was_said_meanwhile_names_the_decision_that_holds(cli: Cli) -> None:
    said = {
        "verdict": "duplicate",
        "decision": "d-1",
        "reason": "so already: decision d-1 says it, and holds",
    }
    cli.world.order = lambda asked: decided(**said)
    out = cli(*DISTRUST, "--yes").out
    assert "so already: decision d-1" in out
    assert "agency trust dinkes --decision d-1" in out


def test_what_still_holds_is_said_before_and_after_a_distrust_is_taken_back(cli: Cli) -> None:
    still = "still distrusted over some of that time, or all of it, by decision d-2"
    cli.world.preview = {**REACHED, "reason": still}
    cli.world.order = lambda asked: decided(decision="c-1", reason=still)
    done = cli(*TRUST, "--decision", "d-1", typed="y\n")
    assert (still in done.err, still in done.out) == (True, True)


def test_a_preview_says_who_keeps_hours_and_who_gets_another_agency(cli: Cli) -> None:
    err = cli(*DISTRUST, typed="n\n").err
    assert "11 lose their certificate; 2 of them keep their hours" in err
    assert "3 people of whom it said whose they are; 1 of them get another agency, or none" in err
    assert "3 people whose agency it is" in cli(*REPLACE, typed="n\n").err


def test_the_time_is_repeated_as_it_was_understood_in_bandung(cli: Cli) -> None:
    cli.world.preview = {**REACHED, "since": "2026-03-05T02:00:00Z", "until": None}
    err = cli(*DISTRUST, typed="n\n").err
    assert "the time: from 2026-03-05 09:00:00 WIB on; without --until, what is still to come" in err
    assert re.search(r"careful: it begins \d+ days ago", err)
    since = datetime.now(UTC) - timedelta(days=29)
    closed = {"since": since.isoformat(), "until": "2026-03-05T03:00:00Z", "completions": 0, "people": 0}
    cli.world.preview = {**REACHED, **closed}
    err = cli(*DISTRUST, typed="n\n").err
    assert "to 2026-03-05 10:00:00 WIB\n" in err
    assert "days ago" not in err
    assert "nothing of the agency arrived in that time so far" in err


@pytest.mark.parametrize("since", ["0d", "2999-01-01T00:00:00+07:00", "999999d"])
def test_a_time_that_has_not_begun_or_never_was_is_not_asked_for(cli: Cli, since: str) -> None:
    done = cli("agency", "distrust", "dinkes", "--since", since, *WHY, "--yes")
    assert (done.code, "--since" in done.err, orders(cli)) == (2, True, [])


def test_what_is_hardly_meant_is_asked_about_once_more(cli: Cli) -> None:
    cli.world.preview = {**REACHED, "warnings": ["dinkes-2 is suspended"]}
    err = cli(*REPLACE, typed="n\n").err
    assert "careful: dinkes-2 is suspended" in err
    assert "for good? All the same?" in err


def test_the_list_says_what_counts_for_nothing_who_took_a_place_and_how_many_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = [
        statement("distrusted", "c-1", since=AT, until=AT),
        statement("succeeded", "c-2", heir="dinkes-2"),
    ]
    show_agencies(screens()[0], [Agency.model_validate(agency(*said, headcount=420))], {}, {})
    out = capsys.readouterr().out
    assert "counts for nothing: decision c-1" in out
    assert "dinkes: dinkes-2 took its place" in out
    assert "420" in out
    show_agencies(
        screens()[0],
        [Agency.model_validate(agency(headcount=20, claimed=22)), Agency.model_validate(agency(claimed=7))],
        {},
        {},
    )
    assert re.findall("22 of 20|  7  ", capsys.readouterr().out) == ["22 of 20", "  7  "]


def test_the_list_marks_the_hr_master_source(capsys: pytest.CaptureFixture[str]) -> None:
    both = [agency(master=True, code="bkd", name="BKD"), agency(name="Dinas Kesehatan")]
    show_agencies(screens()[0], [Agency.model_validate(one) for one in both], {}, {})
    _, bkd, dinkes = capsys.readouterr().out.splitlines()
    assert "bkd     active, HR master source  " in bkd
    assert "HR" not in dinkes


# Contests.


def test_the_worklist_says_who_doubts_what_and_how_to_decide(cli: Cli) -> None:
    assert cli("contests").out == "no contest waits for a decision\n"
    cli.world.people["contested"] = [[contested()], [contested(title="Lain")]]
    out = cli("contests").out
    for text in (
        "Data Dasar",
        "Lain",
        f"{EMPLOYEE} of dinas-a",
        "bkpsdm, for BKPSDM",
        "u-7 for dinas-a",
        "was on leave",
    ):
        assert text in out
    assert "kompeten contests decide ID --contest ID --uphold" in out
    assert len(cli("contests", "--json").json["completions"]) == 2


def test_the_worklist_has_an_end_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.contests.MAX_SHOWN", 1)
    cli.world.people["contested"] = [[contested()] * 2, [contested()]]
    assert "and more" in cli("contests").out
    assert len(cli.world.ordered("/completions/contested")) == 1, "no more pages than are shown"


def preview_of(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": "accepted", "reason": None, "before": before, "after": after}


def test_a_completion_is_contested_after_what_follows_was_told(cli: Cli) -> None:
    cli.world.preview = preview_of(contested(counts=True, jp=6.0, contests=[]), contested())
    cli.world.order = lambda asked: decided(completion_id=COMPLETION, counts=False)
    done = cli("contests", "add", COMPLETION, *WHY, typed="y\n")
    assert (done.code, "6 JP -> counts for nothing; its certificate stays" in done.err) == (0, True)
    assert f"{COMPLETION} counts for nothing; an officer for all agencies decides" in done.out
    (order,) = orders(cli)
    assert (order.path, order.body) == (
        "/completions/contests", {"completion_id": COMPLETION, "reason": WHY[1]},
    )  # fmt: skip
    person = cli("contests", "add", EMPLOYEE, *WHY)
    assert (person.code, "named by its id, cmp_..." in person.err) == (2, True)


def test_what_the_person_s_own_agency_reported_is_not_asked_about(cli: Cli) -> None:
    cli.world.preview = {"verdict": "refused", "reason": "the person's own agency reported it"}
    done = cli("contests", "add", COMPLETION, *WHY)
    assert (done.code, "own agency reported it" in done.err) == (1, True)
    assert not orders(cli)


@pytest.mark.parametrize(("said", "upheld"), [("--uphold", True), ("--dismiss", False)])
def test_a_contest_is_shown_once_more_before_it_is_decided(cli: Cli, said: str, upheld: bool) -> None:
    after = contested() if upheld else contested(counts=True, jp=6.0)
    cli.world.preview = preview_of(contested(), after)
    cli.world.order = lambda asked: decided(completion_id=COMPLETION, counts=not upheld)
    done = cli(*DECIDE, said, typed="y\n")
    follows = f"counts for nothing -> {'counts for nothing' if upheld else '6 JP'}"
    assert (done.code, "was on leave" in done.err, follows in done.err) == (0, True, True)
    assert ("ask its body" in done.out) is upheld
    (order,) = orders(cli)
    assert order.path == "/completions/contests/decisions"
    assert (order.body["contest_id"], order.body["upheld"]) == ("c-7", upheld)


def test_the_beginning_of_a_contest_s_id_names_it_where_no_other_one_begins_so(cli: Cli) -> None:
    first, second, third = (
        f"{begin}-1b2c-4d3e-8f4a-5b6c7d8e9f0a" for begin in ("5b0c4c9e", "5b0c4c9f", "5b0c4c9f")
    )
    third = third[:-1] + "b"
    of = contested()["contests"][0]
    stands = contested(contests=[of | {"contest_id": one} for one in (first, second, third)])
    cli.world.preview = preview_of(stands, stands)
    decide = ("contests", "decide", COMPLETION, "--dismiss", *WHY, "--yes", "--contest")
    assert cli(*decide, "5b0c4c9e").code == 0
    assert cli(*decide, third).code == 0
    assert [one.body["contest_id"] for one in orders(cli)] == [first, third]
    for said, code, says in (
        ("5b0c4c9f", 2, f"only one id begins with; there are: {first}, {second}"),
        ("5b0c4c9", 2, "8 characters or more"),
        ("00000000", 1, f"has an id that begins so; there are: {first}"),
    ):
        done = cli(*decide, said)
        assert (done.code, says in done.err) == (code, True)
    cli.world.preview = {"verdict": "refused", "reason": "contested 20 times"}
    assert "say the whole id" in cli(*decide, "5b0c4c9e").err
    assert len(orders(cli)) == 2


def test_an_officer_of_one_agency_is_told_where_its_contests_are(cli: Cli) -> None:
    detail = "Only an officer who acts for all agencies decides about contests."
    document = {"type": "/problems/not-your-agency", "title": "No", "status": 403, "detail": detail}
    cli.world.contested = lambda asked: JSONResponse(document, 403, media_type="application/problem+json")
    done = cli("contests")
    assert (done.code, "`kompeten people search`" in done.err, "role" in done.err) == (1, True, False)
    stands = contested(contests=[contested()["contests"][0] | {"state": "upheld"}])
    cli.world.person = lambda asked: shown(completions=[stands])
    out = cli("people", "search", typed=f"{NIP}\n").out
    assert "c-7  upheld, u-7 for dinas-a, 2026-03-05" in out
    assert "was on leave" in out


def test_a_person_s_completions_are_shown_with_how_to_contest_them(cli: Cli) -> None:
    counts = contested(counts=True, jp=6.0, why=None, contests=[])
    own = contested(completion_id="cmp_" + "1" * 32, counts=True, contestable=False, contests=[])
    cli.world.person = lambda asked: shown(completions=[counts, own, contested()])
    out = cli("people", "search", typed=f"{NIP}\n").out
    assert f"{COMPLETION}  2026-03-05 Data Dasar (BKPSDM): 6 JP" in out
    assert "counts for nothing" in out
    assert out.count("kompeten contests add") == 1


def test_status_counts_contested_completions_and_finds_nothing_wrong(cli: Cli) -> None:
    cli.world.status["enrollment"]["work"] = {"contested": {"undecided": 2}}
    done = cli("status")
    assert (done.code, "2 contested completions: `kompeten contests`" in done.out) == (0, True)
    cli.world.status["enrollment"]["work"] = {"contested": {"undecided": 0}}
    assert "contested" not in cli("status").out


def test_status_says_what_counts_for_nothing_and_how_far_the_judging_anew_is(cli: Cli) -> None:
    cli.world.agencies = [
        agency(statement("distrusted", "c-1", since=AT, until=AT), statement("changed", "c-2"))
    ]
    cli.world.status["enrollment"]["work"] = {"judged_anew": {"people": 120, "completions": 30, "going": 1}}
    done = cli("status")
    assert (done.code, "dinkes: what it sent since" in done.out) == (0, True)
    assert "counts for nothing: decision c-1" in done.out
    assert "still left: 120 people, 30 completions" in done.out
    told = cli("status", "--json").json["services"]["enrollment"]
    assert [(one["code"], one["decision"]) for one in told["distrusted"]] == [("dinkes", "c-1")]
    assert told["work"]["judged_anew"]["people"] == 120
    cli.world.status["enrollment"]["work"] = {"judged_anew": {"people": 0, "completions": 0, "going": 1}}
    assert "all is judged; it looks once more" in cli("status").out
    cli.world.agencies = [agency(statement("distrusted", "c-1"), statement("trusted", "c-2", distrust="c-1"))]
    cli.world.status["enrollment"]["work"] = {"judged_anew": {"people": 0, "completions": 0, "going": 0}}
    assert not re.search("Distrusted|[Jj]udged", cli("status").out)
