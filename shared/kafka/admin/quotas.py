"""Quotas of users: bytes a second, and a share of the broker's threads. Neither confluent-kafka nor aiokafka has a
method for them, so the two requests are written out here (KIP-546, versions 0)."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from shared.kafka.access import connected
from shared.kafka.admin.blocking import blocking
from shared.kafka.admin.errors import AdminError, translated
from shared.kafka.connection import KafkaConnection

TIMEOUT_S: Final = 30.0
_EXACT: Final = 0
_ANY: Final = 2
_USER: Final = "user"


class _AlterResponse(Response):
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))),
            ),
        ),
    )


class _AlterRequest(RequestStruct):
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterRequest]):
    API_KEY = 49

    def __init__(self, user: str, values: Mapping[str, float | None]) -> None:
        self._user, self._values = user, values

    def build(self, request_struct_class: type[_AlterRequest]) -> _AlterRequest:
        operations = [(key, value or 0.0, value is None) for key, value in self._values.items()]
        return request_struct_class([([(_USER, self._user)], operations)], False)


class Quotas:
    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka

    def all(self) -> dict[str, dict[str, float]]:
        """By user: each of its quotas."""
        answer = self._ask(DescribeClientQuotasRequest([(_USER, _ANY, None)], True))  # type: ignore[list-item]
        if answer.error_code:
            raise AdminError(f"quotas could not be read: {for_code(answer.error_code).__name__}")
        return {
            name: dict(values)
            for entity, values in answer.entries
            for _, name in entity
            if name is not None  # the default for all users, which is not ours
        }

    def ensure(self, user: str, values: Mapping[str, float | None]) -> bool:
        """Whether something had to be changed; None takes a quota away."""
        stands = self.all().get(user, {})
        if all(stands.get(key) == value for key, value in values.items()):
            return False
        answer = self._ask(_Alter(user, values))
        for code, message, _ in answer.entries:
            if code:
                raise AdminError(
                    f"the quota of {user} could not be set: {message or for_code(code).__name__}"
                )
        return True

    def delete(self, user: str) -> None:
        if stands := self.all().get(user):
            self.ensure(user, dict.fromkeys(stands))

    def _ask(self, request: Request[Any]) -> Any:
        with translated("quotas could not be asked for or set"):
            return blocking(self._asked(request))

    async def _asked(self, request: Request[Any]) -> Any:
        async with connected(self._kafka, "kompeten-quotas") as connection:
            return await asyncio.wait_for(connection.send(request), TIMEOUT_S)
