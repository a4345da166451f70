"""What README says a change touches is all that it touches: each is made on a copy, and must work there.

A change that needs one more file than its row names fails here: either it has become dearer, or the row is behind.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("services", "shared", "tools")
GIVEN: Final = ("tests/__init__.py", "tests/factories.py", "tests/unit/__init__.py", "tests/unit/given.py")
NEW: Final = ""
"""In place of what is there: a file of its own, or the end of one that there is."""

pytestmark = pytest.mark.slow


class Edit(NamedTuple):
    path: str
    before: str
    after: str


ENROLLMENT: Final = "services/enrollment/"
REGISTER: Final = "shared/contracts/register.py"
CATALOGUE: Final = "shared/contracts/catalogue.py"
AGENCIES: Final = ENROLLMENT + "agencies/"
COMMAND: Final = '''

class PraiseAgency(Payload):
    """An operator says that an agency reports well."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.praise.v1"
    code: KnownAgencyCode
    operator: str
'''
HANDLER: Final = """

def praise_needs(event: Received[PraiseAgency], state: State, terms: Terms) -> Needs:
    yield Doc(AGENCIES, event.data.code)


def praise_agency(event: Received[PraiseAgency], state: State, terms: Terms) -> Outcome:
    known = state.get(AGENCIES, event.data.code)
    return Outcome(Verdict.NOTHING if known is None else Verdict.ACCEPTED)


HANDLERS[PraiseAgency] = handler(praise_needs, praise_agency)
"""
EVENT_TYPE: Final = (
    Edit(REGISTER, NEW, COMMAND),
    Edit(CATALOGUE, "    DistrustAgency,\n", "    DistrustAgency,\n    PraiseAgency,\n"),
    Edit(CATALOGUE, "    ResumeAgency: E", "    PraiseAgency: ENROLLMENT_COMMANDS,\n    ResumeAgency: E"),
    Edit(AGENCIES + "handlers.py", "BeginRegister, C", "BeginRegister, PraiseAgency, C"),
    Edit(AGENCIES + "handlers.py", NEW, HANDLER),
)
CAPABILITY: Final = '''"""What seniors give on."""

import msgspec

from services.enrollment.terms import Terms
from shared.contracts.register import PraiseAgency
from shared.pipeline.capabilities import Capability
from shared.pipeline.documents import Collection, Doc, Needs, State
from shared.pipeline.handlers import handler
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.records import Received


class Mentor(msgspec.Struct, frozen=True):
    id: str
    praised: int = 0


MENTORS = Collection("mentors", Mentor, indexes=(("praised",),))


def mentor_needs(event: Received[MentorFound], state: State, terms: Terms) -> Needs:
    yield Doc(MENTORS, event.data.code)


def note_mentor(event: Received[MentorFound], state: State, terms: Terms) -> Outcome:
    known = state.get(MENTORS, event.data.code) or Mentor(event.data.code)
    after = msgspec.structs.replace(known, praised=known.praised + 1)
    return Outcome(Verdict.ACCEPTED, changes=[Put(MENTORS, after)])


CAPABILITY = Capability("mentoring", {MentorFound: handler(mentor_needs, note_mentor)}, (MENTORS,))
'''.replace("import PraiseAgency", "import MentorFound")
MENTOR_FOUND: Final = (
    Edit(
        REGISTER, NEW, COMMAND.replace("PraiseAgency", "MentorFound").replace("agency.praise", "mentor.find")
    ),
    Edit(CATALOGUE, "    DistrustAgency,\n", "    DistrustAgency,\n    MentorFound,\n"),
    Edit(CATALOGUE, "    ResumeAgency: E", "    MentorFound: ENROLLMENT_COMMANDS,\n    ResumeAgency: E"),
)
"""The capability's event type: a change of its own, in the row above."""
ROUTE: Final = """
    @router.post("/{code}/praises", summary="Say that an agency reports well", **OPERATOR)
    async def praise(code: Code, asked: Asking) -> Response:
        command = PraiseAgency(code=code, operator=asked.caller.subject)
        return await components.commands.answer(command, asked, route=f"agency/praise/{code}", key=REGISTER)

    return router
"""
LETTER: Final = ENROLLMENT.replace("enrollment", "notification") + "letters/"
PARTS: Final = {
    "subject": "Masa pensiun",
    "text": "{{ name }}: pensiun",
    "html": '{% extends "layout.html.j2" %}{% block content %}<p>{{ name }}</p>{% endblock %}',
}
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
            '  - {body: BKPSDM, from: 2031-01-01, number: "N-{sequence}/{year}", source: test, confidence: L}\n',
        ),
    ),
    "a point rule of a known kind": (
        Edit(
            "services/incentive/rules/points.yaml",
            "level_bonus:\n",
            "  - {form: webinar, points: 7, from: 2031-01-01, source: test, confidence: L}\nlevel_bonus:\n",
        ),
    ),
    "an event type": EVENT_TYPE,
    "a command with its route": (
        Edit(AGENCIES + "routes.py", "import AddAgency, ", "import AddAgency, PraiseAgency, "),
        Edit(AGENCIES + "routes.py", "\n    return router\n", ROUTE),
    ),
    "an e-mail": (
        *(
            Edit(f"{LETTER}templates/retiring/{part}.{language}.j2", NEW, text)
            for part, text in PARTS.items()
            for language in ("id", "en")
        ),
        Edit(
            LETTER + "composing.py",
            '    "address_changed": address_changed,\n',
            '    "address_changed": address_changed,\n    "retiring": lambda letter: {},\n',
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
            '        "post_line": _joined(',
            '        "pathway": face.pathway,\n        "post_line": _joined(',
        ),
        Edit(
            ENROLLMENT + "completions/recalculation.py",
            "        predicate=facts.predicate,\n        signatory",
            "        predicate=facts.predicate,\n        pathway=facts.pathway,\n        signatory",
        ),
        Edit(
            ENROLLMENT + "certificates/templates/certificate.typ",
            "    description: face.training_title,\n",
            '    description: face.training_title + " " + face.pathway,\n',
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
from decimal import Decimal
from fastapi import FastAPI
import pypdf
from services.enrollment import app, mentoring
from services.enrollment.agencies.documents import AGENCIES
from services.enrollment.certificates.documents import RENDERINGS
from services.enrollment.certificates.pdf import render
from services.enrollment.completions.handlers import recalculate_completions
from services.enrollment.completions.terms import load_terms
from services.enrollment.learning_hours.jp_rates import load_rates
from services.incentive.rules.awards import Achievement, award_month, load_point_rules
from services.notification.letters.composing import LETTERS, LANGUAGES, TEMPLATES
from shared.contracts.register import AddAgency, MentorFound, PraiseAgency
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.pipeline.handlers import Service
from tests.factories import NIP, completed, registered
from tests.unit.given import Given

terms = load_terms("0123456789abcdef0123456789abcdef", "https://kompeten.example")
service = Service(
    name="enrollment", terms=terms, handlers=app.HANDLERS, recalculate=recalculate_completions,
    collections=app.COLLECTIONS, sources=(), events_topic=ENROLLMENT_EVENTS,
)
city = Given(service, registered(NIP))
city.when(completed(NIP))
face = city.one(RENDERINGS).face
mentors = Given(service)
mentors.when(MentorFound(code="dinas-a", operator="op"))
webinar = Achievement("c", "webinar", "national", None, date(2031, 2, 3))
seminar = load_rates().in_force("seminar", date(2031, 2, 3))
pdf = pypdf.PdfReader(io.BytesIO(render(face)))
folders = [one.name for one in TEMPLATES.iterdir() if one.is_dir()]
print(json.dumps({
    "a JP rate, the yearly duty": str(seminar.tenths["national"]),
    "how a body's numbers look, who signs for it": terms.bodies.at("BKPSDM", date(2031, 2, 3)).template,
    "a point rule of a known kind": award_month([webinar], load_point_rules())["c"].points,
    "an event type": str(mentors.when(PraiseAgency(code="dinas-a", operator="op")).verdict),
    "a command with its route": sorted(path for path in app.openapi()["paths"] if path.endswith("praises")),
    "an e-mail": [set(LETTERS) == set(folders), "retiring" in LETTERS],
    "a field on the certificate": [face.pathway, pdf.metadata.subject],
    "a capability": [mentors.one(mentoring.MENTORS).praised, mentoring.MENTORS in app.COLLECTIONS],
    "an index": AGENCIES.indexes,
}))
"""
EXPECTED: Final[dict[str, Any]] = {
    "a JP rate, the yearly duty": "70",
    "how a body's numbers look, who signs for it": "N-{sequence}/{year}",
    "a point rule of a known kind": 7,
    "an event type": "nothing",
    "a command with its route": ["/agencies/{code}/praises"],
    "an e-mail": [True, True],
    "a field on the certificate": ["classical", "Pelayanan Publik Berbasis Data classical"],
    "a capability": [1, True],
    "an index": [["statements.kind"]],
}
ELSEWHERE: Final = re.compile(r"^(tests/|docs/|\.importlinter|docker-compose|deploy/)")
"""What a row names besides: tests, documents, borders. The changes here are made without."""


def row_of(change: str) -> list[str]:
    """The places that README names for it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (places,) = re.findall(rf"^\| {re.escape(change)} \| (.*) \|$", readme, re.M)
    without_models = re.sub(r"\(copy `[^`]*`\)|\(`[^`]*` has the one there is\)", "", places)
    return [
        place for place in re.findall(r"`([^`]+)`", without_models) if "/" in place or place.endswith(".py")
    ]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("copy")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, made / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in GIVEN:
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, made / file)
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


def test_each_change_works_where_it_was_made_alone(copy: Path) -> None:
    argv = [sys.executable, "-c", IN_THE_COPY]
    ran = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert json.loads(ran.stdout) == EXPECTED


@pytest.mark.parametrize("change", CHANGES)
def test_readme_names_what_it_touches_and_nothing_else(change: str) -> None:
    edits = CHANGES[change]
    if change == "a command with its route":
        edits = (*EVENT_TYPE, *edits)  # "the same, and the route"
    touched = {edit.path for edit in edits}
    named = row_of(change)
    if change == "a command with its route":
        named = [*row_of("an event type"), *named]
    named = [place for place in named if not ELSEWHERE.match(place)]
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
