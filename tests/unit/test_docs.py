"""What the documents name exists: files, functions, links, `make` targets, settings. And no page is forgotten."""

import ast
import configparser
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from services.enrollment.intake.routes import _check
from shared.settings.names import known

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
ADRS: Final = sorted((DOCS / "adr").glob("[0-9]*.md"))
HOW_TOS: Final = sorted((DOCS / "how-to").glob("*.md"))
AT_THE_ROOT: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PAGES: Final = sorted(
    [*(ROOT / name for name in AT_THE_ROOT if (ROOT / name).is_file()), *DOCS.rglob("*.md")]
)

FENCE: Final = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
VARIABLE: Final = re.compile(r"KOMPETEN_[A-Z0-9]+(?:_[A-Z0-9]+)*")
MAKE: Final = re.compile(r"(?:^|[\s;&|(])make((?:[ \t]+[\w=.-]+)+)")
SENT_ALONE: Final = re.compile(r"-d '(\{\"specversion\".*\})'")
HEREDOC: Final = re.compile(r"<<'JSON'[^\n]*\n(.*?)^[ \t]*JSON$", re.MULTILINE | re.DOTALL)
STEP: Final = re.compile(
    r"\| (?P<step>\d+) \| [^|]+ \| \[`(?P<file>[^`]+)`\]\(\.\./(?P<link>[^)]+)\) \| (?P<names>`[^|]+`) \|"
)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


# The path of a completion: its table is `| step | what happens | [`file`](../file) | `function`, ... |`.


def test_every_step_of_the_path_leads_to_functions_that_exist() -> None:
    rows = [line for line in _path_page().splitlines() if re.match(r"\| \d", line)]
    steps = [STEP.fullmatch(row) for row in rows]
    malformed = [row for row, step in zip(rows, steps, strict=True) if step is None]
    assert not malformed, f"not in the table's form: {malformed}"
    assert [int(step["step"]) for step in steps if step] == list(range(1, len(rows) + 1))
    missing = []
    for step in filter(None, steps):
        assert step["file"] == step["link"], f"step {step['step']}: the link leads to another file"
        there = _functions(ROOT / step["file"])
        missing += [f"{step['file']}: {name}" for name in CODE.findall(step["names"]) if name not in there]
    assert not missing, f"docs/path-of-a-completion.md names what is not there: {missing}"


def test_the_path_goes_from_the_agency_to_the_mail_and_the_page() -> None:
    files = {step["file"] for step in STEP.finditer(_path_page())}
    for part in (
        "intake/routes",
        "consumer",
        "renderer",
        "incentive/points/handlers",
        "mailer",
        "verification/routes",
    ):
        assert any(f"{part}.py" in file for file in files), f"no step of the path is in {part}.py"


def test_every_trap_names_a_test_that_exists_or_says_why_there_is_none() -> None:
    rows = (DOCS / "reference/client-traps.md").read_text(encoding="utf-8").splitlines()[8:]
    traps = {cells[1].strip(): cells[4] for row in rows if (cells := row.split("|"))[1:]}
    assert len(traps) >= 23
    missing = []
    for trap, shown in traps.items():
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown)
        assert tests or shown.strip().startswith("none: "), f"{trap}: no test and no reason"
        missing += [f"{file}::{name}" for file, name in tests if name not in _functions(ROOT / file)]
    assert not missing, f"docs/reference/client-traps.md names what is not there: {missing}"


def test_every_threat_names_what_stops_it_and_tests_that_exist() -> None:
    page = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    rows = page.partition("## What they may try")[2].partition("## Not covered")[0].splitlines()
    threats = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows if row.startswith("| ")][1:]
    assert len(threats) >= 20
    for attempt, stopped_by, shown_by in threats:
        tests = CODE.findall(shown_by)
        assert stopped_by, f"{attempt}: nothing is said to stop it"
        assert tests, f"{attempt}: no test"
        missing = [file for file in tests if not (ROOT / file).is_file()]
        assert not missing, f"{attempt}: docs/threat-model.md names tests that are not there: {missing}"


def test_every_attack_is_in_the_threat_model() -> None:
    named = set(CODE.findall((DOCS / "threat-model.md").read_text(encoding="utf-8")))
    attacks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/attack").glob("test_*.py")}
    assert attacks <= named, f"docs/threat-model.md lacks {sorted(attacks - named)}"


def test_each_room_of_the_pipeline_has_a_map_with_each_of_its_files_once() -> None:
    for room in (ROOT / "shared/pipeline", *sorted((ROOT / "shared/pipeline").glob("[!_]*/"))):
        tree = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
        named = re.findall(r"^(\w+(?:\.py|/)) ", ast.get_docstring(tree) or "", re.MULTILINE)
        there = [path.name for path in room.glob("[!_]*.py")] + [
            f"{one.name}/" for one in room.glob("[!_]*/")
        ]
        assert sorted(named) == sorted(there), room


def test_what_the_readme_says_to_open_is_there() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| X | Y |")[2].partition("\n## ")[0]
    named = {name for name in CODE.findall(table) if "/" in name}
    assert len(named) >= 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def _layers() -> dict[str, list[str]]:
    """By container, the modules of its layers, the highest first."""
    held = configparser.ConfigParser()
    held.read(ROOT / ".importlinter")
    return {
        one["containers"].strip(): re.findall(r"\w+", one["layers"])
        for one in held.values()
        if one.get("type") == "layers"
    }


def test_the_house_has_each_room_once_in_the_order_that_is_held() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^\| \[`(\w+)/`\]\(\.\./([\w/]+)/__init__\.py\) \| (.+) \|$", page, re.MULTILINE)
    assert all(path.rpartition("/")[2] == name for name, path, _ in drawn)
    said = {
        path: (ast.get_docstring(ast.parse((ROOT / path / "__init__.py").read_text(encoding="utf-8"))) or "")
        for _, path, _ in drawn
    }
    assert [line for _, path, line in drawn if line != said[path].split("\n")[0]] == []
    rooms = [path for _, path, _ in drawn]
    for folder in (
        "shared",
        "shared/pipeline",
        *(f"services/{one}" for one in ("enrollment", "incentive", "notification")),
    ):
        there = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).glob("[!_]*/")
            if (path / "__init__.py").is_file()
        }
        assert sorted(there) == sorted(one for one in rooms if one.rpartition("/")[0] == folder), folder
    for container, layers in _layers().items():
        folder = container.replace(".", "/")
        held = [f"{folder}/{one}" for one in layers if (ROOT / folder / one).is_dir()]
        assert [one for one in rooms if one.rpartition("/")[0] == folder] == held, container


def test_each_step_of_a_record_s_way_is_in_its_room() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    steps = re.findall(
        r"^\| .+ \| `([\w/]+)/` \| `(\w+)` \|$", page.partition("## One record's way")[2], re.MULTILINE
    )
    assert len(steps) >= 7
    missing = [
        (room, name)
        for room, name in steps
        if not any(
            re.search(rf"^(class |def |async def |){name}\b", file.read_text(encoding="utf-8"), re.MULTILINE)
            for file in (ROOT / room).rglob("*.py")
        )
    ]
    assert missing == []


def _path_page() -> str:
    return (DOCS / "path-of-a-completion.md").read_text(encoding="utf-8")


def _functions(path: Path) -> set[str]:
    """Functions and methods of a module, as `function` and `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


# Every page.


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in _links(page) if not _resolves(page, link)]
    assert not broken, f"links of {page.relative_to(ROOT)} that lead nowhere: {broken}"


def _links(page: Path) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", link):
            yield link


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or (target.suffix == ".md" and anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = {
        word
        for code in _code(page.read_text(encoding="utf-8"))
        for words in MAKE.findall(code.partition(" #")[0])
        for word in words.split()
        if "=" not in word and not word.startswith("-")
    }
    assert named <= targets, f"{page.relative_to(ROOT)} names targets that the Makefile lacks"


def _code(text: str) -> Iterator[str]:
    for block in FENCE.findall(text):
        yield from block.splitlines()
    yield from CODE.findall(FENCE.sub("", text))


@every_page
def test_every_setting_exists(page: Path) -> None:
    files = {f"{name}_FILE" for name in known()}
    named = set(VARIABLE.findall(page.read_text(encoding="utf-8")))
    assert named <= known().keys() | files, f"{page.relative_to(ROOT)} names settings that nothing reads"


# Indexes.


def test_every_adr_is_in_the_index_under_its_title() -> None:
    index = (DOCS / "adr/README.md").read_text(encoding="utf-8")
    for number, adr in enumerate(ADRS, 1):
        heading = adr.read_text(encoding="utf-8").splitlines()[0]
        title = heading.removeprefix(f"# {number:04d}. ")
        assert title != heading, f"{adr.name} does not begin with '# {number:04d}. ': numbers have no gap"
        assert adr.name.startswith(f"{number:04d}-")
        assert f"| [{number:04d}]({adr.name}) | {title} |" in index


@pytest.mark.parametrize("adr", ADRS, ids=lambda adr: adr.stem)
def test_every_adr_has_its_parts(adr: Path) -> None:
    headings = HEADING.findall(adr.read_text(encoding="utf-8"))
    for part in ("Context", "Decision", "Consequences", "Rejected", "What would reopen it"):
        assert part in headings, f"{adr.name} has no part '{part}'"


def test_every_how_to_is_in_the_index_under_its_title() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in HOW_TOS:
        title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert f"[{title}](how-to/{page.name})" in index


# Examples.


@pytest.mark.parametrize("name", ["publish-over-kafka.md", "publish-over-http.md"])
def test_events_shown_to_agencies_are_accepted(name: str) -> None:
    (shown,) = HEREDOC.findall((DOCS / "how-to" / name).read_text(encoding="utf-8"))
    # Over Kafka a line is a record; over HTTP the whole is an array.
    events = json.loads(shown) if "http" in name else [json.loads(line) for line in shown.splitlines()]
    assert len(events) == 2
    for index, event in enumerate(events):
        verdict = _check(index, event).verdict
        assert (verdict.status, verdict.detail) == ("accepted", None)


def test_events_shown_one_by_one_are_accepted() -> None:
    shown = [text for page in HOW_TOS for text in SENT_ALONE.findall(page.read_text(encoding="utf-8"))]
    assert len(shown) >= 2
    for text in shown:
        verdict = _check(0, json.loads(text)).verdict
        assert (verdict.status, verdict.detail) == ("accepted", None), text
