"""Why a completion that counts has no certificate of ours: for its employee's record, and for operators."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from services.enrollment.authority import Grounds, organizer_of, uncertified
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.timeline import standing_body
from services.enrollment.documents import Completion
from shared.contracts.lists import UNCERTIFIED
from shared.mongo import MongoStore

_TERCATAT: Final = "Tercatat, tanpa sertifikat dari kami"


class Note(NamedTuple):
    """One sentence in two languages."""

    id: str
    en: str


def note_of(completion: Completion, body: Body | None) -> Note | None:
    """`body`: the one that it was reported of, as the register has it. None: it has a certificate, or does not stand."""
    if completion.certified or not completion.learning_year:
        return None
    if completion.grounds == Grounds.CLAIM:
        return Note(
            f"{_TERCATAT}: belum dipastikan bahwa pelapornya instansi pegawai ini.",
            f"{UNCERTIFIED}: its reporter claims the person, and nobody has confirmed that it is the person's agency",
        )
    code, stands = organizer_of(completion), standing_body(body)
    if stands is not None and stands.outside:
        return Note(f"{_TERCATAT}: {stands.code} bukan lembaga kota.", uncertified(body))
    if stands is not None and stands.issuing:
        return Note(
            f"{_TERCATAT}: hanya {stands.issuing} yang menerbitkan untuk {stands.code}.", uncertified(body)
        )
    return Note(
        f"{_TERCATAT}: belum dipastikan siapa yang menerbitkan untuk {code}.",
        f"{UNCERTIFIED}: nobody has confirmed who issues for {code}",
    )


async def bodies_of(store: MongoStore, completions: Iterable[Completion]) -> Mapping[str, Body]:
    """Those of completions without a certificate of ours, by id; no read where there are none."""
    ids = sorted({body_id(organizer_of(one)) for one in completions if not one.certified})
    found = await store.select(BODIES, {"_id": {"$in": ids}}) if ids else []
    return {one.id: one for one in found}
