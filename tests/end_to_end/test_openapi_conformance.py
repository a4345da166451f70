"""Each service answers as its OpenAPI document says, to whatever fits the document or does not, to every role."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.http.access import Role
from tests.end_to_end.product import Person, Product, somebody, until
from tests.end_to_end.test_every_route_declares import OPENAPI
from tests.factories import OPD, completed

pytestmark = [pytest.mark.xdist_group("end_to_end"), pytest.mark.full]

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES: Final = 5
TO_OTHERS: Final = 1
"""Whatever it is, who may not call gets the same answer."""
NOT_READ: Final = (400,)
"""What is no HTTP is refused before anybody looks who sent it."""


OF_AN_AGENCY: Final = (Role.agency, Role.officer, Role.supervisor)


class Operation(NamedTuple):
    service: str
    method: str
    path: str
    roles: frozenset[str]

    def __str__(self) -> str:
        return f"{self.service} {self.method.upper()} {self.path}"


class Known(NamedTuple):
    """What is there, so that not all that is asked for is unknown."""

    person: Person
    parameters: dict[str, str]


def operations() -> Iterator[Operation]:
    for service, document in OPENAPI.items():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                yield Operation(service, method, path, frozenset(operation["x-roles"]))


@pytest.fixture(scope="module")
def known(product: Product) -> Known:
    person = somebody()
    product.publish(person.registration())
    (event_id,) = product.publish(completed(person.number))

    def certificate() -> dict[str, Any] | None:
        answer = product.employee(person).get("/me/record")
        completions = answer.json().get("completions", []) if answer.status_code == 200 else []
        ready = [one["certificate"] for one in completions if one["certificate"]["pdf_ready"]]
        return ready[0] if ready else None

    found = until(certificate, "a certificate with its PDF")
    product.settled()
    code = found["verification_url"].rpartition("/")[2]
    ids = {"certificate_id": found["certificate_id"], "employee_id": product.record(person)["employee_id"]}
    return Known(person, {**ids, "event_id": event_id, "code": code})


@pytest.mark.parametrize("operation", list(operations()), ids=str)
def test_every_answer_is_a_documented_one(product: Product, known: Known, operation: Operation) -> None:
    schema = schemathesis.openapi.from_dict(deepcopy(OPENAPI[operation.service]))  # it changes it
    cases = cases_of(schema[operation.path][operation.method], known)
    for role in (None, *sorted(Role)):
        ask(product, operation, role, cases, known.person)


def ask(
    product: Product, operation: Operation, role: Role | None, cases: st.SearchStrategy[Case], person: Person
) -> None:
    allowed = not operation.roles or role in operation.roles
    headers = {} if role is None else {"Authorization": f"Bearer {token(product, role, person)}"}

    @settings(
        max_examples=EXAMPLES if allowed else TO_OTHERS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def answers_as_documented(case: Case) -> None:
        # Without a role it sends what the schema calls a token.
        request = case.as_transport_kwargs(base_url=product.kompeten.urls[operation.service])
        request["headers"].update(headers)
        answer = session.request(**request, allow_redirects=False, timeout=60)
        case.validate_response(answer, checks=CHECKS)
        told = (role, answer.status_code, case.as_curl_command())
        if answer.status_code < 400:  # the rest may be the answer called `default`
            assert str(answer.status_code) in case.operation.definition.raw["responses"], told
            assert allowed, told
        elif not allowed and answer.status_code not in NOT_READ:
            assert answer.status_code == (401 if role is None else 403), told

    with requests.Session() as session:
        answers_as_documented()


def cases_of(operation: Any, known: Known) -> st.SearchStrategy[Case]:
    """What fits, what does not, and what is there."""
    strategies = [operation.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    named = {one["name"]: one for one in operation.definition.raw.get("parameters", ())}
    if named or operation.body:
        strategies.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    if there := {name: value for name, value in known.parameters.items() if name in named}:
        strategies.append(operation.as_strategy(path_parameters=there))
    return st.one_of(strategies)


def token(product: Product, role: Role, person: Person) -> str:
    claims = {"employee_number": person.number} if role in (Role.employee, Role.supervisor) else {}
    return product.kompeten.token(role, **claims, **({"opd": OPD} if role in OF_AN_AGENCY else {}))
