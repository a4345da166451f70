"""Why a command ends otherwise than well; each text is one sentence that says what to do.

Trouble
  Refused        the answer is no                        -> exit status 1
    Missing      there is no such thing
    NotYours     who acts for another agency has a say
    NoSuchAgency the order names an agency that the register does not have
  CannotAsk      nobody could be asked, or not like this -> exit status 2
    NotReady     the service answers, but cannot do this now
"""

from collections.abc import Sequence
from typing import ClassVar, Final

DONE: Final = 0
NO: Final = 1
NOT_ASKED: Final = 2


class Trouble(Exception):
    """Ends a command with one sentence."""

    exit_status: ClassVar[int] = NOT_ASKED

    def __init__(self, sentence: str, parts: Sequence[str] = ()) -> None:
        """`parts`: of what the sentence says of all, a line each."""
        super().__init__(sentence)
        self.parts = parts


class Refused(Trouble):
    exit_status = NO


class Missing(Refused):
    pass


class NotYours(Refused):
    pass


class NoSuchAgency(Refused):
    pass


class CannotAsk(Trouble):
    exit_status = NOT_ASKED


class NotReady(CannotAsk):
    def __init__(self, service: str, detail: str) -> None:
        super().__init__(f"{service} is not ready ({detail}): see `kompeten status`, then ask again")
        self.detail = detail
