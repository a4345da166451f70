"""`kompeten people transfer-all`, `merge-all`, `separate-all`: who is chosen, what is shown, asked and ordered."""

from typing import Any

import pytest
from fastapi.responses import JSONResponse, Response

from tests.factories import NIP, OTHER_NIP
from tests.unit.admin_http import Asked, decided, problem
from tests.unit.test_cli import WHY, Cli, cli, play
from tests.unit.test_cli_people import (
    AT,
    ENDED,
    LINK,
    OTHER,
    change,
    open_person,
    orders,
    person,
    preview,
    stand,
)

__all__ = ["cli", "play"]
IDS = ["emp_" + str(n) * 32 for n in range(4)]
BOTH = ("--claimed-by", "dinas-a", "--claimed-by", "dinas-b")
TO_B = ("people", "transfer-all", "--to", "dinas-b", *WHY)


def claims(*agencies: str) -> list[dict[str, Any]]:
    return [{"agency": one, "since": AT} for one in agencies]


@pytest.fixture(autouse=True)
def stands(cli: Cli) -> None:
    cli.world.preview = ENDED
    cli.world.order = lambda asked: decided(agency="dinas-b")
    cli.world.people["disputed"] = [
        [
            open_person(employee_id=IDS[0]),
            open_person(employee_id=IDS[1], claimants=claims("dinas-a", "dinas-c")),
        ],
        [open_person(employee_id=IDS[2], claimants=claims("dinas-a", "dinas-b", "dinas-c"))],
    ]


def test_all_whom_both_agencies_claim_are_shown_asked_about_and_ordered_one_by_one(cli: Cli) -> None:
    done = cli(*TO_B, *BOTH, typed="y\n")
    assert done.code == 0
    for text in (
        "2 would change",
        "dinas-a (disputed)",
        "dinas-b (confirmed)",
        "mails that wait go out to 2 of them",
        "Give 2 people to dinas-b?",
    ):
        assert text in done.err
    assert [one.path for one in orders(cli)] == [f"/people/{id}/homes" for id in (IDS[0], IDS[2])]
    assert {tuple(one.body.items()) for one in orders(cli)} == {(("agency", "dinas-b"), ("reason", WHY[1]))}
    assert "accepted" in done.out


def test_given_again_each_order_has_the_same_key_unless_the_person_stands_otherwise(cli: Cli) -> None:
    cli(*TO_B, *BOTH, "--yes")
    cli(*TO_B, *BOTH, "--yes")
    keys = [one.headers["idempotency-key"] for one in orders(cli)]
    assert (len(keys), keys[:2], len(set(keys))) == (4, keys[2:], 2)
    cli.world.preview = preview(change(stand(state="confirmed"), stand(home="dinas-b", state="confirmed")))
    cli(*TO_B, *BOTH, "--yes")
    assert not {one.headers["idempotency-key"] for one in orders(cli)[4:]} & set(keys)


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 2)], ids=["no", "nobody answers"])
def test_without_agreement_nobody_is_decided_about(cli: Cli, typed: str, code: int) -> None:
    assert cli(*TO_B, *BOTH, typed=typed).code == code
    assert not orders(cli)


def by_number(asked: Asked) -> Response:
    """Nobody has OTHER_NIP."""
    if asked.body == {"employee_number": OTHER_NIP}:
        return problem(404, "there is nobody like that")
    id = asked.body.get("employee_id", IDS[3])
    return JSONResponse(person(employee_id=id))


@pytest.mark.parametrize(
    "table",
    [
        f"{NIP}\n{IDS[1]}\n{OTHER_NIP}\n{NIP}\n",
        f"Nama;employee_number\nDewi;{NIP}\nBudi;{IDS[1]}\n\nAnon;{OTHER_NIP}\n",
        f"\ufeffemployee_id,nama\n{NIP},Dewi\n{IDS[1]},Budi\n{OTHER_NIP},Anon\n",
    ],
    ids=["a list", "semicolons", "commas"],
)
def test_a_file_names_people_by_records_or_numbers_which_are_shown_nowhere(cli: Cli, table: str) -> None:
    cli.world.person = by_number
    done = cli(*TO_B, "--file", cli.file(table, "people.csv"), "--yes", "--json")
    assert done.code == 1, "one is nobody's number"
    assert {one["id"]: one["outcome"] for one in done.json["people"] if not one["id"].startswith("line")} == {
        IDS[3]: "accepted", IDS[1]: "accepted",
    }  # fmt: skip
    (unknown,) = [one for one in done.json["people"] if one["id"].startswith("line")]
    assert unknown["outcome"] == "not found"
    assert {NIP, OTHER_NIP} & {*done.out.split('"'), *done.err.split()} == set()
    assert not [one for one in cli.world.asked if NIP in one.path or OTHER_NIP in one.path]


@pytest.mark.parametrize(
    "table",
    [
        f"'{NIP}\n'{OTHER_NIP}\n",
        f"{NIP[:8]} {NIP[8:14]} {NIP[14]} {NIP[15:]}\n{OTHER_NIP[:8]}\xa0{OTHER_NIP[8:]}\u200b\n",
        f'{NIP[:3]}.{NIP[3:6]}.{NIP[6:]}\n"=""{OTHER_NIP}"""\n',
        f"\n\r\nsep=;\r\nNo;NIP;Nama\r\n1;{NIP};Dewi, S.Kom.\r\n2;{OTHER_NIP};Budi, S.E., M.M.\r\n;;\r\n",
        f"No\tNama\tNomor Pegawai\n1\tDewi\t{NIP}\n2\tBudi\t{OTHER_NIP}\n",
        f"nama|nomor_pegawai\nDewi|{NIP}\nBudi|{OTHER_NIP}\n",
        f'"Nama","N I P"\n"Dewi\n(baru)",{NIP}\n"Budi, S.E.",{OTHER_NIP}\n',
        f"{NIP}\n{OTHER_NIP},Budi\n",
        f"employee_id;NIP\n;{NIP}\n;{OTHER_NIP}\n",
    ],
    ids=[
        "apostrophes",
        "blanks",
        "dots",
        "sep=",
        "tabs",
        "bars",
        "a cell of two lines",
        "a list with names",
        "no id",
    ],
)
def test_a_table_as_spreadsheets_save_it_names_everybody_in_it(cli: Cli, table: str) -> None:
    cli.world.person = by_number
    file = cli.file(table, "people.csv")
    done = cli(*TO_B, "--file", file, "--yes", "--json")
    asked = [one.body for one in cli.world.ordered("/people/search")]
    assert asked == [{"employee_number": NIP}, {"employee_number": OTHER_NIP}], done.err


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (f"1.98501E+17\n{NIP}\n", "line 1 of FILE: the spreadsheet wrote the number as 1.9E+17"),
        (f"1,98501E+17\n{NIP},Dewi\n", "format the column as text"),
        (f"Nama;employee_number\nSiti;\nDewi;{NIP}\n", "line 2 of FILE: has nothing in column 2"),
        (f"Nama;employee_number\nDewi;{NIP}\nSiti\n", "line 3 of FILE: has 1 column, and"),
        (f"No;Nama;Golongan\n1;{NIP};III/a\n", "line 1 of FILE: no column employee_number or NIP found"),
        (f"NIP;employee_number\n{NIP};{OTHER_NIP}\n", "has several columns of numbers"),
        (f"Pegawai\n{NIP}\n", "line 1 of FILE: no column employee_number or NIP found"),
        (f"{NIP}\nemp_12\n", "line 2 of FILE: no id of a record"),
        (f'Nama;NIP\n"Siti;{NIP}\nDewi;{OTHER_NIP}\n', "line 2 of FILE: a quotation mark"),
        ("employee_number\n", "names nobody"),
    ],
)  # fmt: skip
def test_a_line_that_names_nobody_is_told_by_its_place_and_nobody_is_asked_about(
    cli: Cli, table: str, says: str
) -> None:
    file = cli.file(table, "people.csv")
    done = cli(*TO_B, "--file", file, "--yes")
    assert (done.code, says.replace("FILE", str(file)) in done.err) == (2, True), done.err
    assert not [
        said for said in (NIP, OTHER_NIP, "98501E", "Siti") if said in done.err.replace(str(file), "")
    ]
    assert not cli.world.asked


def test_all_lines_that_name_nobody_are_told_the_first_20_by_their_places(cli: Cli) -> None:
    file = cli.file("\n".join(["NIP", *["123456"] * 23, NIP, "1,9E+17"]), "people.csv")
    done = cli(*TO_B, "--file", file, "--yes")
    assert (done.code, f"24 lines of {file} name nobody" in done.err) == (2, True)
    assert [f"line {n}: employee number has 6 characters" in done.err for n in (2, 21, 22)] == [
        True,
        True,
        False,
    ]
    assert "and 4 more" in done.err
    parts = cli(*TO_B, "--file", file, "--yes", "--json").json["parts"]
    assert (len(parts), parts[-1]) == (21, "and 4 more")


def test_who_is_not_found_is_told_by_lines_before_anything_is_asked(cli: Cli) -> None:
    cli.world.person = by_number
    done = cli(*TO_B, "--file", cli.file(f"NIP\n{NIP}\n{OTHER_NIP}\n", "people.csv"), typed="n\n")
    assert "1 would change, 1 not found\nnot found: line 3\n" in done.err
    cli.world.people["links"] = [[LINK | {"employee_id": IDS[0]}]]
    cli.world.preview = JOINED
    lines = "\n".join([IDS[1], *IDS])
    done = cli("people", "merge-all", "--file", cli.file(lines), *WHY, typed="n\n")
    assert "not found: lines 1, 4, 5\n" in done.err
    assert (
        cli("people", "merge-all", "--file", cli.file(lines), *WHY, "--yes", "--json").json["people"][0][
            "line"
        ]
        == 1
    )


@pytest.mark.parametrize("whom", [(), (*BOTH, "--file", "-")], ids=["nobody", "both ways"])
def test_whom_it_is_about_is_said_in_one_way(cli: Cli, whom: tuple[str, ...]) -> None:
    done = cli(*TO_B, *whom)
    assert (done.code, "say whom" in done.err) == (2, True)
    assert not cli.world.asked


def test_those_who_stand_so_or_would_be_refused_are_counted_and_not_ordered(cli: Cli) -> None:
    for told, outcome, code in (
        (preview(change(stand(), stand())), "so already", 0),
        ({"verdict": "refused", "reason": "20 decisions are kept"}, "refused", 1),
    ):
        cli.world.preview = told
        done = cli(*TO_B, *BOTH, "--json")
        assert (done.code, done.json["outcomes"]) == (code, {outcome: 2})
    assert not orders(cli)
    cli.world.people["disputed"] = [[]]
    assert cli(*TO_B, *BOTH).code == 1


def test_a_refusal_in_between_ends_nothing(cli: Cli) -> None:
    cli.world.order = lambda asked: (
        problem(409, "20 decisions about this person are kept: no more")
        if IDS[0] in asked.path
        else decided(agency="dinas-b")
    )
    done = cli(*TO_B, *BOTH, "--yes", "--json")
    assert (done.code, done.json["outcomes"]) == (1, {"refused": 1, "accepted": 1})


JOINED = preview(change(stand(), stand(home="dinas-b")), change(stand(name="Baru"), None, OTHER))


def test_links_that_an_agency_said_are_decided_either_way(cli: Cli) -> None:
    cli.world.people["links"] = [
        [
            LINK,
            LINK | {"employee_id": IDS[1], "said_by": "dinas-c"},
            LINK | {"employee_id": IDS[2], "into": None},
        ]
    ]
    cli.world.preview = JOINED
    merged = cli("people", "merge-all", "--said-by", "dinas-b", *WHY, "--yes", "--json")
    assert (merged.code, merged.json["outcomes"]) == (1, {"refused": 1, "accepted": 1})
    into = str(LINK["into"])
    assert [(one.path, one.body) for one in orders(cli)] == [
        ("/people/merges", {"employee_id": OTHER, "into": into, "home": None, "reason": WHY[1]})
    ]
    cli.world.asked.clear()
    parted = cli("people", "separate-all", "--said-by", "dinas-b", *WHY, "--yes", "--json")
    assert (parted.code, parted.json["outcomes"]) == (0, {"accepted": 2})
    assert [one.body["employee_id"] for one in orders(cli)] == [OTHER, IDS[2]]


def joined_person(asked: Asked) -> Response:
    """Record IDS[1], with OTHER_NIP, was merged into IDS[0]; IDS[2] is a person of its own by a word."""
    merged = [{"employee_id": IDS[1], "employee_numbers": [OTHER_NIP], "since": AT}]
    said = {"employee_id": IDS[1], "kind": "merged", "command_id": "m-1", "at": AT}
    if asked.body in ({"employee_id": IDS[1]}, {"employee_number": OTHER_NIP}):
        return JSONResponse(person(employee_id=IDS[0], merged=merged, decisions=[said]))
    id = asked.body["employee_id"]
    apart = {"employee_id": id, "kind": "separated", "command_id": "s-1", "at": AT}
    return JSONResponse(person(employee_id=id, decisions=[apart] if id == IDS[2] else []))


@pytest.mark.parametrize("name", [IDS[1], OTHER_NIP], ids=["by record", "by number"])
def test_a_finished_merge_all_is_so_already_and_separate_all_takes_it_back(cli: Cli, name: str) -> None:
    cli.world.people["links"] = [[]]
    cli.world.person = joined_person
    cli.world.preview = preview(change(stand(), stand()), change(None, stand(), OTHER))
    file = cli.file(f"{name}\n")
    again = cli("people", "merge-all", "--file", file, *WHY, "--yes", "--json")
    assert (again.code, again.json["outcomes"], orders(cli)) == (0, {"so already": 1}, [])
    back = cli("people", "separate-all", "--file", file, *WHY, "--yes", "--json")
    assert (back.code, back.json["outcomes"]) == (0, {"accepted": 1})
    assert [one.body["employee_id"] for one in orders(cli)] == [IDS[1]]


def test_who_is_a_person_of_its_own_by_a_word_is_so_already_and_others_have_no_link(cli: Cli) -> None:
    cli.world.people["links"] = [[]]
    cli.world.person = joined_person
    done = cli("people", "separate-all", "--file", cli.file(f"{IDS[2]}\n{IDS[3]}\n"), *WHY, "--yes", "--json")
    assert (done.code, done.json["outcomes"]) == (1, {"so already": 1, "not found": 1})


def test_a_merge_that_is_taken_back_once_more_is_another_order(cli: Cli) -> None:
    cli.world.people["links"] = [[]]
    cli.world.preview = preview(change(stand(), stand()), change(None, stand(), OTHER))
    for command in ("m-1", "m-1", "m-2"):
        said = {"employee_id": IDS[1], "kind": "merged", "command_id": command, "at": AT}
        merged = [{"employee_id": IDS[1], "employee_numbers": [OTHER_NIP], "since": AT}]
        whole = person(employee_id=IDS[0], merged=merged, decisions=[said])
        cli.world.person = lambda asked, whole=whole: JSONResponse(whole)
        cli("people", "separate-all", "--file", cli.file(f"{IDS[1]}\n"), *WHY, "--yes")
    first, again, other = (one.headers["idempotency-key"] for one in orders(cli))
    assert (first == again, first == other) == (True, False)


def test_an_agency_that_the_register_does_not_have_is_refused_once(cli: Cli) -> None:
    document = {"type": "/problems/unknown-agency", "detail": "The register has no agency dinas-b."}
    cli.world.refusal = JSONResponse(document, 409, media_type="application/problem+json")
    done = cli(*TO_B, *BOTH, "--yes")
    assert (done.code, done.err.count("The register has no agency dinas-b")) == (1, 1)
    assert len([one for one in cli.world.asked if one.path.endswith("/preview")]) == 1


def test_a_file_names_the_links_of_records(cli: Cli) -> None:
    cli.world.people["links"] = [[LINK, LINK | {"employee_id": IDS[1]}]]
    cli.world.person = by_number
    cli.world.preview = JOINED
    done = cli("people", "merge-all", "--file", cli.file(f"{IDS[1]}\n{IDS[2]}\n"), *WHY, "--yes", "--json")
    assert (done.code, done.json["outcomes"]) == (1, {"not found": 1, "accepted": 1})
    assert [one.body["employee_id"] for one in orders(cli)] == [IDS[1]]
    neither = cli("people", "separate-all", *WHY)
    assert (neither.code, "say which links" in neither.err) == (2, True)
