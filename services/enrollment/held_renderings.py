"""Certificates whose PDF waits for a font: told to operators, and tried again by a version that draws otherwise."""

from collections import Counter
from typing import Final

from services.enrollment.certificate_pdf import drawing, not_drawn
from services.enrollment.documents import COMPLETIONS, HELD, RENDERINGS, SUPERSEDED, Completion, Rendering
from shared.mongo import MongoStore
from shared.periodic import Periodic
from shared.pipeline.work import QUEUED

LOOK_EVERY_S: Final = 30.0
MOST_LOOKED_AT: Final = 500
MOST_NAMED: Final = 5


class HeldRenderings(Periodic):
    def __init__(self, store: MongoStore) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store = store
        self._remarks: list[str] = []

    def remarks(self) -> list[str]:
        return self._remarks

    async def step(self) -> float | None:
        await self._give_back()
        held = await self._store.select(RENDERINGS, {"state": HELD}, sort=[("due", 1)], limit=MOST_LOOKED_AT)
        ids = sorted({one.completion_id for one in held})
        known = {one.id: one for one in await self._store.select(COMPLETIONS, {"_id": {"$in": ids}})}
        waiting: Counter[str] = Counter()
        for one in held:
            completion = known.get(one.completion_id)
            if _is_superseded(one, completion):
                await self._move(one, SUPERSEDED)
            elif not (completion and completion.certificate and completion.certificate.revoked):
                waiting[why_held(one)] += 1
        self._remarks = [
            f"{count} certificate{'' if count == 1 else 's'} without PDF: {why}: they are valid, and drawn by a version "
            "that has the font; or have the agency correct the text"
            for why, count in waiting.most_common(MOST_NAMED)
        ]
        if len(waiting) > MOST_NAMED:
            others = sum(waiting.values()) - sum(count for _, count in waiting.most_common(MOST_NAMED))
            self._remarks.append(f"and {others} more without PDF, for other texts")
        return None

    async def _give_back(self) -> None:
        """Those that another version could not draw. While both run, they may go to and fro."""
        while others := await self._store.select(
            RENDERINGS,
            {"state": HELD, "drawing": {"$ne": drawing()}},
            sort=[("due", 1)],
            limit=MOST_LOOKED_AT,
        ):
            for one in others:
                await self._move(one, QUEUED)

    async def _move(self, one: Rendering, state: str) -> None:
        # No worker has it: what is held is leased by nobody.
        await self._store.change(
            RENDERINGS, one.id, {"state": HELD, "drawing": one.drawing}, {"state": state}
        )


def why_held(one: Rendering) -> str:
    """The title helps to find it; of what else is printed, such as a name, only that it is there."""
    in_title = set(one.undrawn) & set(one.face.training_title)
    where = f'the title "{one.face.training_title}"' if in_title else "another text than the title"
    return f"{not_drawn(one.undrawn)} in {where}"


def _is_superseded(one: Rendering, completion: Completion | None) -> bool:
    certificate = None if completion is None else completion.certificate
    return certificate is None or certificate.revision > one.revision
