"""`kompeten body`: what is shown and asked before an order, what is ordered, what the lists say."""

import re
from typing import Any

import pytest
from fastapi.responses import Response

from tests.unit.admin_http import AT, Asked, decided, problem
from tests.unit.test_cli import WHY, Cli, cli, play

__all__ = ["cli", "play"]
ADD = ("body", "add", "DISKOMINFO", "--name", "Dinas Kominfo", "--issued-by", "diskominfo")


def body(code: str, **changes: Any) -> dict[str, Any]:
    return {
        "code": code, "name": f"Badan {code}", "issuing": None, "outside": False, "confirmed": True, "used_by": [],
        "aliases": [], "statements": [],
    } | changes  # fmt: skip


@pytest.fixture(autouse=True)
def stands(cli: Cli) -> None:
    def order(asked: Asked) -> Response:
        return decided(**body(asked.body["code"], issuing=asked.body.get("issuing")))

    cli.world.order = order


def orders(cli: Cli) -> list[Asked]:
    return [one for one in cli.world.ordered("/bodies") if one.method != "GET"]


def test_a_body_is_entered_after_what_would_follow_was_shown_and_agreed_to(cli: Cli) -> None:
    cli.world.preview = {"verdict": "accepted", "waiting": 12, "decided": {"accepted": 11, "refused": 1}}
    done = cli(*ADD, "--alias", "Kominfo", "--alias", "KOMINFO BDG", typed="y\n")
    assert (done.code, "the register: DISKOMINFO: diskominfo\n" in done.out) == (0, True)
    assert "12 completions wait for it; decided at once: 11 accepted, 1 refused" in done.err
    assert "Enter DISKOMINFO?" in done.err
    entry = {
        "code": "DISKOMINFO", "name": "Dinas Kominfo", "issuing": "diskominfo", "outside": False,
        "aliases": ["KOMINFO BDG", "Kominfo"],
    }  # fmt: skip
    assert [one.body for one in cli.world.ordered("/bodies/preview")] == [{"add": entry}]
    assert [(one.method, one.body) for one in orders(cli)] == [("POST", entry)]


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 2)], ids=["no", "nobody answers"])
def test_without_agreement_nothing_is_ordered(cli: Cli, typed: str, code: int) -> None:
    assert cli(*ADD, typed=typed).code == code
    assert not orders(cli)


def test_what_would_be_refused_is_not_asked_about(cli: Cli) -> None:
    cli.world.preview = {"verdict": "refused", "reason": "the register has no agency diskominfo: connect it"}
    done = cli(*ADD)
    assert (done.code, "no agency diskominfo: connect it" in done.err) == (1, True)
    assert not orders(cli)


def test_the_same_again_asks_nothing_and_is_one_order(cli: Cli) -> None:
    cli.world.preview = {"verdict": "duplicate", "reason": "the register says so already"}
    cli.world.order = lambda asked: decided(verdict="duplicate", **body("DISKOMINFO", issuing="diskominfo"))
    for _ in range(2):
        assert cli(*ADD).out == "the register: DISKOMINFO: diskominfo, as before\n"
    one, other = (order.headers["idempotency-key"] for order in orders(cli))
    assert one == other


def test_a_change_sends_what_it_names_alone_each_time_as_an_order_of_its_own(cli: Cli) -> None:
    change = ("body", "change", "LAN RI", "--alias", "LAN", *WHY, "--yes")
    for _ in range(2):
        assert cli(*change).code == 0
    wanted = {"code": "LAN RI", "aliases": ["LAN"], "reason": WHY[1]}
    assert [(one.method, one.body) for one in orders(cli)] == [("PATCH", wanted)] * 2
    assert len({order.headers["idempotency-key"] for order in orders(cli)}) == 2
    cli("body", "change", "LAN RI", "--outside", *WHY, "--yes", "--json")
    assert orders(cli)[-1].body == {"code": "LAN RI", "outside": True, "reason": WHY[1]}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (ADD[:-2], "who issues for it? Say --issued-by AGENCY, or --outside"),
        ((*ADD, "--outside"), "--issued-by and --outside are both said"),
        (
            ("body", "change", "X", *WHY, "--issued-by", "a", "--outside"),
            "--issued-by and --outside are both said",
        ),
        (("body", "change", "X", *WHY), "nothing is to be changed"),
    ],
    ids=["neither", "both", "both in a change", "nothing"],
)
def test_what_an_order_lacks_is_said_before_anybody_is_asked(
    cli: Cli, argv: tuple[str, ...], says: str
) -> None:
    done = cli(*argv)
    assert (done.code, says in done.err) == (2, True), done.err
    assert not cli.world.asked


@pytest.mark.parametrize(
    ("preview", "says"),
    [
        ({}, "no completion waits for it"),
        (
            {"waiting": 1, "decided": {"accepted": 1}},
            "1 completion waits for it; decided at once: 1 accepted",
        ),
        ({"waiting": 3}, "3 completions wait for it; decided at once: none of them could be decided yet"),
        (
            {"waiting": 900, "decided": {"accepted": 500}},
            "900 completions wait for it; decided at once of the first 500: 500 accepted",
        ),
    ],
    ids=["none", "one", "none decided", "more than a page"],
)
def test_what_would_follow_is_told_in_numbers(cli: Cli, preview: dict[str, Any], says: str) -> None:
    cli.world.preview = {"verdict": "accepted", **preview}
    assert says in cli(*ADD, "--yes").err


def test_what_becomes_of_completions_is_told_in_certificates(cli: Cli) -> None:
    cli.world.preview = {
        "verdict": "accepted", "waiting": 300, "decided": {"accepted": 300}, "recorded": 300, "certified": 20,
        "uncertified": {"dinas-b": 30, "dinas-a": 250},
    }  # fmt: skip
    err = cli(*ADD, "--yes").err
    assert "300 recorded; 20 get a certificate; 280 get none" in err
    assert "dinas-a (250), dinas-b (30)" in err
    assert "recorded already" not in err
    cli.world.preview = {
        "verdict": "accepted",
        "recorded": 0,
        "certificates_issued": 3,
        "certificates_revoked": 1,
    }
    err = cli("body", "change", "X", "--issued-by", "dinas-a", *WHY, "--yes").err
    assert "of those recorded already: 3 get a certificate, 1 lose theirs" in err


def test_a_spelling_is_asked_about_as_one_that_stays_for_good(cli: Cli) -> None:
    cli.world.preview = {"verdict": "accepted"}
    for argv in ((*ADD, "--alias", "Kominfo"), ("body", "change", "X", "--alias", "Kominfo", *WHY)):
        assert "Kominfo too from then on, for good: that can't be taken back." in cli(*argv, typed="n\n").err
    assert "for good" not in cli(*ADD, typed="n\n").err


def test_an_order_that_is_not_decided_in_time_is_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.DECIDED_WITHIN_S", 0.0)
    cli.world.order = lambda asked: decided(status="pending", verdict=None)
    done = cli(*ADD, "--yes")
    assert (done.code, "in the log and not decided yet: see `kompeten body list`" in done.out) == (1, True)


def test_a_refusal_of_the_service_is_told_as_it_is(cli: Cli) -> None:
    cli.world.order = lambda asked: problem(409, "the register has this body with other particulars")
    done = cli(*ADD, "--yes")
    assert (done.code, "with other particulars" in done.err) == (1, True)


def test_the_list_marks_those_that_nobody_confirmed(cli: Cli) -> None:
    cli.world.bodies = [
        body("DISKOMINFO", issuing="diskominfo", aliases=["Kominfo"]),
        body("LAN RI", outside=True),
        body("PUSDIK", confirmed=False, used_by=["dinas-a", "dinas-b"]),
        body("ITB", confirmed=False),
    ]
    out = re.sub(r"  +", "  ", cli("body").out)
    assert "DISKOMINFO  diskominfo  Kominfo  Badan DISKOMINFO" in out
    assert "LAN RI  outside the city  -" in out
    assert "PUSDIK  not confirmed: dinas-a, dinas-b so far  -" in out
    assert "ITB  not confirmed  -" in out
    assert "2 not confirmed: `kompeten body change CODE --issued-by AGENCY --reason TEXT`" in out
    assert [one["code"] for one in cli("body", "list", "--json").json["bodies"]][:2] == [
        "DISKOMINFO",
        "LAN RI",
    ]
    cli.world.bodies = []
    assert "the register has no body" in cli("body", "list").out


def test_unknown_bodies_are_told_with_who_reports_them(cli: Cli) -> None:
    assert cli("body", "unknown").out == "no completion waits for a body\n"
    unheard = {"code": "Pus Dik", "waiting": 7, "agencies": ["dinas-a", "dinas-b"], "since": AT}
    cli.world.unknown_bodies = {"bodies": [unheard], "more": True}
    out = re.sub(r"  +", "  ", cli("body", "unknown").out)
    assert "Pus Dik  7  dinas-a, dinas-b  2026-03-0" in out
    assert "and more: these have the most that wait" in out
    assert cli("body", "unknown", "--json").json["bodies"] == [unheard]
