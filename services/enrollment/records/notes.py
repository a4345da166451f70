"""What is said of a completion beside its figures, wherever somebody sees it: that it has no certificate of ours, or that
it stands for nothing, or that its PDF cannot be made, and why."""

from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS
from services.enrollment.agencies.documents import Register as RegisterDocument
from services.enrollment.agencies.timeline import effective as agency_standing
from services.enrollment.agencies.trust import trust_of
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.timeline import called_now
from services.enrollment.completions.agency_names import concerned
from services.enrollment.completions.authority import Grounds, Register, effective, organizer_of
from services.enrollment.completions.documents import Completion
from services.enrollment.completions.reasons import Names, uncertified, without_ground
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import people_of
from services.enrollment.rendering.held_renderings import held_of
from shared.contracts.lists import GROUNDLESS
from shared.pipeline.storage.mongo import MongoStore

_TIDAK_BERLAKU: Final = "Tidak berlaku"
HELD_NOTE: Final = (
    "Sertifikat ini berlaku, tetapi PDF-nya belum dapat dibuat karena ada huruf yang belum dapat dicetak. Jika huruf itu "
    "keliru, mintalah instansi penyelenggara memperbaiki teksnya dan mengirim ulang data pelatihan ini."
)
MAX_SENDERS: Final = 3
"""Whose reasons are told."""


class Looked(NamedTuple):
    """What notes about some completions rest on."""

    bodies: Mapping[str, Body]
    """By id."""
    people: Mapping[str, Person]
    """By id of a record of theirs."""
    register: RegisterDocument | None
    names: Names = MappingProxyType({})
    """Of agencies, by code."""
    held: Container[str] = frozenset()
    """Completions of whose certificates no PDF can be made by now."""


class Note(NamedTuple):
    people: str
    """In Indonesian."""
    operators: str


async def looked_up(store: MongoStore, completions: Iterable[Completion]) -> Looked:
    """No read where each counts and has its certificate and PDF."""
    completions = list(completions)
    held = await held_of(store, completions)
    noted = [
        completion
        for completion in completions
        if completion.contents and not (completion.certified and completion.learning_year)
    ]
    if not noted:
        return Looked({}, {}, None, held=held)
    bodies = await store.select(
        BODIES, {"_id": {"$in": sorted({body_id(organizer_of(completion)) for completion in noted})}}
    )
    people = await people_of(
        store, sorted({completion.employee_id for completion in noted if not completion.learning_year})
    )
    by_id = {body.id: body for body in bodies}
    register = await store.read(REGISTERS, REGISTER)
    trust = trust_of(register)
    codes = {
        code
        for completion in noted
        for code in concerned(completion, by_id.get(body_id(organizer_of(completion))), trust)
    }
    agencies = await store.select(AGENCIES, {"_id": {"$in": sorted(codes)}})
    names = {
        agency.id: current.name for agency in agencies if (current := agency_standing(agency)) is not None
    }
    return Looked(by_id, people, register, names, held)


def note_of(completion: Completion, looked: Looked) -> Note | None:
    """None: it counts and has certificate and PDF, or something else keeps it from counting, which is told with JP."""
    if not completion.contents:
        return None
    body = called_now(looked.bodies.get(body_id(organizer_of(completion))), trust_of(looked.register).heir)
    if completion.learning_year:
        if completion.certified and completion.id in looked.held:
            return Note(HELD_NOTE, "PDF held: no font draws it")
        if completion.certified:
            return None
        claimed = completion.grounds == Grounds.CLAIM
        why = uncertified(organizer_of(completion), body, claimed=claimed)
        return Note(why.note(looked.names), why.operators)
    person, known = looked.people.get(completion.employee_id), looked.register
    if person is None or known is None:
        return None
    register = Register(body, known.judges_from, known.generation, trust_of(known))
    if effective(completion, person, register) is not None:
        return None
    by_sender = {content.sender: content for content in completion.contents}
    groundless = [
        without_ground(content, register.trust) for content in list(by_sender.values())[:MAX_SENDERS]
    ]
    return Note(
        f"{_TIDAK_BERLAKU}: {'; '.join(reason.note(looked.names) for reason in groundless)}.",
        f"{GROUNDLESS}: {'; '.join(reason.operators for reason in groundless)}",
    )
