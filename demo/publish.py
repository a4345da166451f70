"""Publishes the day: each agency at full speed, one of them and the officers over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from demo.city import BY_KAFKA, City, Occasion, Revocation, is_http
from demo.trainings import OFFERS
from demo.wire import Message, as_json
from devstack import StackError
from devstack.kompeten import Kompeten
from shared.contracts.topics import agency_topic

HTTP_BATCH = 50


class Published(NamedTuple):
    records: int
    """That the log acknowledged."""
    refused: int
    """By HTTP, at once."""


async def publish(city: City, kompeten: Kompeten) -> Published:
    by_opd: dict[str, list[Message]] = {opd: [] for opd in city.agencies}
    for message in city.messages:
        by_opd[message.opd].append(message)
    by_http = [message for message in city.messages if is_http(message)]
    async with asyncio.TaskGroup() as tasks:
        for opd in BY_KAFKA:
            tasks.create_task(_over_kafka(opd, by_opd[opd], kompeten))
        over_http = await _over_http(by_http, kompeten)
    records = over_http.records + sum(len(by_opd[opd]) for opd in BY_KAFKA)
    return Published(records, over_http.refused)


async def _over_kafka(opd: str, messages: Sequence[Message], kompeten: Kompeten) -> None:
    topic = agency_topic(opd, kompeten.topic_prefix)
    producer = AIOKafkaProducer(
        **kompeten.kafka_of_agency(opd).options(),
        client_id=f"demo-{opd}",
        enable_idempotence=True,
        linger_ms=5,
    )
    try:
        async with AsyncExitStack() as open_producer:
            await producer.start()
            open_producer.push_async_callback(producer.stop)
            sent = [
                await producer.send(topic, message.value, partition=0, headers=list(message.headers))
                for message in messages
            ]
            await asyncio.gather(*sent)
    except KafkaError as error:
        raise StackError(f"publishing for {opd} failed: {type(error).__name__}") from error


async def _over_http(messages: Sequence[Message], kompeten: Kompeten) -> Published:
    if not messages:
        return Published(0, 0)
    token = kompeten.token("agency", opd=messages[0].opd)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/cloudevents-batch+json"}
    accepted = refused = 0
    async with httpx.AsyncClient(base_url=kompeten.urls["enrollment"], headers=headers, timeout=30) as client:
        for start in range(0, len(messages), HTTP_BATCH):
            batch = [as_json(message) for message in messages[start : start + HTTP_BATCH]]
            answer = await _answer(client, "/events", batch)
            if answer.status_code not in (202, 207):
                raise StackError(f"POST /events answered {answer.status_code}: {answer.text[:500]}")
            statuses = [verdict["status"] for verdict in answer.json()]
            accepted += statuses.count("accepted")
            refused += statuses.count("refused")
            if "not_taken" in statuses:
                raise StackError("POST /events did not get an acknowledgement from the log")
    return Published(accepted, refused)


async def revoke_in_advance(revocation: Revocation, kompeten: Kompeten) -> None:
    occasion = revocation.occasion
    body = {
        "employee_number": occasion.employee_number,
        "organizer_code": occasion.organizer,
        "training_code": occasion.code,
        "batch": occasion.batch,
        "reason": revocation.reason,
    }
    await _as_officer(revocation, "/completions/revocations", body, kompeten)


async def revoke(revocation: Revocation, certificate_id: str, kompeten: Kompeten) -> None:
    route = f"/certificates/{certificate_id}/revocations"
    await _as_officer(revocation, route, {"reason": revocation.reason}, kompeten)


def certificate_of(occasion: Occasion, kompeten: Kompeten) -> str:
    """Its id, from the employee's own record."""
    token = kompeten.token("employee", employee_number=occasion.employee_number)
    answer = httpx.get(
        f"{kompeten.urls['enrollment']}/me/record", headers={"authorization": f"Bearer {token}"}, timeout=30
    )
    if answer.status_code != 200:
        raise StackError(f"GET /me/record answered {answer.status_code}: {answer.text[:500]}")
    training = next(
        offer
        for offer in OFFERS
        if (offer.training.code, offer.training.batch) == (occasion.code, occasion.batch)
    ).training
    for completion in answer.json()["completions"]:
        if (completion["title"], completion["batch"]) == (training.title, training.batch) and completion[
            "certificate"
        ]:
            return str(completion["certificate"]["certificate_id"])
    raise StackError(f"there is no certificate of {occasion.code}/{occasion.batch} to be revoked")


async def _as_officer(
    revocation: Revocation, route: str, body: Mapping[str, str], kompeten: Kompeten
) -> None:
    occasion, token = revocation.occasion, kompeten.token("officer", opd=revocation.opd)
    headers = {
        "authorization": f"Bearer {token}",
        "idempotency-key": f"demo-{occasion.code}-{occasion.batch}",
    }
    async with httpx.AsyncClient(base_url=kompeten.urls["enrollment"], headers=headers, timeout=30) as client:
        answer = await _answer(client, route, body)
        if answer.status_code not in (200, 202):
            raise StackError(f"POST {route} answered {answer.status_code}: {answer.text[:500]}")


async def _answer(client: httpx.AsyncClient, route: str, body: Any) -> httpx.Response:
    try:
        answer = await client.post(route, json=body)
        if answer.status_code != 429:
            return answer
    except httpx.HTTPError as error:
        raise StackError(f"POST {route} failed: {type(error).__name__} {error}") from error
    await asyncio.sleep(int(answer.headers["retry-after"]))
    return await _answer(client, route, body)
