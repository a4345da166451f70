"""The three services' admin interface and an issuer, played by one process: it answers what a test puts in."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

SERVICES = ("enrollment", "incentive", "notification")
MAX_ROWS = 2
"""Of a ledger at a time: a page may hold fewer than was asked for."""
AT = "2026-03-05T02:00:00Z"


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    document = {"type": "/problems/refused", "title": "No", "status": status, "detail": detail}
    return JSONResponse(document, status, headers, "application/problem+json")


def letter(id: str, fingerprint: str = "f1", **changes: Any) -> dict[str, Any]:
    listed = {
        "id": id, "kind": "rejected", "event_type": "id.go.bandung.training.completed.v1", "event_id": "evt-1",
        "reason": "training.form: is missing", "fingerprint": fingerprint, "topic": "agency.x.v1", "partition": 0,
        "offset": 1, "first_failed_at": AT, "last_failed_at": AT, "attempts": 1, "state": "open",
    }  # fmt: skip
    whole: dict[str, Any] = {
        "event": {},
        "raw_base64": None,
        "headers": {},
        "rules": "r1",
        "resolution": None,
        "decisions": [],
    }
    return listed | whole | changes


@dataclass
class Asked:
    service: str
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class World:
    """What is in the services, and what was asked of them."""

    status: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            name: {
                "service": name, "ready": True, "faults": [], "rules": "r1", "waiting": 0,
                "partitions": [{"topic": f"{name}.x", "partition": 0, "next": 9, "end": 9, "lag": 0, "stopped": None}],
                "dead_letters": {"open": 0, "replayed": 0, "discarded": 0}, "work": {},
            }
            for name in SERVICES
        }
    )  # fmt: skip
    busy: dict[str, Response] = field(default_factory=dict)
    """What a service says instead of its status."""
    ready: dict[str, Response] = field(default_factory=dict)
    """What /health/ready says of a service, to anybody."""
    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    letters: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    mail_groups: list[dict[str, Any]] = field(default_factory=list)
    ended_mails: list[dict[str, Any]] = field(default_factory=list)
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    order: Callable[[Asked], Response] = lambda asked: decided()
    """Answers replays, discards, looks, giving up, and what is said of agencies, bodies, people and completions."""
    dry_run: Callable[[Asked], Response] = lambda asked: JSONResponse({"verdict": "accepted"})
    events: Callable[[Asked], Response] = lambda asked: verdicts(asked)
    decisions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    agencies: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    unknown_bodies: dict[str, Any] = field(default_factory=dict)
    preview: dict[str, Any] = field(default_factory=lambda: {"verdict": "accepted"})
    refusal: Response | None = None
    """Of a preview about people, instead of it."""
    """Of what is said of agencies, bodies or people."""
    people: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    """By worklist, its pages."""
    person: Callable[[Asked], Response] = lambda asked: problem(404, "there is nobody like that")
    contested: Callable[[Asked], Response] | None = None
    """Answers who asks for that worklist, if it isn't what `people` says."""
    ledgers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What each service has of completions, in order of id."""
    looks: Callable[[Asked], dict[str, Any]] = lambda asked: {}
    """Asked service -> what to answer to a look, if it isn't what the ledger says."""
    noted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {"good"})
    wishes: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def ordered(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]


def decided(**changes: Any) -> Response:
    return JSONResponse(
        {"command_id": "c-1", "status": "decided", "verdict": "accepted", "reason": None, "dead_letter": "x",
         "outcome": "accepted", "outcome_reason": None} | changes
    )  # fmt: skip


def verdicts(asked: Asked, *, refuse: Callable[[Any], bool] = lambda event: False) -> Response:
    found = [
        {"index": index, "id": event.get("id"), "status": "refused" if refuse(event) else "accepted",
         "detail": "data.form: is missing" if refuse(event) else None}
        for index, event in enumerate(asked.body)
    ]  # fmt: skip
    kinds = {one["status"] for one in found}
    return JSONResponse(found, 207 if len(kinds) > 1 else 202 if kinds == {"accepted"} else 422)


class Play:
    """The server; a test puts a `world` of its own on it."""

    def __init__(self) -> None:
        self.world, self.url = World(), ""
        self.app = FastAPI()
        self.app.add_api_route("/issuer/token", self._token, methods=["POST"])
        self.app.add_api_route("/{service}/{path:path}", self._answer, methods=["GET", "POST", "PATCH"])

    def urls(self) -> dict[str, str]:
        return {name: f"{self.url}/{name}" for name in SERVICES}

    async def _token(self, request: Request) -> Response:
        self.world.wishes.append(await request.json())
        return JSONResponse({"access_token": "good"})

    async def _answer(self, service: str, path: str, request: Request) -> Response:
        body = await request.body()
        asked = Asked(
            service, request.method, f"/{path}", dict(request.query_params), dict(request.headers),
            json.loads(body) if body else None,
        )  # fmt: skip
        world = self.world
        if asked.path == "/health/ready":
            return world.ready.get(service, JSONResponse([]))
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in world.tokens:
            return problem(401, "Get a new access token")
        world.asked.append(asked)
        return _answer(world, asked)


def _answer(world: World, asked: Asked) -> Response:
    match asked.path.split("/")[1:]:
        case ["admin", "status"]:
            return world.busy.get(asked.service) or JSONResponse(world.status[asked.service])
        case ["admin", "dead-letters"]:
            return JSONResponse(world.groups.get(asked.service, []))
        case ["admin", "dead-letters", "letters"]:
            return JSONResponse(_page(world.letters.get(asked.service, []), asked.params))
        case ["admin", "dead-letters", "letter"]:
            for one in world.letters.get(asked.service, []):
                if one["id"] == asked.params["id"]:
                    return JSONResponse(one)
            return problem(404, "no dead letter has this id")
        case ["admin", "dead-letters", "dry-runs"]:
            return world.dry_run(asked)
        case ["admin", "waiting"]:
            return JSONResponse(world.waiting.get(asked.service, []))
        case ["admin", "traces"]:
            return JSONResponse(world.traces.get(asked.service, {"steps": [], "missing": []}))
        case ["admin", "reconciliation"]:
            return JSONResponse(_after(world.ledgers.get(asked.service, []), asked.params))
        case ["admin", "discrepancies"]:
            return JSONResponse(_after(world.noted.get(asked.service, []), asked.params))
        case ["admin", "reconciliation", "looks"]:
            ids = asked.body["completion_ids"]
            found = [one for one in world.ledgers.get(asked.service, []) if one["completion_id"] in ids]
            return JSONResponse({"entries": found, "reasons": {}} | world.looks(asked))
        case ["agencies"]:
            return JSONResponse(world.agencies)
        case ["agencies", code] if asked.method == "GET":
            for one in world.agencies:
                if one["code"] == code:
                    return JSONResponse(one)
            return problem(404, "the register has no agency of this code")
        case ["agencies", *_, "preview"]:
            return JSONResponse(world.preview)
        case ["agencies", _, _]:
            return world.order(asked)
        case ["completions", "contested"]:
            if world.contested is not None:
                return world.contested(asked)
            return JSONResponse(
                _numbered_page(world.people.get("contested", [[]]), "completions", asked.params)
            )
        case ["completions", *_, "preview"]:
            return JSONResponse(world.preview)
        case ["completions", *_]:
            return world.order(asked)
        case ["bodies"]:
            return JSONResponse(world.bodies) if asked.method == "GET" else world.order(asked)
        case ["bodies", "unknown"]:
            return JSONResponse(world.unknown_bodies)
        case ["bodies", "preview"]:
            return JSONResponse(world.preview)
        case ["people", "search"]:
            return world.person(asked)
        case ["people", *_, "preview"]:
            return world.refusal or JSONResponse(world.preview)
        case ["people", kind] if asked.method == "GET":
            return JSONResponse(_numbered_page(world.people.get(kind, [[]]), kind, asked.params))
        case ["people", *_]:
            return world.order(asked)
        case ["events"]:
            return world.events(asked)
        case ["decisions", id] if id in world.decisions:
            return JSONResponse(world.decisions[id])
        case ["admin", "mails"]:
            return JSONResponse(world.mail_groups)
        case ["admin", "mails", "ended"]:
            later = [one for one in world.ended_mails if one["id"] > asked.params.get("after", "")]
            return JSONResponse(later[: int(asked.params["limit"])])
        case [
            "admin",
            _,
            "resends" | "replays" | "discards" | "looks" | "give-ups" | "starts" | "restatements",
        ]:
            return world.order(asked)
    return problem(404, "nothing is here")


def _page(letters: list[dict[str, Any]], params: dict[str, str]) -> list[dict[str, Any]]:
    wanted = [one for one in letters if params.get("fingerprint") in (None, one["fingerprint"])]
    ids = [one["id"] for one in wanted]
    start = ids.index(params["after"]) + 1 if "after" in params else 0
    return wanted[start : start + int(params["limit"])]


def _numbered_page(pages: list[list[dict[str, Any]]], kind: str, params: dict[str, str]) -> dict[str, Any]:
    at = int(params.get("after", "0"))
    more = str(at + 1) if at + 1 < len(pages) else None
    return {kind if kind in ("links", "completions") else "people": pages[at], "next": more}


def _after(rows: list[dict[str, Any]], params: dict[str, str]) -> list[dict[str, Any]]:
    later = [one for one in rows if one["completion_id"] > params.get("after", "")]
    return later[: min(int(params["limit"]), MAX_ROWS)]


@contextmanager
def playing() -> Iterator[Play]:
    play = Play()
    server = uvicorn.Server(uvicorn.Config(play.app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    play.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield play
    finally:
        server.should_exit = True
        thread.join()
