"""`kompeten people`: how a person is found, what the worklists say to do, what is shown and asked before a decision."""

from typing import Any

import pytest
from fastapi.responses import JSONResponse, Response

from tests.factories import NIP, OTHER_NIP
from tests.unit.admin_http import AT, Asked, decided, problem
from tests.unit.test_cli import EMPLOYEE, WHY, Cli, cli, play

__all__ = ["cli", "play"]
OTHER = "emp_" + "1" * 32
TRANSFER = ("people", "transfer", EMPLOYEE, "--to", "dinas-b", *WHY)
LINK: dict[str, Any] = {
    "employee_id": OTHER, "employee_number": OTHER_NIP, "name": "Baru", "home": "dinas-b",
    "previous_employee_number": NIP, "into": EMPLOYEE, "into_name": "Lama", "said_by": "dinas-b", "since": AT,
    "waits_for": "the agency of the person that has the other number, or an officer",
}  # fmt: skip


def open_person(**changes: Any) -> dict[str, Any]:
    return {
        "employee_id": EMPLOYEE, "employee_numbers": [NIP], "name": "Dewi", "home": "dinas-a", "state": "disputed",
        "claimants": [{"agency": "dinas-a", "since": AT}, {"agency": "dinas-b", "since": AT}],
    } | changes  # fmt: skip


def person(**changes: Any) -> dict[str, Any]:
    more = {"held": True, "links": [], "decisions": [], "merged": []}
    return open_person(**more) | changes


def stand(**changes: Any) -> dict[str, Any]:
    return {
        "employee_numbers": [NIP], "name": "Dewi", "email": "d***@example.org", "home": "dinas-a", "state": "disputed",
        "held": True, "links": 0, "jp": {"2026": 12.0},
    } | changes  # fmt: skip


def preview(*people: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"verdict": "accepted", "people": list(people)} | changes


def change(before: dict[str, Any] | None, after: dict[str, Any] | None, id: str = EMPLOYEE) -> dict[str, Any]:
    return {"employee_id": id, "before": before, "after": after}


ENDED = preview(change(stand(), stand(home="dinas-b", state="confirmed", held=False, name="Dewi L.")))


@pytest.fixture(autouse=True)
def stands(cli: Cli) -> None:
    cli.world.preview = ENDED
    cli.world.order = lambda asked: decided(employee_id=EMPLOYEE, agency="dinas-b")


def orders(cli: Cli) -> list[Asked]:
    return [
        one
        for one in cli.world.asked
        if one.path.startswith("/people/")
        and one.method == "POST"
        and not one.path.endswith(("/search", "/preview"))
    ]


# search


def shown(**changes: Any) -> Response:
    return JSONResponse(person(**changes))


def test_a_number_is_read_from_standard_input_or_a_file_and_never_shown_in_errors(cli: Cli) -> None:
    cli.world.person = lambda asked: shown()
    file = cli.file(f"{NIP}\n", "number.txt")
    for argv, typed in (
        (("people", "search"), f"{NIP}\n"),
        (("people", "search", "--number-file", "-"), f"{NIP}\n"),
        (("people", "search", "--number-file", file), ""),
    ):
        assert cli(*argv, typed=typed).code == 0
    asked = cli.world.ordered("/people/search")
    assert [one.body for one in asked] == [{"employee_number": NIP}] * 3
    assert {one.path for one in asked} == {"/people/search"}, "never in an address"
    cli.world.asked.clear()
    for argv in (("people", "search", NIP), ("people", "search", "--", NIP)):
        done = cli(*argv)
        assert (done.code, "list of processes" in done.err, NIP in done.out + done.err) == (2, True, False)
    done = cli("people", "search", typed="19850101201001100\n")
    assert (done.code, "has 17 characters" in done.err) == (2, True)
    done = cli("people", "search", "--number-file", cli.folder / "none")
    assert (done.code, "cannot be read" in done.err) == (2, True)
    assert not cli.world.asked


@pytest.mark.parametrize(
    "text",
    [f"\ufeff{NIP}\r\n", f"'{NIP}\n", f"{NIP[:8]} {NIP[8:14]}\xa0{NIP[14:]}\n", f"\n{NIP[:6]}.{NIP[6:]}\n"],
    ids=["byte order mark", "apostrophe", "blanks", "dots below an empty line"],
)
def test_a_number_is_read_as_notepad_and_spreadsheets_write_it(cli: Cli, text: str) -> None:
    cli.world.person = lambda asked: shown()
    for name, typed in ((cli.file(text, "number.txt"), ""), ("-", text)):
        assert cli("people", "search", "--number-file", name, typed=typed).code == 0
    assert [one.body for one in cli.world.ordered("/people/search")] == [{"employee_number": NIP}] * 2
    cli.world.asked.clear()
    done = cli("people", "search", typed="1.98501E+17\n")
    assert (done.code, "format the column as text" in done.err, "98501" in done.err) == (2, True, False)
    assert not cli.world.asked


def test_a_person_is_found_by_the_id_of_a_record_too(cli: Cli) -> None:
    cli.world.person = lambda asked: shown()
    assert cli("people", "search", "--id", EMPLOYEE).code == 0
    assert cli.world.ordered("/people/search")[0].body == {"employee_id": EMPLOYEE}
    both = cli("people", "search", "--id", EMPLOYEE, "--number-file", "-")
    assert (both.code, "say one of them" in both.err) == (2, True)
    number = cli("people", "transfer", NIP, "--to", "x", *WHY)
    assert (number.code, "the id of its record" in number.err, NIP in number.err) == (2, True, False)


def test_a_person_is_shown_with_who_decided_what_and_what_to_do_about_links(cli: Cli) -> None:
    said = {
        "at": AT, "kind": "home", "employee_id": EMPLOYEE, "agency": "dinas-a", "into": None, "by": "u-7",
        "acting_for": None, "reason": "SK 800/1", "command_id": "c-7",
    }  # fmt: skip
    joined = {"employee_id": OTHER, "employee_numbers": [OTHER_NIP], "since": AT}
    merged = said | {
        "kind": "merged", "employee_id": OTHER, "into": EMPLOYEE, "by": None, "acting_for": "dinas-c", "agency": None,
    }  # fmt: skip
    apart = said | {"kind": "separated", "employee_id": OTHER}
    cli.world.person = lambda asked: shown(
        links=[LINK], decisions=[said, merged, apart], merged=[joined], state="confirmed", held=False
    )
    out = cli("people", "search", typed=f"{NIP}\n").out
    for text in (
        "dinas-a (confirmed)",
        "dinas-a's, by u-7 for all agencies",
        "SK 800/1 (command c-7)",
        f"{OTHER} joined {EMPLOYEE}, by an officer for dinas-c",
        f"{OTHER} is a person of its own, by u-7",
        f"kompeten people merge {OTHER} --into {EMPLOYEE} --reason TEXT",
        f"{OTHER}  {OTHER_NIP}",
    ):
        assert text in out
    assert "mails" not in out
    cli.world.person = lambda asked: shown()
    assert "wait until that is decided" in cli("people", "search", typed=f"{NIP}\n").out
    assert cli("people", "search", "--json", typed=f"{NIP}\n").json["employee_id"] == EMPLOYEE


def test_nobody_and_nobody_of_yours_are_told_alike(cli: Cli) -> None:
    done = cli("people", "search", typed=f"{NIP}\n")
    assert (done.code, "there is nobody like that" in done.err) == (1, True)


# Worklists.


@pytest.mark.parametrize("kind", ["disputed", "unclaimed"])
def test_a_worklist_names_who_claims_whom_and_what_to_do(cli: Cli, kind: str) -> None:
    assert cli("people", kind).out == f"nobody is {kind}\n"
    cli.world.people[kind] = [[open_person()], [], [open_person(employee_id=OTHER, claimants=[])]]
    out = cli("people", kind).out
    assert f"{EMPLOYEE}  {NIP}  dinas-a since 2026-03-0" in out
    assert f"{OTHER}  {NIP}  nobody" in out
    assert "kompeten people transfer ID --to AGENCY --reason TEXT" in out
    told = cli("people", kind, "--json").json
    assert ([one["employee_id"] for one in told["people"]], told["more"]) == ([EMPLOYEE, OTHER], False)


def test_links_say_how_to_decide_them_either_way(cli: Cli) -> None:
    assert cli("people", "links").out == "no link between two numbers waits\n"
    cli.world.people["links"] = [[LINK], [LINK | {"into": None, "into_name": None}]]
    out = cli("people", "links").out
    assert f"{OTHER_NIP} Baru (dinas-b) is said to be {NIP} Lama\n" in out
    assert f"kompeten people merge {OTHER} --into {EMPLOYEE} --reason TEXT" in out
    assert out.count(f"kompeten people separate {OTHER} --reason TEXT") == 2
    assert "nobody has that number, or nobody of yours" in out
    assert len(cli("people", "links", "--json").json["links"]) == 2


def test_a_link_whose_names_are_another_agency_s_is_told_without_them(cli: Cli) -> None:
    cli.world.people["links"] = [[LINK | {"name": "", "into_name": ""}]]
    assert f"{OTHER_NIP} (dinas-b) is said to be {NIP}\n" in cli("people", "links").out


def test_a_worklist_has_an_end_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.people.MAX_SHOWN", 2)
    cli.world.people["disputed"] = [[open_person()] * 2, [open_person()] * 2, [open_person()]]
    assert "and more" in cli("people", "disputed").out
    assert len(cli.world.ordered("/people/disputed")) == 2, "no more pages than are shown"


def test_status_counts_what_officers_are_to_decide_and_finds_nothing_wrong(cli: Cli) -> None:
    cli.world.status["enrollment"]["work"] = {
        "renderings": {"queued": 0},
        "employees": {"disputed": 3, "unclaimed": 0, "links": 1},
    }
    done = cli("status")
    assert (done.code, "nothing is wrong" in done.out) == (0, True)
    assert "3 disputed: `kompeten people disputed`" in done.out
    assert "1 links: `kompeten people links`" in done.out
    assert "unclaimed" not in done.out
    cli.world.status["enrollment"]["work"]["employees"] = {"disputed": 0, "unclaimed": 0, "links": 0}
    assert "officers" not in cli("status").out


# Decisions.


def test_a_transfer_is_shown_asked_about_and_ordered(cli: Cli) -> None:
    done = cli(*TRANSFER, typed="y\n")
    assert (done.code, done.out.endswith(f"{EMPLOYEE} is dinas-b's\n")) == (0, True)
    for text in (
        "home: dinas-a (disputed) -> dinas-b (confirmed)",
        "name: Dewi -> Dewi L.",
        "mails that wait go out",
        "Give it to dinas-b?",
    ):
        assert text in done.err
    assert "JP" not in done.err, "what stays is not told"
    order = {"agency": "dinas-b", "reason": WHY[1]}
    assert [(one.path, one.body) for one in orders(cli)] == [(f"/people/{EMPLOYEE}/homes", order)]
    (asked,) = cli.world.ordered(f"/people/{EMPLOYEE}/homes/preview")
    assert asked.body == order
    cli(*TRANSFER, "--yes")
    assert len({one.headers["idempotency-key"] for one in orders(cli)}) == 2


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 2)], ids=["no", "nobody answers"])
def test_without_agreement_nothing_is_ordered(cli: Cli, typed: str, code: int) -> None:
    assert cli(*TRANSFER, typed=typed).code == code
    assert not orders(cli)


def test_a_merge_is_shown_with_what_moves_and_counts_once(cli: Cli) -> None:
    title = {"completion_id": "cmp_1", "title": "PPBD", "completed_on": "2026-03-04", "employee_id": EMPLOYEE}
    cli.world.preview = preview(
        change(stand(held=False), stand(held=True, employee_numbers=[NIP, OTHER_NIP], jp={"2026": 18.0})),
        change(stand(held=False, name="Baru"), None, OTHER),
        moved={"count": 7, "first": [title] * 7},
        counted_once={"count": 1, "first": [title]},
        certificates_issued=1,
    )
    cli.world.order = lambda asked: decided(employee_id=EMPLOYEE, agency="dinas-b")
    done = cli("people", "merge", OTHER, "--into", EMPLOYEE, "--home", "dinas-b", *WHY, "--yes")
    assert done.code == 0
    assert "mails wait until that is decided" in done.out, "who is tired reads the last line alone"
    for text in (
        "JP 2026: 12 -> 18",
        "mails wait from then on",
        f"{OTHER}: Baru becomes part of the other person",
        "JP 2026: 12 -> -",
        "7 completions would become another person's:",
        "and 2 more",
        "1 completion would count no more, the same training counts already:",
        "2026-03-04 PPBD",
        "certificates: 1 issued, 0 revoked",
    ):
        assert text in done.err
    (order,) = orders(cli)
    wanted = {"employee_id": OTHER, "into": EMPLOYEE, "home": "dinas-b", "reason": WHY[1]}
    assert (order.path, order.body) == ("/people/merges", wanted)


def test_a_separation_is_shown_as_a_person_of_its_own(cli: Cli) -> None:
    cli.world.preview = preview(
        change(stand(), stand()),
        change(None, stand(name="Baru", held=False), OTHER),
        counted_again={"count": 2, "first": []},
    )
    cli.world.order = lambda asked: decided(employee_id=OTHER, agency=None)
    done = cli("people", "separate", OTHER, *WHY, "--yes")
    assert (done.code, done.out) == (0, f"{OTHER} is nobody's\n")
    assert f"{OTHER}: Baru becomes a person of its own" in done.err
    assert "2 completions would count again" in done.err
    assert EMPLOYEE not in done.err
    assert [(one.path, one.body) for one in orders(cli)] == [
        ("/people/separations", {"employee_id": OTHER, "reason": WHY[1]})
    ]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (preview(change(stand(), stand())), "nothing would change"),
        ({"verdict": "duplicate", "reason": "they are one person already"}, "they are one person already"),
    ],
)
def test_what_stands_so_already_is_not_ordered_again(cli: Cli, told: dict[str, Any], says: str) -> None:
    cli.world.preview = told
    done = cli(*TRANSFER)
    assert (done.code, says in done.out) == (0, True)
    assert says in cli(*TRANSFER, "--json").json["reason"]
    assert not orders(cli)


def test_what_would_be_refused_is_not_asked_about(cli: Cli) -> None:
    cli.world.preview = {"verdict": "refused", "reason": "the person is another agency's"}
    done = cli(*TRANSFER)
    assert (done.code, "the person is another agency's" in done.err) == (1, True)
    assert not orders(cli)


def test_an_officer_of_another_agency_is_told_no_and_not_to_get_another_role(cli: Cli) -> None:
    def not_yours(asked: Asked) -> Response:
        document = {
            "type": "/problems/not-your-agency", "title": "No", "status": 403, "detail": "An officer lets people go.",
        }  # fmt: skip
        return JSONResponse(document, 403, media_type="application/problem+json")

    cli.world.order = not_yours
    done = cli(*TRANSFER, "--yes")
    assert (done.code, "lets people go" in done.err, "role" in done.err) == (1, True, False)


def test_an_order_that_is_not_decided_in_time_is_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.DECIDED_WITHIN_S", 0.0)
    cli.world.order = lambda asked: decided(status="pending", verdict=None)
    done = cli(*TRANSFER, "--yes")
    assert (done.code, "not decided yet: see `kompeten people search --id ID`" in done.out) == (1, True)
    cli.world.order = lambda asked: problem(409, "20 decisions about this person are kept: no more")
    assert (cli(*TRANSFER, "--yes").code, cli(*TRANSFER, "--yes", "--json").code) == (1, 1)
