"""One complete example of each event; the reference shows it, and no person has these numbers."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from shared.contracts.agency import (
    EmployeeChanged,
    EmployeeRegistered,
    EmployeeReleased,
    Organizer,
    Result,
    Training,
    TrainingCompleted,
)
from shared.contracts.bodies import AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.enrollment import (
    NO_LINK,
    AtVersion,
    CertificateIssued,
    CertificateRendered,
    CertificateRevoked,
    CompletionRecorded,
    CompletionRestated,
    CompletionsListed,
    CompletionUncertified,
    ContestCompletion,
    DecideContest,
    EmployeeRecorded,
    JpCredited,
    Lagging,
    ListCompletions,
    PartitionList,
    ReinstateCertificate,
    RestateCompletion,
    RevokeCertificate,
    StoreRendering,
)
from shared.contracts.incentive import PointsSettled
from shared.contracts.notification import NoteMail, ReleaseLetter, ResendMail
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId, Payload
from shared.contracts.people import (
    AdoptHomes,
    ConfirmHome,
    EarliestHome,
    EndSweep,
    MergeEmployees,
    RefoldCompletions,
    Refolded,
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
    AgencyQuota,
    BeginRegister,
    ChangeAgency,
    DistrustAgency,
    ReplaceAgency,
    ResumeAgency,
    SuspendAgency,
    TokenBinding,
    TrustAgency,
)
from shared.contracts.vocabulary import EmploymentType, Form, Level, Pathway

NIP: Final = "198501012010011001"
NI_PPPK: Final = "199001012023212001"
SUPERVISOR: Final = "197501012000011001"
EMPLOYEE: Final = EmployeeId("emp_0a1b2c3d4e5f60718293a4b5c6d7e8f9")
COMPLETION: Final = CompletionId("cmp_1b2c3d4e5f60718293a4b5c6d7e8f90a")
CERTIFICATE: Final = CertificateId("crt_2c3d4e5f60718293a4b5c6d7e8f90a1b")
NUMBER: Final = "000123/BKPSDM/2026"
TITLE: Final = "Pelayanan Publik Berbasis Data"
VERIFY: Final = "https://kompeten.example/v/abcdefghijklmnopqrstuvwxyz"
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MOMENT: Final = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)
DAY: Final = date(2026, 3, 4)

_EMPLOYEE = EmployeeRegistered(
    employee_number=NIP,
    name="Dra. Contoh Pegawai, M.Si.",
    email="contoh.pegawai@example.com",
    language="id",
    employment_type=EmploymentType.PNS,
    golongan="III/c",
    pangkat="Penata",
    jabatan="Analis Kebijakan Ahli Muda",
    unit_kerja="Bidang Pengembangan Kompetensi",
    opd="Dinas Contoh Kota Bandung",
    supervisor_number=SUPERVISOR,
)
_COMPLETED = TrainingCompleted(
    employee_number=NIP,
    training=Training(
        code="PPBD",
        batch="2026-1",
        title=TITLE,
        form=Form.SEMINAR,
        pathway=Pathway.CLASSICAL,
        level=Level.NATIONAL,
        organizer=Organizer(code="BKPSDM", name="Badan Kepegawaian dan Pengembangan SDM Kota Bandung"),
        start_date=date(2026, 3, 3),
        end_date=DAY,
        place="Bandung",
    ),
    completed_on=DAY,
    result=Result(score=Decimal("88.5"), predicate="Sangat Memuaskan"),
    revision=1,
)
_RECORDED = CompletionRecorded(
    completion_id=COMPLETION,
    employee_id=EMPLOYEE,
    version=1,
    standing=True,
    title=TITLE,
    organizer_code="BKPSDM",
    form=Form.SEMINAR,
    level=Level.NATIONAL,
    predicate="Sangat Memuaskan",
    completed_on=DAY,
)
_LISTED = (AtVersion(version=1, standing=True, ids="Gyw9Tl9gcYKTpLXG1-j5Cg"),)
_EXAMPLES: Final[tuple[Payload, ...]] = (
    _EMPLOYEE,
    EmployeeChanged(
        employee_number=NI_PPPK,
        previous_employee_number="199001012018211001",
        name="Contoh Pegawai Kontrak, S.Kom.",
        email="contoh.kontrak@example.com",
        employment_type=EmploymentType.PPPK,
        golongan="IX",
        jabatan="Pranata Komputer Ahli Pertama",
        opd="Dinas Contoh Kota Bandung",
    ),
    EmployeeReleased(employee_number=NIP, reason="moved"),
    _COMPLETED,
    EmployeeRecorded(
        employee_id=EMPLOYEE,
        version=1,
        employee_numbers=(NIP,),
        name=_EMPLOYEE.name,
        email=_EMPLOYEE.email,
        language="id",
        employment_type=EmploymentType.PNS,
        opd=_EMPLOYEE.opd,
        held=False,
        addressed_at=datetime(2026, 2, 2, 3, 4, 5, tzinfo=UTC),
    ),
    _RECORDED,
    CompletionRestated(**_RECORDED.model_dump() | {"version": 2}),
    CompletionsListed(completions=_LISTED),
    CompletionUncertified(
        certificate_id=CERTIFICATE,
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        completion_version=1,
        title=TITLE,
        organizer_name="Lembaga Administrasi Negara",
        completed_on=DAY,
        jp=Decimal(8),
        jp_by_rate=Decimal(8),
        jp_reason=None,
        why="outside",
        organizer_code="LAN",
        issuing=None,
        external_issuer="LAN",
        external_certificate="00123/SEMINAR/LAN/2026",
    ),
    CertificateIssued(
        certificate_id=CERTIFICATE,
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        completion_version=1,
        revision=1,
        certificate_number=NUMBER,
        title=TITLE,
        organizer_name=_COMPLETED.training.organizer.name,
        completed_on=DAY,
        jp=Decimal(8),
        jp_by_rate=Decimal(8),
        jp_reason=None,
        verification_url=VERIFY,
        download_url=NO_LINK,
        download_until=datetime(2026, 5, 5, 2, 30, tzinfo=UTC),
        series="bkpsdm/2026",
        place=42,
        content_digest="5f60718293a4b5c6d7e8f90a1b2c3d4e",
    ),
    CertificateRevoked(
        certificate_id=CERTIFICATE,
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        completion_version=2,
        revision=2,
        certificate_number=NUMBER,
        title=TITLE,
        reason="The attendance list was mixed up with another batch's.",
        verification_url=VERIFY,
        series="bkpsdm/2026",
        place=42,
    ),
    CertificateRendered(certificate_id=CERTIFICATE, revision=1, sha256=SHA256, size_bytes=48_213),
    JpCredited(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        version=1,
        year=2026,
        jp=Decimal(8),
        rule="seminar-per-day",
        reason=None,
        year_total_jp=Decimal("14.5"),
    ),
    PointsSettled(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        version=1,
        completion_version=1,
        points=30,
        points_by_rule=40,
        reason="40 poin menurut aturan, 30 diberikan: batas 100 poin untuk Maret 2026 tercapai",
        balance=180,
        level="bronze",
    ),
    RevokeCertificate(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        reason="The attendance list was mixed up with another batch's.",
        officer="7d0c6a3e",
        opd="BKPSDM",
    ),
    ReinstateCertificate(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        revocation_id="0f1e2d3c-4b5a-5968-8776-655443322110",
        reason="The attendance list was right after all.",
        officer="7d0c6a3e",
        opd=None,
    ),
    ContestCompletion(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        reason="Pegawai kami tidak mengikuti webinar ini.",
        officer="7d0c6a3e",
        opd="dinas-contoh",
    ),
    DecideContest(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        contest_id="0f1e2d3c-4b5a-5968-8776-655443322110",
        upheld=False,
        reason="Daftar hadir sudah diperiksa bersama.",
        officer="7d0c6a3e",
        opd=None,
    ),
    StoreRendering(
        certificate_id=CERTIFICATE,
        completion_id=COMPLETION,
        revision=1,
        sha256=SHA256,
        size_bytes=48_213,
    ),
    ListCompletions(
        since=datetime(2026, 3, 5, 2, 15, tzinfo=UTC),
        until=MOMENT,
        lagging=(
            Lagging(
                position="enrollment/agency.dinas-contoh.v1/0", until=datetime(2026, 3, 5, 2, 20, tzinfo=UTC)
            ),
        ),
        lists=(PartitionList(partition=3, completions=_LISTED),),
        incomplete=(COMPLETION,),
    ),
    RestateCompletion(
        completion_id=COMPLETION,
        employee_id=EMPLOYEE,
        version=1,
        operator="operator-1",
        reason="Poin tidak sampai di layanan insentif.",
    ),
    ConfirmHome(
        employee_id=EMPLOYEE,
        agency="dinas-kedua",
        officer="7d0c6a3e",
        opd=None,
        reason="Mutasi per 1 April 2026, SK 800/123.",
    ),
    MergeEmployees(
        employee_id="emp_6172839405f6e7d8c9bab0a1b2c3d4e5",
        into=EMPLOYEE,
        home="dinas-kedua",
        officer="7d0c6a3e",
        opd=None,
        reason="NI PPPK baru setelah perpanjangan kontrak, SK 800/124.",
    ),
    SeparateEmployees(
        employee_id="emp_6172839405f6e7d8c9bab0a1b2c3d4e5",
        officer="7d0c6a3e",
        opd=None,
        reason="Dua orang dengan tanggal lahir yang sama.",
    ),
    AdoptHomes(
        homes=(
            EarliestHome(
                employee_id=EMPLOYEE,
                agency="dinas-contoh",
                arrived=MOMENT,
                topic="agency.dinas-contoh.v1",
                partition=0,
                offset=41,
            ),
        ),
    ),
    RefoldCompletions(generation=7, found=(Refolded(completion_id=COMPLETION, employee_id=EMPLOYEE),)),
    RefoldPeople(generation=7, found=(EMPLOYEE,)),
    EndSweep(generation=7),
    AddAgency(
        code="dinas-contoh",
        name="Dinas Contoh Kota Bandung",
        name_en="Example Agency of Bandung",
        contact="simpeg@dinas-contoh.example",
        token_bindings=(
            TokenBinding(issuer="https://sso.bandung.example/realms/kota", client_ids=("simpeg-contoh",)),
        ),
        kafka_users=("agency.dinas-contoh.1",),
        quota=AgencyQuota(bytes_per_s=1_000_000, request_percent=50),
        operator="operator-1",
    ),
    ChangeAgency(
        code="dinas-contoh",
        kafka_users=("agency.dinas-contoh.1", "agency.dinas-contoh.2"),
        operator="operator-1",
        reason="Kata sandi baru untuk pengguna Kafka.",
    ),
    SuspendAgency(code="dinas-contoh", operator="operator-1", reason="Kredensial bocor."),
    ResumeAgency(code="dinas-contoh", operator="operator-1", reason="Kredensial sudah diganti."),
    DistrustAgency(
        code="dinas-contoh",
        since=datetime(2026, 3, 4, 17, tzinfo=UTC),
        until=datetime(2026, 3, 5, 2, tzinfo=UTC),
        operator="operator-1",
        reason="Kredensial bocor semalam.",
    ),
    TrustAgency(
        code="dinas-contoh",
        distrust="3b9a1f7c-0d2e-5f60-8a71-92b3c4d5e6f7",
        operator="operator-1",
        reason="Semua laporan malam itu sudah diperiksa.",
    ),
    ReplaceAgency(
        code="dinas-contoh",
        heir="dinas-kedua",
        operator="operator-1",
        reason="SOTK baru, Perwal 12/2026.",
    ),
    BeginRegister(codes=("dinas-contoh", "dinas-kedua")),
    AddBody(
        code="DINAS-CONTOH",
        name="Dinas Contoh Kota Bandung",
        issuing="dinas-contoh",
        aliases=("DISCONTOH",),
        operator="operator-1",
    ),
    ChangeBody(
        code="LAN RI",
        outside=True,
        operator="operator-1",
        reason="Lembaga pusat, sertifikatnya dari mereka sendiri.",
    ),
    BeginBodies(
        bodies=(
            BodySeed(code="DINAS-CONTOH", issuing="dinas-contoh"),
            BodySeed(code="LAN RI", used_by=("dinas-contoh", "dinas-kedua")),
        )
    ),
    ReleaseLetter(letter_id="let_3d4e5f60718293a4b5c6d7e8f90a1b2c"),
    NoteMail(letter_id="let_3d4e5f60718293a4b5c6d7e8f90a1b2c", state="sent", epoch=0),
    ResendMail(
        letter_id="let_3d4e5f60718293a4b5c6d7e8f90a1b2c",
        operator="operator-jaga",
        reason="The mail server refused all mails until 10:00",
    ),
    ReleaseWaiting(lacks="employee/4e5f60718293a4b5c6d7e8f90a1b2c3d", page=1),
    GiveUpWaiting(
        lacks="employee/4e5f60718293a4b5c6d7e8f90a1b2c3d",
        before=datetime(2026, 3, 1, 1, tzinfo=UTC),
        reason="it did not come within 24 hours",
    ),
    ReplayDeadLetter(
        dead_letter="agency.dinas-contoh.v1/0/42/0",
        operator="operator-1",
        reason="Tarif bentuk ini sudah ditambahkan.",
    ),
    DiscardDeadLetter(
        dead_letter="agency.dinas-contoh.v1/0/43/0",
        operator="operator-1",
        reason="Pesan percobaan dari dinas.",
    ),
    ReviewDiscrepancies(completion_ids=(COMPLETION,)),
)

EXAMPLES: Final[dict[type[Payload], Payload]] = {type(example): example for example in _EXAMPLES}
