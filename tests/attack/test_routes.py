"""Every route with every role and agency: who may not is told so, and never anything of the victim."""

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.attack.attacker import ATTACKER_OPD, OTHER_OPD, Attacker, cloud_event
from tests.attack.reference import SERVICES, Operation, event_types, operations
from tests.attack.victim import REASON, VICTIM_OPD, Holder, Victim
from tests.end_to_end.product import Product, somebody

pytestmark = [pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

ROLES: Final = ("employee", "supervisor", "officer", "agency", "operator", "auditor")
OF_AN_AGENCY: Final = {"officer", "supervisor", "agency"}
# Codes that are nearly the victim's, and its own where the role is not for agencies.
NEAR: Final = (ATTACKER_OPD, OTHER_OPD, f"{VICTIM_OPD}-", f"{VICTIM_OPD}-2")
WRONG: Final = (
    VICTIM_OPD.upper(),
    f"{VICTIM_OPD}/",
    "../dinas-air",
    f" {VICTIM_OPD}",
    "agency.*",
    "dinas*",
    "%2a",
)
NOT_GIVEN: Final = {400, 403, 404, 409, 410, 415, 422}
OF_ALL_AGENCIES: Final = {"/bodies"}
"""Who issues in whose name, every officer reads."""
WORKLISTS: Final = {"/people/disputed", "/people/unclaimed", "/people/links"}
"""Every officer has one of the own agency's people; nothing of the victim is in it."""
GUARDED: Final = [one for one in operations() if one.roles]


def address_of(operation: Operation, holder: Holder) -> str:
    """With the victim's ids where the path has a place for some."""
    known = {
        "certificate_id": holder.certificate_id,
        "employee_id": holder.employee_id,
        "event_id": holder.event_ids[-1],
        "code": VICTIM_OPD,
    }
    path = re.sub(r"\{(\w+)\}", lambda place: known[place[1]], operation.path)
    return f"{path}?id={holder.event_ids[-1]}" if path.endswith(("/decisions", "/letter")) else path


def body_of(operation: Operation, victim: Victim, holder: Holder) -> Any:
    """As the reference describes it, about the victim; {} where only operators and auditors get as far."""
    person = holder.person
    completion = {
        "employee_number": person.number,
        "organizer_code": VICTIM_OPD,
        "training_code": "PPBD",
        "batch": "2026-1",
        "reason": REASON,
    }
    revocation = {"reason": REASON, "revocation_id": victim.revocation_id}
    home = {"agency": ATTACKER_OPD, "reason": REASON}
    own = {"employee_id": holder.employee_id, "reason": REASON}
    contest = {"completion_id": holder.completion_id, "reason": REASON}
    decision = {**contest, "contest_id": "c-1", "upheld": False}
    merge = {**own, "into": next(one for one in victim.holders if one is not holder).employee_id}
    bodies: dict[str, Any] = {
        "/events": [cloud_event(event_types()[-1].type, event_types()[-1].example)],
        "/certificates/search": {"certificate_number": holder.number},
        "/certificates/{certificate_id}/revocations": {"reason": REASON},
        "/certificates/{certificate_id}/reinstatements": revocation,
        "/completions/revocations": completion,
        "/completions/contests": contest,
        "/completions/contests/preview": contest,
        "/completions/contests/decisions": decision,
        "/completions/contests/decisions/preview": decision,
        "/me/home": {"agency": ATTACKER_OPD},
        "/people/search": {"employee_number": person.number},
        "/people/{employee_id}/homes": home,
        "/people/{employee_id}/homes/preview": home,
        "/people/merges": merge,
        "/people/merges/preview": merge,
        "/people/separations": own,
        "/people/separations/preview": own,
    }
    if operation.roles <= {"operator", "auditor"}:
        return {}
    return bodies[operation.path]


def asked(client: httpx.Client, operation: Operation, victim: Victim, holder: Holder) -> httpx.Response:
    body = body_of(operation, victim, holder) if operation.method != "GET" else None
    return client.request(operation.method, address_of(operation, holder), json=body)


def leaks(answer: httpx.Response, victim: Victim) -> list[str]:
    said = answer.text + str(dict(answer.headers))
    return [one for one in victim.secrets if one in said]


def test_without_a_token_every_guarded_route_is_closed(product: Product, victim: Victim) -> None:
    for operation in GUARDED:
        for holder in victim.holders:
            answer = asked(product.client(None, operation.service), operation, victim, holder)
            assert (answer.status_code, leaks(answer, victim)) == (401, []), operation


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_own_routes_alone(product: Product, victim: Victim, role: str) -> None:
    for operation in (one for one in GUARDED if role not in one.roles):
        for opd in (ATTACKER_OPD, VICTIM_OPD, "*"):
            claims = {"opd": opd, "employee_number": victim.valid.person.number}
            client = product.client(role, operation.service, **claims)
            answer = asked(client, operation, victim, victim.valid)
            assert (answer.status_code, leaks(answer, victim)) == (403, []), (operation, opd)


def test_a_role_without_an_agency_is_for_nothing(product: Product, victim: Victim) -> None:
    """Nor is a system's that is to be every agency's."""
    for role, claims in [*((role, {}) for role in sorted(OF_AN_AGENCY)), ("agency", {"opd": "*"})]:
        for operation in (one for one in GUARDED if role in one.roles):
            client = product.client(role, operation.service, **claims)
            answer = asked(client, operation, victim, victim.valid)
            assert (answer.status_code, leaks(answer, victim)) == (403, []), (operation, claims)


@pytest.mark.parametrize("role", sorted(OF_AN_AGENCY))
def test_another_agencys_right_role_gets_nothing_of_the_victim(
    product: Product, victim: Victim, role: str
) -> None:
    for operation, opd, holder in of_others(role, victim):
        answer = asked(product.client(role, operation.service, opd=opd), operation, victim, holder)
        assert leaks(answer, victim) == [], (operation, opd)
        if operation.path == "/certificates/search":
            assert answer.json() == [], opd
        elif operation.path in OF_ALL_AGENCIES | WORKLISTS:
            assert answer.status_code == 200, (operation, opd)
        else:
            assert answer.status_code in NOT_GIVEN, (operation, opd, answer.text)


def of_others(role: str, victim: Victim) -> Iterator[tuple[Operation, str, Holder]]:
    for operation in (one for one in GUARDED if role in one.roles):
        for opd in NEAR:
            for holder in victim.holders:
                yield operation, opd, holder


def test_a_code_that_is_none_is_no_agency(product: Product, victim: Victim) -> None:
    asking = [one for one in GUARDED if one.path in ("/decisions", "/events", "/certificates/search")]
    for operation, opd in ((one, opd) for one in asking for opd in WRONG):
        role = min(operation.roles & OF_AN_AGENCY)
        answer = asked(product.client(role, operation.service, opd=opd), operation, victim, victim.valid)
        assert (answer.status_code, leaks(answer, victim)) == (401, []), (operation, opd)


def test_an_employee_opens_the_own_record_alone(product: Product, victim: Victim, attacker: Attacker) -> None:
    number = attacker.person.number
    product.settled()
    for operation in (one for one in GUARDED if "employee" in one.roles):
        client = product.client("employee", operation.service, employee_number=number)
        for holder in victim.holders:
            answer = asked(client, operation, victim, holder)
            assert leaks(answer, victim) == [], operation
            expected = 200 if operation.path.startswith("/me/") else 404
            if (operation.method, operation.path) == ("POST", "/me/home"):
                expected = 409  # nobody disputes whose person this is
            assert answer.status_code == expected, operation


def test_a_number_that_is_nearly_the_victims_is_another(product: Product, victim: Victim) -> None:
    own = [one for one in GUARDED if one.path.startswith("/me/")]
    for operation, spelled in ((one, spelled) for one in own for spelled in NEARLY):
        number = spelled.format(victim.valid.person.number)
        answer = product.client("employee", operation.service, employee_number=number).get(operation.path)
        assert leaks(answer, victim) == [], operation
        assert answer.status_code in {401, 403, 404} or answer.json() == [], (operation, answer.text)


NEARLY: Final = ("{}0", "{}\x00", " {}", "{}\n", "{:.17}", "{:.14}", "*", "")


def test_what_a_caller_adds_to_a_request_says_nothing_of_who_he_is(
    product: Product, victim: Victim, attacker: Attacker
) -> None:
    """Headers of proxies, overrides of the method, numbers in the query."""
    number = victim.valid.person.number
    client = product.employee(attacker.person)
    believed = {
        "x-employee-number": number, "x-forwarded-user": number, "x-user": number, "x-opd": VICTIM_OPD,
        "x-roles": "operator", "x-original-url": "/admin/status", "x-http-method-override": "POST",
        "cookie": f"employee_number={number}; opd={VICTIM_OPD}",
    }  # fmt: skip
    answer = client.get("/me/record", params={"employee_number": number, "opd": VICTIM_OPD}, headers=believed)
    assert (answer.status_code, leaks(answer, victim)) == (200, [])
    assert client.get("/admin/status", headers=believed).status_code == 403


def test_known_and_unknown_people_are_answered_alike(product: Product, attacker: Attacker) -> None:
    """Of the own body's trainings: the answer does not tell whether the number is anybody's."""
    known, unknown = somebody(), somebody()
    product.publish(known.registration(), opd=OTHER_OPD)
    product.settled()
    officer = product.client("officer", opd=ATTACKER_OPD)
    answers = []
    for person in (known, unknown):
        body = {
            "employee_number": person.number, "organizer_code": ATTACKER_OPD, "training_code": "X",
            "batch": "1", "reason": REASON,
        }  # fmt: skip
        answer = officer.post("/completions/revocations", json=body)
        shape = {name: value for name, value in answer.json().items() if name not in OF_EACH_COMMAND}
        answers.append((answer.status_code, shape))
    assert answers[0] == answers[1]


OF_EACH_COMMAND: Final = {"command_id", "revocation_id"}


def test_another_agency_s_person_is_answered_as_nobody_is(product: Product, victim: Victim) -> None:
    """By number and by record, in whatever is asked for; also into a record of the attacker's own."""
    person, record, completion = somebody(), "emp_" + "0" * 32, "cmp_" + "0" * 32
    officer = product.client("officer", opd=ATTACKER_OPD)
    home, own = {"agency": ATTACKER_OPD, "reason": REASON}, somebody("Milik Penyerang")
    product.publish(own.registration(), opd=ATTACKER_OPD)
    product.settled()
    mine = officer.post("/people/search", json={"employee_number": own.number}).json()["employee_id"]
    for holder in victim.holders:
        number, id, about = holder.person.number, holder.employee_id, holder.completion_id
        answers = [
            (
                officer.post("/people/search", json={"employee_number": known}),
                officer.post("/people/search", json={"employee_id": of}),
                *(
                    officer.post(address + preview, json=body)
                    for preview in ("", "/preview")
                    for address, body in (
                        (f"/people/{of}/homes", home),
                        ("/people/merges", {"employee_id": of, "into": mine, "reason": REASON}),
                        ("/people/merges", {"employee_id": mine, "into": of, "reason": REASON}),
                        ("/people/separations", {"employee_id": of, "reason": REASON}),
                        ("/completions/contests", {"completion_id": reported, "reason": REASON}),
                    )
                ),
            )
            for known, of, reported in ((number, id, about), (person.number, record, completion))
        ]
        for known, unknown in zip(*answers, strict=True):
            assert (known.status_code, leaks(known, victim)) == (404, []), known.request.url
            said = [{**one.json(), "instance": ""} for one in (known, unknown)]
            assert said[0] == said[1], known.request.url


def test_no_spelling_of_an_address_goes_round_its_guard(product: Product) -> None:
    for service, path in ((service, path) for service in SERVICES for path in SPELLINGS):
        stranger = product.client(None, service)
        request = stranger.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        assert stranger.send(request).status_code in {401, 404}, (service, path)


SPELLINGS: Final = (
    "/admin/../admin/status", "//admin/status", "/admin//status", "/admin/status/", "/ADMIN/STATUS",
    "/%61dmin/status", "/admin/status;x", "/admin/status%00", "/v/../admin/status", "/admin%2fstatus",
    "/health/live/../../admin/status", "/./admin/status", "/admin/status?role=operator", "/%2e%2e/admin/status",
)  # fmt: skip
