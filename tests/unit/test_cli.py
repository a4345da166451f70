"""The operators' command line, over an admin interface that answers as described."""

import base64
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import typer.main
import typer.testing
from fastapi.responses import JSONResponse, Response
from typer.testing import CliRunner

from cli.app import app
from cli.screen import plain
from tests.factories import NIP, as_record, completed
from tests.unit.admin_http import AT, Asked, Play, World, decided, letter, playing, problem, verdicts

ROOT = Path(__file__).parents[2]
tree_of = functools.cache(typer.main.get_command)
EVENT: dict[str, Any] = json.loads(as_record(completed(), id="evt-1").value or b"")
A, B, C = "agency.x.v1/0/1/0", "agency.x.v1/0/2/0", "enrollment.events.v1/3/7/0"
WHY = ("--reason", "rates added")
EMPLOYEE, COMPLETION = "emp_" + "0" * 32, "cmp_" + "0" * 32


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs commands against a world."""

    def __init__(self, play: Play, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.play, self.folder, self.env = play, folder, monkeypatch
        self.world = play.world = World()
        for name in [name for name in os.environ if name.startswith("KOMPETEN_")]:
            monkeypatch.delenv(name)
        for name, url in play.urls().items():
            monkeypatch.setenv(f"KOMPETEN_{name.upper()}_URL", url)
        monkeypatch.setenv("KOMPETEN_TOKEN", "good")
        monkeypatch.delenv("VISUAL", raising=False)
        # Typer makes all commands anew for each call: longer than most commands take.
        monkeypatch.setattr(typer.testing, "_get_command", tree_of)
        self.file(json.dumps(EVENT))

    def __call__(self, *argv: str | Path, typed: str = "") -> Result:
        names = {"EVENTS": str(self.folder / "events.jsonl")}
        done = CliRunner().invoke(app, [names.get(str(one), str(one)) for one in argv], input=typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "Traceback" not in done.output
        assert "fault of the command line itself" not in done.output
        return Result(done.exit_code, done.stdout, done.stderr)

    def editor(self, body: str) -> None:
        """An editor that runs `body` with `event`, the document in the file."""
        script = self.folder / "editor.py"
        script.write_text(
            "import json, sys, pathlib\npath = pathlib.Path(sys.argv[1])\nevent = json.loads(path.read_text())\n"
            f"print('editor draws')\n{body}\npath.write_text(json.dumps(event))\n"
        )
        self.env.setenv("EDITOR", f"{sys.executable} {script}")

    def file(self, text: str | bytes, name: str = "events.jsonl") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    with playing() as play:
        yield play


@pytest.fixture
def cli(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    return Cli(play, monkeypatch, tmp_path)


# Where, who, exit statuses.


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *(
            ("ENROLLMENT_URL", url, "KOMPETEN_ENROLLMENT_URL (--enrollment-url) is not a web address")
            for url in (
                "x",
                "   ",
                "ftp://x",
                "http://",
                "http://x:99999999",
                "http://x:y",
                "'http://x'",
                "http://a b",
            )
        ),
        (
            "ENROLLMENT_URL",
            "http://u:hunter2@x",
            "KOMPETEN_ENROLLMENT_URL (--enrollment-url) has a user name or",
        ),
        (
            "ENROLLMENT_URL",
            "http://\u0430.example",
            "KOMPETEN_ENROLLMENT_URL (--enrollment-url) has letters other",
        ),
        ("TOKEN_FILE", "/nowhere", "(KOMPETEN_TOKEN_FILE, --token-file) cannot be read (FileNotFoundError)"),
        ("TOKEN_FILE", "/", "(KOMPETEN_TOKEN_FILE, --token-file) is a folder"),
        ("TOKEN", "hunter2 hunter2", "KOMPETEN_TOKEN holds no access token"),
        ("TOKN", "hunter2", "KOMPETEN_TOKN is not known: did you mean KOMPETEN_TOKEN?"),
    ],
)
def test_a_wrong_setting_is_answered_by_its_name_and_what_to_write(
    cli: Cli, name: str, value: str, said: str
) -> None:
    cli.env.setenv(f"KOMPETEN_{name}", value)
    done = cli("status", "--service", "enrollment")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert said in line
    assert "hunter2" not in line


def test_a_token_file_that_is_not_text_is_answered_by_what_to_do(cli: Cli) -> None:
    file = cli.file(b"\xff\xfe\x00", "token")
    done = cli("status", "--token-file", file)
    assert (done.code, "begins with a byte order mark: save it as UTF-8 without one" in done.err) == (2, True)


def every_command() -> list[list[str]]:
    return [
        ["status"],
        ["dead-letters", "list"],
        ["dead-letters", "show", A],
        ["dead-letters", "edit", A],
        ["dead-letters", "dry-run", A],
        ["dead-letters", "replay", A, *WHY],
        ["dead-letters", "discard", A, *WHY],
        ["waiting"],
        ["waiting", "list"],
        ["waiting", "look", "employee/1", *WHY],
        ["waiting", "give-up", "employee/1", *WHY],
        ["agency", "list"],
        ["agency", "add", "dinkes", "--name", "Dinas Kesehatan"],
        ["agency", "change", "dinkes", "--name", "Dinas Kesehatan", *WHY],
        ["agency", "rotate", "dinkes", *WHY],
        ["agency", "suspend", "dinkes", *WHY],
        ["agency", "resume", "dinkes", *WHY],
        ["agency", "distrust", "dinkes", "--since", "2h", *WHY],
        ["agency", "trust", "dinkes", "--decision", "c-1", *WHY],
        ["agency", "replace", "dinkes", "--heir", "dinkes-2", *WHY],
        ["body", "list"],
        ["body", "add", "LAN RI", "--name", "Lembaga Administrasi Negara", "--outside"],
        ["body", "change", "LAN RI", "--alias", "LAN", *WHY],
        ["body", "unknown"],
        ["people", "search", "--id", EMPLOYEE],
        ["people", "disputed"],
        ["people", "unclaimed"],
        ["people", "links"],
        ["people", "transfer", EMPLOYEE, "--to", "dinkes", *WHY],
        ["people", "merge", EMPLOYEE, "--into", "emp_2", *WHY],
        ["people", "separate", EMPLOYEE, *WHY],
        ["people", "transfer-all", "--to", "dinkes", "--claimed-by", "dinas-a", *WHY],
        ["people", "merge-all", "--said-by", "dinas-a", *WHY],
        ["people", "separate-all", "--said-by", "dinas-a", *WHY],
        ["contests", "list"],
        ["contests", "add", COMPLETION, *WHY],
        ["contests", "decide", COMPLETION, "--contest", "c-1", "--uphold", *WHY],
        ["partitions", "start", "agency.x.v1", "0", "--service", "enrollment", *WHY],
        ["mail", "list"],
        ["mail", "resend", "--said", "5.7.1", *WHY, "--yes"],
        ["trace", "--event", "evt-1"],
        ["reconcile"],
        ["publish", "EVENTS", "--agency", "dinkes"],
    ]


every = pytest.mark.parametrize("argv", every_command(), ids=lambda argv: " ".join(argv[:2]))


def test_every_command_is_tried_here() -> None:
    tried = {
        tuple(argv[:2])
        if argv[0]
        in ("dead-letters", "waiting", "partitions", "agency", "body", "people", "contests", "mail")
        else (argv[0],)
        for argv in every_command()
    }
    assert set(_commands()) <= tried


def _commands() -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name, one in typer.main.get_group(app).commands.items():
        inner = getattr(one, "commands", None)
        found |= {(name,): one} if inner is None else {(name, each): inner[each] for each in inner}
    return found


@every
def test_a_service_that_does_not_answer_is_one_sentence_and_status_2(cli: Cli, argv: list[str]) -> None:
    for name in cli.play.urls():
        cli.env.setenv(f"KOMPETEN_{name.upper()}_URL", "http://127.0.0.1:9")
    done = cli(*argv, "--json")
    assert done.code == 2
    assert done.json["exit_status"] == 2
    assert "does not answer at http://127.0.0.1:9: see whether it runs" in done.json["error"]
    assert len(done.err.strip().splitlines()) == 1


@every
def test_a_refused_token_is_one_sentence_and_status_2(cli: Cli, argv: list[str]) -> None:
    cli.env.setenv("KOMPETEN_TOKEN", "stale")
    done = cli(*argv)
    assert (done.code, done.out) == (2, "")
    assert "does not accept the token (Get a new access token): put a new one into" in done.err


@every
def test_without_an_address_or_a_token_it_says_what_to_give(cli: Cli, argv: list[str]) -> None:
    cli.env.delenv("KOMPETEN_TOKEN")
    done = cli(*argv)
    assert done.code == 2
    assert "put one of role" in done.err
    assert "--token-file" in done.err
    asked = "notification" if argv[0] == "mail" else "enrollment"
    cli.env.delenv(f"KOMPETEN_{asked.upper()}_URL")
    done = cli(*argv, "--stack", str(cli.folder / "none.json"))
    assert done.code == 2
    assert f"nothing says where {asked} is: give --{asked}-url, set KOMPETEN_{asked.upper()}_URL" in done.err


def test_the_local_stack_gives_addresses_and_an_operators_token(cli: Cli) -> None:
    for name in ("TOKEN", "ENROLLMENT_URL", "INCENTIVE_URL", "NOTIFICATION_URL"):
        cli.env.delenv(f"KOMPETEN_{name}")
    stack = cli.file(json.dumps(stack_json(cli)), "stack.json")
    assert cli("status", "--stack", stack).code == 0
    assert cli.world.wishes[0] == {"role": "operator"}
    assert cli("publish", "EVENTS", "--agency", "dinkes", "--stack", stack).code == 0
    assert cli.world.wishes[-1] == {"role": "agency", "opd": "dinkes"}


def stack_json(cli: Cli) -> dict[str, Any]:
    url = f"{cli.play.url}/issuer/token"
    wishes = {"operator": {"role": "operator"}, "agency": {"role": "agency", "opd": "first"}}
    return {
        "services": cli.play.urls(),
        "tokens": {role: {"method": "POST", "url": url, "json": wish} for role, wish in wishes.items()},
    }


def test_a_token_of_the_local_issuer_is_not_sent_to_an_address_that_was_given(cli: Cli) -> None:
    cli.env.delenv("KOMPETEN_TOKEN")
    stack = cli.file(json.dumps(stack_json(cli)), "stack.json")
    done = cli("status", "--stack", stack)
    assert done.code == 2
    assert "no token for enrollment" in done.err
    assert not cli.world.wishes


def test_a_token_file_comes_before_the_environment_and_is_read_again_when_it_is_refused(cli: Cli) -> None:
    cli.env.setenv("KOMPETEN_TOKEN", "stale")
    path = cli.file("good\n", "token")
    assert cli("status", "--token-file", path).code == 0
    assert "cannot be read" in cli("status", "--token-file", cli.folder / "none").err
    path.write_text("two words")
    assert "holds no access token" in cli("status", "--token-file", path).err


def test_a_token_of_another_agency_publishes_nothing(cli: Cli) -> None:
    token = jwt.encode({"opd": "dinkes", "roles": ["agency"]}, "k" * 32)
    cli.world.tokens.add(token)
    cli.env.setenv("KOMPETEN_TOKEN", token)
    path = cli.file(json.dumps(EVENT))
    assert cli("publish", path, "--agency", "dishub").code == 2
    assert not cli.world.ordered("/events")
    assert cli("publish", path, "--agency", "dinkes").code == 0


def test_an_answer_of_somebody_else_is_no_traceback(cli: Cli) -> None:
    cli.world.status["incentive"] = {"hello": "I am a proxy"}
    done = cli("status")
    assert done.code == 2
    assert "incentive answers in a way that this command line does not read (service)" in done.err
    assert "enrollment" in done.out


def test_no_option_takes_a_token_or_a_number_and_employee_takes_no_value() -> None:
    of_a_person = {"--token", "--nip", "--employee-number", "--name", "--email", "--kafka-password"}
    for names, command in _commands().items():
        options = {name: one for one in command.params for name in one.opts}
        unwanted = of_a_person - {"--name"} if names[0] in ("agency", "body") else of_a_person
        assert not unwanted & options.keys()
        if "--employee" in options:
            assert options["--employee"].is_flag


@pytest.mark.slow
def test_the_file_at_the_root_runs_it_from_any_folder(tmp_path: Path) -> None:
    for name in ("cli", "shared"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('this is not ours')")
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [ROOT / "kompeten", "status", "--json", "--stack", "none.json"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "nothing says where enrollment is" in json.loads(done.stdout)["error"]


@pytest.mark.slow
def test_completion_is_there_for_the_shell() -> None:
    env = {
        **os.environ,
        "_KOMPETEN_COMPLETE": "complete_bash",
        "COMP_WORDS": "kompeten dead-letters ",
        "COMP_CWORD": "2",
    }
    argv = [sys.executable, "-m", "cli"]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert {"list", "replay", "edit"} <= set(done.stdout.split())


# status


def test_status_of_a_sound_system_is_0(cli: Cli) -> None:
    done = cli("status")
    assert (done.code, done.err) == (0, "")
    assert "nothing is wrong" in done.out
    told = cli("status", "--json").json
    assert told["services"]["incentive"]["ready"] is True
    assert told["unanswered"] == {}


def test_status_names_faults_stopped_partitions_bugs_lag_waiting_and_mails(cli: Cli) -> None:
    world = cli.world
    world.status["enrollment"] |= {"ready": False, "faults": ["MongoDB does not answer"]}
    world.status["enrollment"]["partitions"] = [
        {
            "topic": "agency.x.v1",
            "partition": 0,
            "next": 12,
            "end": 15,
            "lag": 3,
            "stopped": "records are gone",
        },
        {"topic": "agency.y.v1", "partition": 0, "next": 15, "end": 15, "lag": 0, "stopped": None},
    ]
    world.status["notification"]["work"] = {"mails": {"queued": 4, "deferred": 1, "held": 2}}
    world.groups["incentive"] = [group(kind="bug", reason="KeyError in [red]award[/]", count=2)]
    world.waiting["enrollment"] = [wait()]
    done = cli("status")
    assert done.code == 1
    for text in (
        "enrollment: MongoDB does not answer",
        "enrollment: agency.x.v1/0 is stopped at 12: records are gone",
        "incentive: 2 dead letters of kind bug",
        "KeyError in [red]award[/]",
        "not registered",
        "notification: mails: 4 queued, 1 deferred, 2 held",
        "NOT READY",
    ):
        assert text in done.out
    assert "agency.y.v1" not in done.out
    assert len(done.out.splitlines()) < 40
    wrong = cli("status", "--json").json["services"]["enrollment"]["wrong"]
    assert wrong == ["MongoDB does not answer", "agency.x.v1/0 is stopped at 12: records are gone"]


def checks(**faults: str) -> list[dict[str, Any]]:
    sound = ["database", "topics", "consumer"]
    return [{"name": name, "ok": name not in faults, "sentence": faults.get(name, "Answers.")}
            for name in dict.fromkeys([*sound, *faults])]  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"database": "MongoDB does not answer: nothing is lost."}, "see whether its MongoDB runs"),
        (
            {"database": "MongoDB: its disk is full: free some of it"},
            "database: MongoDB: its disk is full: free",
        ),
        ({"consumer": "Kafka does not answer."}, "see whether Kafka runs"),
        ({"topics": "Kafka does not answer."}, "what arrives waits there"),
        ({"mailer": "the mail server does not answer."}, "mails wait and go out by themselves"),
        ({"readiness": "The checks took longer than 5 s: see the log."}, "5 s: see the log"),
    ],
)
def test_status_says_what_is_away_and_what_to_do_where_the_service_can_say_no_more(
    cli: Cli, faults: dict[str, str], says: str
) -> None:
    """It said to see itself."""
    for name in ("enrollment", "notification"):
        cli.world.ready[name] = JSONResponse(checks(**faults), 503)
        cli.world.busy[name] = problem(503, "the database does not answer")
    done = cli("status")
    assert (done.code, done.err) == (1, "")
    (check,) = faults
    assert f"enrollment: {check}: {faults[check].rstrip('.')}" in done.out
    assert says in done.out
    assert done.out.count("NOT READY") == 2
    assert "kompeten status" not in done.out + done.err
    told = cli("status", "--json")
    assert (told.code, told.json["unanswered"]) == (1, {})
    assert told.json["services"]["incentive"]["is_whole"]
    assert not told.json["services"]["enrollment"]["is_whole"]


def test_status_shows_that_the_issuer_is_wrong_where_nobody_may_ask_for_more(cli: Cli) -> None:
    issuer = {"name": "issuer", "ok": True, "sentence": "nobody can sign in", "warning": True}
    for name in ("enrollment", "incentive", "notification"):
        cli.world.ready[name] = JSONResponse([*checks(), issuer])
        cli.world.busy[name] = problem(503, "access tokens cannot be checked now")
    done = cli("status")
    assert (done.code, done.err) == (1, "")
    assert done.out.count("issuer: nobody can sign in") == 3
    assert "NOT READY" not in done.out


def test_status_asks_nothing_more_of_a_service_without_its_database(cli: Cli) -> None:
    """Each further question would wait for the database as long."""
    cli.world.ready["enrollment"] = JSONResponse(checks(database="MongoDB does not answer."), 503)
    assert cli("status").code == 1
    assert not [one for one in cli.world.asked if one.service == "enrollment"]


def test_status_never_says_to_see_itself(cli: Cli) -> None:
    cli.world.busy["enrollment"] = problem(503, "busy")
    done = cli("status")
    assert done.code == 2
    assert (
        "enrollment does not tell how it stands (busy): ask again in a minute, then see its log" in done.err
    )
    assert "kompeten status" not in done.out + done.err


def test_status_shows_what_is_to_be_mended_of_a_service_that_can_say_no_more(cli: Cli) -> None:
    warning = {"name": "smtp", "ok": True, "sentence": "refuses the password", "warning": True}
    cli.world.ready["notification"] = JSONResponse(
        [*checks(database="MongoDB does not answer."), warning], 503
    )
    done = cli("status")
    assert done.code == 1
    assert "notification: smtp: refuses the password" in done.out
    assert cli("status", "--json").json["services"]["notification"]["remarks"] == [
        "smtp: refuses the password"
    ]


@pytest.mark.parametrize(
    "ready", [problem(404, "nothing is here"), Response("<html>", 502), JSONResponse([1])]
)
def test_status_does_without_a_readiness_that_it_cannot_read(cli: Cli, ready: Response) -> None:
    cli.world.ready["incentive"] = ready
    assert cli("status").code == 0


def test_status_names_a_suspended_agency_since_when_by_whom_and_what_waits_for_its_resumption(
    cli: Cli,
) -> None:
    said = [("added", None), ("suspended", "early"), ("resumed", "op-2"), ("suspended", "op-7")]
    cli.world.agencies = [
        {"code": "dinkes", "state": "active", "topic": "agency.dinkes.v1", "undecided": 0},
        {
            "code": "dinas-sda", "state": "suspended", "topic": "agency.dinas-sda.v1", "undecided": 12,
            "statements": [{"at": AT, "kind": kind, "operator": who, "reason": "it leaked"} for kind, who in said],
        },
    ]  # fmt: skip
    done = cli("status")
    assert done.code == 0, "somebody wanted it so: it is told, and nothing is wrong"
    (line,) = [line for line in done.out.splitlines() if "is suspended" in line]
    assert re.fullmatch(
        r"dinas-sda is suspended since 2026-03-0[45] \S+ by op-7 \(it leaked\): 12 records in agency.dinas-sda.v1 wait "
        r"for `kompeten agency resume dinas-sda`",
        line,
    )
    told = cli("status", "--json").json["services"]
    assert [one["code"] for one in told["enrollment"]["suspended"]] == ["dinas-sda"]
    assert told["incentive"]["suspended"] == []


def test_status_shows_the_others_when_one_service_is_away(cli: Cli) -> None:
    cli.env.setenv("KOMPETEN_INCENTIVE_URL", "http://127.0.0.1:9")
    done = cli("status")
    assert done.code == 2
    assert "NO ANSWER" in done.out
    assert "notification" in done.out
    assert "incentive does not answer" in done.err
    told = cli("status", "--json")
    assert told.code == 2
    assert set(told.json["services"]) == {"enrollment", "notification"}
    assert "does not answer" in told.json["unanswered"]["incentive"]


def group(**changes: Any) -> dict[str, Any]:
    return {
        "fingerprint": "f1", "kind": "rejected", "event_type": "t", "count": 1, "reason": "why", "sample": A,
        "first_failed_at": AT, "last_failed_at": AT, "rules": "r1",
    } | changes  # fmt: skip


def wait(**changes: Any) -> dict[str, Any]:
    return {
        "lacks": "employee/1", "reason": "the employee is not registered", "event_type": "t", "count": 3,
        "oldest": AT, "newest": AT,
    } | changes  # fmt: skip


# dead-letters


def test_list_shows_groups_of_all_services_or_of_one(cli: Cli) -> None:
    cli.world.groups = {"enrollment": [group(count=7)], "notification": [group(sample=C, fingerprint="f2")]}
    assert [one["count"] for one in cli("dead-letters", "--json").json["groups"]] == [7, 1]
    done = cli("dead-letters", "list", "--service", "notification")
    assert done.code == 0
    assert C in done.out
    assert "f2" in done.out
    assert A not in done.out
    cli.world.groups = {}
    assert "no dead letter is open" in cli("dead-letters", "list").out


def test_show_finds_the_service_and_prints_strange_text_harmlessly(cli: Cli) -> None:
    strange = "[bold]x[/bold]\x1b[2J\u202e\x00\n\u009b"
    event = {**EVENT, "data": {"name": strange}}
    resolution = {"command": "replay", "operator": "ana", "reason": "r", "at": AT, "edited": None}
    cli.world.letters["incentive"] = [
        letter(A, event=event, reason=strange, headers={"x": strange}, resolution=resolution,
               decisions=[{"event_id": "evt-1", "verdict": "refused", "reason": strange, "decided_at": AT}],
               history=[{"event_id": "evt-7", "verdict": "accepted", "subject": "cmp_1", "decided_at": AT}])
    ]  # fmt: skip
    done = cli("dead-letters", "show", A)
    assert "evt-7" in done.out.partition("History of what it is about")[2]
    assert done.code == 0
    assert "[bold]x[/bold]\\x1b[2J\\u202e\\x00\\n\\x9b" in done.out
    assert not {"\x1b", "\u202e", "\x00", "\x9b"} & set(done.out)
    told = cli("dead-letters", "show", A, "--json")
    assert told.json["service"] == "incentive"
    assert told.json["event"] == event
    assert told.out.isascii()


def test_an_id_stays_in_one_piece_on_a_narrow_terminal(cli: Cli) -> None:
    cli.env.setenv("COLUMNS", "40")
    cli.world.groups["enrollment"] = [group(fingerprint="9c1185a5" * 5, reason="no rate " * 20)]
    done = cli("dead-letters")
    assert A in done.out
    assert "9c1185a5" * 5 in done.out


def test_show_of_what_is_not_there_is_1_and_of_what_two_have_asks_which(cli: Cli) -> None:
    done = cli("dead-letters", "show", A)
    assert done.code == 1
    assert "no service has a dead letter" in done.err
    cli.world.letters = {"incentive": [letter(C)], "notification": [letter(C)]}
    done = cli("dead-letters", "show", C)
    assert done.code == 2
    assert "incentive and notification" in done.err
    assert cli("dead-letters", "show", C, "--service", "notification").code == 0


def unread(value: bytes, **changes: Any) -> dict[str, Any]:
    """A letter whose value is no JSON, as the service tells it."""
    return letter(A, event=None, raw_base64=base64.b64encode(value).decode(), **changes)


def test_a_record_that_is_no_json_is_shown_as_the_text_that_it_is(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [unread('{"name": "Siti Nurjanah, S.Sos.\\x1b[2J é",\n'.encode())]
    shown = cli("dead-letters", "show", A).out
    assert shown.endswith('Record, no JSON\n{"name": "Siti Nurjanah, S.Sos.\\x1b[2J é",\n')


def test_a_record_without_a_value_is_said_to_have_none(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [unread(b"", event_id=None)]
    assert cli("dead-letters", "show", A).out.endswith("Record without a value\n")


@pytest.mark.parametrize("value", [b"\xff\x0f", json.dumps(EVENT).encode("utf-16")], ids=["bytes", "UTF-16"])
def test_only_what_is_not_utf_8_is_shown_in_base64_and_says_so(cli: Cli, value: bytes) -> None:
    cli.world.letters["enrollment"] = [unread(value, event_id=None)]
    shown = cli("dead-letters", "show", A).out
    assert "neither JSON nor text in UTF-8: its bytes, in base64" in shown
    assert base64.b64encode(value).decode() in shown
    done = cli("dead-letters", "edit", A)
    assert done.code == 1
    assert "is not text in UTF-8" in done.err
    assert f"replay {A} --event FILE" in done.err


def test_dry_run_shows_what_would_change_and_is_1_when_it_would_be_refused(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A, event=EVENT)]
    change = {"collection": "completions", "id": "c-1", "change": "new", "document": {"jp": 4}}
    fact = {"type": "certificate.issued", "subject": "c-1", "data": {"number": "800/1"}}
    cli.world.dry_run = lambda asked: JSONResponse(
        {"verdict": "accepted", "reason": "", "subject": "c-1", "documents": [change], "events": [fact]}
    )
    done = cli("dead-letters", "dry-run", A)
    assert done.code == 0
    for text in ("it would be: accepted", "new: completions c-1", '"jp": 4', "certificate.issued", "800/1"):
        assert text in done.out
    cli.world.dry_run = lambda asked: JSONResponse({"verdict": "refused", "reason": "no rate"})
    done = cli("dead-letters", "dry-run", A, "--json")
    assert (done.code, done.json["reason"]) == (1, "no rate")


def test_a_replay_is_told_with_its_outcome_and_a_repetition_has_the_same_key(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A), letter(B)]
    assert cli("dead-letters", "replay", A, *WHY).code == 0
    assert cli("dead-letters", "replay", A, *WHY, "--json").json["outcomes"] == {"accepted": 1}
    cli("dead-letters", "replay", B, *WHY)
    cli("dead-letters", "replay", A, "--reason", "another")
    cli("dead-letters", "discard", A, *WHY)
    keys = [
        one.headers["idempotency-key"]
        for one in cli.world.asked
        if one.path.endswith(("replays", "discards"))
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert cli.world.ordered("/admin/dead-letters/replays")[0].body == {"id": A, "reason": "rates added"}


@pytest.mark.parametrize(
    "answered", [{"outcome": "discarded"}, {"outcome": None}], ids=["now", "an older service"]
)
def test_what_was_discarded_is_told_as_discarded(cli: Cli, answered: dict[str, Any]) -> None:
    cli.world.letters["enrollment"] = [letter(A), letter(B)]
    cli.world.order = lambda asked: decided(state="discarded", **answered)
    assert cli("dead-letters", "discard", A, *WHY).out == f"enrollment {A}: discarded\n"
    assert cli("dead-letters", "discard", A, B, *WHY, "--yes", "--json").json["outcomes"] == {"discarded": 2}


def test_a_letter_that_was_settled_before_is_told_as_it_stands(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A)]
    before = "it was discarded already, on 2026-03-05 02:00 UTC"
    cli.world.order = lambda asked: decided(
        verdict="duplicate", reason=before, state="discarded", outcome=None
    )
    for order in ("discard", "replay"):
        assert cli("dead-letters", order, A, *WHY).out == f"enrollment {A}: discarded: {before}\n"


@pytest.mark.parametrize(
    ("answer", "outcome", "why"),
    [
        (lambda: problem(409, "it was discarded."), "refused", "it was discarded"),
        (lambda: decided(outcome="refused", outcome_reason="no rate yet"), "refused", "no rate yet"),
        (lambda: decided(outcome="bug", outcome_reason="KeyError"), "bug", "KeyError"),
    ],
)
def test_a_replay_that_did_not_help_is_1(cli: Cli, answer: Any, outcome: str, why: str) -> None:
    cli.world.letters["enrollment"] = [letter(A)]
    cli.world.order = lambda asked: answer()
    done = cli("dead-letters", "replay", A, *WHY, "--json")
    assert done.code == 1
    assert done.json["dead_letters"] == [
        {"service": "enrollment", "id": A, "outcome": outcome, "reason": why}
    ]


def test_an_order_that_is_pending_is_looked_up(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A)]
    pending = {"command_id": "c-9", "status": "pending", "decision": "/decisions/c-9"}
    cli.world.order = lambda asked: JSONResponse(pending, 202)
    answer = {"dead_letter": A, "outcome": "correction", "outcome_reason": None}
    cli.world.decisions["c-9"] = [
        {"event_id": "c-9", "verdict": "accepted", "reason": None, "answer": answer},
        {"event_id": "c-9", "verdict": "duplicate", "reason": "sent twice", "answer": {}},
    ]
    assert cli("dead-letters", "replay", A, *WHY, "--json").json["outcomes"] == {"correction": 1}
    cli.world.decisions["c-9"] = [
        {"event_id": "c-9", "verdict": "refused", "reason": "too late", "answer": {}}
    ]
    assert cli("dead-letters", "replay", A, *WHY, "--json").json["dead_letters"][0]["reason"] == "too late"


def test_a_busy_service_gets_the_same_order_again(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A)]
    answers = [problem(503, "not ready", {"Retry-After": "0"}), decided()]
    cli.world.order = lambda asked: answers.pop(0)
    assert cli("dead-letters", "replay", A, *WHY).code == 0
    first, second = cli.world.ordered("/admin/dead-letters/replays")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.slow
def test_a_mass_replay_goes_on_after_a_failure_and_sums_up(cli: Cli) -> None:
    ids = [f"agency.x.v1/0/{n}/0" for n in range(250)]
    cli.world.letters["enrollment"] = [letter(id, "f9") for id in ids] + [letter(A, "other")]

    def order(asked: Asked) -> Response:
        return (
            problem(409, "refused by its rules")
            if asked.body["id"] == ids[3]
            else decided(outcome="duplicate")
        )

    cli.world.order = order
    done = cli("dead-letters", "replay", "--group", "f9", *WHY, "--yes", "--rate", "10000")
    assert done.code == 1
    assert [one.body["id"] for one in cli.world.ordered("/admin/dead-letters/replays")] == ids
    assert done.out.splitlines()[1].split() == ["duplicate", "249"]
    assert "refused by its rules" in done.out
    assert done.out.count("agency.x.v1") == 1  # only what failed is listed
    told = cli("dead-letters", "replay", "--group", "f9", *WHY, "--yes", "--json").json
    assert told["outcomes"] == {"duplicate": 249, "refused": 1}
    assert len(told["dead_letters"]) == 250


def test_a_mass_order_asks_first(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A), letter(B)]
    argv = ("dead-letters", "discard", "--since", "2h", *WHY)
    done = cli(*argv, typed="n\n")
    assert done.code == 1
    assert "Discard 2 dead letters of enrollment?" in done.err
    done = cli(*argv, "--json")  # nobody there to answer
    assert done.code == 2
    assert "--yes" in done.json["error"]
    assert not cli.world.ordered("/admin/dead-letters/discards")
    assert cli(*argv, typed="y\n").code == 0
    assert len(cli.world.ordered("/admin/dead-letters/discards")) == 2


def test_a_mass_replay_stops_when_the_service_is_away_and_says_what_was_not_asked(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(f"agency.x.v1/0/{n}/0") for n in range(6)]
    answers = [decided(), *(problem(503, "not ready", {"Retry-After": "0"}) for _ in range(9))]
    cli.world.order = lambda asked: answers.pop(0)
    done = cli("dead-letters", "replay", "--since", AT, *WHY, "--yes", "--json")
    assert done.code == 2
    assert done.json["outcomes"] == {"accepted": 1, "not asked": 5}


@pytest.mark.slow
def test_ctrl_c_ends_a_mass_replay_with_its_summary(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(f"agency.x.v1/0/{n}/0") for n in range(6)]
    argv = [sys.executable, "-m", "cli", "dead-letters", "replay", "--since", "1d", *WHY]
    run = subprocess.Popen(
        [*argv, "--yes", "--json", "--rate", "1"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not cli.world.ordered("/admin/dead-letters/replays"):
        assert time.monotonic() < deadline, "nothing was replayed"
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 2, err
    assert "Traceback" not in err
    outcomes = json.loads(out)["outcomes"]
    assert sum(outcomes.values()) == 6
    assert outcomes["not asked"] >= 4


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "name dead letters by their ids, or by --group or --since"),
        ((A, "--group", "f1"), "name dead letters by their ids, or by --group or --since"),
        (("--since", "yesterday"), "--since takes a moment"),
        (("--since", "2026-03-05T02:00:00"), "--since takes a moment with its offset"),
        ((A, B, "--event", "x.json"), "--event is for one dead letter"),
    ],
)
def test_a_replay_that_names_nothing_clearly_is_2(cli: Cli, argv: tuple[str, ...], says: str) -> None:
    done = cli("dead-letters", "replay", *argv, *WHY, "--json")
    assert done.code == 2
    assert says in done.json["error"]


@pytest.mark.parametrize(
    "reason", ["", " ", "of 198501012010011001", "two\nlines", "tell ana@example.com", "x" * 1001]
)
def test_a_reason_is_one_line_without_personal_data(cli: Cli, reason: str) -> None:
    cli.world.letters["enrollment"] = [letter(A)]
    done = cli("dead-letters", "replay", A, "--reason", reason)
    assert done.code == 2
    assert "198501012010011001" not in done.err


def test_a_replay_with_a_file_sends_that_event_if_it_is_valid(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A, event={"broken": 1})]
    path = cli.file(json.dumps(EVENT), "event.json")
    assert cli("dead-letters", "dry-run", A, "--event", path).code == 0
    assert cli("dead-letters", "replay", A, "--event", path, *WHY).code == 0
    assert cli.world.ordered("/admin/dead-letters/replays")[0].body["event"] == EVENT
    cli.file(json.dumps({**EVENT, "id": "evt-2"}), "event.json")
    done = cli("dead-letters", "replay", A, "--event", path, *WHY)
    assert (done.code, "id was changed: it must stay" in done.err) == (1, True)
    cli.file("{", "event.json")
    assert cli("dead-letters", "replay", A, "--event", path, *WHY).code == 1
    assert cli("dead-letters", "replay", A, "--event", cli.folder / "none", *WHY).code == 2
    assert len(cli.world.ordered("/admin/dead-letters/replays")) == 1


def test_edit_shows_the_difference_asks_and_replays_with_the_edited_event(cli: Cli) -> None:
    broken = {**EVENT, "data": {**EVENT["data"], "completed_on": "2026-02-30"}}
    cli.world.letters["enrollment"] = [letter(A, event=broken)]
    cli.editor("assert oct(path.stat().st_mode & 0o077) == '0o0' or oct(path.parent.stat().st_mode & 0o077) == '0o0'\n"
               f"event['data']['completed_on'] = {EVENT['data']['completed_on']!r}")  # fmt: skip
    done = cli("dead-letters", "edit", A, typed="y\nthe date was mistyped\n")
    assert done.code == 0
    assert '-    "completed_on": "2026-02-30"' in done.err
    assert "it would be: accepted" in done.err
    sent = cli.world.ordered("/admin/dead-letters/replays")[0]
    assert sent.body == {"id": A, "reason": "the date was mistyped", "event": EVENT}
    done = cli("dead-letters", "edit", A, *WHY, "--yes", "--json")
    assert done.json["outcomes"] == {"accepted": 1}


def test_an_edit_that_is_not_valid_or_changes_nothing_is_not_sent(cli: Cli) -> None:
    cli.world.letters["enrollment"] = [letter(A, event=EVENT)]
    cli.editor("event['id'] = 'evt-2'")
    done = cli("dead-letters", "edit", A, *WHY, typed="n\n")
    assert done.code == 1
    assert "id was changed" in done.err
    cli.editor("del event['data']['training']['form']")
    done = cli("dead-letters", "edit", A, *WHY, typed="n\n")
    assert "data.training.form: is missing" in done.err
    cli.editor("pass")
    done = cli("dead-letters", "edit", A, *WHY)
    assert (done.code, "nothing was changed" in done.err) == (1, True)
    cli.editor("sys.exit(3)")
    assert cli("dead-letters", "edit", A, *WHY).code == 2
    cli.env.delenv("EDITOR")
    assert "set EDITOR" in cli("dead-letters", "edit", A, *WHY).err
    assert not cli.world.ordered("/admin/dead-letters/replays")


def kept_in(err: str) -> Path:
    """The file that an edit left behind."""
    found = re.search(r"what you wrote is kept in (\S+):", " ".join(err.split()))
    assert found, err
    return Path(found[1])


RIGHT = f"event['data']['completed_on'] = {EVENT['data']['completed_on']!r}"


def faulty_letter(cli: Cli) -> None:
    broken = {**EVENT, "data": {**EVENT["data"], "completed_on": "2026-02-30"}}
    cli.world.letters["enrollment"] = [letter(A, event=broken)]
    cli.env.setattr(tempfile, "tempdir", str(cli.folder))
    cli.editor(RIGHT)


@pytest.mark.parametrize("typed", ["y\nn\n", "y\n", "n\n", ""])
def test_what_was_written_is_kept_when_it_is_not_replayed(cli: Cli, typed: str) -> None:
    """The service refuses it, and the operator will not go on; or answers no, or does not answer."""
    faulty_letter(cli)
    cli.world.order = lambda asked: problem(422, "the event's id must stay as it was")
    done = cli("dead-letters", "edit", A, *WHY, typed=typed)
    assert done.code != 0
    path = kept_in(done.err)
    assert json.loads(path.read_text()) == EVENT
    assert path.parent.stat().st_mode & 0o077 == 0, "it is about a person"
    assert cli("dead-letters", "replay", A, "--event", path, *WHY).code == 1


def test_a_refused_event_can_be_edited_again_where_it_was_left(cli: Cli) -> None:
    faulty_letter(cli)
    answers = [problem(422, "the event's id must stay as it was")]
    usual = cli.world.order
    cli.world.order = lambda asked: answers.pop() if answers else usual(asked)
    cli.editor(f"print('found', event['data']['completed_on'])\n{RIGHT}")
    done = cli("dead-letters", "edit", A, *WHY, typed="y\ny\ny\n")
    assert done.code == 0, done.err
    assert "refused: the event's id must stay as it was" in done.err
    assert "kept in" not in done.err
    assert len(cli.world.ordered("/admin/dead-letters/replays")) == 2


def test_what_was_written_is_kept_when_the_service_is_away(cli: Cli) -> None:
    cli.env.setattr("cli.client.MAX_PAUSE_S", 0.01)
    faulty_letter(cli)
    cli.world.order = lambda asked: problem(503, "the service is busy")
    done = cli("dead-letters", "edit", A, *WHY, "--yes")
    assert done.code == 2
    path = kept_in(done.err)
    assert json.loads(path.read_text()) == EVENT


def test_what_is_in_the_log_or_was_not_changed_leaves_no_file(cli: Cli) -> None:
    faulty_letter(cli)
    done = cli("dead-letters", "edit", A, *WHY, "--yes")
    assert (done.code, "kept in" in done.err) == (0, False)
    cli.world.letters["enrollment"] = [letter(A, event=EVENT)]
    cli.editor("pass")
    assert "kept in" not in cli("dead-letters", "edit", A, *WHY).err
    cli.editor("sys.exit(3)")
    assert "kept in" not in cli("dead-letters", "edit", A, *WHY).err
    assert not list(cli.folder.glob("kompeten-*"))


def test_a_binary_event_is_edited_as_one_document(cli: Cli) -> None:
    headers = {f"ce_{name}": text for name, text in EVENT.items() if isinstance(text, str)}
    cli.world.letters["enrollment"] = [letter(A, event=EVENT["data"], headers=headers)]
    cli.editor("event['data']['completed_on'] = '2026-03-03'")
    assert cli("dead-letters", "edit", A, *WHY, "--yes").code == 0
    sent = cli.world.ordered("/admin/dead-letters/replays")[0].body["event"]
    assert (sent["id"], sent["data"]["completed_on"]) == ("evt-1", "2026-03-03")


OFFERED = "path.parent.parent.joinpath('offered').write_text(path.read_text())\n"


def plain_editor(cli: Cli, body: str) -> None:
    """An editor that runs `body` with `text`, what is in the file, JSON or not; what it found is kept beside."""
    script = cli.folder / "plain_editor.py"
    script.write_text(
        f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{OFFERED}"
        f"text = path.read_text()\n{body}\npath.write_text(text)\n"
    )
    cli.env.setenv("EDITOR", f"{sys.executable} {script}")
    cli.env.setattr(tempfile, "tempdir", str(cli.folder))


def test_an_event_with_its_data_in_base64_is_edited_as_json(cli: Cli) -> None:
    data = {**EVENT["data"], "completed_on": "2026-02-30"}
    packed = {name: value for name, value in EVENT.items() if name != "data"}
    packed["data_base64"] = base64.b64encode(json.dumps(data).encode()).decode()
    cli.world.letters["enrollment"] = [letter(A, event=packed)]
    plain_editor(cli, f"text = text.replace('2026-02-30', {EVENT['data']['completed_on']!r})")
    done = cli("dead-letters", "edit", A, *WHY, "--yes")
    assert done.code == 0, done.err
    offered = (cli.folder / "offered").read_text()
    assert json.loads(offered) == {**EVENT, "data": data}
    assert '\n    "completed_on": "2026-02-30"' in offered
    assert cli.world.ordered("/admin/dead-letters/replays")[0].body["event"] == EVENT


def test_text_that_is_no_json_is_edited_as_the_text_that_it_is(cli: Cli) -> None:
    whole = json.dumps(EVENT, ensure_ascii=False)
    cli.world.letters["enrollment"] = [unread(whole[:-2].encode(), event_id=None)]
    plain_editor(cli, "text += '}' * 2")
    done = cli("dead-letters", "edit", A, *WHY, "--yes")
    assert done.code == 0, done.err
    assert (cli.folder / "offered").read_text() == whole[:-2]
    assert cli.world.ordered("/admin/dead-letters/replays")[0].body["event"] == EVENT


def test_data_that_is_no_json_is_edited_in_its_place(cli: Cli) -> None:
    headers = {f"ce_{name}": text for name, text in EVENT.items() if isinstance(text, str)}
    cli.world.letters["enrollment"] = [unread(json.dumps(EVENT["data"])[:-1].encode(), headers=headers)]
    plain_editor(cli, "text = text.rstrip() + '}'")
    done = cli("dead-letters", "edit", A, *WHY, "--yes")
    assert done.code == 0, done.err
    assert cli.world.ordered("/admin/dead-letters/replays")[0].body["event"] == EVENT


@pytest.mark.parametrize("packed", [True, False], ids=["data in base64", "no JSON"])
def test_what_is_saved_unchanged_is_not_sent(cli: Cli, packed: bool) -> None:
    """So it stays the bytes that came: `replay` without an event decides those."""
    event: dict[str, Any] = {name: value for name, value in EVENT.items() if name != "data"}
    event["data_base64"] = base64.b64encode(json.dumps(EVENT["data"]).encode()).decode()
    cli.world.letters["enrollment"] = [letter(A, event=event) if packed else unread(b'{"id":')]
    plain_editor(cli, "pass")
    done = cli("dead-letters", "edit", A, *WHY, typed="n\n")
    assert done.code == 1
    assert ("nothing was changed" if packed else "not valid") in done.err
    assert "kept in" not in done.err
    assert not cli.world.ordered("/admin/dead-letters/replays")


def test_what_is_settled_already_is_not_edited(cli: Cli) -> None:
    """The edit was taken, shown as accepted, and done nothing with."""
    cli.world.letters["enrollment"] = [letter(A, state="replayed")]
    done = cli("dead-letters", "edit", A, *WHY, "--yes")
    assert done.code == 1
    assert "it was replayed already" in done.err
    assert not cli.world.ordered("/admin/dead-letters/replays")


# waiting


def test_waiting_lists_and_orders_go_to_the_service_that_waits(cli: Cli) -> None:
    cli.world.waiting["notification"] = [wait()]
    assert "not registered" in cli("waiting").out
    assert cli("waiting", "list", "--json").json["waiting"][0]["service"] == "notification"
    assert cli("waiting", "look", "employee/1", *WHY).code == 0
    assert cli("waiting", "look", "employee/1", *WHY).code == 0
    done = cli("waiting", "give-up", "employee/1", *WHY, "--json")
    assert (done.code, done.json["service"]) == (0, "notification")
    cli.world.order = lambda asked: decided(outcome=None)
    assert cli("waiting", "look", "employee/1", *WHY).out == "notification: decided again\n"
    assert cli("waiting", "give-up", "employee/1", *WHY).out == "notification: given up\n"
    cli.world.order = lambda asked: decided(outcome="refused")
    assert cli("waiting", "give-up", "employee/1", *WHY).out == (
        "notification: given up, and is a dead letter now\n"
    )
    looks = cli.world.ordered("/admin/waiting/looks")
    assert [one.service for one in looks] == ["notification"] * 3
    assert looks[0].body == {"lacks": "employee/1", "reason": "rates added"}
    assert (
        looks[0].headers["idempotency-key"] != looks[1].headers["idempotency-key"]
    )  # a look again is another look
    assert cli("waiting", "look", "employee/2", *WHY).code == 1
    cli.world.waiting = {}
    assert "nothing waits" in cli("waiting").out


def test_a_look_that_is_refused_is_1(cli: Cli) -> None:
    cli.world.waiting["enrollment"] = [wait()]
    cli.world.order = lambda asked: problem(409, "nothing waits for it any more")
    done = cli("waiting", "look", "employee/1", *WHY, "--json")
    assert (done.code, done.json["error"]) == (1, "nothing waits for it any more")


# partitions


def test_a_partition_is_started_where_it_stands_or_from_another_record(cli: Cli) -> None:
    start = ("partitions", "start", "agency.x.v1", "0", "--service", "incentive", *WHY)
    assert "goes on from where it stands" in cli(*start).out
    assert cli(*start, "--next", "7", "--json").json["next"] == 7
    asked = cli.world.ordered("/admin/partitions/starts")
    assert [one.service for one in asked] == ["incentive"] * 2
    about = {"topic": "agency.x.v1", "partition": 0, "reason": "rates added"}
    assert [one.body for one in asked] == [about | {"next": None}, about | {"next": 7}]
    assert cli(*start, "--next", "7", "--pass-over").code == 0
    assert cli.world.ordered("/admin/partitions/starts")[-1].body == about | {"next": 7, "pass_over": True}


def partition(number: int, stopped: str | None = None, topic: str = "agency.x.v1") -> dict[str, Any]:
    return {"topic": topic, "partition": number, "next": 9, "end": 4, "lag": 0, "stopped": stopped}


ALL = ("partitions", "start", "agency.x.v1", "--service", "incentive", *WHY)


def _asked(cli: Cli) -> list[tuple[int, int | None]]:
    return [
        (one.body["partition"], one.body["next"]) for one in cli.world.ordered("/admin/partitions/starts")
    ]


def test_without_a_partition_all_that_are_stopped_are_started_and_each_is_told(cli: Cli) -> None:
    cli.world.status["incentive"]["partitions"] = [
        partition(10, "another log"), partition(2, "another log"), partition(3), partition(0, "x", "agency.y.v1"),
    ]  # fmt: skip
    assert cli(*ALL, typed="n\n").code == 1
    assert _asked(cli) == []
    done = cli(*ALL, typed="y\n")
    assert (done.code, "Start 2 stopped of 3 partitions of agency.x.v1" in done.err) == (0, True)
    assert [line for line in done.out.splitlines() if "agency.x.v1/" in line] == [
        "incentive: agency.x.v1/2 goes on from where it stands within seconds",
        "incentive: agency.x.v1/3 is not stopped: left alone",
        "incentive: agency.x.v1/10 goes on from where it stands within seconds",
    ]
    assert _asked(cli) == [(2, None), (10, None)]


def test_without_a_partition_and_from_the_first_record_all_are_set_back(cli: Cli) -> None:
    cli.world.status["incentive"]["partitions"] = [partition(0, "another log"), partition(1)]
    assert cli(*ALL, "--next", "0").code == 2  # nobody answers the question
    told = cli(*ALL, "--next", "0", "--yes", "--json").json
    assert [(one["partition"], one["outcome"]) for one in told["partitions"]] == [
        (0, "started"),
        (1, "started"),
    ]
    assert _asked(cli) == [(0, 0), (1, 0)]


def test_a_record_of_one_partition_is_not_taken_for_all_and_an_unknown_topic_is_told(cli: Cli) -> None:
    refused = cli(*ALL, "--next", "7", "--yes")
    assert (refused.code, "name the partition" in refused.err) == (2, True)
    missing = cli(*ALL, "--yes")
    assert (missing.code, "incentive reads no topic agency.x.v1" in missing.err) == (1, True)
    assert _asked(cli) == []


def test_what_became_of_each_partition_is_told_when_one_is_refused_or_the_service_goes_away(cli: Cli) -> None:
    cli.world.status["incentive"]["partitions"] = [partition(number, "another log") for number in range(4)]
    answers = [problem(409, "moved on"), decided(), problem(500, "broken"), decided()]
    cli.world.order = lambda asked: answers[asked.body["partition"]]
    done = cli(*ALL, "--yes", "--json")
    assert done.code == 2
    assert [one["outcome"] for one in done.json["partitions"]] == [
        "refused",
        "started",
        "not asked",
        "not asked",
    ]
    assert _asked(cli) == [(0, None), (1, None), (2, None)]


# trace


def step(at: str | None, service: str, what: str, **changes: Any) -> dict[str, Any]:
    return {
        "at": at,
        "service": service,
        "what": what,
        "state": "ok",
        "detail": None,
        "completion_id": "c-1",
    } | changes


def test_trace_is_one_line_of_time_across_services_with_what_is_missing(cli: Cli) -> None:
    ids = {"completion_ids": ["c-1"], "employee_ids": ["e-1"], "uncertified_ids": ["c-1"]}
    cli.world.traces = {
        "enrollment": {"steps": [step("2026-03-05T02:00:00Z", "enrollment", "recorded"),
                                 step("2026-03-05T02:00:03Z", "enrollment", "signed")], "missing": []} | ids,
        "incentive": {"steps": [step("2026-03-05T09:00:02+07:00", "incentive", "points settled")]} | ids,
        "notification": {"steps": [], "missing": [{"service": "notification", "what": "mail", "do": "register it"}]},
    }  # fmt: skip
    done = cli("trace", "--certificate", "800.2/0001/BKPSDM/2026")
    assert done.code == 1
    rows = done.out.splitlines()
    assert [row.split()[2:4] for row in rows[:3]] == [
        ["enrollment", "recorded"], ["incentive", "points"], ["enrollment", "signed"],
    ]  # fmt: skip
    assert "register it" in done.out
    first, *others = cli.world.ordered("/admin/traces")
    assert (first.service, first.body) == ("enrollment", {"certificate_number": "800.2/0001/BKPSDM/2026"})
    assert {one.service: one.body for one in others} == {"incentive": ids, "notification": ids}
    cli.world.traces["notification"] = {"steps": [], "missing": []}
    told = cli("trace", "--completion", "c-1", "--json")
    assert told.code == 0
    assert [one["what"] for one in told.json["steps"]] == ["recorded", "points settled", "signed"]
    cli.world.traces["incentive"]["steps"].insert(0, step(None, "incentive", "of an unknown time"))
    assert cli("trace", "--completion", "c-1", "--json").json["steps"][-1]["what"] == "of an unknown time"
    assert cli("trace", "--completion", "c-1").code == 0


def test_trace_reads_the_employee_number_from_standard_input_alone(cli: Cli) -> None:
    cli.world.traces["enrollment"] = {"steps": [step(AT, "enrollment", "registered")]}
    done = cli("trace", "--employee", "--json", typed=f"{NIP}\n")
    assert done.code == 0
    assert cli.world.ordered("/admin/traces")[0].body == {"employee_number": NIP}
    assert NIP not in done.out + done.err
    cli.world.asked.clear()
    for argv in (("--employee", NIP), ("--employee", "--", NIP)):
        done = cli("trace", *argv, typed=f"{NIP}\n")
        assert done.code == 2
        assert "shell's history" in done.err
        assert NIP not in done.out + done.err
    done = cli("trace", "--employee", typed="19850101201001100\n")
    assert done.code == 2
    assert "employee number has 17 characters" in done.err
    assert not cli.world.asked


def test_trace_says_nothing_is_missing_only_where_it_looked_into_everything(cli: Cli) -> None:
    cli.world.traces["enrollment"] = {"steps": [step(AT, "enrollment", "recorded")], "unlooked": 3}
    done = cli("trace", "--employee", typed=f"{NIP}\n")
    assert done.code == 1
    assert "nothing is missing" not in done.out
    assert "3 records that wait or failed could not be looked into" in done.out


def test_trace_takes_one_thing_and_says_when_nothing_is_known(cli: Cli) -> None:
    assert cli("trace").code == 2
    assert cli("trace", "--event", "a", "--completion", "b").code == 2
    done = cli("trace", "--event", "evt-9", "--json")
    assert (done.code, done.json["steps"]) == (1, [])


# publish


def lines(count: int, start: int = 0) -> str:
    return "".join(json.dumps({**EVENT, "id": f"evt-{n}"}) + "\n" for n in range(start, start + count))


def published(cli: Cli) -> list[str]:
    return [event["id"] for asked in cli.world.ordered("/events") for event in asked.body]


def test_publish_sends_batches_and_keeps_what_was_refused_with_the_reason(cli: Cli) -> None:
    bad = json.dumps({**EVENT, "id": "bad", "data": {}}, indent=None)
    path = cli.file("\ufeff" + lines(600) + "\n{no json\n" + bad + "\r\n" + lines(1, 600).rstrip("\n"))
    cli.world.events = lambda asked: verdicts(asked, refuse=lambda event: event["id"] == "bad")
    done = cli("publish", path, "--agency", "dinkes")
    assert done.code == 1
    assert "601 of 603 events" in done.out
    assert [len(one.body) for one in cli.world.ordered("/events")] == [500, 102]
    assert cli.world.ordered("/events")[0].headers["content-type"] == "application/cloudevents-batch+json"
    assert published(cli)[:2] == ["evt-0", "evt-1"]
    refused = path.with_name("events.jsonl.refused.jsonl")
    rows = [json.loads(row) for row in refused.read_text().splitlines()]
    assert [row["line"] for row in rows] == [602, 603]
    assert rows[0]["reason"].startswith("is not JSON: a field's name is not in double quotation marks")
    assert rows[1]["reason"] == "data.form: is missing"
    assert (rows[0]["event"], rows[1]["event"]["id"]) == ("{no json", "bad")
    assert refused.stat().st_mode & 0o077 == 0
    told = cli("publish", path, "--agency", "dinkes", "--json")
    assert (told.code, told.json["accepted"], told.json["resumed_at_line"]) == (1, 601, 605)
    assert len(cli.world.ordered("/events")) == 2  # nothing a second time


@pytest.mark.parametrize("cut", [1, 40, -2])
def test_publish_leaves_a_line_that_somebody_is_still_writing(cli: Cli, cut: int) -> None:
    """Both halves were refused."""
    last = lines(1, 2)
    path = cli.file(lines(2) + last[:cut])
    done = cli("publish", path, "--agency", "dinkes")
    assert (done.code, published(cli)) == (1, ["evt-0", "evt-1"])
    assert f"the last line is not finished, {len(last[:cut])} bytes: it waits" in done.out
    assert not path.with_name("events.jsonl.refused.jsonl").exists()
    again = cli("publish", path, "--agency", "dinkes", "--json")
    assert (again.code, again.json["unfinished_bytes"]) == (1, len(last[:cut]))
    path.write_text(lines(4))
    done = cli("publish", path, "--agency", "dinkes", "--json")
    assert (done.code, done.json["resumed_at_line"], done.json["lines"]) == (0, 3, 4)
    assert published(cli) == ["evt-0", "evt-1", "evt-2", "evt-3"]


def test_publish_takes_a_last_event_that_lacks_its_end_of_line_alone_and_once(cli: Cli) -> None:
    path = cli.file(lines(2).rstrip("\n"))
    assert cli("publish", path, "--agency", "dinkes", "--json").json["lines"] == 2
    path.write_text(lines(2) + "{no json\n")
    done = cli("publish", path, "--agency", "dinkes", "--json")
    assert (done.json["lines"], done.json["accepted"], done.json["refused"]) == (3, 2, 1)
    assert published(cli) == ["evt-0", "evt-1"]
    assert json.loads(path.with_name("events.jsonl.refused.jsonl").read_text())["line"] == 3


@pytest.mark.parametrize("tail", ["1", '"evt', "[", "nul", "{}}", "x" * 1_100_000])
def test_publish_judges_no_unfinished_line(cli: Cli, tail: str) -> None:
    path = cli.file(lines(1) + tail)
    told = cli("publish", path, "--agency", "dinkes", "--json")
    assert (told.code, told.json["accepted"], told.json["refused"]) == (1, 1, 0)
    assert told.json["unfinished_bytes"] == len(tail)


@pytest.mark.parametrize("tail", ['"evt', "[", "{}}", "x" * 1_100_000])
def test_publish_refuses_a_wrong_line_once_it_is_finished(cli: Cli, tail: str) -> None:
    path = cli.file(lines(1) + tail)
    cli("publish", path, "--agency", "dinkes")
    path.write_text(lines(1) + tail + "\n")
    told = cli("publish", path, "--agency", "dinkes", "--json")
    assert (told.code, told.json["refused"], told.json["unfinished_bytes"]) == (1, 1, 0)


def test_publish_goes_on_where_it_stopped(cli: Cli) -> None:
    path = cli.file(lines(1200))
    taken: list[Asked] = []

    def events(asked: Asked) -> Response:
        if len(taken) == 1:
            taken.append(asked)
            return problem(500, "Tell the operator the error_id")
        taken.append(asked)
        return verdicts(asked, refuse=lambda event: event["id"] == "evt-7")

    cli.world.events = events
    done = cli("publish", path, "--agency", "dinkes")
    assert done.code == 2
    assert "the same command goes on at line 501" in done.err
    with path.open("a") as more:  # a file may grow
        more.write(lines(3, 1200))
    done = cli("publish", path, "--agency", "dinkes", "--json")
    assert done.json["accepted"] == 1202
    assert (done.json["refused"], done.json["lines"], done.json["resumed_at_line"]) == (1, 1203, 501)
    rows = path.with_name("events.jsonl.refused.jsonl").read_text().splitlines()
    assert [json.loads(row)["line"] for row in rows] == [8]
    sent = published(cli)
    assert sent.count("evt-0") == 1
    assert sent.count("evt-500") == 2  # of the batch that failed
    assert len(set(sent)) == 1203


def test_a_kill_between_refused_rows_and_mark_doubles_no_row(cli: Cli) -> None:
    path = cli.file(lines(3))
    refused = path.with_name("events.jsonl.refused.jsonl")
    cli.world.events = lambda asked: verdicts(asked, refuse=lambda event: event["id"] == "evt-1")
    cli("publish", path, "--agency", "dinkes")
    mark = path.with_name("events.jsonl.progress")
    told = json.loads(mark.read_text())
    mark.write_text(json.dumps(told | {"offset": 0, "sha256": "", "lines": 0, "accepted": 0, "refused": 0}))
    refused.write_text(refused.read_text() + '{"line": 3, "rea')
    cli("publish", path, "--agency", "dinkes")
    assert [json.loads(row)["line"] for row in refused.read_text().splitlines()] == [2]


def test_publish_does_not_go_on_in_another_file_or_for_another_agency(cli: Cli) -> None:
    path = cli.file(lines(2))
    assert cli("publish", path, "--agency", "dinkes").code == 0
    done = cli("publish", path, "--agency", "dishub")
    assert (done.code, "is of a run for agency dinkes" in done.err) == (2, True)
    cli.file(lines(2, 5))
    done = cli("publish", path, "--agency", "dinkes")
    assert (done.code, "has changed since: remove" in done.err) == (2, True)
    path.with_name("events.jsonl.progress").unlink()
    assert cli("publish", path, "--agency", "dinkes").code == 0
    assert published(cli) == ["evt-0", "evt-1", "evt-5", "evt-6"]


@pytest.mark.parametrize("status", [429, 503])
def test_publish_waits_while_the_service_is_busy(cli: Cli, status: int) -> None:
    path = cli.file(lines(3))
    answers = [problem(status, "later", {"Retry-After": "0"})]
    cli.world.events = lambda asked: answers.pop(0) if answers else verdicts(asked)
    done = cli("publish", path, "--agency", "dinkes")
    assert done.code == 0
    assert "enrollment is busy: going on in 0 s" in done.err
    assert published(cli) == ["evt-0", "evt-1", "evt-2"] * 2


def test_publish_splits_what_is_too_large_for_whatever_stands_between(cli: Cli) -> None:
    path = cli.file(lines(5))
    cli.world.events = lambda asked: (
        problem(413, "too large")
        if len(asked.body) > 1 or asked.body[0]["id"] == "evt-2"
        else verdicts(asked)
    )
    told = cli("publish", path, "--agency", "dinkes", "--json").json
    assert (told["accepted"], told["refused"]) == (4, 1)
    assert "evt-2" in path.with_name("events.jsonl.refused.jsonl").read_text()


@pytest.mark.slow
def test_publish_sends_only_what_was_not_taken_again(cli: Cli) -> None:
    path = cli.file(lines(3))
    first = [
        {"index": 0, "status": "accepted"},
        {"index": 1, "status": "not_taken"},
        {"index": 2, "status": "refused"},
    ]
    answers = [JSONResponse(first, 207)]
    cli.world.events = lambda asked: answers.pop(0) if answers else verdicts(asked)
    told = cli("publish", path, "--agency", "dinkes", "--json").json
    assert (told["accepted"], told["refused"]) == (2, 1)
    assert published(cli)[3:] == ["evt-1"]


def test_publish_keeps_a_batch_below_the_services_limit_and_skips_a_line_that_is_too_long(cli: Cli) -> None:
    large = [json.dumps({**EVENT, "id": f"evt-{n}", "x": "y" * 400_000}) for n in range(3)]
    path = cli.file("\n".join([*large, '"' + "z" * 2_500_000 + '"', json.dumps(EVENT)]))
    told = cli("publish", path, "--agency", "dinkes", "--json").json
    assert (told["accepted"], told["refused"], told["lines"]) == (4, 1, 5)
    assert [len(one.body) for one in cli.world.ordered("/events")] == [2, 1, 1]


@pytest.mark.parametrize(
    ("text", "agency", "says"),
    [
        ("[\n{}\n]", "dinkes", "one event a line"),
        (None, "dinkes", "name a file that can be read"),
        ("{}", "Dinas Kesehatan", "--agency takes an agency's code"),
    ],
)
def test_publish_says_what_it_needs(cli: Cli, text: str | None, agency: str, says: str) -> None:
    path = cli.file(text) if text is not None else cli.folder / "none.jsonl"
    done = cli("publish", path, "--agency", agency, "--json")
    assert done.code == 2
    assert says in done.json["error"]
    assert not cli.world.asked


def test_publish_of_an_empty_file_is_done(cli: Cli) -> None:
    assert cli("publish", cli.file(""), "--agency", "dinkes", "--json").json["accepted"] == 0


def test_every_kind_of_unseen_character_is_written_out() -> None:
    assert plain("a\x07\u009b\u2066\ud800\U000e0041é ✓ 漢") == "a\\x07\\x9b\\u2066\\ud800\\U000e0041é ✓ 漢"
    assert plain(None) == "-"
