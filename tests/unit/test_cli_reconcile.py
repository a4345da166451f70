"""`kompeten reconcile` against books that a test writes: what it calls wrong, what it leaves, what it orders."""

from collections.abc import Mapping
from typing import Any

import pytest
from fastapi.responses import Response

from cli.answers import Held
from cli.comparison import Finding, findings, merged
from tests.unit.admin_http import AT, Asked, World, decided
from tests.unit.test_cli import Cli, cli, play

__all__ = ["cli", "play"]
HEAL = ["--heal", "--reason", "lost in the move", "--yes"]


def id_of(n: int) -> str:
    return f"cmp_{n:032x}"


def held(
    n: int, *, version: int = 1, standing: bool = True, lacks: list[str] | None = None
) -> dict[str, Any]:
    return {
        "completion_id": id_of(n), "version": version, "standing": standing, "lacks": lacks or [], "changed_at": AT,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.reconcile.PAUSE_S", 0.0)
    monkeypatch.setattr("cli.reconcile.CAUGHT_UP_WITHIN_S", 0.0)


def healthy(world: World, count: int = 5) -> None:
    for service in ("enrollment", "incentive", "notification"):
        world.ledgers[service] = [held(n) for n in range(count)]


def lose(world: World, service: str, n: int) -> None:
    world.ledgers[service] = [one for one in world.ledgers[service] if one["completion_id"] != id_of(n)]


def test_where_all_agree_nothing_is_missing(cli: Cli) -> None:
    healthy(cli.world)
    done = cli("reconcile")
    assert (done.code, done.err) == (0, "")
    assert "5 completions compared" in done.out
    assert "nothing is missing" in done.out
    assert not cli.world.ordered("/admin/reconciliation/looks"), "nothing was to be looked at twice"


def test_what_a_service_lacks_is_named_by_service_and_completion(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "incentive", 1)
    lose(cli.world, "notification", 4)
    done = cli("reconcile", "--json")
    assert done.code == 1
    assert [(one["service"], one["completion_id"], one["lacks"]) for one in done.json["wrong"]] == [
        ("incentive", id_of(1), ["points"]),
        ("notification", id_of(4), ["letter"]),
    ]
    shown = cli("reconcile")
    assert f"incentive {id_of(1)}: points" in shown.out
    assert not cli.world.ordered("/admin/reconciliation/restatements")


def test_what_has_no_certificate_of_ours_lacks_no_letter(cli: Cli) -> None:
    healthy(cli.world)
    bare = {**held(1), "certified": False}
    cli.world.ledgers["enrollment"][1] = bare
    lose(cli.world, "notification", 1)
    done = cli("reconcile")
    assert done.code == 0
    assert "5 completions compared, 1 of them recorded, without a certificate of ours" in done.out
    lose(cli.world, "incentive", 1)
    lacking = cli("reconcile")
    assert lacking.code == 1
    assert f"incentive {id_of(1)}: points (recorded, without a certificate of ours)" in lacking.out
    told = cli("reconcile", "--json").json
    assert told["uncertified"] == 1
    assert [(one["service"], one["certified"]) for one in told["wrong"]] == [("incentive", False)]


def test_what_is_there_at_the_second_look_is_not_called_wrong(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "incentive", 1)
    cli.world.looks = lambda asked: {"entries": [held(1)]}
    done = cli("reconcile", "--json")
    assert (done.code, done.json["wrong"], done.json["in_doubt"]) == (0, [], [])


def test_what_still_changes_is_in_doubt_and_not_wrong(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "incentive", 1)
    versions = iter(range(2, 100))

    def moving(asked: Asked) -> dict[str, Any]:
        return (
            {"entries": [held(1, version=next(versions))]}
            if asked.service == "enrollment"
            else {"entries": []}
        )

    cli.world.looks = moving
    done = cli("reconcile", "--json")
    assert (done.code, done.json["wrong"]) == (2, [])
    assert {one["completion_id"] for one in done.json["in_doubt"]} == {id_of(1)}


def test_while_a_service_lags_nothing_is_called_wrong(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "incentive", 1)
    cli.world.status["incentive"]["partitions"][0]["lag"] = 7
    done = cli("reconcile")
    assert done.code == 2
    assert "In doubt: a service has not read all yet" in done.out
    assert f"incentive {id_of(1)}: points" in done.out


def test_healing_restates_each_completion_once_and_looks_again(cli: Cli) -> None:
    healthy(cli.world)
    for service in ("incentive", "notification"):
        lose(cli.world, service, 2)

    def mend(asked: Asked) -> Response:
        healthy(cli.world)
        return decided(dead_letter=None, outcome=None)

    cli.world.order = mend
    done = cli("reconcile", *HEAL, "--json")
    assert (done.code, done.json["wrong"], done.json["restated"]) == (0, [], {id_of(2): "accepted"})
    (ordered,) = cli.world.ordered("/admin/reconciliation/restatements")
    assert ordered.body == {"completion_id": id_of(2), "reason": "lost in the move"}


def test_what_a_restatement_does_not_mend_is_said(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "incentive", 2)
    done = cli("reconcile", *HEAL, "--json")
    assert done.code == 1
    assert [one["completion_id"] for one in done.json["wrong"]] == [id_of(2)]


@pytest.mark.parametrize(
    "comparison",
    [
        {"incentive": held(9)},
        {"notification": held(0, lacks=["mail"])},
        {"enrollment": held(0, lacks=["certificate"])},
    ],
)
def test_what_only_a_person_can_judge_is_not_restated(cli: Cli, comparison: Mapping[str, Any]) -> None:
    healthy(cli.world)
    for name, one in comparison.items():
        rows = {row["completion_id"]: row for row in [*cli.world.ledgers[name], one]}
        cli.world.ledgers[name] = [rows[id] for id in sorted(rows)]
    done = cli("reconcile", *HEAL)
    assert done.code == 1
    assert "(by hand)" in done.out
    assert not cli.world.ordered("/admin/reconciliation/restatements")


def test_what_waits_is_explained_and_a_dead_letter_is_left_to_its_replay(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "notification", 1)
    lose(cli.world, "incentive", 2)
    reasons = {
        "notification": {id_of(1): "waits: the contact"},
        "incentive": {id_of(2): "dead letter x: a bug"},
    }

    def looks(asked: Asked) -> dict[str, Any]:
        return {"reasons": reasons.get(asked.service, {})}

    cli.world.looks = looks
    done = cli("reconcile", *HEAL, "--json")
    assert done.code == 1
    assert [one["reason"] for one in done.json["wrong"]] == ["dead letter x: a bug"]
    assert [one["reason"] for one in done.json["waiting"]] == ["waits: the contact"]
    assert done.json["restated"] == {}


def test_healing_needs_a_reason_and_a_person_is_no_reason(cli: Cli) -> None:
    assert "say why with --reason" in cli("reconcile", "--heal").err
    assert "leave employee numbers" in cli("reconcile", "--heal", "--reason", "NIP 198501012010011001").err
    assert cli.world.asked == []


def test_notes_of_lists_are_shown_beside(cli: Cli) -> None:
    healthy(cli.world)
    cli.world.noted["incentive"] = [
        {"completion_id": id_of(n), "lacks": ["points"], "since": AT, "reason": None} for n in range(3)
    ]
    done = cli("reconcile", "--json")
    assert done.code == 0
    assert [one["completion_id"] for one in done.json["noted"]] == [id_of(n) for n in range(3)]
    assert "Noted as lists came in" in cli("reconcile").out


def test_a_service_that_is_silent_ends_the_comparison(cli: Cli) -> None:
    healthy(cli.world)
    cli.env.setenv("KOMPETEN_INCENTIVE_URL", "http://127.0.0.1:9")
    done = cli("reconcile")
    assert (done.code, done.out) == (2, "")
    assert "incentive does not answer" in done.err


# Who is behind whom.


def book(version: int, standing: bool) -> Held:
    return Held(completion_id=id_of(1), version=version, standing=standing)


@pytest.mark.parametrize(
    ("ours", "theirs", "lacks"),
    [
        ((2, True), (2, True), ()),
        ((2, True), (5, True), ()),  # it was restated since
        ((2, True), (1, True), ("points",)),
        ((2, True), None, ("points",)),
        ((2, False), (1, True), ("points",)),  # a revocation that never came
        ((2, False), (5, True), ("points",)),
        ((3, False), (2, False), ()),  # corrected while it was revoked
        ((0, False), None, ()),  # only a revocation has come
    ],
)
def test_a_reader_is_behind_when_it_lacks_a_version_or_how_it_stands(
    ours: tuple[int, bool], theirs: tuple[int, bool] | None, lacks: tuple[str, ...]
) -> None:
    comparison = {"enrollment": book(*ours)} | ({} if theirs is None else {"incentive": book(*theirs)})
    found = [one for one in findings(id_of(1), comparison) if one.service == "incentive"]
    assert found == ([Finding(id_of(1), "incentive", lacks, standing=ours[1])] if lacks else [])


def test_ledgers_are_merged_by_id_without_being_held() -> None:
    ledgers = {
        "enrollment": (Held.model_validate(held(n)) for n in (1, 2, 4)),
        "incentive": (Held.model_validate(held(n)) for n in (2, 3)),
    }
    assert [(id, sorted(comparison)) for id, comparison in merged(ledgers)] == [
        (id_of(1), ["enrollment"]),
        (id_of(2), ["enrollment", "incentive"]),
        (id_of(3), ["incentive"]),
        (id_of(4), ["enrollment"]),
    ]


def test_trace_misses_what_reconcile_misses(cli: Cli) -> None:
    """After a restore reconcile called letters missing, and trace said that nothing was."""
    healthy(cli.world)
    cli.world.traces["enrollment"] = {
        "steps": [{"at": AT, "service": "enrollment", "what": "recorded"}],
        "missing": [],
        "completion_ids": [id_of(1)],
    }
    trace = ("trace", "--completion", id_of(1), "--json")
    assert (cli(*trace).code, cli(*trace).json["missing"]) == (0, [])
    cli.world.ledgers["enrollment"][1] = held(1, version=2)
    (wrong, also) = cli("reconcile", "--json").json["wrong"]
    missing = cli(*trace).json["missing"]
    assert [(one["service"], one["what"]) for one in missing] == [
        (one["service"], *one["lacks"]) for one in (wrong, also)
    ]
    assert "--heal" in missing[0]["do"]
    assert cli(*trace).code == 1


def test_trace_says_a_gap_once_as_its_service_says_it(cli: Cli) -> None:
    healthy(cli.world)
    lose(cli.world, "notification", 1)
    gap = {"service": "notification", "what": "mail", "do": "look there", "completion_id": id_of(1)}
    cli.world.traces = {
        "enrollment": {"steps": [], "missing": [], "completion_ids": [id_of(1)]},
        "notification": {"steps": [], "missing": [gap]},
    }
    (said,) = cli("trace", "--completion", id_of(1), "--json").json["missing"]
    assert said["do"] == "look there"
