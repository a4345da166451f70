"""Every event type, with the topic that carries it."""

from shared.contracts.agency import EmployeeChanged, EmployeeRegistered, EmployeeReleased, TrainingCompleted
from shared.contracts.bodies import AddBody, BeginBodies, ChangeBody
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRendered,
    CertificateRevoked,
    CompletionRecorded,
    CompletionRestated,
    CompletionsListed,
    EmployeeRecorded,
    JpCredited,
    ListCompletions,
    ReinstateCertificate,
    RestateCompletion,
    RevokeCertificate,
    StoreRendering,
)
from shared.contracts.incentive import PointsSettled
from shared.contracts.notification import NoteMail, ReleaseLetter
from shared.contracts.payload import Payload
from shared.contracts.people import (
    AdoptHomes,
    ConfirmHome,
    EndSweep,
    MergeEmployees,
    RefoldCompletions,
    RefoldPeople,
    SeparateEmployees,
)
from shared.contracts.pipeline import (
    DiscardDeadLetter,
    GiveUpWaiting,
    ReleaseWaiting,
    ReplayDeadLetter,
    ReviewDiscrepancies,
)
from shared.contracts.register import (
    AddAgency,
    BeginRegister,
    ChangeAgency,
    DistrustAgency,
    ReplaceAgency,
    ResumeAgency,
    SuspendAgency,
    TrustAgency,
)
from shared.contracts.topics import (
    AGENCY,
    COMMANDS,
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_EVENTS,
    NOTIFICATION_COMMANDS,
)

EVENT_TYPES: dict[type[Payload], str] = {
    EmployeeRegistered: AGENCY,
    EmployeeChanged: AGENCY,
    EmployeeReleased: AGENCY,
    TrainingCompleted: AGENCY,
    EmployeeRecorded: ENROLLMENT_EVENTS,
    CompletionRecorded: ENROLLMENT_EVENTS,
    CompletionRestated: ENROLLMENT_EVENTS,
    CompletionsListed: ENROLLMENT_EVENTS,
    CertificateIssued: ENROLLMENT_EVENTS,
    CertificateRevoked: ENROLLMENT_EVENTS,
    CertificateRendered: ENROLLMENT_EVENTS,
    JpCredited: ENROLLMENT_EVENTS,
    PointsSettled: INCENTIVE_EVENTS,
    RevokeCertificate: ENROLLMENT_COMMANDS,
    ReinstateCertificate: ENROLLMENT_COMMANDS,
    StoreRendering: ENROLLMENT_COMMANDS,
    ListCompletions: ENROLLMENT_COMMANDS,
    RestateCompletion: ENROLLMENT_COMMANDS,
    ConfirmHome: ENROLLMENT_COMMANDS,
    MergeEmployees: ENROLLMENT_COMMANDS,
    SeparateEmployees: ENROLLMENT_COMMANDS,
    AdoptHomes: ENROLLMENT_COMMANDS,
    RefoldCompletions: ENROLLMENT_COMMANDS,
    RefoldPeople: ENROLLMENT_COMMANDS,
    EndSweep: ENROLLMENT_COMMANDS,
    AddAgency: ENROLLMENT_COMMANDS,
    ChangeAgency: ENROLLMENT_COMMANDS,
    SuspendAgency: ENROLLMENT_COMMANDS,
    ResumeAgency: ENROLLMENT_COMMANDS,
    DistrustAgency: ENROLLMENT_COMMANDS,
    TrustAgency: ENROLLMENT_COMMANDS,
    ReplaceAgency: ENROLLMENT_COMMANDS,
    BeginRegister: ENROLLMENT_COMMANDS,
    AddBody: ENROLLMENT_COMMANDS,
    ChangeBody: ENROLLMENT_COMMANDS,
    BeginBodies: ENROLLMENT_COMMANDS,
    ReleaseLetter: NOTIFICATION_COMMANDS,
    NoteMail: NOTIFICATION_COMMANDS,
    ReleaseWaiting: COMMANDS,
    GiveUpWaiting: COMMANDS,
    ReplayDeadLetter: COMMANDS,
    DiscardDeadLetter: COMMANDS,
    ReviewDiscrepancies: COMMANDS,
}
