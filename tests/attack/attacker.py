"""What an attacker holds: the user and the tokens of an ordinary agency, an employee's token, an officer's of another
body, sockets, and the published reference. No code of ours."""

import contextlib
import json
import socket
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from confluent_kafka import KafkaError, KafkaException, Producer

from shared.kafka.connection import KafkaConnection
from tests.attack.reference import SERVICES
from tests.end_to_end.product import Product, fresh_id, somebody, until
from tests.unit.oidc_issuer import Issuer

# Its code is how the victim's begins.
ATTACKER_OPD: Final = "dinas"
OTHER_OPD: Final = "rsud-kota"
STRUCTURED: Final = ("content-type", b"application/cloudevents+json; charset=UTF-8")
ANSWERED_WITHIN_S: Final = 60
SOON_S: Final = 20.0


def cloud_event(type: str, data: object, **attributes: object) -> dict[str, Any]:
    """As anybody can write it from the reference."""
    return {
        "specversion": "1.0",
        "id": fresh_id(),
        "source": f"urn:{ATTACKER_OPD}:simpeg",
        "type": type,
        "data": data,
        **attributes,
    }


class KafkaUser:
    """Somebody's credentials, with a client that he brought himself (librdkafka)."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self.settings: dict[str, Any] = {
            **kafka.librdkafka(),
            "log_level": 0,
            "message.timeout.ms": int(SOON_S * 1000),
        }
        self._producer: Producer | None = None

    def write(self, topic: str, *events: dict[str, Any] | bytes, partition: int = 0) -> str | None:
        """None when all are acknowledged; else the broker's error, or the client's when it is not let in."""
        if self._producer is None:
            self._producer = Producer({**self.settings, "acks": "all"})
        errors: list[KafkaError] = []
        for event in events:
            value = event if isinstance(event, bytes) else json.dumps(event).encode()
            try:
                self._producer.produce(
                    topic,
                    value,
                    partition=partition,
                    headers=[STRUCTURED],
                    on_delivery=lambda error, _: errors.append(error) if error else None,
                )
            except KafkaException as error:
                errors.append(error.args[0])
        self._producer.flush(2 * SOON_S)
        return errors[0].name() if errors else None


class Attacker:
    def __init__(self, product: Product, issuer: Issuer) -> None:
        self.product, self.issuer = product, issuer
        self.kafka = KafkaUser(product.kompeten.kafka_of_agency(ATTACKER_OPD))
        self.person = somebody("Penyerang Contoh")
        self.topic = f"{product.kompeten.topic_prefix}agency.{ATTACKER_OPD}.v1"
        product.publish(self.person.registration(), opd=ATTACKER_OPD)

    @property
    def agency(self) -> httpx.Client:
        return self.product.client("agency", opd=ATTACKER_OPD)

    def with_token(self, service: str, token: str, path: str) -> httpx.Response:
        stranger = self.product.client(None, service)
        return stranger.get(path, headers={"authorization": f"Bearer {token}"})

    def told(self, event_id: str) -> list[dict[str, Any]]:
        """What the agency itself is told of an event."""
        answer = self.agency.get("/decisions", params={"id": event_id})
        return answer.json() if answer.status_code == 200 else []

    def verdict(self, event_id: str) -> dict[str, Any]:
        return until(lambda: self.told(event_id), f"a decision on {event_id}")[-1]


def connection(url: str) -> socket.socket:
    host = urlsplit(url)
    return socket.create_connection((host.hostname, host.port), timeout=ANSWERED_WITHIN_S)


def raw(url: str, head: Sequence[str], body: bytes = b"") -> tuple[int, bytes]:
    """Status (0: ended without an answer) and answer to what no client of good manners would send."""
    with connection(url) as sent:
        with contextlib.suppress(OSError):  # the answer was not waited for: it may be there all the same
            sent.sendall("\r\n".join([*head, "Host: x", "Connection: close", "", ""]).encode() + body)
        return status_of(sent)


def status_of(sent: socket.socket) -> tuple[int, bytes]:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sent.recv(65536):
            answer += part
    return (int(answer.split(b" ", 2)[1]), answer) if answer else (0, b"")


def stays_ready(product: Product) -> None:
    for service in SERVICES:
        address = f"{product.kompeten.urls[service]}/health/ready"
        until(
            lambda address=address: httpx.get(address, timeout=ANSWERED_WITHIN_S).status_code == 200,
            f"{service} is ready",
            ANSWERED_WITHIN_S,
        )
