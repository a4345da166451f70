"""Completions as they really come: again, late, too early, from two systems, in other forms."""

import io
import json
import re
from datetime import UTC, datetime

import pypdfium2
import pytest

from shared.pipeline.records import Record
from tests.end_to_end.product import OTHER_OPD, Person, Product, fresh_id, somebody, structured, until
from tests.factories import OPD, as_record, completed

pytestmark = pytest.mark.xdist_group("end_to_end")


def whole_of(product: Product, person: Person) -> dict[str, object]:
    """What one completion may have caused, counted."""
    record, points = product.record(person), product.points(person)
    certificates = [one["certificate"] for one in record["completions"] if one["certificate"]]
    employee_id = record["employee_id"]
    return {
        "completions": len(record["completions"]),
        "numbers": len({one["number"] for one in certificates}),
        "revisions": [one["revision"] for one in certificates],
        "jp": [year["jp"] for year in record["years"]],
        "entries": [entry["points"] for entry in points["entries"]],
        "mails": len(product.mails_for(person.email)),
        "pdfs": product.database("enrollment").stored_pdfs.count_documents({"employee_id": employee_id}),
    }


ONCE = {
    "completions": 1,
    "numbers": 1,
    "revisions": [1],
    "jp": [8.0],
    "entries": [15],
    "mails": 1,
    "pdfs": 1,
}


def test_five_times_in_one_batch_is_once(product: Product) -> None:
    person = somebody()
    ids = product.publish(person.registration(), *[completed(person.number)] * 5)
    product.settled()
    assert whole_of(product, person) == ONCE
    verdicts = [product.verdict(id)["verdict"] for id in ids]
    assert verdicts == ["accepted", "accepted", *["duplicate"] * 4]


def test_five_times_across_batches_is_once(product: Product) -> None:
    person = somebody()
    product.publish(person.registration())
    for _ in range(5):
        product.publish(completed(person.number))
        product.settled()
    assert whole_of(product, person) == ONCE


def test_from_two_systems_at_once_is_once(product: Product) -> None:
    person = somebody()
    product.publish(person.registration())
    product.settled()
    http = product.client("agency", opd=OTHER_OPD)
    for _ in range(2):
        product.publish(completed(person.number), opd=OPD, source="urn:dinas-contoh:lms")
        product.publish(completed(person.number), opd=OTHER_OPD, source="urn:dinas-kedua:simpeg")
        answer = http.post("/events", json=[structured(completed(person.number))])
        assert answer.status_code == 202
    product.settled()
    assert whole_of(product, person) == ONCE


def test_the_very_same_event_resent_is_once(product: Product) -> None:
    person = somebody()
    event = structured(completed(person.number))
    product.publish(person.registration(), *[event] * 3)
    product.settled()
    assert whole_of(product, person) == ONCE
    assert [one["verdict"] for one in product.decisions(event["id"])] == ["accepted", *["duplicate"] * 2]


def test_each_correction_is_told_and_one_certificate_stands(product: Product) -> None:
    person = somebody()
    product.publish(person.registration())
    for place in ("Bandung", "Cimahi", "Lembang", "Bandung"):  # the last one was said before
        product.publish(completed(person.number, place=place, title=f"Pelatihan di {place}"))
        product.settled()
    whole = whole_of(product, person)
    assert (whole["completions"], whole["numbers"], whole["revisions"]) == (1, 1, [3])
    assert (whole["jp"], whole["entries"]) == ([8.0], [15])
    assert [one["title"] for one in product.points(person)["entries"]] == ["Pelatihan di Lembang"]
    subjects = [mail["Subject"].split(":")[0] for mail in product.mails_for(person.email)]
    assert subjects == ["Sertifikat Anda telah terbit", *["Sertifikat Anda diterbitkan ulang"] * 2]


def test_a_completion_before_its_employee_waits_and_is_then_recorded(product: Product) -> None:
    person = somebody()
    (early,) = product.publish(completed(person.number))
    waits = product.verdict(early)
    assert waits["verdict"] == "waiting"
    assert "publish the employee's registration" in waits["reason"]
    product.settled()
    assert product.employee(person).get("/me/record").status_code == 404
    assert product.mails_for(person.email) == []
    product.publish(person.registration())
    product.settled()
    assert whole_of(product, person) == ONCE
    assert [one["verdict"] for one in product.decisions(early)] == ["waiting", "accepted"]


def test_the_registration_may_come_from_another_agency(product: Product) -> None:
    person = somebody()
    product.publish(completed(person.number), opd=OPD)
    product.publish(person.registration(), opd=OTHER_OPD)
    product.settled()
    assert whole_of(product, person) == ONCE


def test_a_completion_of_last_year_counts_for_last_year(product: Product) -> None:
    """Completed in December 2025, sent whenever this runs."""
    person = somebody()
    training = {"start_date": "2025-12-19", "end_date": "2025-12-20", "organizer": "LEMBAGA-AKHIR-TAHUN"}
    product.publish(person.registration(), completed(person.number, **training))
    product.settled()
    record = product.record(person)
    (completion,) = record["completions"]
    assert completion["completed_on"] == "2025-12-20"
    assert [(year["year"], year["jp"]) for year in record["years"]] == [(2025, 8.0)]
    assert completion["certificate"]["number"] == "00001/LEMBAGA-AKHIR-TAHUN/2025"
    assert [entry["month"] for entry in product.points(person)["entries"]] == ["2025-12"]
    pdf = product.employee(person).get(f"/certificates/{completion['certificate']['certificate_id']}/pdf")
    text = pypdfium2.PdfDocument(io.BytesIO(pdf.content))[0].get_textpage().get_text_range()
    assert "20 Desember 2025" in re.sub(r"\s+", " ", text)
    (mail,) = product.mails_for(person.email)
    assert "Selesai pada: 20 Desember 2025" in mail["Text"]


def test_a_completion_without_date_is_never_dated_today(product: Product) -> None:
    person = somebody()
    event = structured(completed(person.number))
    del event["data"]["completed_on"]
    answer = product.client("agency", opd=OPD).post("/events", json=[event])
    assert answer.status_code == 422
    assert answer.json()[0]["detail"] == "data.completed_on: is missing: send it"
    product.publish(person.registration(), event)
    product.settled()
    assert product.record(person)["completions"] == []


def test_months_are_those_of_the_completion_not_of_its_arrival(product: Product) -> None:
    """Sent at 16:59Z and 17:01Z on 30 June, which is 23:59 and 00:01 in Bandung."""
    person = somebody()
    product.publish(person.registration())
    for day, moment in (("2026-06-30", "2026-06-30T16:59:00Z"), ("2026-07-01", "2026-06-30T17:01:00Z")):
        event = structured(completed(person.number, code=day, start_date=day))
        event["time"] = moment
        product.publish(event)
    product.settled()
    entries = product.points(person)["entries"]
    assert sorted((entry["month"], entry["points"]) for entry in entries) == [
        ("2026-06", 15),
        ("2026-07", 15),
    ]
    days = [one["completed_on"] for one in product.record(person)["completions"]]
    assert days == ["2026-07-01", "2026-06-30"]


def test_the_months_cap_is_of_the_month_of_completion(product: Product) -> None:
    person = somebody()
    months = ["2026-06-30"] * 8 + ["2026-07-01"] * 2
    product.publish(
        person.registration(),
        *(completed(person.number, code=f"T{n}", start_date=day) for n, day in enumerate(months)),
    )
    product.settled()
    totals: dict[str, int] = {}
    for entry in product.points(person)["entries"]:
        totals[entry["month"]] = totals.get(entry["month"], 0) + entry["points"]
    assert totals == {"2026-06": 100, "2026-07": 30}
    assert product.points(person)["balance"] == 130


@pytest.mark.parametrize("content_type", [b"application/json", None])
def test_binary_events_are_recorded(product: Product, content_type: bytes | None) -> None:
    person = somebody()
    now = datetime.now(UTC)
    record = as_record(completed(person.number), id=fresh_id(), time=now, mode="binary")
    headers = tuple(pair for pair in record.headers if pair[0] != "content-type")
    if content_type:
        headers += (("content-type", content_type),)
    product.publish(person.registration(), Record(record.at, 0, None, record.value, headers))
    product.settled()
    assert whole_of(product, person) == ONCE


def test_structured_events_without_any_header_are_recorded(product: Product) -> None:
    person = somebody()
    product.publish(
        *(json.dumps(structured(one)).encode() for one in (person.registration(), completed(person.number)))
    )
    product.settled()
    assert whole_of(product, person) == ONCE


def test_a_header_that_is_wrong_is_named_in_the_dead_letter(product: Product) -> None:
    record = as_record(completed(), id=fresh_id(), time=datetime.now(UTC), mode="binary")
    marked = (record.value or b"")[:-1] + b',"note":"' + record.headers[2][1] + b'"}'
    bad = (*record.headers[1:], ("content-type", b"text/csv"))
    product.publish(Record(record.at, 0, None, marked, bad))

    def buried() -> list[str]:
        letters = product.database("enrollment").dead_letters.find()
        return [letter["reason"] for letter in letters if letter["value"] == marked]

    (reason,) = until(buried, "the dead letter")
    assert "header content-type" in reason
