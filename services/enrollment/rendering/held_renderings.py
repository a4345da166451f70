"""Certificates whose PDF waits for a font: told to operators, and tried again by a version that draws otherwise."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from services.enrollment.certificates.documents import HELD, RENDERINGS, SUPERSEDED, Rendering, rendering_id
from services.enrollment.certificates.face import OF_THE_EMPLOYEE, OF_THE_TRAINING, CertificateFace
from services.enrollment.certificates.pdf import drawing, not_drawn
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_content
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.work import QUEUED
from shared.workers.periodic import Periodic

LOOK_EVERY_S: Final = 30.0
MAX_LOOKED_AT: Final = 500
MAX_NAMED: Final = 5


class _Alike(NamedTuple):
    """What certificates have in common that are told in one line."""

    why: str
    do: str


class HeldRenderings(Periodic):
    name = "heldrenderings"

    def __init__(self, store: MongoStore) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store = store
        self._remarks: list[str] = []

    def remarks(self) -> list[str]:
        return self._remarks

    async def step(self) -> float | None:
        await self._give_back()
        held = await self._store.select(RENDERINGS, {"state": HELD}, sort=[("due", 1)], limit=MAX_LOOKED_AT)
        ids = sorted({rendering.completion_id for rendering in held})
        known = {
            completion.id: completion
            for completion in await self._store.select(COMPLETIONS, {"_id": {"$in": ids}})
        }
        waiting: defaultdict[_Alike, list[str]] = defaultdict(list)
        for rendering in held:
            completion = known.get(rendering.completion_id)
            certificate = None if completion is None else completion.certificate
            if completion is None or certificate is None or certificate.revision > rendering.revision:
                await self._move(rendering, SUPERSEDED)
            elif not certificate.revoked:
                waiting[_Alike(why_held(rendering), what_to_do(rendering, completion))].append(
                    certificate.number
                )
        ranked = sorted(waiting.items(), key=lambda item: -len(item[1]))
        self._remarks = [_told(alike, numbers) for alike, numbers in ranked[:MAX_NAMED]]
        if others := sum(len(numbers) for _, numbers in ranked[MAX_NAMED:]):
            self._remarks.append(f"and {others} more without PDF, for other texts")
        return None

    async def _give_back(self) -> None:
        """Those that another version could not draw. While both run, they may go to and fro."""
        while others := await self._store.select(
            RENDERINGS,
            {"state": HELD, "drawing": {"$ne": drawing()}},
            sort=[("due", 1)],
            limit=MAX_LOOKED_AT,
        ):
            for other in others:
                await self._move(other, QUEUED)

    async def _move(self, one: Rendering, state: str) -> None:
        # No worker has it: what is held is leased by nobody.
        await self._store.change(
            RENDERINGS, one.id, {"state": HELD, "drawing": one.drawing}, {"state": state}
        )


async def held_of(store: MongoStore, completions: Iterable[Completion]) -> frozenset[str]:
    """Ids of those that have a certificate which is valid, and of which no PDF can be made by now."""
    items = {
        rendering_id(certificate.id, certificate.revision): completion.id
        for completion in completions
        if (certificate := completion.certificate) is not None
        and certificate.sha256 is None
        and not certificate.revoked
    }
    if not items:
        return frozenset()
    held = await store.select(RENDERINGS, {"_id": {"$in": list(items)}, "state": HELD})
    return frozenset(items[rendering.id] for rendering in held)


def why_held(one: Rendering) -> str:
    """Which signs, and in what; never the text, which may be a name."""
    undrawn = set(one.undrawn)
    found = [words for words, text in _printed(one.face) if undrawn & {*text, *text.upper()}]
    return f"{not_drawn(one.undrawn)} in {' and '.join(dict.fromkeys(found)) or 'a text'}"


def what_to_do(one: Rendering, completion: Completion) -> str:
    """A certificate is printed anew by a completion of a higher revision alone, even where the name was changed."""
    undrawn = set(one.undrawn)
    of_the_employee = any(undrawn & set(getattr(one.face, field) or "") for field in OF_THE_EMPLOYEE)
    sender = effective_content(completion).sender if completion.contents else ""
    right = "after employee.changed with the right one" if of_the_employee else "with the right one"
    return (
        "a version that has the font makes the PDF; if the text is wrong, have "
        f"{f'agency {sender}' if sender else 'its agency'} publish the completion again with a higher `revision`, {right}"
    )


def _printed(face: CertificateFace) -> Iterator[tuple[str, str]]:
    for field, words in (*OF_THE_EMPLOYEE.items(), *OF_THE_TRAINING.items()):
        yield words, getattr(face, field) or ""
    if face.signatory is not None:
        yield "the signatory", face.signatory.name + face.signatory.jabatan


def _told(alike: _Alike, numbers: list[str]) -> str:
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    which = f"{', '.join(sorted(numbers)[:MAX_NAMED])}{more}"
    verb = "certificate is valid but has" if len(numbers) == 1 else "certificates are valid but have"
    return f"{len(numbers)} {verb} no PDF: {which}: {alike.why}; {alike.do}"
