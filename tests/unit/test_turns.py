"""Whose mail has which slot of an address, where more wait than go in a day."""

from datetime import UTC, datetime, timedelta

from services.notification.delivery.turns import Line, Waiting, body_of, in_turns

NOW = datetime(2026, 4, 12, 2, 30, tzinfo=UTC)


def waiting(body: str, *hours: int, movable: bool = True) -> list[Waiting]:
    return [Waiting(f"{body}-{hour}", body, NOW + timedelta(hours=hour), movable) for hour in hours]


def behind(line: list[Waiting], late: Waiting) -> list[str]:
    return [one.mail_id for one in Line(line).behind(late)]


def test_a_body_is_the_same_whatever_year_letter_or_spelling() -> None:
    assert (
        body_of(None, "dinkes/2026") == body_of(None, "dinkes/2025") == body_of(" DINKES", None) == "dinkes"
    )
    assert body_of(None, None) == ""


def test_mails_that_ask_together_go_in_turns_of_their_bodies() -> None:
    assert in_turns(["a1", "a2", "a3", "b1", "c1", "b2"], lambda one: one[0]) == [
        "a1", "b1", "c1", "a2", "b2", "a3",
    ]  # fmt: skip


def test_the_first_of_a_body_comes_before_the_second_of_the_body_with_most() -> None:
    (late,) = waiting("bkpsdm", 9)
    assert behind(waiting("dinkes", 1, 2, 3, 4), late) == ["dinkes-2", "dinkes-3", "dinkes-4"]
    assert behind([*waiting("dinkes", 1, 2, 3, 4), *waiting("bkpsdm", 2)], late) == ["dinkes-3", "dinkes-4"]


def test_a_body_with_few_loses_no_slot_to_one_that_comes_later() -> None:
    (late,) = waiting("other", 9)
    line = [*waiting("bkpsdm", 2, 3), *waiting("dinkes", 1, 4, 5)]
    assert behind(line, late) == ["dinkes-4", "dinkes-5"]


def test_the_body_with_most_takes_nobody_s_slot() -> None:
    (late,) = waiting("dinkes", 9)
    assert behind([*waiting("dinkes", 1, 2, 3), *waiting("bkpsdm", 4, 5)], late) == []
    assert behind([], late) == []


def test_a_mail_that_is_in_hand_keeps_its_slot() -> None:
    (late,) = waiting("bkpsdm", 9)
    assert behind([*waiting("dinkes", 1, 2, movable=False), *waiting("dinkes", 3)], late) == ["dinkes-3"]
