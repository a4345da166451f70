"""Employees of a made-up city: names as they are written here, numbers that belong to nobody."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from shared.contracts.agency import EmployeeRegistered
from shared.contracts.vocabulary import EmploymentType


@dataclass(frozen=True)
class Agency:
    opd: str
    name: str
    units: tuple[str, ...]

    @property
    def code(self) -> str:
        """As it stands on certificates when the agency is the organizer."""
        return self.opd.upper()


AGENCIES: Final = (
    Agency("diskominfo", "Dinas Komunikasi dan Informatika Kota Bandung",
           ("Bidang Aplikasi Informatika", "Bidang Persandian dan Keamanan Informasi", "Bidang Statistik")),
    Agency("bkpsdm", "Badan Kepegawaian dan Pengembangan Sumber Daya Manusia Kota Bandung",
           ("Bidang Pengembangan Kompetensi", "Bidang Mutasi dan Promosi", "Sekretariat")),
    Agency("dinkes", "Dinas Kesehatan Kota Bandung",
           ("UPT Puskesmas Garuda", "UPT Puskesmas Ibrahim Adjie", "Bidang Kesehatan Masyarakat")),
    Agency("disdik", "Dinas Pendidikan Kota Bandung",
           ("SMP Negeri 2 Bandung", "SD Negeri 001 Merdeka", "Bidang Pembinaan SMP")),
    Agency("setda", "Sekretariat Daerah Kota Bandung",
           ("Bagian Organisasi", "Bagian Hukum", "Bagian Pengadaan Barang/Jasa")),
)  # fmt: skip

FIRST: Final = (
    "Asep", "Ujang", "Dadang", "Cecep", "Neneng", "Euis", "Iis", "Tati", "Siti", "Nurhayati", "Rina", "Dewi",
    "Agus", "Budi", "Hendra", "Yayan", "Iwan", "Rizky", "Fauzan", "Annisa", "Putri", "Intan", "Lestari", "Bambang",
    "Made", "Ni Luh", "Maria", "Yohanes", "Teuku", "Cut", "Andi", "Sri", "Wahyu", "Galih", "Rahmat", "Dian",
)  # fmt: skip
LAST: Final = (
    "Hidayat", "Suryana", "Permana", "Kurniawan", "Rahayu", "Nuraeni", "Setiawan", "Gunawan", "Sopandi", "Mulyana",
    "Kartika", "Wulandari", "Saepudin", "Maulana", "Firmansyah", "Anggraeni", "Situmorang", "Tarigan", "Pratama",
    "Supriatna", "Komalasari", "Wijaya", "Fitriani", "Ramdhani", "Nugraha", "Purnama", "Iskandar", "Yulianti",
)  # fmt: skip
# What breaks systems that think that a name is a first and a last one.
SPECIAL: Final = (
    "Dr. H. Ma'ruf, S.Kom.", "Suryani", "Ir. Hj. R. Ayu Siti Nurhaliza Kusumawardhani Prawiradiredja, M.T., Ph.D.",
    "Entin", "drg. Ni Made Ayu Sri Kusuma Dewi, Sp.KGA.", "Muh. Al-Fatih b. Abdul-Qadir, S.H., M.H.", "I Gede Putu",
    "Prof. Dr. dr. Oei Bun Liong, Sp.PD-KEMD.", "Jos\u00e9 da Costa, A.Md.", "N. Dede \u201cUden\u201d Koswara, S.Pd.",
)  # fmt: skip
TITLES: Final = (
    "", "", "", ", S.Kom.", ", S.E.", ", S.Sos.", ", S.Pd.", ", M.Pd.", ", S.IP., M.Si.", ", A.Md.", ", S.T., M.T.",
)  # fmt: skip
RANKS: Final = (
    ("II/c", "Pengatur", "Pengadministrasi Perkantoran"),
    ("III/a", "Penata Muda", "Analis Sumber Daya Manusia Aparatur Ahli Pertama"),
    ("III/b", "Penata Muda Tingkat I", "Pranata Komputer Ahli Pertama"),
    ("III/c", "Penata", "Pranata Komputer Ahli Muda"),
    ("III/d", "Penata Tingkat I", "Kepala Subbagian Umum dan Kepegawaian"),
    ("IV/a", "Pembina", "Kepala Bidang"),
)
CONTRACT_RANKS: Final = (("IX", None, "Guru Ahli Pertama"), ("VII", None, "Pranata Komputer Terampil"))


def employees_of(agency: Agency, count: int, random: Random) -> Iterator[EmployeeRegistered]:
    """The first one is the head, everybody else's supervisor."""
    head: str | None = None
    index = AGENCIES.index(agency)
    for place in range(count):
        kind = EmploymentType.PNS if place == 0 else _employment_type(random)
        number = employee_number(kind, index * 200 + place, random)
        # The agencies share the special names, one after the other.
        special = place // 4 * len(AGENCIES) + index if place % 4 == 1 else len(SPECIAL)
        name = SPECIAL[special] if special < len(SPECIAL) else _name(random)
        ranks = CONTRACT_RANKS if kind is EmploymentType.PPPK else RANKS
        # A young one has not risen far.
        most = len(ranks) if number[:4] < "1988" else 3
        golongan, pangkat, jabatan = RANKS[-1] if place == 0 else random.choice(ranks[:most])
        yield EmployeeRegistered(
            employee_number=number,
            name=name,
            email=None if place % 25 == 5 else f"{_slug(name)}.{index}{place:03d}@bandung.example",
            language="en" if place % 17 == 3 else "id",
            employment_type=kind,
            golongan=golongan,
            pangkat=pangkat,
            jabatan=jabatan,
            unit_kerja=random.choice(agency.units),
            opd=agency.name,
            supervisor_number=head,
        )
        head = head or number


def employee_number(kind: EmploymentType, sequence: int, random: Random, counter: int = 21) -> str:
    """Valid and unique by `sequence` (0 to 999); `counter` is a PPPK's contract."""
    born = date(1969, 1, 1) + timedelta(days=random.randrange(31 * 365))
    sex = random.choice("12")
    if kind is EmploymentType.PPPK:
        return f"{born:%Y%m%d}{random.randint(2021, 2024)}{counter}{sex}{sequence:03d}"
    year = 2025 if kind is EmploymentType.CPNS else min(born.year + random.randint(22, 30), 2024)
    return f"{born:%Y%m%d}{year}{random.randint(1, 12):02d}{sex}{sequence:03d}"


def _employment_type(random: Random) -> EmploymentType:
    return random.choices(list(EmploymentType), weights=(70, 8, 22))[0]


def _name(random: Random) -> str:
    first = random.choice(FIRST)
    if random.random() < 0.06:
        return first
    middle = f" {random.choice(LAST)}" if random.random() < 0.25 else ""
    before = random.choice(("", "", "", "", "Drs. ", "Hj. ", "H. ", "dr. ", "Ir. "))
    return f"{before}{first}{middle} {random.choice(LAST)}{random.choice(TITLES)}"


def _slug(name: str) -> str:
    words = (
        "".join(letter if letter.isascii() and letter.isalpha() else " " for letter in name.replace("'", ""))
        .lower()
        .split()
    )
    return next((word for word in words if len(word) > 3), "pegawai")
