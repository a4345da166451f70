"""The AsyncAPI 3.0 document: topics, who sends and receives what, and events in both CloudEvents modes."""

from collections.abc import Sequence
from typing import Any, Final

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import JSON, MAX_ID_CHARS, STRUCTURED
from shared.contracts.payload import OPD_CODE, Payload
from shared.contracts.topics import AGENCY, CONFIG, PARTITIONS
from tools.contracts.examples import MOMENT
from tools.contracts.participants import Readers, payloads_by_topic, readers_of, writer_of
from tools.contracts.schemas import DIALECT, example_of

Part = dict[str, Any]
KAFKA_BINDING: Final = "0.5.0"
SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENVELOPE_NAME: Final = "cloudevent.json"
EXAMPLE_ID: Final = "0b6f6c1e-5d0a-4c53-9d57-0c1f4f5b6a10"


def asyncapi(readers: Readers) -> Part:
    """The document as plain data; schemas are referred to by their files beside it."""
    by_topic = payloads_by_topic(readers)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kompeten events",
            "version": "1.0.0",
            "description": (
                "CloudEvents 1.0 over Kafka. Agencies send the structured or the binary form; Kompeten "
                "sends the structured one. events.md says what the events mean."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka-secure",
                "description": "The broker of the installation (KOMPETEN_KAFKA); it asks everybody who they are",
                "security": [{"$ref": "#/components/securitySchemes/user"}],
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "host:port"}},
            }
        },
        "channels": {_name(topic): _channel(topic, payloads) for topic, payloads in by_topic.items()},
        "operations": _operations(by_topic, readers),
        "components": {
            "messages": {
                name: message
                for payload in EVENT_TYPES
                for name, message in _messages(payload, _agency(payload)).items()
            },
            "securitySchemes": {
                "user": {
                    "type": "scramSha512",
                    "description": "A user for each service and each agency, with the rights of topics.md",
                }
            },
            "correlationIds": {
                "structuredTrace": {
                    "description": "W3C Trace Context of the trace that the event belongs to",
                    "location": "$message.payload#/traceparent",
                },
                "binaryTrace": {
                    "description": "W3C Trace Context of the trace that the event belongs to",
                    "location": "$message.header#/ce_traceparent",
                },
            },
        },
    }


def _agency(payload: type[Payload]) -> bool:
    return EVENT_TYPES[payload] == AGENCY


def _owner(payload: type[Payload]) -> str:
    return writer_of(EVENT_TYPES[payload].format(service="enrollment"))


def _name(topic: str) -> str:
    """`agency.{opd}.v1` -> agency, `enrollment.events.v1` -> enrollmentEvents."""
    owner, kind, _ = topic.split(".")
    return "agency" if topic == AGENCY else owner + kind.title()


def _channel(topic: str, payloads: Sequence[type[Payload]]) -> Part:
    agency = topic == AGENCY
    channel: Part = {
        "address": topic,
        "description": (
            "An agency's own topic; its one partition keeps its order, and keys are not relied on."
            if agency
            else "Keyed by what must stay in order: the employee for events, the aggregate for commands."
        ),
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for payload in payloads
            for name in _messages(payload, agency)
        },
    }
    if agency:
        channel["parameters"] = {
            "opd": {
                "description": f"The agency's code: {OPD_CODE.pattern}",
                "examples": ["dinas-contoh"],
            }
        }
    channel["bindings"] = {
        "kafka": {
            "partitions": 1 if agency else PARTITIONS,
            "topicConfiguration": {
                "cleanup.policy": [CONFIG["cleanup.policy"]],
                "retention.ms": int(CONFIG["retention.ms"]),
                "max.message.bytes": int(CONFIG["max.message.bytes"]),
            },
            "bindingVersion": KAFKA_BINDING,
        }
    }
    return channel


def _operations(by_topic: dict[str, list[type[Payload]]], readers: Readers) -> Part:
    operations: Part = {}
    for topic, payloads in by_topic.items():
        channel = _name(topic)
        sender = "agency" if topic == AGENCY else writer_of(topic)
        operations[f"{sender}.send.{channel}"] = _operation("send", sender, topic, payloads)
        for service in readers:
            read = [payload for payload in payloads if service in readers_of(payload, readers)]
            # What every service gives itself is read from its own topic alone.
            if read and (not topic.endswith(".commands.v1") or service == writer_of(topic)):
                operations[f"{service}.receive.{channel}"] = _operation("receive", service, topic, read)
    return operations


def _operation(action: str, who: str, topic: str, payloads: Sequence[type[Payload]]) -> Part:
    operation: Part = {
        "action": action,
        "title": f"{who} {action}s on {topic}",
        "channel": {"$ref": f"#/channels/{_name(topic)}"},
        "tags": [{"name": who}],
        "messages": [
            {"$ref": f"#/channels/{_name(topic)}/messages/{name}"}
            for payload in payloads
            for name in _messages(payload, topic == AGENCY)
        ],
    }
    if action == "receive":
        operation["bindings"] = {
            "kafka": {"groupId": {"type": "string", "const": who}, "bindingVersion": KAFKA_BINDING}
        }
    return operation


def _messages(payload: type[Payload], both_modes: bool) -> Part:
    data = {"$ref": f"./schemas/{payload.TYPE}.json"}
    summary = (payload.__doc__ or "").split("\n")[0]
    common = {"title": payload.__name__, "summary": summary}
    messages: Part = {
        f"{payload.__name__}Structured": {
            "name": payload.TYPE,
            **common,
            "contentType": "application/cloudevents+json",
            "correlationId": {"$ref": "#/components/correlationIds/structuredTrace"},
            "headers": {
                "type": "object",
                "properties": {"content-type": {"type": "string", "examples": [STRUCTURED]}},
            },
            "payload": {
                "schemaFormat": SCHEMA_FORMAT,
                "schema": {
                    "$schema": DIALECT,
                    "allOf": [{"$ref": f"./schemas/{ENVELOPE_NAME}"}],
                    "properties": {"type": {"const": payload.TYPE}, "data": data},
                    "required": ["data"],
                },
            },
            "bindings": _MESSAGE_BINDING,
            "examples": [{"name": "structured", "payload": structured_example(payload)}],
        }
    }
    if both_modes:
        messages[f"{payload.__name__}Binary"] = {
            "name": payload.TYPE,
            **common,
            "contentType": JSON,
            "correlationId": {"$ref": "#/components/correlationIds/binaryTrace"},
            "headers": _headers(payload),
            "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": data},
            "bindings": _MESSAGE_BINDING,
            "examples": [
                {"name": "binary", "headers": binary_headers(payload), "payload": example_of(payload)}
            ],
        }
    return messages


def structured_example(payload: type[Payload]) -> Part:
    return {
        "specversion": "1.0",
        "id": EXAMPLE_ID,
        "source": "urn:dinas-contoh:simpeg" if _agency(payload) else f"urn:kompeten:{_owner(payload)}",
        "type": payload.TYPE,
        "time": MOMENT.isoformat().replace("+00:00", "Z"),
        "datacontenttype": JSON,
        "traceparent": TRACEPARENT,
        "data": example_of(payload),
    }


def binary_headers(payload: type[Payload]) -> dict[str, str]:
    """The same event's headers in binary mode; the value is then `data` alone."""
    attributes = structured_example(payload)
    return {
        "content-type": JSON,
        **{
            f"ce_{name}": str(value)
            for name, value in attributes.items()
            if name not in ("data", "datacontenttype")
        },
    }


def _headers(payload: type[Payload]) -> Part:
    properties: Part = {"content-type": {"type": "string", "enum": [JSON]}}
    for name, schema in ENVELOPE["properties"].items():
        if name != "datacontenttype":
            properties[f"ce_{name}"] = schema
    properties["ce_type"] = {"type": "string", "const": payload.TYPE}
    return {
        "type": "object",
        "properties": properties,
        "required": [f"ce_{name}" for name in ENVELOPE["required"]],
    }


_MESSAGE_BINDING: Final = {"kafka": {"key": {"type": "string"}, "bindingVersion": KAFKA_BINDING}}

ENVELOPE: Final[Part] = {
    "$schema": DIALECT,
    "$id": ENVELOPE_NAME,
    "title": "CloudEvent",
    "description": "The attributes of an event in the structured form; its type's own file has `data`",
    "type": "object",
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_ID_CHARS,
            "description": "Of the event: a repetition has the same one",
        },
        "source": {"type": "string", "minLength": 1, "description": "The system that sends"},
        "type": {"type": "string", "minLength": 1},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened, with Z or offset; without it, the arrival counts",
        },
        "subject": {"type": "string", "minLength": 1},
        "partitionkey": {"type": "string"},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
        "datacontenttype": {"type": "string", "enum": [JSON]},
    },
    "required": ["specversion", "id", "source", "type"],
}
