"""What was released (docs/reference/released, frozen by tools/reference.py) stays readable and sendable."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.payload import Payload
from tools.contracts.reference import COMMAND, advice, broken_promises
from tools.contracts.schemas import example_of, schema_of
from tools.reference import Incomplete, release, released

RELEASED = released()


def test_no_change_breaks_old_senders_or_old_readers() -> None:
    broken = broken_promises(RELEASED)
    assert not broken, advice(broken)


@pytest.mark.parametrize("payload", EVENT_TYPES, ids=lambda payload: payload.__name__)
def test_every_event_is_released(payload: type[Payload]) -> None:
    assert payload.TYPE in RELEASED, f"{payload.TYPE} is not frozen yet: {COMMAND} --release"


@pytest.mark.parametrize("payload", EVENT_TYPES, ids=lambda payload: payload.__name__)
def test_new_code_reads_released_examples_and_old_schemas_accept_new_ones(payload: type[Payload]) -> None:
    frozen = RELEASED[payload.TYPE]
    for example in frozen["examples"]:
        payload.model_validate_json(_text(example))
        Draft202012Validator(schema_of(payload)).validate(example)
    Draft202012Validator(frozen).validate(example_of(payload))


def test_a_broken_promise_is_told_with_the_way_out() -> None:
    stricter = {name: _with_required(schema, "invented") for name, schema in RELEASED.items()}
    told = advice(broken_promises(stricter))
    assert "data.invented is gone: it was removed or renamed" in told
    assert ".v2" in told
    assert COMMAND in told


def test_nothing_is_frozen_over_a_broken_promise(tmp_path: Path) -> None:
    name = next(iter(RELEASED))
    (tmp_path / "released").mkdir()
    frozen = tmp_path / "released" / f"{name}.json"
    frozen.write_text(_text(_with_required(RELEASED[name], "invented")), encoding="utf-8")
    before = frozen.read_text(encoding="utf-8")
    with pytest.raises(Incomplete, match="invented is gone"):
        release(tmp_path)
    assert frozen.read_text(encoding="utf-8") == before


def test_an_event_type_does_not_go_away() -> None:
    assert "keep its class" in broken_promises({"id.go.bandung.gone.v1": {}})["id.go.bandung.gone.v1"][0]


def _with_required(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {**schema, "properties": {**schema["properties"], name: {"type": "string"}}}


def _text(document: Any) -> str:

    return json.dumps(document)
