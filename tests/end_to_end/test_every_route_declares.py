"""Every address of every service says who may call it, and holds to it."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest

from services.enrollment import app as enrollment
from services.enrollment.settings import EnrollmentSettings
from services.incentive import app as incentive
from services.incentive.settings import IncentiveSettings
from services.notification import app as notification
from services.notification.settings import NotificationSettings
from shared.http.access import Role
from shared.http.routes import addresses, undeclared_routes
from shared.service import ON_PAPER, Runner
from tests.end_to_end.product import Product
from tests.factories import OPD

pytestmark = pytest.mark.xdist_group("end_to_end")

BUILDS: dict[str, Callable[[], Runner[Any]]] = {
    "enrollment": lambda: enrollment.build(EnrollmentSettings(**ON_PAPER)),
    "incentive": lambda: incentive.build(IncentiveSettings(**ON_PAPER)),
    "notification": lambda: notification.build(
        NotificationSettings(**ON_PAPER, mail_from="kompeten@bandung.example")
    ),
}
OPENAPI = {
    "enrollment": enrollment.openapi(),
    "incentive": incentive.openapi(),
    "notification": notification.openapi(),
}


class Operation(NamedTuple):
    service: str
    method: str
    path: str
    roles: list[str]

    @property
    def address(self) -> str:
        return re.sub(r"\{\w+\}", "crt_" + "0" * 32, self.path)


def operations() -> Iterator[Operation]:
    for service, document in OPENAPI.items():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                yield Operation(service, method.upper(), path, operation["x-roles"])


NONSENSE = {"POST": b'{"half'}
READS = [one for one in operations() if one.method == "GET"]
GUARDED = [one for one in operations() if one.roles]
LEADING: Final = {"/v/{code}/{rest}"}
"""Addresses that lead to another one, described with that: nobody is to write them."""
PUBLIC = {
    "/health/live",
    "/health/ready",
    "/v",
    "/v/{code}",
    "/d/{token}",
}


@pytest.mark.parametrize("service", BUILDS)
def test_no_route_is_undeclared(service: str) -> None:
    runner = BUILDS[service]()
    assert undeclared_routes(runner.app) == []
    served = {address.template.replace(":path}", "}") for address in addresses(runner.app)}
    assert served - LEADING == set(OPENAPI[service]["paths"])
    assert undeclared_routes(runner.internal_app) == []
    assert {"/metrics", "/openapi.json"} == {one.template for one in addresses(runner.internal_app)}


def test_public_are_only_these() -> None:
    public = {one.path for one in operations() if not one.roles}
    assert public == PUBLIC


@pytest.mark.parametrize("operation", GUARDED, ids=lambda one: f"{one.service} {one.method} {one.path}")
def test_a_guarded_route_refuses_the_wrong_callers(product: Product, operation: Operation) -> None:
    def ask(role: str | None, **claims: str) -> tuple[int, str, str]:
        client = product.client(role, operation.service, **claims)
        # Nonsense, where there is a body: who may not call is told so before anybody looks at it.
        answer = client.request(operation.method, operation.address, content=NONSENSE.get(operation.method))
        return answer.status_code, answer.headers["content-type"], answer.json()["type"]

    assert ask(None) == (401, "application/problem+json", "/problems/unauthenticated")
    forbidden = (403, "application/problem+json", "/problems/forbidden")
    for role in sorted(set(Role) - set(operation.roles)):
        assert ask(role, opd=OPD) == forbidden, role
    for role in sorted(set(operation.roles) & {"officer", "supervisor", "agency"}):
        assert ask(role) == forbidden, f"{role} of no agency"
    assert ask(operation.roles[0], audience="another") == (
        401,
        "application/problem+json",
        "/problems/invalid-token",
    )


@pytest.mark.parametrize("service", BUILDS)
def test_the_running_service_is_the_documented_one(product: Product, service: str) -> None:
    assert product.internal(service, "/openapi.json").json() == OPENAPI[service]


@pytest.mark.parametrize("service", BUILDS)
@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_what_is_for_operators_is_not_on_the_public_port(product: Product, service: str, path: str) -> None:
    assert product.client(None, service).get(path).status_code == 404
    assert httpx.head(product.kompeten.internal_urls[service] + path, timeout=60).status_code == 200


@pytest.mark.parametrize("operation", READS, ids=lambda one: f"{one.service} {one.path}")
def test_head_is_answered_as_get_is(product: Product, operation: Operation) -> None:
    role = operation.roles[0] if operation.roles else None
    client = product.client(role, operation.service, opd=OPD)
    get, head = client.get(operation.address), client.head(operation.address)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("service", BUILDS)
@pytest.mark.parametrize("path", ["/", "/nothing/here", "/v/", "/me", "/docs", "/../etc/passwd"])
def test_an_unknown_address_is_a_problem(product: Product, service: str, path: str) -> None:
    answer = product.client(None, service).get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/not-found"


@pytest.mark.parametrize("operation", list(operations()), ids=lambda one: f"{one.service} {one.path}")
def test_another_method_is_a_problem(product: Product, operation: Operation) -> None:
    answer = product.client(None, operation.service).delete(operation.address)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"]


@pytest.mark.parametrize("service", BUILDS)
def test_employee_numbers_are_text_in_every_schema(service: str) -> None:
    for name, schema in _fields(OPENAPI[service]):
        schema = schema.get("items", schema)
        kinds = {kind.get("type") for kind in schema.get("anyOf", [schema])}
        if "number" in name or name == "code":
            assert kinds <= {"string", "null"}, name
    assert not [whole for whole in _integers(OPENAPI[service]) if whole > 2**53]


def _fields(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        properties = node.get("properties", {})
        if isinstance(properties, dict):
            yield from properties.items()
        for part in node.values():
            yield from _fields(part)
    elif isinstance(node, list):
        for part in node:
            yield from _fields(part)


def _integers(node: Any) -> Iterator[int]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _integers(part)
    elif isinstance(node, int):
        yield node
