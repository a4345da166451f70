"""A partition that an operator sets ahead: what lies between would never be decided, and nobody would notice."""

import pytest

from shared.http.admin import check_forward
from shared.http.admin_views import StartBody
from shared.http.problems import Problem

STANDS_AT, END = 3, 10


def order(next: int, *, pass_over: bool) -> StartBody:
    return StartBody(
        topic="agency.x.v1", partition=0, next=next, pass_over=pass_over, reason="records are gone"
    )


@pytest.mark.parametrize(
    ("next", "pass_over", "end", "code", "said"),
    [
        (END + 1, True, END, "refused", "The log ends at record 10:"),
        (END, False, END, "refused", "Records 3 to 9 would never be decided"),
        (STANDS_AT + 1, False, END, "refused", "Records 3 to 3 would never be decided"),
        (END, True, None, "not-ready", "Kafka does not say where this partition ends"),
    ],
)
def test_nothing_is_passed_over_that_was_not_meant(
    next: int, pass_over: bool, end: int | None, code: str, said: str
) -> None:
    with pytest.raises(Problem) as refused:
        check_forward(STANDS_AT, order(next, pass_over=pass_over), end)
    assert refused.value.type_slug == code
    assert str(refused.value.detail).startswith(said)


def test_what_is_gone_is_passed_over_on_purpose() -> None:
    check_forward(STANDS_AT, order(END, pass_over=True), END)
