"""Commands that every service gives itself."""

from typing import ClassVar

from shared.contracts.payload import Count, Payload


class ReleaseWaiting(Payload):
    """What was waited for is there: decide the next page of the records that wait for it."""

    TYPE: ClassVar[str] = "id.go.bandung.waiting.release.v1"
    lacks: str
    page: Count
