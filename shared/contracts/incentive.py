"""What incentive publishes to `incentive.events.v1`."""

from typing import ClassVar

from shared.contracts.payload import CompletionId, Count, EmployeeId, Label, Payload, Points


class PointsSettled(Payload):
    """The points of one completion are settled, be it with 0; later ones replace it by version."""

    TYPE: ClassVar[str] = "id.go.bandung.points.settled.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    version: Count
    completion_version: Count
    """Version of the completion that these points answer."""
    points: Points
    points_by_rule: Points
    """What the rules give before the month's cap."""
    reason: Label | None
    """Why they are fewer than the rules give, or why there are none."""
    balance: Points
    level: str
    """Level that the balance reaches."""
    level_en: Label | None = None
    """What it is called in English; none: it was not said yet."""
    reason_en: Label | None = None
    """`reason` in English; none: there is none, or it was not said yet."""
