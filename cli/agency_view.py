"""Agencies on the operator's screen: all of them, or what became of an order about one."""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from cli.agency_password import Handed
from cli.answers import Agency, Ordered, Statement
from cli.client import Service
from cli.command import Desk
from cli.errors import DONE, NO, Missing
from cli.screen import Screen, local
from shared.kafka.admin import AgencyState

READ_WITHIN_S: Final = 15.0
POLL_S: Final = 0.2


def known(service: Service, code: str) -> Agency:
    agency = service.agency(code)
    if agency is None:
        raise Missing(
            f"the register has no agency {code}: see `kompeten agency list`, or connect it with `add`"
        )
    return agency


def show_agencies(
    out: Screen,
    agencies: Sequence[Agency],
    drift: Mapping[str, Sequence[str]],
    found: Mapping[str, AgencyState],
) -> None:
    """`found`: by code what Kafka has; nothing where it was not asked."""
    if not agencies:
        out.line("no agency is connected: see `kompeten agency add --help`")
        return
    columns = ("agency", "state", "tokens", "Kafka users", "last event", "waiting", "people", "name")
    styles = [
        "" if agency.active and not agency.fault and agency.code not in drift else "red"
        for agency in agencies
    ]
    out.table(columns, [_row(agency, found.get(agency.code)) for agency in agencies], styles)
    for agency in agencies:
        if agency.fault:
            out.line(f"{agency.code}: its topic is not read: {agency.fault}", "red")
        for said in drift.get(agency.code, ()):
            out.line(f"{agency.code}: {said}", "red")
        for distrust in agency.distrusts:
            out.line(
                f"{agency.code}: what it sent {span_of(distrust)} counts for nothing: decision {distrust.decision}",
                "yellow",
            )
        if agency.heir:
            out.line(f"{agency.code}: {agency.heir} took its place", "yellow")


def span_of(distrust: Statement) -> str:
    return f"since {local(distrust.since)}" + (
        "" if distrust.until is None else f" until {local(distrust.until)}"
    )


def _row(agency: Agency, found: AgencyState | None) -> tuple[object, ...]:
    clients = [client for binding in agency.token_bindings for client in binding.client_ids]
    return (
        agency.code,
        f"{agency.state}, HR master source" if agency.master else agency.state,
        ", ".join(clients) or "not bound",
        _users(agency, found),
        local(agency.last_event_at),
        agency.undecided,
        _people(agency),
        agency.name,
    )


def _people(agency: Agency) -> object:
    """Those that it claims, of those that it has by the register: beyond a tenth more wait."""
    if agency.claimed is None or agency.headcount is None:
        return agency.headcount if agency.claimed is None else agency.claimed
    return f"{agency.claimed} of {agency.headcount}"


def _users(agency: Agency, found: AgencyState | None) -> str:
    """Those that Kafka has: the register has no user that the set-up step made."""
    if found is None:
        return ", ".join(agency.kafka_users) or "none by the register"
    return ", ".join(user.name + (" (denied)" if user.denied else "") for user in found.users) or "none"


def told(
    desk: Desk,
    service: Service,
    ordered: Ordered,
    done: Sequence[str],
    *,
    user: str | None = None,
    handed: Handed | None = None,
) -> int:
    """What was done, and a new password once; waits until the agency's topic is read. The exit status."""
    agency = _once_read(service, str((ordered.model_extra or {}).get("code", "")), ordered)
    made = {"user": user, "password": handed.told()} if user is not None and handed is not None else {}
    document = {
        **ordered.model_dump(mode="json"),
        "kafka": list(done),
        "agency": None if agency is None else agency.model_dump(mode="json"),
        **made,
    }
    if not desk.answer(document):
        for line in done:
            desk.out.line(f"Kafka: {line}")
        _show(desk.out, ordered, agency)
        for name, value in made.items():
            desk.out.line(f"{name}: {value}", "bold")
    return DONE if agency is not None and not agency.fault else NO


def _once_read(service: Service, code: str, ordered: Ordered) -> Agency | None:
    """As it stands as soon as its topic is read, or in the end; None while nothing is decided."""
    if ordered.status != "decided":
        return None
    deadline = time.monotonic() + READ_WITHIN_S
    while True:
        agency = service.agency(code)
        read = agency is None or not agency.active or (agency.undecided is not None and not agency.fault)
        if read or time.monotonic() > deadline:
            return agency
        time.sleep(POLL_S)


def _show(out: Screen, ordered: Ordered, agency: Agency | None) -> None:
    if agency is None:
        out.line("the register: in the log and not decided yet: see `kompeten agency list`", "yellow")
        return
    out.line(f"the register: {agency.code} is {agency.state}" + _as_before(ordered), "green")
    if agency.fault:
        out.line(f"its topic is not read: {agency.fault}", "red")
    elif agency.active:
        out.line(f"its topic: {agency.topic}")
        out.line("its tokens: " + _tokens(agency))


def _as_before(ordered: Ordered) -> str:
    return "" if ordered.verdict == "accepted" else ", as before"


def _tokens(agency: Agency) -> str:
    if not agency.bound:
        return f"any of role agency whose claim opd is {agency.code}: not bound, see --client-id"
    return "; ".join(
        f"{', '.join(binding.client_ids)} of {binding.issuer}" for binding in agency.token_bindings
    )
