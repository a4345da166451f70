"""How many certificates one core makes. `python -m tests.bench.certificates [SECONDS]`"""

import json
import sys
import time
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from services.enrollment.certificates.pdf import CertificateFace, Signatory, render

PRIOR_ISSUES = ("Budi", "Siti", "Agus", "Dewi", "Rizky", "Nurul", "Fitri", "Joko", "Ayu", "Hendra", "Maria")
FAMILY = (
    "Santoso",
    "Rahmawati",
    "Wijaya",
    "Lestari",
    "Hidayat",
    "Simanjuntak",
    "Pratiwi",
    "Nasution",
    "Kusuma",
)
DEGREES = ("S.Kom.", "S.E., M.M.", "S.T.", "M.Si.", "S.Sos.", "S.H., M.H.", "A.Md.")
TITLES = (
    "Pelatihan Analisis Data untuk Perencanaan Pembangunan Daerah",
    "Pelatihan Kepemimpinan Pengawas",
    "Seminar Keamanan Informasi: Melindungi Data Pribadi Warga",
    "Bimbingan Teknis Penyusunan Standar Pelayanan, Maklumat Pelayanan, dan Survei Kepuasan Masyarakat",
    "Lokakarya Penulisan Naskah Dinas",
)


def face(index: int) -> CertificateFace:
    """The index-th invented face: no two have the same name, title, dates and address."""
    end = date(2026, 1, 5) + timedelta(days=index % 300)
    name = f"{PRIOR_ISSUES[index % 11]} {FAMILY[index % 9]} {PRIOR_ISSUES[index // 99 % 11]}, {DEGREES[index % 7]}"
    return CertificateFace(
        number=f"800.1.11.2/{index:05}/BKPSDM/2026",
        holder_name=name,
        employee_number=f"19900101201501{index % 2 + 1}{index % 1000:03}",
        employment_type="pns",
        golongan="III/c",
        pangkat="Penata",
        jabatan="Analis Kebijakan Ahli Muda",
        opd="Dinas Komunikasi dan Informatika",
        training_title=TITLES[index % 5],
        form="Pelatihan teknis",
        batch=f"Angkatan {index % 12 + 1}",
        place="Kota Contoh",
        organizer="Badan Kepegawaian dan Pengembangan Sumber Daya Manusia Kota Contoh",
        start_date=end - timedelta(days=index % 6),
        end_date=end,
        completed_on=end,
        issued_on=end + timedelta(days=1),
        jp=Decimal(index % 60 + 1),
        predicate="Memuaskan",
        verification_url=f"https://kompeten.example/verifikasi/{index:04X}-7Q2M-K9XD",
        signatory=Signatory(
            name="Dra. Hj. Siti Contoh, M.Si.",
            nip="197001011995032001",
            jabatan="Kepala Badan Kepegawaian dan Pengembangan Sumber Daya Manusia",
        ),
    )


def measure(seconds: float = 5.0) -> dict[str, Any]:
    """Renders different faces, one after another, for so many seconds of CPU time."""
    render(face(0))
    size = done = 0
    started = time.process_time()
    for index in count(1):
        size += len(render(face(index)))
        done = index
        if (spent := time.process_time() - started) >= seconds:
            break
    return {
        "certificates": done,
        "cpu_s": round(spent, 3),
        "per_second_per_core": round(done / spent, 1),
        "mean_size_bytes": size // done,
    }


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)))
