"""Asks one service. All that is known of the HTTP interface is here; what comes back is in answers.py."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import httpx
import jwt
from pydantic import TypeAdapter, ValidationError

from cli.answers import (
    Agency,
    Body,
    BodyPreview,
    ContestedPage,
    ContestPreview,
    Decided,
    Doubtful,
    DryRun,
    EndedMail,
    EventVerdict,
    Group,
    Held,
    Letter,
    Looked,
    MailGroup,
    Noted,
    OpenLinks,
    OpenPeople,
    OpenPerson,
    Ordered,
    PeoplePreview,
    Person,
    Reach,
    Readiness,
    Status,
    Trace,
    UnknownBodies,
    Wait,
    WaitingLink,
    WholeLetter,
)
from cli.errors import CannotAsk, Missing, NoSuchAgency, NotReady, NotYours, Refused

T = TypeVar("T")
TIMEOUT: Final = httpx.Timeout(30, connect=5)
# A service looks for 5 s at most; one that was stopped answers never.
READY_TIMEOUT: Final = httpx.Timeout(10, connect=5)
PAGE: Final = 100
LEDGER_PAGE: Final = 5_000
LOOKS: Final = 500
DECIDED_WITHIN_S: Final = 30.0
POLL_S: Final = 0.25
# An order is sent again under the same key when Kafka did not take it.
TRIES: Final = 3
MAX_PAUSE_S: Final = 10.0
BUSY: Final = (429, 503)
NOT_YOURS: Final = "/problems/not-your-agency"
UNKNOWN_AGENCY: Final = "/problems/unknown-agency"
BATCH: Final = "application/cloudevents-batch+json"

Token = Callable[[], str]
"""Gives a token, a new one where that is possible."""


class Busy(NamedTuple):
    """Send the same again after `seconds`."""

    seconds: float


class TooLarge(NamedTuple):
    """Send it in smaller parts."""


class Service:
    """One service as an operator sees it. Raises Refused, Missing or CannotAsk."""

    def __init__(self, name: str, url: str, token: Token, *, found: str = "") -> None:
        """`found`: where the address comes from, for whoever has to correct it."""
        self.name, self.url, self._found = name, url, found
        self._token, self._known = token, ""
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT, headers={"accept": "application/json"}, verify=_tls()
        )

    def readiness(self) -> Readiness | None:
        """What it says to anybody, without a token or its database; None when that is no readiness."""
        try:
            response = self._http.get("/health/ready", timeout=READY_TIMEOUT)
            said = response.json()
            return Readiness.model_validate({"checks": said})
        except httpx.TransportError as error:
            raise CannotAsk(self._silent(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None

    def status(self) -> Status:
        return _read(Status, self._get("/admin/status"), self.name)

    def groups(self, limit: int = 50) -> list[Group]:
        return _read(list[Group], self._get("/admin/dead-letters", limit=limit), self.name)

    def letters(self, *, fingerprint: str | None = None, since: datetime | None = None) -> Iterator[Letter]:
        """Open ones."""
        after: str | None = None
        while True:
            asked = {
                "fingerprint": fingerprint,
                "since": None if since is None else since.astimezone(UTC).isoformat(),
                "state": "open",
                "after": after,
                "limit": PAGE,
            }
            page = _read(list[Letter], self._get("/admin/dead-letters/letters", **asked), self.name)
            yield from page
            if len(page) < PAGE or page[-1].id == after:
                return
            after = page[-1].id

    def letter(self, id: str) -> WholeLetter:
        return _read(WholeLetter, self._get("/admin/dead-letters/letter", id=id), self.name)

    def dry_run(self, id: str, event: Mapping[str, Any] | None) -> DryRun:
        body = _about(id, event=event)
        return _read(DryRun, self._post("/admin/dead-letters/dry-runs", body).json(), self.name)

    def replay(self, id: str, reason: str, event: Mapping[str, Any] | None, *, key: str) -> Ordered:
        return self._order("/admin/dead-letters/replays", _about(id, reason=reason, event=event), key)

    def discard(self, id: str, reason: str, *, key: str) -> Ordered:
        return self._order("/admin/dead-letters/discards", _about(id, reason=reason), key)

    def mail_groups(self) -> list[MailGroup]:
        return _read(list[MailGroup], self._get("/admin/mails", limit=500), self.name)

    def ended_mails(
        self, *, said: str | None, state: str | None, since: datetime | None
    ) -> Iterator[EndedMail]:
        after: str | None = None
        while True:
            asked = {
                "said": said,
                "state": state,
                "since": None if since is None else since.astimezone(UTC).isoformat(),
                "after": after,
                "limit": PAGE,
            }
            page = _read(list[EndedMail], self._get("/admin/mails/ended", **asked), self.name)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].id

    def resend(self, id: str, reason: str, *, key: str) -> Ordered:
        return self._order("/admin/mails/resends", _about(id, reason=reason), key)

    def waiting(self, limit: int = 50) -> list[Wait]:
        return _read(list[Wait], self._get("/admin/waiting", limit=limit), self.name)

    def look(self, lacks: str, reason: str, *, key: str) -> Ordered:
        return self._order("/admin/waiting/looks", {"lacks": lacks, "reason": reason}, key)

    def give_up(self, lacks: str, reason: str, *, key: str) -> Ordered:
        return self._order("/admin/waiting/give-ups", {"lacks": lacks, "reason": reason}, key)

    def start_partition(
        self, topic: str, partition: int, next: int | None, reason: str, *, pass_over: bool = False
    ) -> None:
        body: dict[str, object] = {"topic": topic, "partition": partition, "next": next, "reason": reason}
        if pass_over:  # services that are older do not know it
            body["pass_over"] = True
        self._post("/admin/partitions/starts", body)

    def trace(self, what: Mapping[str, str | Sequence[str]]) -> Trace:
        return _read(Trace, self._post("/admin/traces", dict(what)).json(), self.name)

    def ledger(self) -> Iterator[Held]:
        """What it has of every completion, in order of id."""
        after: str | None = None
        while page := _read(
            list[Held], self._get("/admin/reconciliation", after=after, limit=LEDGER_PAGE), self.name
        ):
            yield from page
            after = page[-1].completion_id

    def look_at(self, ids: Sequence[str]) -> Looked:
        """The same of some, which need no order."""
        entries, reasons = list[Held](), dict[str, str]()
        for at in range(0, len(ids), LOOKS):
            body = {"completion_ids": ids[at : at + LOOKS]}
            looked = _read(Looked, self._post("/admin/reconciliation/looks", body).json(), self.name)
            entries += looked.entries
            reasons |= looked.reasons
        return Looked(entries=entries, reasons=reasons)

    def discrepancies(self) -> Iterator[Noted]:
        after: str | None = None
        while page := _read(
            list[Noted], self._get("/admin/discrepancies", after=after, limit=LOOKS), self.name
        ):
            yield from page
            after = page[-1].completion_id

    def restate(self, id: str, reason: str, *, key: str) -> Ordered:
        body = {"completion_id": id, "reason": reason}
        return self._order("/admin/reconciliation/restatements", body, key)

    def agencies(self) -> list[Agency]:
        return _read(list[Agency], self._get("/agencies"), self.name)

    def agency(self, code: str) -> Agency | None:
        """None when the register has none of this code."""
        try:
            return _read(Agency, self._get(f"/agencies/{code}"), self.name)
        except Missing:
            return None

    def add_agency(self, agency: Mapping[str, Any], *, key: str) -> Ordered:
        return self._order("/agencies", agency, key)

    def change_agency(self, code: str, change: Mapping[str, Any], *, key: str) -> Ordered:
        return self._order(f"/agencies/{code}", change, key, method="PATCH")

    def suspend_agency(self, code: str, reason: str, *, key: str) -> Ordered:
        return self._order(f"/agencies/{code}/suspensions", {"reason": reason}, key)

    def resume_agency(self, code: str, reason: str, *, key: str) -> Ordered:
        return self._order(f"/agencies/{code}/resumptions", {"reason": reason}, key)

    def preview_reach(self, code: str, path: str, order: Mapping[str, Any]) -> Reach:
        """`path`: `distrusts`, `trusts` or `successions`."""
        return _read(Reach, self._post(f"/agencies/{code}/{path}/preview", order).json(), self.name)

    def order_reach(self, code: str, path: str, order: Mapping[str, Any], *, key: str) -> Ordered:
        return self._order(f"/agencies/{code}/{path}", order, key)

    def bodies(self) -> list[Body]:
        return _read(list[Body], self._get("/bodies"), self.name)

    def unknown_bodies(self) -> UnknownBodies:
        return _read(UnknownBodies, self._get("/bodies/unknown"), self.name)

    def preview_body(self, order: Mapping[str, Any]) -> BodyPreview:
        """`order`: by `add` or `change` what is to be ordered."""
        return _read(BodyPreview, self._post("/bodies/preview", order).json(), self.name)

    def add_body(self, body: Mapping[str, Any], *, key: str) -> Ordered:
        return self._order("/bodies", body, key)

    def change_body(self, change: Mapping[str, Any], *, key: str) -> Ordered:
        return self._order("/bodies", change, key, method="PATCH")

    def person(self, asked: Mapping[str, str]) -> Person:
        """By `employee_number` or `employee_id`."""
        return _read(Person, self._post("/people/search", asked).json(), self.name)

    def open_people(self, kind: str) -> Iterator[OpenPerson]:
        """`kind`: disputed or unclaimed."""
        after: str | None = None
        while True:
            page = _read(OpenPeople, self._get(f"/people/{kind}", after=after, limit=PAGE), self.name)
            yield from page.people
            if (after := page.next) is None:
                return

    def open_links(self) -> Iterator[WaitingLink]:
        after: str | None = None
        while True:
            page = _read(OpenLinks, self._get("/people/links", after=after, limit=PAGE), self.name)
            yield from page.links
            if (after := page.next) is None:
                return

    def contested(self) -> Iterator[Doubtful]:
        """Of which nobody decided some contest."""
        after: str | None = None
        while True:
            page = _read(
                ContestedPage, self._get("/completions/contested", after=after, limit=PAGE), self.name
            )
            yield from page.completions
            if (after := page.next) is None:
                return

    def preview_contest(self, path: str, order: Mapping[str, Any]) -> ContestPreview:
        """`path`: `contests` or `contests/decisions`."""
        return _read(ContestPreview, self._post(f"/completions/{path}/preview", order).json(), self.name)

    def order_contest(self, path: str, order: Mapping[str, Any], *, key: str) -> Ordered:
        return self._order(f"/completions/{path}", order, key)

    def preview_people(self, path: str, order: Mapping[str, Any]) -> PeoplePreview:
        """`path`: of the order, as `order_about_people` takes it."""
        return _read(PeoplePreview, self._post(f"/people/{path}/preview", order).json(), self.name)

    def order_about_people(self, path: str, order: Mapping[str, Any], *, key: str) -> Ordered:
        """`path`: `<employee id>/homes`, `merges` or `separations`."""
        return self._order(f"/people/{path}", order, key)

    def issuer(self) -> str | None:
        """Of the token by which it is asked; None where the token does not show it."""
        self._known = self._known or self._token()
        try:
            said = jwt.decode(self._known, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError:
            return None
        return said if isinstance(said, str) else None

    def publish(self, batch: bytes) -> list[EventVerdict] | Busy | TooLarge:
        """A JSON array of events, as this token's agency."""
        response = self._send("POST", "/events", content=batch, headers={"content-type": BATCH})
        if response.status_code == 413:
            return TooLarge()
        # Also with 422 and 503 there is one verdict for each event, if the service itself answered.
        if response.status_code in (202, 207, 422) and _is_list(response):
            return _read(list[EventVerdict], response.json(), self.name)
        if response.status_code in BUSY:
            return Busy(pause_s(response))
        self._check(response)
        raise CannotAsk(self._strange())

    def _order(self, path: str, body: Mapping[str, Any], key: str, method: str = "POST") -> Ordered:
        response = self._post(path, body, {"idempotency-key": key}, method)
        ordered = _read(Ordered, response.json(), self.name)
        return ordered if ordered.status == "decided" else self._decided(ordered)

    def _decided(self, ordered: Ordered) -> Ordered:
        """The decision on a command that is in the log; as given when there is none in time."""
        deadline = time.monotonic() + DECIDED_WITHIN_S
        while time.monotonic() < deadline:
            time.sleep(POLL_S)
            try:
                found = _read(list[Decided], self._get(f"/decisions/{ordered.command_id}"), self.name)
            except Missing:
                continue
            firsts = [decision for decision in found if decision.verdict != "duplicate"] or found
            if not firsts:
                continue
            decision = firsts[-1]
            if decision.verdict in ("refused", "bug"):
                raise Refused(decision.reason or f"{self.name} refused it and gives no reason: see its log")
            return _read(
                Ordered,
                {**ordered.model_dump(), "status": "decided", "verdict": decision.verdict,
                 "reason": decision.reason, **(decision.answer or {})},
                self.name,
            )  # fmt: skip
        return ordered

    def _get(self, path: str, **asked: str | int | None) -> Any:
        params = {name: value for name, value in asked.items() if value is not None}
        response = self._send("GET", path, params=params)
        self._check(response)
        return response.json()

    def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> httpx.Response:
        """Sent again while the service is busy: without effect (dry runs, traces) or under the same key."""
        for tried in range(1, TRIES + 1):
            response = self._send(method, path, json=body, headers=headers)
            if response.status_code not in BUSY or tried == TRIES:
                break
            time.sleep(min(pause_s(response), MAX_PAUSE_S))
        self._check(response)
        return response

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = request.pop("headers", None) or {}
        if not self._known:
            self._known = self._token()
        response = self._send_once(method, path, headers, request)
        if response.status_code == 401:  # it may have expired while a long run lasted
            self._known = self._token()
            response = self._send_once(method, path, headers, request)
        return response

    def _send_once(
        self, method: str, path: str, headers: Mapping[str, str], request: Mapping[str, Any]
    ) -> httpx.Response:
        headers = {**headers, "authorization": f"Bearer {self._known}"}
        try:
            return self._http.request(method, path, headers=headers, **request)
        except httpx.TransportError as error:
            raise CannotAsk(self._silent(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise CannotAsk(
                f"{self.name} cannot be asked for that: it is no text in UTF-8, or {self.url} no address"
            ) from error

    def _check(self, response: httpx.Response) -> None:
        """Raises what a status other than success means."""
        status = response.status_code
        if response.is_success:
            if not response.headers.get("content-type", "").partition(";")[0].endswith("json"):
                raise CannotAsk(self._strange())
            return
        detail = _detail(response)
        if _problem(response).get("type") == NOT_YOURS:
            raise NotYours(detail)
        if _problem(response).get("type") == UNKNOWN_AGENCY:
            raise NoSuchAgency(detail)
        if status == 401:
            raise CannotAsk(
                f"{self.name} does not accept the token ({detail}):"
                " put a new one into the file of --token-file, or into KOMPETEN_TOKEN"
            )
        if status == 403:
            raise CannotAsk(f"{self.name} does not allow this: {detail}")
        if not _is_problem(response):
            raise CannotAsk(self._strange())
        if status == 404:
            raise Missing(f"{self.name} has no such thing: {detail}")
        if status in BUSY:
            raise NotReady(self.name, detail)
        if status >= 500:
            error_id = _problem(response).get("error_id")
            raise CannotAsk(f"{self.name} failed ({detail}): look for error_id {error_id} in its log")
        if status in (409, 410, 413, 422):
            raise Refused(detail)
        raise CannotAsk(f"{self.name} does not take this request ({status}: {detail})")

    def _silent(self, error: httpx.TransportError) -> str:
        why = "in time " if isinstance(error, httpx.TimeoutException) else ""
        return (
            f"{self.name} does not answer {why}at {self.url}{self._found}: see whether it runs, and whether"
            f" --{self.name}-url (KOMPETEN_{self.name.upper()}_URL) is right"
        )

    def _strange(self) -> str:
        return (
            f"what answers at {self.url}{self._found} is not {self.name}, or of another version:"
            f" correct --{self.name}-url (KOMPETEN_{self.name.upper()}_URL)"
        )


@cache
def _tls() -> ssl.SSLContext:
    """One for all services: reading the authorities takes 20 ms each time."""
    return httpx.create_ssl_context()


def pause_s(response: httpx.Response) -> float:
    """Retry-After, seconds or a date; 5 where it is missing or unreadable."""
    given = response.headers.get("retry-after", "")
    if given.isascii() and given.isdigit():
        return float(given)
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return 5.0
    return max(0.0, (until - datetime.now(until.tzinfo)).total_seconds())


def _about(id: str, **further: object) -> dict[str, Any]:
    return {"id": id, **{name: value for name, value in further.items() if value is not None}}


def _read(shape: type[T], document: object, name: str) -> T:
    try:
        return TypeAdapter(shape).validate_python(document)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise CannotAsk(
            f"{name} answers in a way that this command line does not read ({field or 'all of it'}):"
            " use the one of the services' version"
        ) from None


def _is_list(response: httpx.Response) -> bool:
    try:
        return isinstance(response.json(), list)
    except ValueError:
        return False


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_problem(response: httpx.Response) -> bool:
    document = _problem(response)
    return "title" in document and "status" in document


def _detail(response: httpx.Response) -> str:
    """What the problem document says, with the fields that are wrong."""
    problem = _problem(response)
    said = str(problem.get("detail") or problem.get("title") or f"status {response.status_code}")
    fields = [
        f"{error.get('pointer', '')} {error.get('detail', '')}"
        for error in problem.get("errors") or ()
        if isinstance(error, dict)
    ]
    return "; ".join([said.rstrip("."), *fields])
