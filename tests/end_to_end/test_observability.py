"""What operators see of an event: one trace from the agency to the mail, log lines that name it, metrics."""

import json
import re
import secrets
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from devstack.kompeten import SERVICES
from shared.contracts.topics import topic_specs
from shared.observability.telemetry import parse_traceparent, root_traceparent
from tests.end_to_end.collector import Collector, Span
from tests.end_to_end.product import Product, somebody, structured, until
from tests.factories import OPD, completed

pytestmark = pytest.mark.xdist_group("end_to_end")

MAIL = "hand over mail"
OURS = ("services.", "shared.", "kompeten")


def traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def ids_of(header: str) -> tuple[str, str]:
    ids = parse_traceparent(header)
    assert ids is not None
    return ids


ROOTS = ("decide id.go.bandung.training", "POST ")


def whole_trace(
    collector: Collector, trace_id: str, mails: int = 1, roots: tuple[str, ...] = ROOTS
) -> dict[str, Span]:
    """By id, once as many mails are in it; the exporter sends every few seconds."""

    def mailed() -> dict[str, Span] | None:
        spans = {span.span_id: span for span in collector.trace(trace_id)}
        return spans if sum(span.name == MAIL for span in spans.values()) >= mails and rooted(spans) else None

    def rooted(spans: dict[str, Span]) -> bool:
        """The services export each for itself: the way up is complete."""
        mail = next(span for span in spans.values() if span.name == MAIL)
        return way_up(spans, mail)[-1].name.startswith(roots)

    return until(mailed, f"a trace with {mails} mails")


def way_up(spans: dict[str, Span], span: Span) -> list[Span]:
    way = [span]
    while (parent := spans.get(way[-1].parent_id)) is not None:
        way.append(parent)
    return way


def test_one_trace_runs_from_the_agencys_event_to_the_mail(product: Product, collector: Collector) -> None:
    person, sent = somebody(), traceparent()
    trace_id, agency_span = ids_of(sent)
    product.publish(person.registration(), structured(completed(person.number), traceparent=sent))
    spans = whole_trace(collector, trace_id)
    (mail,) = [span for span in spans.values() if span.name == MAIL]
    way = way_up(spans, mail)
    assert [(span.service, span.name) for span in way] == [
        ("notification", MAIL),
        ("enrollment", "publish id.go.bandung.certificate.issued.v1"),
        ("enrollment", "decide id.go.bandung.training.completed.v1"),
    ]
    assert way[-1].parent_id == agency_span

    def all_there() -> set[tuple[str, str]] | None:
        decided = {(span.service, span.name) for span in collector.trace(trace_id)}
        wanted = {
            ("incentive", "decide id.go.bandung.completion.recorded.v1"),
            ("incentive", "publish id.go.bandung.points.settled.v1"),
            ("notification", "decide id.go.bandung.points.settled.v1"),
            ("notification", "decide id.go.bandung.certificate.issued.v1"),
            ("enrollment", "publish id.go.bandung.certificate.store-rendering.v1"),
            ("enrollment", "decide id.go.bandung.certificate.store-rendering.v1"),
        }
        return decided if wanted <= decided else None

    until(all_there, "all services' spans in the trace")
    every = {span.span_id: span for span in collector.trace(trace_id)}
    assert len(every) == len(collector.trace(trace_id)), "no two spans have one id"
    orphans = [span.name for span in every.values() if span.parent_id not in {agency_span, *every}]
    assert orphans == []


def test_an_event_without_trace_gets_one_for_all_that_follows(product: Product, collector: Collector) -> None:
    person = somebody()
    event = structured(completed(person.number))
    product.publish(person.registration(), event)
    trace_id, _ = ids_of(root_traceparent(f"{OPD}/{event['id']}"))
    spans = whole_trace(collector, trace_id)
    (mail,) = [span for span in spans.values() if span.name == MAIL]
    assert way_up(spans, mail)[-1].parent_id == ""


def test_events_over_http_go_on_in_the_trace_of_their_request(product: Product, collector: Collector) -> None:
    person, sent, own = somebody(), traceparent(), traceparent()
    with_own = structured(completed(person.number, code="SENDIRI"), traceparent=own)
    events = [structured(person.registration()), structured(completed(person.number)), with_own]
    answer = product.client("agency", opd=OPD).post("/events", json=events, headers={"traceparent": sent})
    assert answer.status_code == 202
    spans = whole_trace(collector, ids_of(sent)[0], roots=("POST ",))
    (mail,) = [span for span in spans.values() if span.name == MAIL]
    way = way_up(spans, mail)
    assert [span.name for span in way[-2:]] == ["decide id.go.bandung.training.completed.v1", "POST /events"]
    assert way[-1].parent_id == ids_of(sent)[1]
    assert any(span.name == MAIL for span in whole_trace(collector, ids_of(own)[0]).values())


def test_a_command_is_traced_from_its_request_to_the_mail(product: Product, collector: Collector) -> None:
    person, sent = somebody(), traceparent()
    product.publish(person.registration(), completed(person.number, organizer="BKPSDM"))
    product.settled()
    id = product.record(person)["completions"][0]["certificate"]["certificate_id"]
    answer = product.client("officer", opd="bkpsdm").post(
        f"/certificates/{id}/revocations", json={"reason": "Daftar hadir."}, headers={"traceparent": sent}
    )
    assert answer.status_code in (200, 202)
    spans = whole_trace(collector, ids_of(sent)[0])
    (mail,) = [span for span in spans.values() if span.name == MAIL]
    way = way_up(spans, mail)
    assert [span.name for span in way] == [
        MAIL,
        "publish id.go.bandung.certificate.revoked.v1",
        "decide id.go.bandung.certificate.revoke.v1",
        "publish id.go.bandung.certificate.revoke.v1",
        "POST /certificates/{certificate_id}/revocations",
    ]
    assert way[-1].parent_id == ids_of(sent)[1]


def test_every_log_line_is_json_and_a_refusal_names_its_event_and_trace(product: Product) -> None:
    person, sent = somebody(), traceparent()
    event = structured(completed(person.number, form="course", programme_jp=None), traceparent=sent)
    unreadable = structured(completed(person.number), id="evt-" + secrets.token_hex(8))
    unreadable["data"]["completed_on"] = "kemarin"
    product.publish(person.registration(), event, unreadable)
    assert product.verdict(event["id"])["verdict"] == "refused"
    product.settled()
    lines = {name: [json.loads(line) for line in found] for name, found in product.log_lines().items()}
    for name, found in lines.items():
        for line in found:
            assert {
                "timestamp",
                "level",
                "service",
                "logger",
                "message",
                "trace_id",
                "event_id",
            } <= line.keys()
            assert line["service"] == name
    (refusal,) = [line for line in lines["enrollment"] if line["event_id"] == event["id"]]
    assert (refusal["level"], refusal["trace_id"]) == ("WARNING", ids_of(sent)[0])
    assert "the programme's JP are missing" in refusal["reason"]
    assert [line for line in lines["enrollment"] if "completed_on: must be a date" in line.get("reason", "")]
    ours = [line for found in lines.values() for line in found if line["logger"].startswith(OURS)]
    # Other tests of the run connect agencies without a topic, which is an error and said as one.
    errors = [line for line in ours if line["level"] in ("ERROR", "CRITICAL")]
    assert not [line for line in errors if line["logger"] != "shared.pipeline.consuming.sources"]


def samples(product: Product, service: str) -> Iterator[Sample]:
    text = product.internal(service, "/metrics").text
    for family in text_string_to_metric_families(text):
        yield from family.samples


@pytest.mark.parametrize("service", SERVICES)
def test_metrics_are_read_by_prometheus_and_tell_of_nobody(product: Product, service: str) -> None:
    person = somebody()
    product.publish(person.registration(), completed(person.number))
    product.settled()
    product.employee(person, service).get("/v/" + person.number)
    found = list(samples(product, service))
    assert {"kompeten_decisions_total", "kompeten_http_request_seconds_count"} <= {one.name for one in found}
    values = {value for one in found for value in one.labels.values()}
    assert not [value for value in values if re.search(r"@|\d{16,}|emp_|cmp_|crt_|evt-", value)]
    assert person.number not in product.internal(service, "/metrics").text


@pytest.mark.parametrize("service", SERVICES)
def test_lag_is_measured_for_each_partition(product: Product, service: str) -> None:
    product.settled()
    prefix = product.kompeten.topic_prefix
    read = {
        "enrollment": ("agency.", "enrollment.commands"),
        "incentive": ("enrollment.events", "incentive.commands"),
        "notification": ("enrollment.events", "incentive.events", "notification.commands"),
    }[service]
    partitions = {
        (spec.name, str(n))
        for spec in topic_specs(product.kompeten.agencies, prefix)
        if spec.name.removeprefix(prefix).startswith(read)
        for n in range(spec.partitions)
    }

    def caught_up() -> bool:
        lag = {
            (one.labels["topic"], one.labels["partition"]): one.value
            for one in samples(product, service)
            if one.name == "kompeten_lag_records"
        }
        return lag == dict.fromkeys(partitions, 0)

    until(caught_up, "no lag in any partition")


def test_what_has_piled_up_is_measured(product: Product) -> None:
    product.publish(completed(somebody().number), b"no event")
    product.settled()
    enrollment = product.database("enrollment")

    def counted() -> bool:
        values = {
            (one.name, one.labels.get("kind"), one.labels.get("state")): one.value
            for one in (*samples(product, "enrollment"), *samples(product, "notification"))
            if one.labels.get("service") in ("enrollment", "notification")
        }
        by_service = {
            (one.name, one.labels["service"]): one.value
            for one in samples(product, "enrollment")
            if one.name in ("kompeten_dead_letters", "kompeten_waiting_records")
        }
        return by_service == {
            ("kompeten_dead_letters", "enrollment"): enrollment.dead_letters.count_documents({"state": "open"}),
            ("kompeten_waiting_records", "enrollment"): enrollment.waiting.count_documents({}),
        } and values.items() >= {
            ("kompeten_open_work", "renderings", "queued"): 0,
            ("kompeten_open_work", "mails", "queued"): 0,
            ("kompeten_open_work", "mails", "unknown"): 0,
        }.items()  # fmt: skip

    assert enrollment.waiting.count_documents({}) > 0
    until(counted, "the counts in the metrics")
