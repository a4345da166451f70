"""Commands on `notification.commands.v1`; notification publishes no events."""

from typing import ClassVar

from shared.contracts.payload import Payload


class ReleaseLetter(Payload):
    """A letter waited long enough for its points: send it without them."""

    TYPE: ClassVar[str] = "id.go.bandung.letter.release.v1"
    letter_id: str
