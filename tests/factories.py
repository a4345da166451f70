"""Events with fixed valid defaults, so that a test names only what it is about; and their records in Kafka.

The employee numbers are valid and belong to nobody.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

from shared.contracts.agency import (
    EmployeeChanged,
    EmployeeRegistered,
    Organizer,
    Result,
    TrainingCompleted,
)
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import STRUCTURED
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRendered,
    CertificateRevoked,
    CompletionRecorded,
    CompletionUncertified,
    EmployeeRecorded,
    JpCredited,
    ReinstateCertificate,
    RevokeCertificate,
    StoreRendering,
)
from shared.contracts.incentive import PointsSettled
from shared.contracts.notification import ReleaseLetter
from shared.contracts.payload import CompletionId, Payload
from shared.contracts.pipeline import ReleaseWaiting
from shared.contracts.topics import AGENCY, COMMANDS, agency_topic
from shared.identity.identifiers import Ids
from shared.pipeline.records import Record, RecordMetadata
from tools.contracts.examples import EXAMPLES, MOMENT, NI_PPPK, NIP

P = TypeVar("P", bound=Payload)
T = TypeVar("T")
Mode = Literal["structured", "binary"]
OPD: Final = "dinas-contoh"
BODIES: Final = ("BKPSDM", "DISKOMINFO")
"""That the rules have numbers for; the first is the organizer of the examples."""
OTHER_NIP: Final = "198501012010012002"

__all__ = ["MOMENT", "NIP", "NI_PPPK", "OPD", "OTHER_NIP"]


def registered(employee_number: str = NIP, **changes: object) -> EmployeeRegistered:
    return _made(EmployeeRegistered, employee_number=employee_number, **changes)


def changed(employee_number: str = NI_PPPK, **changes: object) -> EmployeeChanged:
    return _made(EmployeeChanged, employee_number=employee_number, **changes)


def completed(
    employee_number: str = NIP,
    *,
    completed_on: date | str | None = None,
    score: Decimal | None = Decimal("88.5"),
    predicate: str | None = "Sangat Memuaskan",
    revision: int | None = None,
    **training: object,
) -> TrainingCompleted:
    """Two days' seminar; other arguments are fields of Training or, as `organizer="KODE"`, its issuing body.

    Without `completed_on` it ends on the training's last day.
    """
    example = EXAMPLES[TrainingCompleted]
    assert isinstance(example, TrainingCompleted)
    organizer = training.pop("organizer", None)
    if isinstance(organizer, str):
        training["organizer"] = Organizer(code=organizer, name=f"Lembaga {organizer}")
    elif organizer is not None:
        training["organizer"] = organizer
    start = training.get("start_date")
    if start is not None:
        training.setdefault("end_date", start)
    whole = _changed(example.training, training)
    return TrainingCompleted(
        employee_number=employee_number,
        training=whole,
        completed_on=whole.end_date if completed_on is None else _day(completed_on),
        result=Result(score=score, predicate=predicate),
        revision=revision,
    )


def employee_recorded(**changes: object) -> EmployeeRecorded:
    return _made(EmployeeRecorded, **changes)


def completion_recorded(**changes: object) -> CompletionRecorded:
    return _made(CompletionRecorded, **changes)


def genuine(ids: Ids, completion_id: CompletionId, revision: int) -> dict[str, object]:
    """What only enrollment can write of a certificate in an event about it."""
    id = ids.certificate(completion_id)
    return {
        "completion_id": completion_id,
        "certificate_id": id,
        "revision": revision,
        "verification_url": f"https://kompeten.example/v/{ids.verification_code(id, revision)}",
    }


def completion_uncertified(ids: Ids, **changes: object) -> CompletionUncertified:
    made = _made(CompletionUncertified, **changes)
    return _changed(made, {"certificate_id": ids.certificate(made.completion_id)})


def certificate_issued(**changes: object) -> CertificateIssued:
    return _made(CertificateIssued, **changes)


def certificate_revoked(**changes: object) -> CertificateRevoked:
    return _made(CertificateRevoked, **changes)


def certificate_rendered(**changes: object) -> CertificateRendered:
    return _made(CertificateRendered, **changes)


def jp_credited(**changes: object) -> JpCredited:
    return _made(JpCredited, **changes)


def points_settled(**changes: object) -> PointsSettled:
    return _made(PointsSettled, **changes)


def revoke(**changes: object) -> RevokeCertificate:
    return _made(RevokeCertificate, **changes)


def reinstate(**changes: object) -> ReinstateCertificate:
    return _made(ReinstateCertificate, **changes)


def rendering(**changes: object) -> StoreRendering:
    return _made(StoreRendering, **changes)


def release_letter(**changes: object) -> ReleaseLetter:
    return _made(ReleaseLetter, **changes)


def release_waiting(**changes: object) -> ReleaseWaiting:
    return _made(ReleaseWaiting, **changes)


def as_record(
    payload: Payload,
    *,
    topic: str | None = None,
    partition: int = 0,
    offset: int = 0,
    id: str = "event-1",
    source: str = "urn:dinas-contoh:simpeg",
    time: datetime | None = MOMENT,
    arrived: datetime | None = None,
    key: bytes | None = None,
    mode: Mode = "structured",
    attributes: Mapping[str, str] | None = None,
) -> Record:
    """As a sender writes it. `topic` None: the event's own, of agency `OPD` or for enrollment's commands;
    `arrived` None: at its time. `attributes` adds others, `traceparent` for example."""
    named = {"specversion": "1.0", "id": id, "source": source, "type": payload.TYPE, **(attributes or {})}
    if time is not None:
        named["time"] = time.isoformat()
    data = payload.model_dump_json()
    if mode == "structured":
        value = json.dumps({**named, "data": json.loads(data)}, ensure_ascii=False).encode()
        headers: tuple[tuple[str, bytes], ...] = (("content-type", STRUCTURED.encode()),)
    else:
        value = data.encode()
        headers = (
            ("content-type", b"application/json"),
            *((f"ce_{name}", text.encode()) for name, text in named.items()),
        )
    at = RecordMetadata(topic or _topic(payload), partition, offset)
    moment = arrived or time or MOMENT
    return Record(at=at, timestamp_ms=int(moment.timestamp() * 1000), key=key, value=value, headers=headers)


def at(text: str) -> datetime:
    """`at("2026-03-05 09:30")`: a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _topic(payload: Payload) -> str:
    declared = EVENT_TYPES[type(payload)]
    if declared == AGENCY:
        return agency_topic(OPD)
    return COMMANDS.format(service="enrollment") if declared == COMMANDS else declared


def _made(cls: type[P], **changes: object) -> P:
    example = EXAMPLES[cls]
    assert isinstance(example, cls)
    return _changed(example, changes)


def _changed(example: P, changes: Mapping[str, object]) -> P:
    """Validated, so that a test cannot build what would be refused; a misspelt field is an error."""
    if unknown := changes.keys() - type(example).model_fields.keys():
        raise TypeError(f"{type(example).__name__} has no field {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {name: getattr(example, name) for name in type(example).model_fields}
    return type(example).model_validate({**values, **changes})


def _day(day: date | str) -> date:
    return date.fromisoformat(day) if isinstance(day, str) else day


def always(value: T) -> Callable[..., Awaitable[T]]:
    """Whoever asks is told the same."""

    async def said(*_: object) -> T:
        return value

    return said
