"""Who sees which decisions under an id, on a real MongoDB: ids are anybody's to choose, so they protect nothing."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from devstack import Stack
from shared.contracts.cloudevents import MAX_ID_CHARS
from shared.http.access import Principal, Role
from shared.http.app import create_app
from shared.http.askers import Askers
from shared.http.decisions import MAX_DECISIONS, decisions_router
from shared.pipeline.pipeline_collections import DECISIONS, Decision
from shared.pipeline.storage.mongo import MongoStore, connect

PREFIX = "kota."
SECRET = "s" * 32
NOW = datetime(2026, 3, 5, 2, tzinfo=UTC)
ASKERS = Askers("enrollment", SECRET)


def caller(role: Role, opd: str | None = None, subject: str = "u-1") -> Principal:
    return Principal(subject, frozenset({role}), None, opd, "https://sso.example")


CALLERS = {
    "operator": caller(Role.operator),
    "auditor": caller(Role.auditor),
    "agency": caller(Role.agency, "dinas"),
    "neighbour": caller(Role.agency, "dinas-sda"),
    "officer": caller(Role.officer, "dinas", "officer-1"),
    "colleague": caller(Role.officer, "dinas", "officer-2"),
    "other officer": caller(Role.officer, "bkpsdm", "officer-3"),
    "city's officer": caller(Role.officer, "*", "officer-4"),
}


class TokenIsACaller:
    async def principal(self, token: str) -> Principal:
        return CALLERS[token]

    async def aclose(self) -> None:
        pass


@pytest.fixture
async def store(stack: Stack) -> AsyncIterator[MongoStore]:
    client = connect(stack.mongo)
    store = MongoStore(client, f"decisions_{secrets.token_hex(4)}")
    await store.prepare([DECISIONS])
    yield store
    await client.drop_database(store.database.name)
    client.close()


@pytest.fixture
async def http(store: MongoStore) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> list[Any]:
        return []

    app = create_app(
        "enrollment",
        routers=[decisions_router(store, PREFIX, ASKERS)],
        readiness=ready,
        access=TokenIsACaller(),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def decision(
    topic: str, offset: int, id: str = "e-1", source: str = "urn:a", turn: int = 0, after_s: int = 0
) -> Decision:
    return Decision(
        id=f"{PREFIX}{topic}/0/{offset}/{turn}",
        event_id=id,
        verdict="accepted",
        decided_at=NOW + timedelta(seconds=after_s),
        source=source,
    )


def own(who: str, offset: int, id: str = "e-1") -> Decision:
    return decision("enrollment.commands.v1", offset, id, ASKERS.source(CALLERS[who]))


async def seen(http: httpx.AsyncClient, who: str, id: str = "e-1", **asked: str) -> list[str]:
    """The records, without the prefix."""
    answer = await http.get(
        "/decisions", params={"id": id, **asked}, headers={"Authorization": f"Bearer {who}"}
    )
    assert answer.status_code in (200, 404), answer.text
    found = answer.json() if answer.status_code == 200 else []
    return [one["record"].removeprefix(PREFIX) for one in found]


AGENCY, SDA, FACT = "agency.dinas.v1/0/1/0", "agency.dinas-sda.v1/0/1/0", "enrollment.events.v1/0/1/0"
MINE, COLLEAGUES, SYSTEMS = (f"enrollment.commands.v1/0/{n}/0" for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("operator", {AGENCY, SDA, FACT, MINE, COLLEAGUES, SYSTEMS}),
        ("auditor", {AGENCY, SDA, FACT, MINE, COLLEAGUES, SYSTEMS}),
        ("agency", {AGENCY}),
        ("neighbour", {SDA}),
        ("officer", {AGENCY, MINE}),
        ("colleague", {AGENCY, COLLEAGUES}),
        ("other officer", set()),
        ("city's officer", {AGENCY, SDA}),
    ],
)
async def test_everybody_sees_the_own_under_an_id_that_all_have_used(
    store: MongoStore, http: httpx.AsyncClient, who: str, expected: set[str]
) -> None:
    every = [decision("agency.dinas.v1", 1), decision("agency.dinas-sda.v1", 1)]
    every += [decision("enrollment.events.v1", 1), own("officer", 1), own("colleague", 2)]
    every += [decision("enrollment.commands.v1", 3, source="urn:kompeten:enrollment")]
    await store.keep(every, DECISIONS)
    assert set(await seen(http, who)) == expected


async def test_what_others_have_under_the_id_takes_no_place(
    store: MongoStore, http: httpx.AsyncClient
) -> None:
    flood = [decision("agency.dinas-sda.v1", n, after_s=n) for n in range(3 * MAX_DECISIONS)]
    await store.keep([*flood, decision("agency.dinas.v1", 7)], DECISIONS)
    assert await seen(http, "agency") == ["agency.dinas.v1/0/7/0"]
    assert await seen(http, "officer") == ["agency.dinas.v1/0/7/0"]
    assert len(await seen(http, "neighbour")) == MAX_DECISIONS


async def test_an_events_source_makes_no_command_of_it(store: MongoStore, http: httpx.AsyncClient) -> None:
    """An agency that has learned an officer's source wrote itself among what became of the officer's commands."""
    forged = decision("agency.dinas-sda.v1", 9, source=ASKERS.source(CALLERS["other officer"]))
    await store.keep([own("other officer", 1), forged], DECISIONS)
    assert await seen(http, "other officer") == [MINE]


async def test_latest_last_and_what_came_in_one_millisecond_by_offset(
    store: MongoStore, http: httpx.AsyncClient
) -> None:
    together = [decision("agency.dinas.v1", n) for n in range(8, 8 + MAX_DECISIONS + 5)]
    turns = [decision("agency.dinas.v1", 112, turn=turn) for turn in (2, 10)]
    early = decision("agency.dinas.v1", 500, after_s=-1)
    await store.keep([*turns, *reversed(together), early], DECISIONS)
    records = await seen(http, "agency")
    assert records[-3:] == [f"agency.dinas.v1/0/112/{turn}" for turn in (0, 2, 10)]
    assert [int(one.split("/")[2]) for one in records[:-2]] == list(range(15, 113))
    assert len(records) == MAX_DECISIONS


async def test_no_more_is_read_than_is_told(store: MongoStore, http: httpx.AsyncClient) -> None:
    """Whoever sends one id again and again would make each look at it cost all that was decided under it."""
    many = [decision("agency.dinas.v1", n, after_s=n // 2) for n in range(20 * MAX_DECISIONS)]
    await store.keep(many, DECISIONS)
    await store.database.command("profile", 2)
    for who in ("agency", "officer", "operator"):
        records = await seen(http, who)
        assert [int(one.split("/")[2]) for one in records] == list(
            range(19 * MAX_DECISIONS, 20 * MAX_DECISIONS)
        )
    await store.database.command("profile", 0)
    looks = (
        await store.database["system.profile"]
        .find({"ns": f"{store.database.name}.{DECISIONS.name}"})
        .to_list(None)
    )
    assert len(looks) == 6
    assert max(one["docsExamined"] for one in looks) <= MAX_DECISIONS, [one["planSummary"] for one in looks]


async def test_a_filter_comes_before_the_limit(store: MongoStore, http: httpx.AsyncClient) -> None:
    """Of many in one millisecond too: what is asked for is not crowded out by another source's."""
    others = [decision("agency.dinas.v1", n, source="urn:b") for n in range(50, 50 + 3 * MAX_DECISIONS)]
    asked = [decision("agency.dinas.v1", n, source="urn:a") for n in (*range(5), 1000)]
    await store.keep([*others, *asked], DECISIONS)
    records = await seen(http, "agency", source="urn:a")
    assert [int(one.split("/")[2]) for one in records] == [*range(5), 1000]


async def test_one_id_of_two_sources_is_told_apart(store: MongoStore, http: httpx.AsyncClient) -> None:
    await store.keep(
        [
            decision("agency.dinas.v1", 1, source="urn:dinas:simpeg"),
            decision("agency.dinas.v1", 2, source="urn:dinas:lms"),
        ],
        DECISIONS,
    )
    answer = await http.get("/decisions/e-1", headers={"Authorization": "Bearer agency"})
    assert [one["source"] for one in answer.json()] == ["urn:dinas:simpeg", "urn:dinas:lms"]
    assert await seen(http, "agency", source="urn:dinas:lms") == ["agency.dinas.v1/0/2/0"]
    assert await seen(http, "agency", source="urn:dinas:absen") == []


async def test_decisions_of_before_sources_were_kept_are_read(
    store: MongoStore, http: httpx.AsyncClient
) -> None:
    old = {"_id": f"{PREFIX}agency.dinas.v1/0/1/0", "e": "e-1", "v": "accepted", "t": NOW}
    await store.database[DECISIONS.name].insert_one(old)
    answer = await http.get("/decisions/e-1", headers={"Authorization": "Bearer agency"})
    assert [one["source"] for one in answer.json()] == [None]


IDS = [
    "a/b", "/", "//", "..", ".", "../..", "a/../b", "a b", " ", "100%", "%2F", "a?b#c&d=e+f", "é ü", "\\", "'\"",
    "x" * MAX_ID_CHARS,
]  # fmt: skip


@pytest.mark.parametrize("id", IDS)
async def test_any_id_that_the_intake_takes_is_found(
    store: MongoStore, http: httpx.AsyncClient, id: str
) -> None:
    await store.keep(
        [decision("agency.dinas.v1", 1, id), decision("agency.dinas.v1", 2, "another")], DECISIONS
    )
    assert await seen(http, "agency", id) == ["agency.dinas.v1/0/1/0"]
    if "." not in id.split("/") and ".." not in id.split("/"):  # clients take those out of a path
        answer = await http.get(
            f"/decisions/{quote(id, safe='')}", headers={"Authorization": "Bearer agency"}
        )
        assert [one["event_id"] for one in answer.json()] == [id]


@pytest.mark.parametrize(
    "asked", [{}, {"id": ""}, {"id": "x" * (MAX_ID_CHARS + 1)}], ids=["none", "empty", "long"]
)
async def test_what_is_no_id_is_refused(http: httpx.AsyncClient, asked: dict[str, str]) -> None:
    answer = await http.get("/decisions", params=asked, headers={"Authorization": "Bearer agency"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-input")


def test_an_askers_source_names_nobody_and_differs_for_each() -> None:
    officer = CALLERS["officer"]
    sources = {
        ASKERS.source(officer),
        ASKERS.source(CALLERS["colleague"]),
        Askers("incentive", SECRET).source(officer),
        Askers("enrollment", "t" * 32).source(officer),
    }
    assert len(sources) == 4
    assert not [one for one in sources if officer.subject in one]
