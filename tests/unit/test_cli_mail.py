"""`kompeten mail`."""

from tests.unit.test_cli import WHY, Cli, cli, play

__all__ = ["cli", "play"]


def ended(
    n: int, reason: str = "550 5.7.1 Relaying denied", cancelled: str | None = None
) -> dict[str, object]:
    return {
        "id": f"let_{n:04}",
        "template": "certificate_issued",
        "state": "bounced",
        "reason": reason,
        "ended_at": "2026-03-05T02:00:00+00:00",
        "cancelled": cancelled,
    }


def test_mails_that_ended_are_listed_by_what_was_said(cli: Cli) -> None:
    assert "no mail ended" in cli("mail").out
    cli.world.mail_groups = [
        {
            "state": "bounced",
            "reason": "550 5.7.1 no",
            "count": 3,
            "sample": "let_1",
            "latest": None,
            "do": "mend it",
        }
    ]
    first, *about = cli("mail").out.splitlines()
    assert first == "3 bounced: 550 5.7.1 no"
    assert [line.split(maxsplit=1) for line in about] == [
        ["sample", "let_1"], ["latest", "-"], ["do", "mend it"],
    ]  # fmt: skip
    assert cli("mail", "list", "--json").json["groups"][0]["sample"] == "let_1"


def test_many_are_sent_again_after_a_look_at_them_and_a_question(cli: Cli) -> None:
    cli.world.ended_mails = [*(ended(n) for n in range(250)), ended(300, cancelled="overtaken")]
    argv = ("mail", "resend", "--said", "5.7.1", "--since", "2h", *WHY)
    done = cli(*argv, typed="n\n")
    assert (done.code, cli.world.ordered("/admin/mails/resends")) == (1, [])
    assert "251 bounced: 550 5.7.1 Relaying denied" in done.err
    assert "1 of them were cancelled" in done.err
    assert cli(*argv, "--yes", "--json").json["outcomes"] == {"accepted": 251}
    ordered = cli.world.ordered("/admin/mails/resends")
    assert [one.body["id"] for one in ordered] == [one["id"] for one in cli.world.ended_mails]
    assert ordered[0].body["reason"] == WHY[1]
    asked = cli.world.ordered("/admin/mails/ended")[0].params
    assert (asked["said"], "since" in asked) == ("5.7.1", True)


def test_one_is_sent_again_by_its_id(cli: Cli) -> None:
    assert cli("mail", "resend", "let_0001", *WHY).code == 0
    assert [one.body["id"] for one in cli.world.ordered("/admin/mails/resends")] == ["let_0001"]


def test_which_ones_must_be_said_in_one_way(cli: Cli) -> None:
    for which in ((), ("let_1", "--said", "x")):
        done = cli("mail", "resend", *which, *WHY, "--yes")
        assert (done.code, "--said" in done.err) == (2, True)
