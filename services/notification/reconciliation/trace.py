"""What notification knows of completions: their letters, and what became of each mail."""

from services.notification.letters.documents import LETTERS, MAILS
from shared.http.traces import Missing, Step, Trace, WantedIds, trace_of
from shared.pipeline.storage.mongo import MongoStore

SERVICE = "notification"
SENT, BAD = "sent", ("bounced", "unknown", "skipped", "suppressed")


async def trace(store: MongoStore, wanted: WantedIds) -> Trace:
    ids = wanted.completion_ids
    letters = await store.select(LETTERS, {"completion_id": {"$in": ids}}, sort=[("due", 1)])
    mails = {
        mail.id: mail
        for mail in await store.select(MAILS, {"_id": {"$in": [letter.id for letter in letters]}})
    }
    steps = []
    for letter in letters:
        mail = mails.get(letter.id)
        state = letter.state if mail is None else mail.state
        reason = letter.reason if mail is None else mail.reason
        revision = f", revision {letter.revision}" if letter.revision else ""
        steps.append(
            Step(
                at=letter.due if mail is None or mail.sent_at is None else mail.sent_at,
                service=SERVICE,
                what=f"letter {letter.template}{revision}: {state}",
                state="ok"
                if state in (SENT, "dropped", "overtaken")
                else "problem"
                if state in BAD
                else "waiting",
                detail=reason or None,
                completion_id=letter.completion_id,
            )
        )

    def unheard(completion_id: str) -> Missing | None:
        return None if completion_id in wanted.uncertified_ids else _unheard(completion_id)

    return trace_of(steps, {letter.completion_id: letter.employee_id for letter in letters}, wanted, unheard)


def _unheard(completion_id: str) -> Missing:
    do = (
        "notification has not heard of its certificate: look at its lag and dead letters with kompeten status"
    )
    return Missing(service=SERVICE, what="mail", do=do, completion_id=completion_id)
