"""How deep one has to read: frames from a decision to what it makes."""

import dataclasses
import traceback
from datetime import date
from typing import Any

from services.enrollment.certificates.issuing_bodies import IssuingBody
from tests.factories import NIP, completed, registered
from tests.property.harness import ENROLLMENT, TERMS
from tests.unit import given

MAX_TO_THE_NUMBER = 3


class Template(str):
    """Of numbers: takes note of who fills it in."""

    def __init__(self, text: str) -> None:
        self.fillers: list[list[tuple[str, str]]] = []

    def format(self, *args: object, **fields: object) -> str:
        self.fillers.append([(frame.filename, frame.name) for frame in traceback.extract_stack()[:-1]])
        return super().format(*args, **fields)


class OneBody:
    def __init__(self, template: str) -> None:
        self.body = IssuingBody(template, None)

    def at(self, code: str, day: date) -> IssuingBody:
        return self.body


def test_from_a_decision_to_the_number_are_at_most_three_frames() -> None:
    template = Template("{sequence}/{body}")
    bodies: Any = OneBody(template)
    terms = dataclasses.replace(TERMS, bodies=bodies)
    city = given.Given(dataclasses.replace(ENROLLMENT, terms=terms), registered(NIP))
    city.when(completed(NIP))
    (frames,) = template.fillers
    called_here = max(place for place, (file, _) in enumerate(frames) if file == given.__file__)
    decision, *below = [name for _, name in frames[called_here + 1 :]]
    assert len(below) <= MAX_TO_THE_NUMBER, " > ".join((decision, *below))
