"""What became of a mail, as the mailers tell it, and operators' orders to send one again. Pure, as all decisions."""

from services.notification.delivery.documents import MAIL_ORDERS, ORDERS_GIVEN, MailOrder, MailOrders
from services.notification.letters.documents import MAIL_NOTES, MAILS, MailNote
from services.notification.terms import Terms
from shared.contracts.notification import NoteMail, ResendMail
from shared.contracts.payload import Payload
from shared.pipeline.documents import Doc, Lock, Needs, State
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.records import Received


def _mail_lock(letter_id: str) -> Lock:
    return Lock("mail/" + letter_id)


def note_needs(event: Received[NoteMail], state: State, terms: Terms) -> Needs:
    yield _mail_lock(event.data.letter_id)
    yield Doc(MAIL_NOTES, event.data.letter_id)


def note_mail(event: Received[NoteMail], state: State, terms: Terms) -> Outcome:
    """Beside the mail, whose state is the mailers' alone."""
    data = event.data
    known = state.get(MAIL_NOTES, data.letter_id)
    if known is not None and (known.order, known.epoch) >= (data.order, data.epoch):
        return Outcome(Verdict.DUPLICATE, "noted before", data.letter_id)
    note = MailNote(id=data.letter_id, state=data.state, epoch=data.epoch, at=event.now, order=data.order)
    return Outcome(Verdict.ACCEPTED, subject=data.letter_id, changes=[Put(MAIL_NOTES, note)])


def resend_needs(event: Received[ResendMail], state: State, terms: Terms) -> Needs:
    yield _mail_lock(event.data.letter_id)
    yield Doc(MAILS, event.data.letter_id)
    yield Doc(ORDERS_GIVEN, event.data.letter_id)
    yield Doc(MAIL_ORDERS, event.id)


def order_resend(event: Received[ResendMail], state: State, terms: Terms) -> Outcome:
    """Whether the mail's state still allows it, the worker sees: that is the mailers' alone, and none of the log's."""
    data = event.data
    known = state.get(MAIL_ORDERS, event.id)
    if known is not None:
        if (known.letter_id, known.operator, known.why) != (data.letter_id, data.operator, data.reason):
            reused = "this command was given before with another content"
            return Outcome(
                Verdict.REFUSED, reused, data.letter_id, answer={"problem": "idempotency-key-reused"}
            )
        return Outcome(Verdict.DUPLICATE, "this order was given before", data.letter_id)
    if state.get(MAILS, data.letter_id) is None:
        reason = "There is no mail of this id: list them first."
        return Outcome(Verdict.REFUSED, reason, data.letter_id, answer={"problem": "not-found"})
    before = state.get(ORDERS_GIVEN, data.letter_id)
    number = 1 if before is None else before.given + 1
    order = MailOrder(
        id=event.id,
        letter_id=data.letter_id,
        number=number,
        operator=data.operator,
        why=data.reason,
        due=event.now,
    )
    return Outcome(
        Verdict.ACCEPTED,
        subject=data.letter_id,
        changes=[Put(ORDERS_GIVEN, MailOrders(id=data.letter_id, given=number)), Put(MAIL_ORDERS, order)],
        answer={"letter": data.letter_id, "operator": data.operator, "why": data.reason},
    )


HANDLERS: dict[type[Payload], Handler[Terms]] = {
    NoteMail: handler(note_needs, note_mail),
    ResendMail: handler(resend_needs, order_resend),
}
