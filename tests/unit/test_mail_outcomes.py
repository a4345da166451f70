"""What is noted after a delivery, and when it is tried again."""

from datetime import UTC, datetime

import msgspec
import pytest

from services.notification.delivery.circuit_breaker import CircuitBreaker
from services.notification.delivery.policy import (
    MAX_ATTEMPTS,
    MAX_REPEATS,
    MAX_RETRY_S,
    Patience,
    Seen,
    outcome,
)
from services.notification.delivery.smtp import Accepted, Barred, Delivery, Refused, TryLater, Unsure
from services.notification.letters.documents import Mail
from shared.contracts.payload import EmployeeId
from shared.pipeline.work import Note
from tests.unit.test_letters import letter

RESEND, HOLD = Patience("resend", retry_s=30), Patience("hold", retry_s=30)
CALM = Seen()


def noted(
    delivery: Delivery, patience: Patience = RESEND, jitter: float = 1, seen: Seen = CALM, **changes: int
) -> Note:
    mail = Mail("let_1", EmployeeId("emp_1"), letter(), due=datetime(2026, 4, 11, tzinfo=UTC), lease="token")
    mail = msgspec.structs.replace(mail, **changes)
    return outcome(mail, delivery, "<let_1@x>", patience, jitter=jitter, seen=seen)


@pytest.mark.parametrize(("delivery", "state"), [
    (Accepted(), "sent"), (Refused("550"), "bounced"),
    (TryLater("451"), "deferred"), (Barred("550 5.7.1"), "deferred"), (Unsure("lost"), "deferred"),
])  # fmt: skip
def test_each_outcome_has_its_state(delivery: Delivery, state: str) -> None:
    note = noted(delivery)
    assert (note.id, note.lease, note.state) == ("let_1", "token", state)


@pytest.mark.parametrize(("attempts", "delay_s"), [(0, 30), (1, 60), (3, 240), (7, 3600), (70, 3600)])
def test_delays_double_up_to_an_hour(attempts: int, delay_s: float) -> None:
    assert noted(TryLater("451"), attempts=attempts).delay_s == delay_s


def test_jitter_takes_at_most_half_of_a_delay() -> None:
    assert noted(TryLater("451"), jitter=0).delay_s == 15
    assert noted(TryLater("451"), jitter=0, attempts=50).delay_s == MAX_RETRY_S / 2


def test_a_mail_put_off_for_days_has_bounced_and_says_why() -> None:
    note = noted(TryLater("452 mailbox full"), attempts=MAX_ATTEMPTS - 1)
    assert note.state == "bounced"
    assert note.set["reason"] == f"given up after {MAX_ATTEMPTS} attempts: 452 mailbox full"


@pytest.mark.parametrize(
    "delivery",
    [TryLater("451"), Barred("550 5.7.1"), Refused("550 5.1.1")],
    ids=["later", "barred", "refused"],
)
def test_no_mail_bounces_of_a_server_that_took_no_other_one(delivery: Delivery) -> None:
    note = noted(delivery, seen=Seen(believed=False), attempts=MAX_ATTEMPTS)
    assert note.state == "deferred"


def test_a_mail_that_was_tried_on_trial_is_charged_nothing() -> None:
    note = noted(Barred("550 5.7.1"), seen=Seen(on_trial=True), attempts=MAX_ATTEMPTS)
    assert (note.state, note.add) == ("deferred", {})


def test_only_a_mail_that_may_have_arrived_counts_as_repeated() -> None:
    assert noted(Unsure("lost")).add == {"attempts": 1, "repeated": 1}
    assert noted(TryLater("451")).add == {"attempts": 1}


def test_an_unsure_mail_is_held_by_policy_and_after_enough_repeats() -> None:
    assert noted(Unsure("lost"), HOLD).state == "unknown"
    assert noted(Unsure("lost"), repeated=MAX_REPEATS).state == "unknown"


def test_a_server_that_answers_but_takes_no_mail_is_tried_less_and_less() -> None:
    circuit = CircuitBreaker(first_pause_s=1)
    pauses = []
    for _ in range(4):
        circuit.failed("our sender address is refused", refuses=True)
        pauses.append(circuit.pause_s)
        circuit.answered()
        assert circuit.open, "until it took a mail"
        assert circuit.trying
        circuit._until = 0
    assert all(2**n / 2 * 0.99 <= pause <= 2**n for n, pause in enumerate(pauses))


def test_connections_that_fail_together_fail_once() -> None:
    circuit = CircuitBreaker(first_pause_s=1)
    assert circuit.failed("no connection")
    assert not any(circuit.failed("no connection") for _ in range(8))
    assert 0 < circuit.pause_s <= 1
    circuit.worked()
    assert not circuit.open
