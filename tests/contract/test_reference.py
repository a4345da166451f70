"""docs/reference says what the code does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from shared.contracts.agency import TrainingCompleted
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import decode, peek
from shared.contracts.payload import Payload
from shared.contracts.register import ChangeAgency
from shared.contracts.topics import topic_specs
from tools.contracts.asyncapi import ENVELOPE, ENVELOPE_NAME, asyncapi, structured_example
from tools.contracts.reference import COMMAND, json_text
from tools.contracts.schemas import NoExample, NoMeaning, schema_of
from tools.reference import (
    REFERENCE,
    Incomplete,
    api_documents,
    handlers,
    main,
    reference_files,
    settings_classes,
    stale,
    write,
)

every_event = pytest.mark.parametrize("payload", EVENT_TYPES, ids=lambda payload: payload.__name__)


def test_the_reference_is_written_from_this_code() -> None:
    names = stale(reference_files())
    assert not names, f"stale in docs/reference: {', '.join(names)}. Write them anew: {COMMAND}"


@every_event
def test_every_event_has_a_valid_schema_whose_example_it_accepts(payload: type[Payload]) -> None:
    schema = schema_of(payload)
    assert (REFERENCE / "schemas" / schema["$id"]).is_file()
    Draft202012Validator.check_schema(schema)
    for example in schema["examples"]:
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(example)


def _fields(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for part in node.values():
            yield from _fields(part)
    elif isinstance(node, list):
        for part in node:
            yield from _fields(part)


@every_event
def test_employee_numbers_are_text_only_in_schemas_and_examples(payload: type[Payload]) -> None:
    schema = schema_of(payload)
    for name, field in _fields(schema):
        if "number" in name and name != "certificate_number":
            (kinds,) = [field.get("anyOf", [field.get("items", field)])]
            assert {kind["type"] for kind in kinds} <= {"string", "null"}, name
            assert "^[0-9]{18}$" in {kind.get("pattern") for kind in kinds}, name
    assert not [whole for whole in _numbers(schema["examples"]) if whole > 2**53]


def _numbers(node: Any) -> Iterator[float]:
    if isinstance(node, dict):
        for part in node.values():
            yield from _numbers(part)
    elif isinstance(node, list):
        for part in node:
            yield from _numbers(part)
    elif isinstance(node, int | float):
        yield node


@every_event
def test_every_field_has_a_meaning(payload: type[Payload]) -> None:
    assert all(field["description"] for _, field in _fields(schema_of(payload)))


def test_a_field_without_meaning_fails_the_generator() -> None:
    class Mute(Payload):
        """Says nothing."""

        TYPE = "id.go.bandung.mute.v1"
        unexplained: int

    with pytest.raises(NoMeaning, match=r"Mute\.unexplained has no meaning: add a docstring"):
        schema_of(Mute)


def test_an_event_without_an_example_is_told_where_to_give_one() -> None:
    class Shown(Payload):
        """Says something."""

        TYPE = "id.go.bandung.shown.v1"

    with pytest.raises(NoExample, match=r"Shown has no example: add one to tools/contracts/examples\.py"):
        schema_of(Shown)


@every_event
def test_the_page_of_events_lists_every_field_also_of_objects_that_may_be_null(
    payload: type[Payload],
) -> None:
    listed = {row.rpartition(".")[2] for row in _listed(payload)}
    assert {name for name, _ in _fields(schema_of(payload))} <= listed


def test_the_page_of_events_names_fields_within_by_their_paths() -> None:
    of_a_completion = [row for row in _listed(TrainingCompleted) if row.startswith("external_certificate")]
    within = [f"external_certificate.{name}" for name in ("issuer", "certificate_number", "date")]
    assert of_a_completion == ["external_certificate", *within]
    assert "token_bindings[].client_ids" in _listed(ChangeAgency)


def _listed(payload: type[Payload]) -> list[str]:
    page = (REFERENCE / "events.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {payload.__name__}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_asyncapi_has_every_channel_of_the_installation_and_every_event() -> None:
    document = yaml.safe_load((REFERENCE / "asyncapi.yaml").read_text(encoding="utf-8"))
    declared = {spec.name: spec.partitions for spec in topic_specs(["{opd}"])}
    channels = {one["address"]: one for one in document["channels"].values()}
    assert {name: one["bindings"]["kafka"]["partitions"] for name, one in channels.items()} == {
        name: declared[name] for name in channels
    }
    named = {message["name"] for message in document["components"]["messages"].values()}
    assert named == {payload.TYPE for payload in EVENT_TYPES}
    receivers = {name.split(".")[0] for name in document["operations"] if ".receive." in name}
    assert receivers == {service for service, table in handlers().items() if table}


def test_every_reference_in_asyncapi_leads_somewhere() -> None:
    document = asyncapi(handlers())
    for reference_ in _references(document):
        if reference_.startswith("./"):
            assert (REFERENCE / reference_).is_file(), reference_
        else:
            target: Any = document
            for part in reference_.removeprefix("#/").split("/"):
                target = target[part]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)


def test_asyncapi_examples_are_valid_and_readable() -> None:
    document = asyncapi(handlers())
    schemas = [(f"./schemas/{payload.TYPE}.json", schema_of(payload)) for payload in EVENT_TYPES]
    known = {payload.TYPE: payload for payload in EVENT_TYPES}
    registry: Registry[Any] = Registry().with_resources(
        [
            (f"./schemas/{ENVELOPE_NAME}", Resource.from_contents(ENVELOPE)),
            *((name, Resource.from_contents(schema)) for name, schema in schemas),
        ]
    )
    for message in document["components"]["messages"].values():
        for example in message["examples"]:
            Draft202012Validator(message["payload"]["schema"], registry=registry).validate(example["payload"])
            if "headers" in example:
                Draft202012Validator(message["headers"]).validate(example["headers"])
            value = json_text(example["payload"]).encode()
            headers = [(name, text.encode()) for name, text in example.get("headers", {}).items()]
            type_, document = peek(value, headers)
            assert (document is not None) is (example["name"] == "structured")
            decode(value, headers, document, known[type_])


def test_agencies_examples_do_not_come_from_kompeten_nor_ours_from_agencies() -> None:
    sources = {name.TYPE: structured_example(name)["source"] for name in EVENT_TYPES}
    assert sources["id.go.bandung.training.completed.v1"] == "urn:dinas-contoh:simpeg"
    assert sources["id.go.bandung.points.settled.v1"] == "urn:kompeten:incentive"


# The command.


def test_stale_missing_and_left_over_files_are_listed(tmp_path: Path) -> None:
    files = {"events.md": "a", "schemas/x.json": "b"}
    assert write(files, tmp_path) == ["events.md", "schemas/x.json"]
    assert write(files, tmp_path) == []
    (tmp_path / "events.md").write_text("other", encoding="utf-8")
    (tmp_path / "schemas" / "gone.json").write_text("{}", encoding="utf-8")
    assert stale(files, tmp_path) == ["events.md", "schemas/gone.json"]
    write(files, tmp_path)
    assert not (tmp_path / "schemas" / "gone.json").exists()
    assert stale(files, tmp_path) == []


def test_check_names_the_stale_file_and_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "events.md").write_text("other", encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert told == f"stale: docs/reference/events.md\nWrite them anew: {COMMAND}\n"


def _empty(service: str, name: str) -> ModuleType | None:
    return ModuleType(f"services.{service}.{name}")


def test_a_service_that_is_there_but_lacks_what_it_must_offer_is_an_error() -> None:
    with pytest.raises(Incomplete, match=r"services\.enrollment\.app has no HANDLERS"):
        handlers(_empty)
    with pytest.raises(Incomplete, match=r"services\.enrollment\.settings has no EnrollmentSettings"):
        settings_classes(_empty)


def test_what_a_service_does_not_have_yet_is_left_out() -> None:
    assert handlers(_none) == {}
    assert [cls.__name__ for cls in settings_classes(_none)] == ["Settings"]
    assert api_documents(_none) == {}


def _none(service: str, name: str) -> ModuleType | None:
    return None


def test_an_application_that_describes_itself_is_picked_up() -> None:
    def find(service: str, name: str) -> ModuleType | None:
        if (service, name) != ("incentive", "app"):
            return None
        found = ModuleType(name)
        found.HANDLERS = {}  # type: ignore[attr-defined]
        found.openapi = lambda: {"openapi": "3.1.0", "info": {"title": service}}  # type: ignore[attr-defined]
        return found

    assert json.loads(reference_files(find)["openapi-incentive.json"])["info"] == {"title": "incentive"}
