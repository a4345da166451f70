"""The pages of the reference that people read: events and topics."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.contracts.agency import TrainingCompleted
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import MAX_AHEAD, MAX_ID_CHARS, MAX_PARTS, STRUCTURED
from shared.contracts.payload import OPD_CODE, Payload
from shared.contracts.rights import AGENCY_USER, agency_rights, all_service_rights
from shared.contracts.topics import AGENCY, CONFIG, DAY_MS, topic_specs
from tools.contracts.asyncapi import binary_headers, structured_example
from tools.contracts.participants import (
    Readers,
    payloads_by_topic,
    readers_of,
    topics_of,
    writer_of,
)
from tools.contracts.schemas import example_of, schema_of

GENERATED: Final = "<!-- Written by `python -m tools.reference`; edit what it is written from. -->\n"
EXAMPLE_TOPIC: Final = AGENCY.format(opd="dinas-contoh")


def events_page(readers: Readers) -> str:
    parts = [GENERATED + "# Events", _INTRODUCTION, _table(_overview(readers)), _publishing(), _RULES]
    parts += [_section(payload, readers) for payload in EVENT_TYPES]
    return "\n\n".join(parts) + "\n"


def topics_page(readers: Readers) -> str:
    rows = [["topic", "partitions", "written by", "read by", "events"]]
    by_topic = payloads_by_topic(readers)
    for spec in topic_specs(["{opd}"]):
        topic = spec.name
        payloads = by_topic.get(topic, [])
        reading = (
            [writer_of(topic)]
            if topic.endswith(".commands.v1")
            else sorted({service for payload in payloads for service in readers_of(payload, readers)})
        )
        names = ", ".join(payload.__name__ for payload in payloads) or "none yet"
        rows.append(
            [f"`{topic}`", str(spec.partitions), writer_of(topic), ", ".join(reading) or "nobody yet", names]
        )
    settings = [["setting", "value"], *([f"`{name}`", f"`{value}`"] for name, value in CONFIG.items())]
    days = int(CONFIG["retention.ms"]) // DAY_MS
    return "\n\n".join(
        [
            GENERATED + "# Topics",
            "Every topic is declared before its first record: the broker's automatic creation is off, and a "
            "service is not ready while a topic is missing or has another number of partitions. "
            "`KOMPETEN_TOPIC_PREFIX` goes before every name.",
            _table(rows),
            f"`{{opd}}` is an agency's code (`{OPD_CODE.pattern}`), one of `KOMPETEN_AGENCIES`. An agency "
            "may write to its own topic and read none, not even that.",
            "## Rights",
            "Each service and each agency is a user of Kafka, and may do what follows and nothing else: nobody "
            "but an administrator makes, changes or deletes a topic. To read or to write includes to see that "
            "the topic is there. `*` stands for every name that begins so.",
            _table([["user", "may"], *_rights()]),
            "## Settings",
            "All topics have these settings:",
            _table(settings),
            f"Records are kept {days} days, twice the age of the oldest backup that one would restore. The "
            "broker stamps the time of arrival, since decisions use it as their `now`. The number of "
            "partitions never changes: keys map to partitions by it.",
        ]
    ) + "\n"  # fmt: skip


def _rights() -> list[list[str]]:
    found: dict[str, dict[str, list[str]]] = {}
    agency = agency_rights(AGENCY_USER.format(opd="{opd}", number="{n}"), "{opd}")
    for right in [*all_service_rights(), *agency]:
        name = f"{right.resource} `{right.name}{'*' if right.prefixed else ''}`"
        found.setdefault(right.user, {}).setdefault(name, []).append(right.operation)
    return [
        [f"`{user}`", "; ".join(f"{' and '.join(may)} {name}" for name, may in rights.items())]
        for user, rights in found.items()
    ]


_INTRODUCTION: Final = """\
All that goes between agencies and services is an event, a [CloudEvent
1.0](https://github.com/cloudevents/spec) in a Kafka record. A type's `.v1` is a promise: fields may be
added, and readers ignore those that they don't know; none is renamed, removed or made required.
[asyncapi.yaml](asyncapi.yaml) says the same to machines, [schemas/](schemas/) has each event's data as
JSON Schema, [released/](released/) what was promised."""


def _overview(readers: Readers) -> list[list[str]]:
    rows = [["event", "written by", "read by", "what it says"]]
    for payload in EVENT_TYPES:
        rows.append(
            [
                f"[`{payload.TYPE}`](#{_anchor(payload)})",
                _writers(payload, readers),
                ", ".join(readers_of(payload, readers)) or "nobody yet",
                _summary(payload),
            ]
        )
    return rows


def _writers(payload: type[Payload], readers: Readers) -> str:
    return ", ".join(sorted({writer_of(topic) for topic in topics_of(payload, readers)})) or "nobody yet"


def _section(payload: type[Payload], readers: Readers) -> str:
    schema = schema_of(payload)
    topics = ", ".join(f"`{topic}`" for topic in topics_of(payload, readers)) or "no topic yet"
    rows = [
        ["field", "value", "needed", "meaning"],
        *_fields(schema, schema.get("$defs", {})),
    ]
    return "\n\n".join(
        [
            f"## {payload.__name__}",
            f"`{payload.TYPE}` on {topics}, written by {_writers(payload, readers)}; "
            f"[schema](schemas/{payload.TYPE}.json)",
            " ".join(schema["description"].split("\n")).replace("  ", "\n\n"),
            _table(rows),
            _code("json", json.dumps(example_of(payload), indent=2, ensure_ascii=False)),
        ]
    )  # fmt: skip


def _fields(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str = "") -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        needed = "yes" if name in schema.get("required", ()) else "no"
        yield [f"`{path}{name}`", _kind(field, definitions), needed, field["description"]]
        for inner, within in _objects(field, definitions, f"{path}{name}"):
            yield from _fields(inner, definitions, within)


def _objects(
    field: Mapping[str, Any], definitions: Mapping[str, Any], path: str
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Those that a field may hold, each with the path before its fields: also in a list, or where it may be null."""
    if "$ref" in field:
        field = definitions[field["$ref"].removeprefix("#/$defs/")]
    if "properties" in field:
        yield field, f"{path}."
    for choice in field.get("anyOf", ()):
        yield from _objects(choice, definitions, path)
    if "items" in field:
        yield from _objects(field["items"], definitions, f"{path}[]")


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A field's schema in words."""
    if "anyOf" in field:
        return " or ".join(_kind(choice, definitions) for choice in field["anyOf"])
    if "$ref" in field:
        return _kind(definitions[field["$ref"].removeprefix("#/$defs/")], definitions)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        return f"list of: {_kind(field['items'], definitions)}"
    word = _WORDS.get(field.get("format", "")) or _WORDS.get(field["type"]) or str(field["type"])
    if field.get("pattern") == "^[0-9]{18}$":
        return "18 digits as text"
    if "maxLength" in field:
        # What has no least length is no less bound by its format: no address is empty.
        least = f"{field['minLength']} to" if "minLength" in field else "at most"
        return f"{word} of {least} {field['maxLength']} characters"
    if "maximum" in field and field["maximum"] < 2**31:
        return f"{word} {field['minimum']:g} to {field['maximum']:g}"
    return word


_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "null",
    "date": "date `YYYY-MM-DD`",
    "date-time": "moment (RFC 3339)",
    "email": "e-mail address",
}


def _publishing() -> str:
    payload = TrainingCompleted
    structured = json.dumps(structured_example(payload), ensure_ascii=False)
    data = json.dumps(example_of(payload), ensure_ascii=False)
    headers = " \\\n".join(f"  -H '{name}={value}'" for name, value in binary_headers(payload).items())
    return "\n\n".join(
        [
            "## How an agency publishes",
            f"One event per record, to the agency's own topic `{AGENCY}`; the record's key does not matter. "
            "Both forms of CloudEvents are read. Below, `kcat` sends the same event in each; sent twice, "
            "it is recorded once. `kafka.conf` has your user "
            "([Publish events over Kafka](../how-to/publish-over-kafka.md)).",
            f"Structured: attributes and data in one JSON document, header `content-type: {STRUCTURED}`.",
            _code(
                "sh",
                f'kcat -F kafka.conf -P -t {EXAMPLE_TOPIC} \\\n'
                f"  -H 'content-type={STRUCTURED}' <<'EVENT'\n{structured}\nEVENT",
            ),
            "Binary: attributes as headers that begin with `ce_`, the data alone as value.",
            _code(
                "sh", f'kcat -F kafka.conf -P -t {EXAMPLE_TOPIC} \\\n{headers} <<\'EVENT\'\n{data}\nEVENT'
            ),
            "Without `content-type` a record is binary if it has `ce_type` or `ce_specversion`, else "
            "structured. If `content-type` says structured, `ce_` headers beside it are ignored.",
        ]
    )  # fmt: skip


_RULES: Final = f"""\
## Rules for senders

* **Employee numbers are text**: `"198501012010011001"`, never a number. JavaScript and spreadsheets
  round 18 digits, so a NIP as JSON number is refused.
* **Dates** are `YYYY-MM-DD`. **Moments** have their offset: `2026-03-05T09:30:00+07:00` or `...Z`.
  Numbers of seconds are refused in both.
* **`id`** names the event, 1 to {MAX_ID_CHARS} characters; a repetition keeps it. **`time`** is when it
  happened in the sender's system, at most {MAX_AHEAD.days} day ahead of the arrival; without it the
  arrival counts.
* **Order does not matter.** A completion of an employee who is not known yet waits for the
  registration.
* **A completion** is one employee in one batch of one training of one issuing body: `employee_number`,
  `training.organizer.code`, `training.code`, `training.batch`. In codes upper and lower case are the
  same, and so are short and long dashes, full and half width. `completed_on` is a day that has begun:
  what is still to come is refused.
* **A duplicate** has the same content for the same completion, whatever its `id` and `time`; absent and
  null are the same. It changes nothing, so sending again is always safe.
* **A correction** has other content. The highest `revision` stands; without revisions, the content that
  was new last, by `time`. To go back to an earlier content, send it with a higher `revision`. Only the
  agency that reported a completion first corrects it.
* **An employee** is sent whole each time: what is left out is gone. The newest by `time` stands. When
  the number changes, send `previous_employee_number` along.
* **Text** is UTF-8, without control characters or halves of surrogate pairs; blanks at its ends are cut
  off, and characters that nobody sees (byte order marks, blanks without width, marks that turn text
  around) are left out. No field stands twice in an object. Whole numbers end at 2^53 - 1. A byte order
  mark before the JSON, as tools on Windows write it, means nothing, over Kafka and over HTTP alike;
  UTF-16 is refused.
* **Numbers** may stand as text too, with digits and a point (`"88.5"`), never with a thousands separator.
* **Limits**: a record has at most {int(CONFIG["max.message.bytes"]) // 1024**2} MiB, and an agency's event at most
  {MAX_PARTS} fields and entries of lists, those that no schema names included; batches are not read.

What breaks a rule is refused and kept as a dead letter, with a sentence that names the field and says
what to do. It never holds up the events behind it. Correct it and send it again."""


def _table(rows: list[list[str]]) -> str:
    head, *body = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _anchor(payload: type[Payload]) -> str:
    return payload.__name__.lower()


def _summary(payload: type[Payload]) -> str:
    return (payload.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
