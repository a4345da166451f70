"""What README says a change touches is all that it touches: each is made on a copy, and must work there.

A change that needs one more file than its row names fails here: either it has become dearer, or the row is behind. So
does a row with a file that need not be touched.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from services.preflight import SERVICES as SETTINGS
from shared.contracts.services import SERVICES
from shared.contracts.topics import topic_specs

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = (
    "services", "shared", "tools", "cli", "demo", "devstack", "tests",
    ".importlinter", "pyproject.toml", "README.md", "docs/architecture.md",
)  # fmt: skip
NEW: Final = ""
"""In place of what is there: a file of its own, or the end of one that there is."""

pytestmark = pytest.mark.slow


class Edit(NamedTuple):
    path: str
    before: str
    after: str


ENROLLMENT: Final = "services/enrollment/"
INCENTIVE: Final = "services/incentive/rules/"
AGENCIES: Final = ENROLLMENT + "agencies/"
PAGES: Final = ENROLLMENT + "verification/"
LETTERS: Final = "services/notification/letters/"
REGISTER: Final = "shared/contracts/register.py"
CATALOGUE: Final = "shared/contracts/catalogue.py"
EXAMPLES: Final = "tools/contracts/examples.py"
SHAPES: Final = "tests/bench/shapes.py"


def event_type(name: str, type: str) -> tuple[Edit, ...]:
    """All that it takes but who reacts to it."""
    return (
        Edit(
            REGISTER,
            NEW,
            f'''

class {name}(Payload):
    """An operator says that an agency reports well."""

    TYPE: ClassVar[str] = "{type}"
    code: KnownAgencyCode
    operator: str
''',
        ),
        Edit(CATALOGUE, "    DistrustAgency,\n", f"    DistrustAgency,\n    {name},\n"),
        Edit(CATALOGUE, "    ResumeAgency: E", f"    {name}: ENROLLMENT_COMMANDS,\n    ResumeAgency: E"),
        Edit(EXAMPLES, "    DistrustAgency,\n", f"    DistrustAgency,\n    {name},\n"),
        Edit(
            EXAMPLES,
            "    BeginRegister(codes=",
            f'    {name}(code="dinas-contoh", operator="operator-1"),\n    BeginRegister(codes=',
        ),
        Edit(SHAPES, "    DistrustAgency,\n", f"    DistrustAgency,\n    {name},\n"),
        Edit(
            SHAPES,
            '        shape("beginnings of the register",',
            f'        shape("{type}", {name}, added, lambda n: told_enrollment(*(\n'
            f'            {name}(code=code(at), operator="o") for at in range(n)))),\n'
            '        shape("beginnings of the register",',
        ),
    )


HANDLER: Final = """

def praise_needs(event: Received[PraiseAgency], state: State, terms: Terms) -> Needs:
    yield Doc(AGENCIES, event.data.code)


def praise_agency(event: Received[PraiseAgency], state: State, terms: Terms) -> Outcome:
    known = state.get(AGENCIES, event.data.code)
    return Outcome(Verdict.NOTHING if known is None else Verdict.ACCEPTED)


HANDLERS[PraiseAgency] = handler(praise_needs, praise_agency)
"""
EVENT_TYPE: Final = (
    *event_type("PraiseAgency", "id.go.bandung.agency.praise.v1"),
    Edit(AGENCIES + "handlers.py", "BeginRegister, C", "BeginRegister, PraiseAgency, C"),
    Edit(AGENCIES + "handlers.py", NEW, HANDLER),
)
MENTOR_FOUND: Final = event_type("MentorFound", "id.go.bandung.mentor.find.v1")
"""What the capability reacts to: a change of its own, in the row above."""
CAPABILITY: Final = '''"""What seniors give on."""

import msgspec

from services.enrollment.terms import Terms
from shared.contracts.register import MentorFound
from shared.pipeline.capabilities import Capability
from shared.pipeline.documents import Collection, Doc, Needs, State
from shared.pipeline.handlers import handler
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.records import Received


class Mentor(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    praised: int = 0


MENTORS = Collection("mentors", Mentor, indexes=(("praised",),))


def mentor_needs(event: Received[MentorFound], state: State, terms: Terms) -> Needs:
    yield Doc(MENTORS, event.data.code)


def note_mentor(event: Received[MentorFound], state: State, terms: Terms) -> Outcome:
    known = state.get(MENTORS, event.data.code) or Mentor(event.data.code)
    after = msgspec.structs.replace(known, praised=known.praised + 1)
    return Outcome(Verdict.ACCEPTED, changes=[Put(MENTORS, after)])


CAPABILITY = Capability("mentoring", {MentorFound: handler(mentor_needs, note_mentor)}, (MENTORS,))
'''
ROUTE: Final = """
    @router.post("/{code}/praises", summary="Say that an agency reports well", **OPERATOR)
    async def praise(code: Code, asked: Asking) -> Response:
        command = PraiseAgency(code=code, operator=asked.caller.subject)
        return await components.commands.answer(command, asked, route=f"agency/praise/{code}", key=REGISTER)

    return router
"""
SEASON: Final = """class SeasonBonusRow(Row):
    month: Annotated[int, Field(ge=1, le=12)]
    points: Points

    @property
    def subject(self) -> str:
        return f"season_bonus/{self.month}"


class MonthCapRow(Row):"""
SEASON_GIVES: Final = """    timeline = rules.season_bonus.get(str(day.month))
    if timeline is not None and (bonus := timeline.at(day)) is not None:
        lines.append(bonus)
    return tuple(lines)
"""
PAGE: Final = """
    @router.get(
        "/about", summary="What this is", response_class=Response, **_public({200: _as("text/html")})
    )
    async def about() -> Response:
        return HTMLResponse(about_page(), headers=_PAGE)

    return router


def download_router("""


def letter_of(name: str, like: str) -> tuple[Edit, ...]:
    """Its folder: that of another, under a subject of its own."""
    return tuple(
        Edit(
            f"{LETTERS}templates/{name}/{part}.{language}.j2",
            NEW,
            (ROOT / f"{LETTERS}templates/{like}/{part}.{language}.j2").read_text(encoding="utf-8")
            if part != "subject"
            else "Lewat: {{ title }}\n",
        )
        for part in ("subject", "text", "html")
        for language in ("id", "en")
    )


CHANGES: Final[dict[str, tuple[Edit, ...]]] = {
    "a JP rate, the yearly duty": (
        Edit(
            ENROLLMENT + "learning_hours/rules/jp.yaml",
            "  - form: webinar\n",
            "  - {form: seminar, from: 2031-01-01, basis: per_day, national: 7, international: 8, source: test, "
            "confidence: L}\n  - form: webinar\n",
        ),
    ),
    "how a body's numbers look, who signs for it": (
        Edit(
            ENROLLMENT + "certificates/rules/issuing_bodies.yaml",
            NEW,
            '  - {body: BKPSDM, from: 2031-01-01, number: "N-{sequence}/{year}", agency: bkpsdm, '
            "source: test, confidence: L}\n",
        ),
    ),
    "a point rule of a known kind": (
        Edit(
            INCENTIVE + "points.yaml",
            "level_bonus:\n",
            "  - {form: webinar, points: 7, from: 2031-01-01, source: *city, confidence: L}\nlevel_bonus:\n",
        ),
    ),
    "a point rule of a new kind": (
        Edit(INCENTIVE + "point_rules.py", "class MonthCapRow(Row):", SEASON),
        Edit(INCENTIVE + "point_rules.py", '"rows", "version")', '"rows", "season_bonus", "version")'),
        Edit(INCENTIVE + "point_rules.py", '"predicate_bonus", "m', '"predicate_bonus", "season_bonus", "m'),
        Edit(
            INCENTIVE + "point_rules.py",
            "        self.version = ",
            '        season_bonus = file.rows("season_bonus", TypeAdapter(SeasonBonusRow))\n'
            '        self.season_bonus = _lines(season_bonus, f"{file.name}, season_bonus")\n'
            "        self.version = ",
        ),
        Edit(INCENTIVE + "point_rules.py", "*predicate_bonus, *m", "*predicate_bonus, *season_bonus, *m"),
        Edit(INCENTIVE + "awards.py", "    return tuple(lines)\n", SEASON_GIVES),
        Edit(
            INCENTIVE + "points.yaml",
            "month_cap:\n",
            "season_bonus:\n  - {month: 2, points: 3, from: 2031-01-01, source: *city, confidence: L}\nmonth_cap:\n",
        ),
        Edit(
            "tests/unit/test_points.py",
            "month_cap:\n",
            "season_bonus:\n  - {{month: 2, points: 3, from: 2031-01-01, {SAID}}}\nmonth_cap:\n",
        ),
        Edit("tests/unit/test_points.py", "predicate_bonus, m", "predicate_bonus, season_bonus, m"),
    ),
    "an event type": EVENT_TYPE,
    "a command with its route": (
        Edit(AGENCIES + "routes.py", "import AddAgency, ", "import AddAgency, PraiseAgency, "),
        Edit(AGENCIES + "routes.py", "\n    return router\n", ROUTE),
    ),
    "an e-mail": (
        *letter_of("certificate_lapsed", like="certificate_revoked"),
        Edit(
            LETTERS + "composing.py",
            '    "address_changed": address_changed,\n',
            '    "address_changed": address_changed,\n    "certificate_lapsed": certificate_revoked,\n',
        ),
    ),
    "a field on the certificate": (
        Edit(
            ENROLLMENT + "certificates/face.py",
            "    predicate: str | None = None\n",
            "    predicate: str | None = None\n    pathway: str | None = None\n",
        ),
        Edit(
            ENROLLMENT + "certificates/face.py",
            '    "predicate": "the predicate",\n',
            '    "predicate": "the predicate",\n    "pathway": "the pathway",\n',
        ),
        Edit(
            ENROLLMENT + "certificates/face.py",
            '        "post_line": _joined(',
            '        "pathway": face.pathway or "",\n        "post_line": _joined(',
        ),
        Edit(
            ENROLLMENT + "completions/recalculation.py",
            "        predicate=facts.predicate,\n        signatory",
            "        predicate=facts.predicate,\n"
            "        pathway=facts.pathway if facts.completed_on >= date(2026, 3, 1) else None,\n        signatory",
        ),
        Edit(
            ENROLLMENT + "certificates/templates/certificate.typ",
            "    description: face.training_title,\n",
            '    description: face.training_title + " " + face.pathway,\n',
        ),
    ),
    "a field of the employee or the body on it": (
        Edit(
            ENROLLMENT + "certificates/face.py",
            "    pathway: str | None = None\n",
            "    pathway: str | None = None\n    unit: str | None = None\n",
        ),
        Edit(
            ENROLLMENT + "certificates/face.py",
            '    "jabatan": "the employee',
            '    "unit": "the employee\'s unit",\n    "jabatan": "the employee',
        ),
        Edit(
            ENROLLMENT + "completions/recalculation.py",
            "        jabatan=profile.jabatan,\n",
            "        jabatan=profile.jabatan,\n        unit=profile.unit_kerja,\n",
        ),
        Edit(
            ENROLLMENT + "certificates/documents.py",
            "    signatory: Signatory | None = None\n",
            "    signatory: Signatory | None = None\n    unit: str | None = None\n",
        ),
    ),
    "a capability": (
        Edit(ENROLLMENT + "mentoring/__init__.py", NEW, CAPABILITY),
        Edit(ENROLLMENT + "app.py", "    employees,\n", "    employees,\n    mentoring,\n"),
        Edit(
            ENROLLMENT + "app.py",
            "    reach.CAPABILITY,\n",
            "    reach.CAPABILITY,\n    mentoring.CAPABILITY,\n",
        ),
        Edit(".importlinter", "    contests\n", "    contests | mentoring\n"),
        Edit(
            "docs/architecture.md",
            "| [`records/`](../services/enrollment/",
            "| [`mentoring/`](../services/enrollment/mentoring/__init__.py) | What seniors give on. |\n"
            "| [`records/`](../services/enrollment/",
        ),
    ),
    "a page that anybody may open": (
        Edit(PAGES + "templates/pages/about.html.j2", NEW, '{% extends "layout.html.j2" %}\n'),
        Edit(
            PAGES + "pages.py",
            NEW,
            '\n\ndef about_page() -> str:\n    return _render("about", title="Kita")\n',
        ),
        Edit(PAGES + "routes.py", "    POLICY,\n", "    POLICY,\n    about_page,\n"),
        Edit(PAGES + "routes.py", "\n    return router\n\n\ndef download_router(", PAGE),
        Edit("tests/end_to_end/test_every_route_declares.py", "PUBLIC = {\n", 'PUBLIC = {\n    "/about",\n'),
    ),
    "an index": (
        Edit(
            AGENCIES + "documents.py",
            'AGENCIES = Collection("agencies", Agency)',
            'AGENCIES = Collection("agencies", Agency, indexes=(("statements.kind",),))',
        ),
    ),
}
IN_THE_COPY: Final = """
import io, json
from datetime import date
import pypdf
from services.enrollment import app, mentoring
from services.enrollment.agencies.documents import AGENCIES
from services.enrollment.certificates.documents import RENDERINGS
from services.enrollment.certificates.issuing_bodies import certificate_number
from services.enrollment.certificates.pdf import render
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.handlers import recalculate_completions
from services.enrollment.completions.terms import load_terms
from services.enrollment.learning_hours.jp import Learning, credit_learnings, load_rates
from services.enrollment.verification.pages import about_page
from services.incentive.rules.awards import Achievement, award_month, load_point_rules
from services.notification.letters.composing import compose
from shared.contracts.register import MentorFound, PraiseAgency
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.pipeline.handlers import Service
from tests.factories import NIP, changed, completed, registered, reinstate, revoke
from tests.unit import test_letters as letters
from tests.unit.given import Given

DAY = date(2031, 2, 3)
terms = load_terms("0123456789abcdef0123456789abcdef", "https://kompeten.example")
service = Service(
    name="enrollment", terms=terms, handlers=app.HANDLERS, recalculate=recalculate_completions,
    collections=app.COLLECTIONS, sources=(), events_topic=ENROLLMENT_EVENTS,
)
city = Given(service, registered(NIP, unit_kerja="Bidang Aplikasi"))
city.when(completed(NIP))
face = city.one(RENDERINGS).face
pdf = pypdf.PdfReader(io.BytesIO(render(face)))
known = city.one(COMPLETIONS)
about = {"completion_id": known.id, "employee_id": known.employee_id, "opd": None}
city.when(changed(NIP, previous_employee_number=None, unit_kerja="Bidang Data"))
city.when(revoke(**about), id="r")
city.when(reinstate(**about, revocation_id="r"))
first, back = (one.face for one in sorted(city.all(RENDERINGS), key=lambda one: one.revision))
mentors = Given(service)
mentors.when(MentorFound(code="dinas-a", operator="op"))
given = credit_learnings([Learning("c", "seminar", "national", DAY, DAY, DAY)], load_rates())
award = award_month([Achievement("c", "webinar", "national", None, DAY)], load_point_rules())["c"]
lapsed = compose(
    letters.letter("certificate_lapsed"), letters.contact(), letters.SENDER, letters.NOW, letters.TERMS
)
paths = app.openapi()["paths"]
print(json.dumps({
    "a JP rate, the yearly duty": str(given["c"].jp),
    "how a body's numbers look, who signs for it": [
        certificate_number(terms.bodies.at("BKPSDM", DAY).template, 5, "BKPSDM", DAY, code="P", batch="1"),
        terms.bodies.agencies["BKPSDM"],
    ],
    "a point rule of a known kind": {line.rule: line.points for line in award.lines if "base/" in line.rule},
    "a point rule of a new kind": {line.rule: line.points for line in award.lines if "season" in line.rule},
    "an event type": str(mentors.when(PraiseAgency(code="dinas-a", operator="op")).verdict),
    "a command with its route": paths["/agencies/{code}/praises"]["post"]["x-roles"],
    "an e-mail": lapsed["Subject"],
    "a field on the certificate": [face.pathway, pdf.metadata.subject],
    "a field of the employee or the body on it": [first.unit, back.unit, back.pathway],
    "a capability": [mentors.one(mentoring.MENTORS).praised, mentoring.MENTORS in app.COLLECTIONS],
    "a page that anybody may open": ["<title>Kita" in about_page(), paths["/about"]["get"]["x-roles"]],
    "an index": AGENCIES.indexes,
}))
"""
EXPECTED: Final[dict[str, Any]] = {
    "a JP rate, the yearly duty": "7.0",
    "how a body's numbers look, who signs for it": ["N-5/2031", "bkpsdm"],
    "a point rule of a known kind": {"base/webinar/2031-01-01": 7},
    "a point rule of a new kind": {"season_bonus/2/2031-01-01": 3},
    "an event type": "nothing",
    "a command with its route": ["operator"],
    "an e-mail": "Lewat: Keamanan Informasi untuk Aparatur",
    "a field on the certificate": ["classical", "Pelayanan Publik Berbasis Data classical"],
    "a field of the employee or the body on it": ["Bidang Aplikasi", "Bidang Aplikasi", "classical"],
    "a capability": [1, True],
    "a page that anybody may open": [True, []],
    "an index": [["statements.kind"]],
}
WHAT_WOULD_FAIL: Final = (
    "tests/unit/test_docs.py::test_the_house_has_each_room_once_in_the_order_that_is_held",
    "tests/unit/test_face.py",
    "tests/unit/test_jp.py",
    "tests/unit/test_letters.py",
    "tests/unit/test_points.py",
    "tests/contract/test_contracts.py::test_no_two_events_share_a_type_and_each_has_an_example",
    "tests/end_to_end/test_every_route_declares.py::test_no_route_is_undeclared",
    "tests/end_to_end/test_every_route_declares.py::test_public_are_only_these",
    "tests/property/test_work_is_bounded.py::test_each_handler_has_a_shape_of_its_own",
)
"""Tests of ours that ask for something beside each of these things: a row, an example, a word."""
A_SERVICE: Final = re.compile(rf"(?:\b|_)({'|'.join(one.name for one in SERVICES)})(?:\b|_)")
NOT_PLACES: Final = {  # name all services, and would not name another one
    "shared/settings/names.txt": "written by `make reference`",
    "shared/contracts/catalogue.py": "modules of event types",
    "tools/contracts/examples.py": "the same",
    "demo/comparison.py": "what the demo looks at",
}


def places_of(change: str) -> tuple[list[str], list[str]]:
    """Those that README names for it, and those that it names where more is asked for."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {re.escape(change)} \| (.*) \|$", readme, re.M)
    always, *sometimes = re.sub(r"\(copy `[^`]*`\)", "", row).split("; where ")
    return _places(always), _places(" ".join(sometimes))


def same_as(change: str) -> list[str]:
    """The row above, where it says "the same, and"."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^\| (.*?) \| .*\n\| {re.escape(change)} \| the same, and ", readme, re.M)


def _places(text: str) -> list[str]:
    found = re.findall(r"`([^`]+)`", text)
    return [one for one in found if "/" in one or one.endswith((".py", ".yml")) or one.startswith(".")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy(ROOT / name, made / name)
    for edit in (*MENTOR_FOUND, *(edit for edits in CHANGES.values() for edit in edits)):
        path = made / edit.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        assert edit.before in text, f"{edit.path} has not: {edit.before}"
        path.write_text(
            text + edit.after if edit.before == NEW else text.replace(edit.before, edit.after, 1),
            encoding="utf-8",
        )
    return made


def run(copy: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)


def test_each_change_works_in_a_copy(copy: Path) -> None:
    ran = run(copy, sys.executable, "-c", IN_THE_COPY)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert json.loads(ran.stdout) == EXPECTED


def test_no_other_test_asks_for_more(copy: Path) -> None:
    ran = run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *WHAT_WOULD_FAIL)
    assert ran.returncode == 0, ran.stdout[-3000:]


def test_the_rooms_still_rest_on_each_other_downwards(copy: Path) -> None:
    ran = run(copy, str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert ran.returncode == 0, ran.stdout[-3000:]


@pytest.mark.parametrize("change", CHANGES)
def test_readme_names_what_it_touches_and_nothing_else(change: str) -> None:
    together = [*same_as(change), change]
    touched = {edit.path for one in together for edit in CHANGES[one]}
    named = [place for one in together for place in places_of(one)[0]]
    for path in touched:
        assert any(is_in(path, place) for place in named), f"{path} is not named in README: {named}"
    for place in named:
        assert any(is_in(path, place) for path in touched), f"{place} need not be touched"


def is_in(path: str, place: str) -> bool:
    """A folder, a file, or a file of that name in whichever capability it is."""
    return (
        path == place
        or (place.endswith("/") and path.startswith(place))
        or ("/" not in place and path.endswith("/" + place))
    )


def test_readme_names_each_file_that_lists_the_services() -> None:
    always, sometimes = places_of("a service")
    files = [path for one in COPIED if one != "tests" for path in [ROOT / one, *(ROOT / one).rglob("*")]]
    files += [ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*"), *(ROOT / "deploy/mongo").glob("*")]
    listing = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if not path.is_relative_to(ROOT / "services/notification")  # reads what the others publish
        and path.suffix in (".py", ".yml", ".sh", ".js", ".txt", ".toml", ".example", "")
        and path.is_file()
        and set(A_SERVICE.findall(_text(path).lower())) >= {one.name for one in SERVICES}
    }
    assert listing - NOT_PLACES.keys() == {*always, *sometimes} - {"services/", "docs/architecture.md"}


def test_each_place_has_every_service_and_no_other() -> None:
    names = {one.name for one in SERVICES}
    users = re.search(r"SERVICES = (\[.*\]);", _text(ROOT / "deploy/mongo/health.js"))
    assert users is not None
    assert names == set(json.loads(users[1])), "deploy/mongo/health.js"
    assert names == {one.parent.name for one in (ROOT / "services").glob("*/app.py")}
    assert names == {one.service for one in SETTINGS}, "services/preflight.py"
    topics = {topic for one in SERVICES for topic in (one.commands, one.events) if topic}
    assert topics == {one.name for one in topic_specs([])}, "shared/contracts/topics.py"
    for file, said in (
        (".importlinter", r"^    services\.(\w+)$"),
        ("cli/command.py", r"^    (\w+)_url: Annot"),
        ("deploy/env.example", r"KOMPETEN_(\w+)_REPLICAS="),
        ("deploy/make-secrets.sh", r"^mongo_user (\w+)$"),
        ("docker-compose.yml", r"replicas: .*KOMPETEN_(\w+)_REPLICAS"),
        ("shared/settings/names.py", r'"KOMPETEN_([A-Z]+)_REPLICAS"'),
    ):
        assert {name.lower() for name in re.findall(said, _text(ROOT / file), re.M)} == names, file


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore")
