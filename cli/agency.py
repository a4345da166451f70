"""`kompeten agency`: who may speak. The register is changed over HTTP as an operator, Kafka as its administrator.

Each command may be given again: it does what is missing. Kafka comes first when somebody is let in, so that nothing
is in the register that can't be read; the register comes first when somebody is shut out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.agency_drift import differences, in_kafka, quota_of, users_of
from cli.agency_kafka import KafkaAccess, kafka_access
from cli.agency_password import Handed
from cli.agency_rotation import begin, finish_it
from cli.agency_view import known, show_agencies, told
from cli.answers import Agency
from cli.client import Service
from cli.command import Desk, ListByDefault, Why, checked_reason, command
from cli.errors import DONE, NO, CannotAsk, Refused
from cli.orders import key_of, new_key
from shared.contracts.register import AGENCY_CODE
from shared.kafka.admin import AdminError, AgencyState

app: Final = typer.Typer(cls=ListByDefault, help="Agencies: who may publish, how, and how they are doing.")

Code = Annotated[str, typer.Argument(help="As in its topic agency.CODE.v1", metavar="CODE")]
Name = Annotated[str, typer.Option("--name", help="In Indonesian, as it is shown")]
NewName = Annotated[str | None, typer.Option("--name", help="In Indonesian, as it is shown")]
NameEn = Annotated[str | None, typer.Option("--name-en", help="In English")]
Contact = Annotated[str | None, typer.Option("--contact", help="An office or its address, never a person's")]
Clients = Annotated[
    list[str] | None,
    typer.Option(
        "--client-id", help="Only tokens given to this client speak for it; may be said more than once"
    ),
]
Issuer = Annotated[
    str | None, typer.Option("--issuer", help="Of those tokens; without it, the issuer of your own token")
]
BytesPerS = Annotated[
    int | None, typer.Option("--bytes-per-s", min=1_000, help="That each of its Kafka users may publish")
]
Percent = Annotated[
    int | None, typer.Option("--request-percent", min=1, max=1_000, help="Of one of the broker's threads")
]
Headcount = Annotated[
    int | None,
    typer.Option(
        "--headcount", min=1, help="How many people it has; registrations of more than a tenth beyond wait"
    ),
]
Master = Annotated[
    bool,
    typer.Option(
        "--master", help="Not an agency but the city's HR system: it says whose person everybody is; for good"
    ),
]
MovesPerHour = Annotated[
    int | None,
    typer.Option(
        "--moves-per-hour", min=1, help="How many people a master source may give another home; more wait"
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", help="Write the new password there, mode 600, instead of showing it once"
    ),
]
HttpOnly = Annotated[
    bool, typer.Option("--http-only", help="It sends over HTTP alone: without a user in Kafka")
]
Unbind = Annotated[
    bool, typer.Option("--unbind", help="Any token whose claim opd names it speaks for it again")
]
Finish = Annotated[
    bool, typer.Option("--finish", help="Its system uses the new user: shut out the ones before")
]


@command(app, "add", kafka=kafka_access)
def add(
    desk: Desk,
    code: Code,
    name: Name,
    kafka: KafkaAccess,
    *,
    name_en: NameEn = None,
    contact: Contact = None,
    client_id: Clients = None,
    issuer: Issuer = None,
    bytes_per_s: BytesPerS = None,
    request_percent: Percent = None,
    headcount: Headcount = None,
    master: Master = False,
    moves_per_hour: MovesPerHour = None,
    http_only: HttpOnly = False,
    password_file: PasswordFile = None,
) -> int:
    """Connect an agency: topic, Kafka user, rights and quota, then the register. Nothing is restarted."""
    service = desk.enrollment()
    stands, admin = service.agency(_new_code(code)), kafka.admin(desk.given.stack)
    quota = quota_of(bytes_per_s, request_percent, stands)
    wanted = _said(
        name=name,
        name_en=name_en,
        contact=contact,
        token_bindings=_bindings(service, client_id, issuer),
        quota=quota,
        headcount=headcount,
        master=master or None,
        moves_per_hour=moves_per_hour,
    )
    _refuse_other(stands, wanted)
    handed = Handed(password_file, again=True)
    try:
        user = _to_make(stands, admin.agency_users(code), admin.next_agency_user(code), http_only)
        if user is None:
            done = admin.ensure_agency_topic(code, in_kafka(quota))
        else:
            done = admin.ensure_agency(code, user, handed.password, in_kafka(quota))
    except AdminError as error:
        raise CannotAsk(f"{error}; the register is as it was: the same command again goes on") from error
    users = stands.kafka_users if stands is not None else [] if user is None else [user]
    body = {"code": code, **wanted, "kafka_users": users}
    ordered = service.add_agency(body, key=key_of("add", code, name, body))
    return told(desk, service, ordered, done, user=user, handed=handed)


@command(app, "change", kafka=kafka_access)
def change(
    desk: Desk,
    code: Code,
    reason: Why,
    kafka: KafkaAccess,
    *,
    name: NewName = None,
    name_en: NameEn = None,
    contact: Contact = None,
    client_id: Clients = None,
    issuer: Issuer = None,
    unbind: Unbind = False,
    bytes_per_s: BytesPerS = None,
    request_percent: Percent = None,
    headcount: Headcount = None,
    moves_per_hour: MovesPerHour = None,
) -> int:
    """Change what is named; clients are replaced by those that are named."""
    reason, service = checked_reason(reason), desk.enrollment()
    stands = known(service, code)
    if unbind and client_id:
        raise CannotAsk("--unbind and --client-id are both said: say one of them")
    quota = quota_of(bytes_per_s, request_percent, stands)
    wanted = _said(
        name=name,
        name_en=name_en,
        contact=contact,
        token_bindings=[] if unbind else _bindings(service, client_id, issuer),
        quota=quota,
        headcount=headcount,
        moves_per_hour=moves_per_hour,
    )
    if not wanted:
        raise CannotAsk("nothing is to be changed: name what is to be different, see --help")
    done: list[str] = []
    if (limits := in_kafka(quota)) is not None:
        admin = kafka.admin(desk.given.stack)
        try:
            for user in users_of(stands, admin):
                done += [f"quota of {user}"] if admin.quotas.ensure(user, limits.of_user()) else []
        except AdminError as error:
            raise CannotAsk(f"{error}; the register is as it was: the same command again goes on") from error
    ordered = service.change_agency(code, {**wanted, "reason": reason}, key=new_key("change", code, reason))
    return told(desk, service, ordered, done)


@command(app, "rotate", kafka=kafka_access)
def rotate(
    desk: Desk,
    code: Code,
    reason: Why,
    kafka: KafkaAccess,
    *,
    finish: Finish = False,
    password_file: PasswordFile = None,
) -> int:
    """Give an agency a new Kafka user beside the old one; with --finish, deny the old one."""
    reason, service = checked_reason(reason), desk.enrollment()
    stands, admin = known(service, code), kafka.admin(desk.given.stack)
    try:
        if finish:
            return finish_it(desk, service, admin, stands, reason)
        return begin(desk, service, admin, stands, reason, handed=Handed(password_file))
    except AdminError as error:
        raise CannotAsk(f"{error}: the same command again goes on") from error


@command(app, "suspend", kafka=kafka_access)
def suspend(desk: Desk, code: Code, reason: Why, kafka: KafkaAccess) -> int:
    """Shut an agency out at once, over HTTP and Kafka; what it sent until now stands."""
    reason, service = checked_reason(reason), desk.enrollment()
    stands = known(service, code)
    ordered = service.suspend_agency(code, reason, key=new_key("suspend", code, reason))
    try:
        admin = kafka.admin(desk.given.stack)
        users = dict.fromkeys([*stands.kafka_users, *admin.agency_users(code)])
        done = [line for user in users for line in admin.deny(user)]
    except (AdminError, CannotAsk) as error:
        raise CannotAsk(
            f"{error}. Over HTTP the agency is shut out and nothing of it is read, but it can still write to its "
            "topic: the same command again shuts it out there"
        ) from error
    return told(desk, service, ordered, done)


@command(app, "resume", kafka=kafka_access)
def resume(desk: Desk, code: Code, reason: Why, kafka: KafkaAccess) -> int:
    """Let a suspended agency speak again; what is in its topic since then is read."""
    reason, service = checked_reason(reason), desk.enrollment()
    stands, admin = known(service, code), kafka.admin(desk.given.stack)
    try:
        done = [line for user in users_of(stands, admin) for line in admin.allow(user)]
    except AdminError as error:
        raise CannotAsk(f"{error}; the agency is as it was: the same command again goes on") from error
    ordered = service.resume_agency(code, reason, key=new_key("resume", code, reason))
    return told(desk, service, ordered, done)


@command(app, "list", kafka=kafka_access)
def list_agencies(desk: Desk, kafka: KafkaAccess) -> int:
    """State, binding, last event, records that wait, and what Kafka has otherwise than the register."""
    agencies = desk.enrollment().agencies()
    silent, found = "", dict[str, AgencyState]()
    try:
        described = kafka.admin(desk.given.stack).describe_agencies(agency.code for agency in agencies)
        found = {state.opd: state for state in described}
    except (AdminError, CannotAsk) as error:
        silent = str(error)
    drift = {
        agency.code: said
        for agency in agencies
        if agency.code in found and (said := differences(agency, found[agency.code]))
    }
    document = {
        "agencies": [agency.model_dump(mode="json") for agency in agencies],
        "kafka": {code: asdict(state) for code, state in found.items()},
        "drift": drift,
        "kafka_not_asked": silent or None,
    }
    if not desk.answer(document):
        show_agencies(desk.out, agencies, drift, found)
        if silent:
            desk.err.line(f"kompeten: whether Kafka has it so was not asked: {silent}", "yellow")
    return NO if drift or any(agency.fault for agency in agencies) else DONE


# Parts.


def _new_code(code: str) -> str:
    if not AGENCY_CODE.fullmatch(code):
        raise CannotAsk(
            "CODE takes 1 to 40 of the letters a-z, digits and hyphens, and does not begin with a hyphen"
        )
    return code


def _refuse_other(stands: Agency | None, wanted: Mapping[str, Any]) -> None:
    """Before anything is made in Kafka for an agency that the register would refuse."""
    if stands is None:
        return
    known = stands.model_dump(mode="json")
    other = [name for name, value in wanted.items() if known.get(name) != value]
    if other:
        raise Refused(
            f"the register has {stands.code} with another {' and '.join(other)}: `kompeten agency change` changes it, "
            "`kompeten agency rotate` gives it a Kafka user"
        )


def _to_make(stands: Agency | None, there: Sequence[str], next_user: str, http_only: bool) -> str | None:
    """The user whose password is to be set. One that Kafka has and the register has not is of a run that was
    interrupted: nobody has its password. None where there is none to make."""
    if stands is not None:
        lost = [user for user in stands.kafka_users if user not in there]
        return lost[-1] if lost else None
    if http_only:
        return None
    return there[-1] if there else next_user


def _bindings(
    service: Service, clients: Sequence[str] | None, issuer: str | None
) -> list[dict[str, Any]] | None:
    if not clients:
        if issuer is not None:
            raise CannotAsk("--issuer says whose tokens, and not which: name its clients with --client-id")
        return None
    issuer = issuer or service.issuer()
    if issuer is None:
        raise CannotAsk("your own token does not say who issued it: say --issuer beside --client-id")
    return [{"issuer": issuer, "client_ids": sorted(set(clients))}]


def _said(**wanted: Any) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}
