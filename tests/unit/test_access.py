"""Tokens are checked with real keys from a real JWKS server; every route of a real application is walked."""

import asyncio
import base64
import hashlib
import hmac
import json
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from shared.http.access import Caller, Principal, Role, allow, declare_public, public
from shared.http.app import create_app
from shared.http.jwks import MAX_TRIED, KeySet
from shared.http.oidc import ClaimNames, OidcAccess
from shared.http.problems import Problem
from shared.http.routes import RouteTable, UndeclaredRoutes, undeclared_routes
from tests.unit.oidc_issuer import (
    AUDIENCE,
    EC_KEY,
    ED_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    Issuer,
    public_jwk,
    serving_issuer,
    unsigned_token,
)

NIP = "198503122010011001"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as serving:
        yield serving


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def access(issuer: Issuer, clock: Clock) -> AsyncIterator[OidcAccess]:
    made = oidc(issuer, clock)
    yield made
    await made.aclose()


def oidc(issuer: Issuer, clock: Clock | None = None, *, timeout_s: float = 30, **options: Any) -> OidcAccess:
    """Generous: other work may have the machine."""
    keys = KeySet(
        issuer=issuer.url, jwks_url=f"{issuer.url}/jwks", timeout_s=timeout_s, clock=clock or Clock()
    )
    return OidcAccess(issuer=issuer.url, audience=AUDIENCE, keys=keys, **options)


async def refusal(access: OidcAccess, token: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await access.principal(token)
    assert token not in str(caught.value.detail)
    return caught.value


# Tokens


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA_KEY, "RS256", "rsa"), (RSA_KEY, "PS256", "rsa"), (EC_KEY, "ES256", "ec"), (ED_KEY, "EdDSA", "ed")],
)
async def test_token_of_each_allowed_algorithm_is_a_principal(
    access: OidcAccess, issuer: Issuer, key: Any, algorithm: str, kid: str
) -> None:
    principal = await access.principal(issuer.token(key=key, algorithm=algorithm, kid=kid))
    assert principal == Principal("u-1", frozenset({Role.employee}), NIP, "dinkes", issuer.url, "portal")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"aud": "another"}, "another service"),
        ({"aud": ["another", "third"]}, "another service"),
        ({"aud": None}, "lacks one"),
        ({"exp": None}, "lacks one"),
        ({"sub": None}, "lacks one"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"employee_number": 198503122010011001}, "must be text"),
        ({"opd": "Dinas Kesehatan"}, "agency code"),
        ({"exp": "soon"}, "new access token"),
    ],
)
async def test_token_with_a_wrong_claim_is_refused(
    access: OidcAccess, issuer: Issuer, changes: dict[str, Any], says: str
) -> None:
    problem = await refusal(access, issuer.token(**changes))
    assert problem.type_slug == "invalid-token"
    assert says in problem.detail
    assert NIP not in problem.detail


async def test_clocks_may_differ_by_the_leeway(access: OidcAccess, issuer: Issuer) -> None:
    now = int(time.time())
    await access.principal(issuer.token(exp=now - 10, nbf=now + 10))


async def test_one_of_several_audiences_is_enough(access: OidcAccess, issuer: Issuer) -> None:
    await access.principal(issuer.token(aud=["account", AUDIENCE]))


async def test_public_key_used_as_hmac_secret_is_refused(access: OidcAccess, issuer: Issuer) -> None:
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(public_jwk(RSA_KEY, "rsa")).encode()):
        body = unsigned_token(issuer.claims(), {"alg": "HS256", "kid": "rsa"}).rpartition(".")[0]
        signature = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        token = unsigned_token(issuer.claims(), {"alg": "HS256", "kid": "rsa"}, signature)
        assert "algorithm" in (await refusal(access, token)).detail


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES384", "", None, 7])
async def test_algorithm_outside_the_list_is_refused_without_asking_for_keys(
    access: OidcAccess, issuer: Issuer, algorithm: object
) -> None:
    problem = await refusal(access, unsigned_token(issuer.claims(), {"alg": algorithm, "kid": "rsa"}))
    assert problem.status_code == 401
    assert issuer.asked == []


async def test_algorithm_must_fit_the_key_it_names(access: OidcAccess, issuer: Issuer) -> None:
    token = issuer.token(key=RSA_KEY, algorithm="RS256", kid="ec")
    assert (await refusal(access, token)).type_slug == "invalid-token"


async def test_jwk_that_names_its_algorithm_serves_that_one_only(access: OidcAccess, issuer: Issuer) -> None:
    issuer.keys = [public_jwk(RSA_KEY, "rsa", alg="PS256")]
    await access.principal(issuer.token(algorithm="PS256"))
    assert (await refusal(access, issuer.token(algorithm="RS256"))).type_slug == "invalid-token"


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
        public_jwk(RSA_KEY, "rsa", use="enc"),
        public_jwk(RSA_KEY, "rsa", n="AQAB"),
        public_jwk(RSA_KEY, "rsa", key_ops=["encrypt"]),
        public_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "rsa"),
        {"kty": "RSA", "kid": "rsa", "n": "!", "e": None},
    ],
)
async def test_unusable_key_is_left_out_and_the_others_stay(
    access: OidcAccess, issuer: Issuer, jwk: dict[str, Any]
) -> None:
    issuer.keys = [jwk, public_jwk(EC_KEY, "ec")]
    assert (await refusal(access, issuer.token())).type_slug == "invalid-token"
    await access.principal(issuer.token(key=EC_KEY, algorithm="ES256", kid="ec"))


async def test_token_signed_by_another_key_under_a_known_id_is_refused(
    access: OidcAccess, issuer: Issuer
) -> None:
    assert "signature" in (await refusal(access, issuer.token(key=OTHER_RSA_KEY))).detail


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "eyJhbGciOiJSUzI1NiJ9..", "é.é.é"])
async def test_text_that_is_no_token_is_refused(access: OidcAccess, token: str) -> None:
    assert (await refusal(access, token)).status_code == 401


async def test_token_without_key_id_is_read_when_the_issuer_has_one_key(
    access: OidcAccess, issuer: Issuer
) -> None:
    issuer.keys = [public_jwk(RSA_KEY, None)]
    await access.principal(issuer.token(kid=None))


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["officer", "offline_access"]}}),
        ("https://sso.example/roles", {"https://sso.example/roles": ["officer"]}),
        ("scope", {"scope": "openid officer"}),
    ],
)
async def test_roles_are_read_from_where_the_issuer_puts_them(
    issuer: Issuer, claim: str, claims: dict[str, Any]
) -> None:
    access = oidc(issuer, claims=ClaimNames(roles=claim))
    assert (await access.principal(issuer.token(**claims))).roles == {Role.officer}
    await access.aclose()


@pytest.mark.parametrize(
    ("claims", "client_id"),
    [
        ({"azp": "simpeg", "client_id": "other"}, "simpeg"),
        ({"azp": None, "client_id": "simpeg"}, "simpeg"),
        ({"azp": 7, "client_id": "simpeg"}, "simpeg"),
        ({"azp": ""}, None),
        ({"azp": None}, None),
    ],
)
async def test_client_is_whom_the_token_was_issued_to(
    access: OidcAccess, issuer: Issuer, claims: dict[str, Any], client_id: str | None
) -> None:
    assert (await access.principal(issuer.token(**claims))).client_id == client_id


async def test_header_without_bottom_is_refused(access: OidcAccess) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","x":' + b"[" * 6000).rstrip(b"=").decode()
    assert (await refusal(access, f"{header}.e30.c2ln")).status_code == 401


# Keys


NULLS: dict[str, None] = dict.fromkeys(["d", "p", "use", "alg", "key_ops", "k", "x5c", "crv"])


async def test_null_members_of_a_key_are_absent_members(access: OidcAccess, issuer: Issuer) -> None:
    issuer.keys = [public_jwk(RSA_KEY, "rsa", **NULLS)]
    await access.principal(issuer.token())


ODD_KEYS: list[Any] = [
    None,
    7,
    "text",
    [],
    [{"kty": "RSA"}],
    {},
    {"kty": ["RSA"], "kid": "odd"},
    {"kty": "EC", "crv": ["P-256"], "kid": "odd"},
    {"kty": "EC", "crv": {"a": 1}},
    {"kty": "RSA", "kid": ["a"], "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "kid": {"a": 1}, "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "kid": "odd", "n": 7, "e": []},
    {"kty": "RSA", "kid": "odd", "n": {"x": "y"}, "e": None},
    {"kty": "RSA", "kid": "odd", "n": "AQAB", "e": "AQAB", "alg": ["RS256"]},
    {"kty": "RSA", "kid": "odd", "n": "AQAB", "e": "AQAB", "use": {"sig": 1}},
    {"kty": "RSA", "kid": "odd", "n": "AQAB", "e": "AQAB", "key_ops": {"verify": True}},
    {"kty": "RSA", "kid": "odd", "n": "AQAB", "e": "AQAB", "key_ops": 5},
    {"kty": "RSA", "kid": "odd", "n": "", "e": ""},
    {"kty": "OKP", "crv": "Ed25519", "kid": "odd", "x": "AA"},
    {"kty": "AKP", "alg": "ML-DSA-65", "kid": "odd", "pub": "AA"},
    {"keys": [{"kty": "RSA"}]},
]


@pytest.mark.parametrize("odd", ODD_KEYS, ids=str)
async def test_an_odd_key_costs_the_others_nothing(access: OidcAccess, issuer: Issuer, odd: Any) -> None:
    issuer.keys = [odd, public_jwk(RSA_KEY, "rsa"), odd]
    await access.principal(issuer.token())


@pytest.mark.parametrize(
    "document",
    [[], {}, {"keys": {}}, {"keys": None}, {"keys": [[[]]]}, 7, {"keys": {"keys": []}}, "[" * 100_000],
    ids=["list", "empty", "object", "null", "nested", "number", "nested set", "bottomless"],
)
async def test_a_key_set_that_is_none_is_no_error_of_ours(
    access: OidcAccess, issuer: Issuer, document: Any
) -> None:
    issuer.key_set = document
    assert (await refusal(access, issuer.token())).status_code in (401, 503)


async def test_new_key_under_the_same_id_is_fetched_when_a_signature_fails(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    await access.principal(issuer.token())
    issuer.keys = [public_jwk(OTHER_RSA_KEY, "rsa")]
    assert "signature" in (await refusal(access, issuer.token(key=OTHER_RSA_KEY))).detail  # asked 0 s ago
    clock.now += 11
    await access.principal(issuer.token(key=OTHER_RSA_KEY))
    assert len(issuer.asked) == 2
    assert "signature" in (await refusal(access, issuer.token())).detail


async def test_forged_signatures_cannot_hammer_the_issuer(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    await access.principal(issuer.token())
    clock.now += 11
    await asyncio.gather(*(refusal(access, issuer.token(key=OTHER_RSA_KEY)) for _ in range(30)))
    assert len(issuer.asked) == 2
    await access.principal(issuer.token())


async def test_failed_signature_during_an_outage_is_not_blamed_on_the_caller(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    await access.principal(issuer.token())
    issuer.up = False
    clock.now += 11
    assert (await refusal(access, issuer.token(key=OTHER_RSA_KEY))).status_code == 503
    await access.principal(issuer.token())


@pytest.mark.parametrize("kid", [None, "unknown"])
async def test_keys_without_id_are_all_tried(access: OidcAccess, issuer: Issuer, kid: str | None) -> None:
    issuer.keys = [public_jwk(OTHER_RSA_KEY, None), public_jwk(EC_KEY, None), public_jwk(RSA_KEY, None)]
    await access.principal(issuer.token(kid=kid))
    await access.principal(issuer.token(key=OTHER_RSA_KEY, kid=kid))
    await access.principal(issuer.token(key=EC_KEY, algorithm="ES256", kid=kid))


async def test_token_without_key_id_is_tried_with_each_of_a_few_keys(
    access: OidcAccess, issuer: Issuer
) -> None:
    others = [public_jwk(OTHER_RSA_KEY, f"other-{n}") for n in range(MAX_TRIED - 1)]
    issuer.keys = [*others, public_jwk(RSA_KEY, "rsa")]
    await access.principal(issuer.token(kid=None))
    issuer.keys = [public_jwk(OTHER_RSA_KEY, "one more"), *issuer.keys]
    bounded = oidc(issuer)
    assert (await refusal(bounded, issuer.token(kid=None))).status_code == 401
    await bounded.aclose()


async def test_keys_are_found_by_discovery_when_no_address_is_set(issuer: Issuer) -> None:
    access = OidcAccess(issuer=issuer.url, audience=AUDIENCE)
    await access.principal(issuer.token())
    await access.aclose()
    assert issuer.asked == ["/.well-known/openid-configuration", "/jwks"]


async def test_keys_are_fetched_once_for_many_callers(access: OidcAccess, issuer: Issuer) -> None:
    issuer.delay_s = 0.05
    await asyncio.gather(*(access.principal(issuer.token()) for _ in range(20)))
    assert len(issuer.asked) == 1


async def test_new_key_is_found_after_rotation_and_the_old_one_is_gone(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    await access.principal(issuer.token())
    issuer.keys = [public_jwk(OTHER_RSA_KEY, "rsa-2")]
    clock.now += 11
    await access.principal(issuer.token(key=OTHER_RSA_KEY, kid="rsa-2"))
    assert len(issuer.asked) == 2
    assert (await refusal(access, issuer.token())).type_slug == "invalid-token"


async def test_unknown_key_ids_cannot_hammer_the_issuer(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    for number in range(50):
        assert (await refusal(access, issuer.token(kid=f"invented-{number}"))).status_code == 401
    assert len(issuer.asked) == 1
    clock.now += 11
    await asyncio.gather(*(refusal(access, issuer.token(kid=f"again-{number}")) for number in range(50)))
    assert len(issuer.asked) == 2


async def test_issuer_out_of_reach_is_503_that_says_what_to_do(access: OidcAccess, issuer: Issuer) -> None:
    issuer.up = False
    problem = await refusal(access, issuer.token())
    assert (problem.status_code, problem.type_slug) == (503, "issuer-unreachable")
    assert "KOMPETEN_OIDC_ISSUER" in problem.detail
    assert issuer.url not in problem.detail


async def test_unknown_key_during_an_outage_is_not_blamed_on_the_caller(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    await access.principal(issuer.token())
    issuer.up = False
    clock.now += 11
    assert (await refusal(access, issuer.token(key=OTHER_RSA_KEY, kid="rsa-2"))).status_code == 503


async def test_slow_issuer_blocks_neither_the_loop_nor_for_ever(issuer: Issuer) -> None:
    access = oidc(issuer, timeout_s=0.5)
    issuer.delay_s = 1.2
    asking = asyncio.create_task(refusal(access, issuer.token()))
    turns = 0
    while not asking.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert (await asking).status_code == 503
    assert turns > 20
    await access.aclose()


async def test_known_keys_outlast_an_outage_but_not_for_ever(
    access: OidcAccess, issuer: Issuer, clock: Clock
) -> None:
    await access.principal(issuer.token())
    issuer.up = False
    clock.now += 1800
    await access.principal(issuer.token())
    clock.now += 1900
    assert (await refusal(access, issuer.token())).status_code == 503
    issuer.up = True
    clock.now += 11
    await access.principal(issuer.token())


async def test_discovery_document_of_another_issuer_is_not_believed(issuer: Issuer) -> None:
    access = OidcAccess(issuer=f"{issuer.url}/", audience=AUDIENCE)
    assert (await refusal(access, issuer.token())).status_code == 503
    await access.aclose()


# Principal


def test_principal_hides_the_employee_number_wherever_it_is_printed() -> None:
    principal = Principal(NIP, frozenset({Role.employee}), NIP, "dinkes", "https://sso.example")
    for shown in (repr(principal), str(principal), f"{principal}", f"{[principal]}", repr({"p": principal})):
        assert NIP not in shown
        assert "1985******1001" in shown
    mistyped = replace(principal, employee_number=NIP[:-1], subject="u-1")
    assert NIP[:10] not in repr(mistyped)
    assert pickle.loads(pickle.dumps(principal)) == principal


# Routes


async def ready() -> list[Any]:
    return []


def service(access: OidcAccess, *routers: APIRouter) -> FastAPI:
    return create_app("test", routers=routers, readiness=ready, access=access)


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def points() -> APIRouter:
    router = APIRouter()

    @router.get("/me/points", **allow(Role.employee, Role.officer))
    async def my_points(caller: Caller) -> dict[str, str | None]:
        return {"opd": caller.opd}

    return router


@pytest.mark.parametrize(
    ("header", "status", "challenge"),
    [
        (None, 401, 'Bearer realm="kompeten"'),
        ("Basic dTpw", 401, 'Bearer realm="kompeten"'),
        ("Bearer", 401, 'Bearer realm="kompeten"'),
        ("Bearer x", 401, 'Bearer realm="kompeten", error="invalid_token"'),
        ("Bearer " + "x" * 9000, 401, 'Bearer realm="kompeten", error="invalid_token"'),
    ],
)
async def test_call_without_a_good_token_is_challenged(
    access: OidcAccess, header: str | None, status: int, challenge: str
) -> None:
    async with client(service(access, points())) as http:
        answer = await http.get("/me/points", headers={} if header is None else {"Authorization": header})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (status, challenge)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("roles", "status"), [(["employee"], 200), (["auditor", "officer"], 200), (["operator"], 403), ([], 403)]
)
async def test_role_decides_who_may_call(
    access: OidcAccess, issuer: Issuer, roles: list[str], status: int
) -> None:
    async with client(service(access, points())) as http:
        token = issuer.token(roles=roles)
        answer = await http.get("/me/points", headers={"Authorization": f"bearer {token}"})
    assert answer.status_code == status
    if status == 403:
        assert "employee or officer" in answer.json()["detail"]


OF_AN_AGENCY = ["officer", "supervisor", "agency"]


def desks() -> APIRouter:
    router = APIRouter()
    for role in Role:

        @router.get(f"/{role}", **allow(role))
        async def desk(caller: Caller) -> list[str]:
            return sorted(caller.roles)

    return router


@pytest.mark.parametrize("role", OF_AN_AGENCY)
@pytest.mark.parametrize("opd", [None, ""])
async def test_role_of_an_agency_is_for_nothing_without_one(
    access: OidcAccess, issuer: Issuer, role: str, opd: str | None
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token(roles=[role, 'employee'], opd=opd)}"}
    async with client(service(access, desks())) as http:
        refused = await http.get(f"/{role}", headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
        assert "for nothing without an agency" in refused.json()["detail"]
        assert (await http.get("/employee", headers=headers)).json() == ["employee"]


@pytest.mark.parametrize(
    ("role", "status"), [("officer", 200), ("supervisor", 200), ("agency", 403), ("operator", 200)]
)
async def test_all_agencies_are_said_and_no_system_is_all_of_them(
    access: OidcAccess, issuer: Issuer, role: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token(roles=[role], opd='*')}"}
    async with client(service(access, desks())) as http:
        assert (await http.get(f"/{role}", headers=headers)).status_code == status


@pytest.mark.parametrize("role", ["employee", "operator", "auditor"])
async def test_other_roles_need_no_agency(access: OidcAccess, issuer: Issuer, role: str) -> None:
    headers = {"Authorization": f"Bearer {issuer.token(roles=[role], opd=None)}"}
    async with client(service(access, desks())) as http:
        assert (await http.get(f"/{role}", headers=headers)).json() == [role]


@pytest.mark.parametrize(
    ("opd", "acts", "written"),
    [("bkpsdm", True, "bkpsdm"), ("*", True, None), ("diskominfo", False, "diskominfo")],
)
def test_who_acts_for_all_is_written_as_it_always_was(opd: str, acts: bool, written: str | None) -> None:
    officer = Principal("u-1", frozenset({Role.officer}), None, opd, "https://sso.example")
    assert officer.acts_for("BKPSDM") is acts
    assert officer.opd_of_commands == written


def test_who_acts_for_nobody_never_becomes_one_who_acts_for_all() -> None:
    nobody = Principal("u-1", frozenset({Role.officer}), None, None, "https://sso.example")
    assert not nobody.acts_for("BKPSDM")
    with pytest.raises(TypeError):
        _ = nobody.opd_of_commands


async def test_two_authorization_headers_are_refused(access: OidcAccess, issuer: Issuer) -> None:
    header = ("Authorization", f"Bearer {issuer.token()}")
    async with client(service(access, points())) as http:
        assert (await http.get("/me/points", headers=[header, header])).status_code == 401


async def test_declaration_is_visible_in_the_schema(access: OidcAccess) -> None:
    document = service(access, points()).openapi()
    mine, live = document["paths"]["/me/points"]["get"], document["paths"]["/health/live"]["get"]
    assert (mine["security"], mine["x-roles"]) == ([{"oidc": []}], ["employee", "officer"])
    assert (live["security"], live["x-roles"]) == ([], [])
    assert document["components"]["securitySchemes"]["oidc"]["scheme"] == "bearer"


def test_allowing_nobody_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="public"):
        allow()


def test_complete_service_declares_every_route(access: OidcAccess) -> None:
    assert undeclared_routes(service(access, points())) == []


async def plain(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def raw_asgi(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


def undeclared_router() -> APIRouter:
    router = APIRouter()
    router.add_api_route("/open", lambda: "hello", methods=["GET", "POST"])
    return router


def nested_router() -> APIRouter:
    outer = APIRouter(prefix="/outer")
    outer.include_router(undeclared_router(), prefix="/inner")
    return outer


def websocket_router() -> APIRouter:
    router = APIRouter()

    @router.websocket("/live", dependencies=allow(Role.employee)["dependencies"])
    async def live(socket: WebSocket) -> None:
        await socket.accept()

    return router


@pytest.mark.parametrize(
    ("add", "expected"),
    [
        (lambda app, _: app.include_router(undeclared_router(), prefix="/v1"), ["GET,POST /v1/open"]),
        (lambda app, _: app.include_router(nested_router(), prefix="/v1"), ["GET,POST /v1/outer/inner/open"]),
        (lambda app, _: app.include_router(websocket_router()), ["ANY /live (APIWebSocketRoute)"]),
        (lambda app, _: app.get("/x")(lambda: 1), ["GET /x"]),
        (lambda app, _: app.head("/x")(lambda: 1), ["HEAD /x"]),
        (lambda app, _: app.options("/x")(lambda: 1), ["OPTIONS /x"]),
        (lambda app, _: app.add_route("/plain", plain), ["GET,HEAD /plain"]),
        (lambda app, folder: app.mount("/static", StaticFiles(directory=folder)), ["ANY /static/{path}"]),
        (lambda app, _: app.mount("/raw", raw_asgi), ["ANY /raw/{path}"]),
        (lambda app, _: app.host("files.example", raw_asgi), ["ANY /{path}"]),
        (lambda app, folder: app.frontend("/site", directory=folder), ["GET,HEAD /site/{path}"]),
        (
            lambda app, _: app.mount("/sub", FastAPI()),
            [
                "GET,HEAD /sub/openapi.json",
                "GET,HEAD /sub/docs",
                "GET,HEAD /sub/docs/oauth2-redirect",
                "GET,HEAD /sub/redoc",
            ],
        ),
        (
            lambda app, _: app.mount("/a", Starlette(routes=[Mount("/b", routes=[Route("/c", plain)])])),
            ["GET,HEAD /a/b/c"],
        ),
        (lambda app, _: setattr(app.router, "default", raw_asgi), ["ANY /{path} (default)"]),
    ],
)
def test_walk_finds_an_undeclared_route_of_every_kind(
    access: OidcAccess, tmp_path: Path, add: Any, expected: list[str]
) -> None:
    app = service(access, points())
    (tmp_path / "index.html").write_text("<p>hello")
    add(app, tmp_path)
    assert undeclared_routes(app) == expected


def test_walk_looks_into_routers_inside_mounted_applications(access: OidcAccess) -> None:
    sub = FastAPI(openapi_url=None)
    sub.include_router(nested_router(), prefix="/v2")
    sub.include_router(points())
    app = service(access)
    app.mount("/sub", sub)
    assert undeclared_routes(app) == ["GET,POST /sub/v2/outer/inner/open"]


def test_declared_static_files_plain_routes_and_frontends_pass(access: OidcAccess, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>hello")
    pages = APIRouter(dependencies=public()["dependencies"])
    pages.frontend("/site", directory=tmp_path)
    app = service(access, pages)
    app.mount("/static", declare_public(StaticFiles(directory=tmp_path)))
    app.add_route("/plain", declare_public(lambda request: PlainTextResponse("hello")))
    assert undeclared_routes(app) == []
    app.mount("/other", StaticFiles(directory=tmp_path))
    assert undeclared_routes(app) == ["ANY /other/{path}"]


def test_declaration_given_where_a_router_is_included_counts(access: OidcAccess) -> None:
    app = service(access)
    app.include_router(undeclared_router(), dependencies=allow(Role.operator)["dependencies"])
    assert undeclared_routes(app) == []


def test_dependency_that_is_no_declaration_does_not_count(access: OidcAccess) -> None:
    router = APIRouter()
    router.add_api_route("/x", lambda: 1, dependencies=[Depends(lambda: None)])
    with pytest.raises(UndeclaredRoutes):
        service(access, router)


def test_application_with_an_undeclared_route_is_not_built(access: OidcAccess) -> None:
    with pytest.raises(UndeclaredRoutes, match="GET,POST /open"):
        service(access, undeclared_router())


async def test_application_that_got_an_undeclared_route_later_does_not_start(access: OidcAccess) -> None:
    app = service(access)
    app.add_route("/late", plain)
    with pytest.raises(UndeclaredRoutes, match="/late"):
        async with app.router.lifespan_context(app):
            pass


async def test_guard_holds_in_a_mounted_application(access: OidcAccess, issuer: Issuer) -> None:
    sub = FastAPI(openapi_url=None)
    sub.include_router(points())
    app = service(access)
    app.mount("/sub", sub)
    async with client(app) as http:
        assert (await http.get("/sub/me/points")).status_code == 401
        headers = {"Authorization": f"Bearer {issuer.token()}"}
        assert (await http.get("/sub/me/points", headers=headers)).json() == {"opd": "dinkes"}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect", "/health/live/"])
async def test_pages_of_the_framework_are_off(access: OidcAccess, path: str) -> None:
    async with client(service(access)) as http:
        assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/employees/198503122010011001", "/v1/employees/{number}"),
        ("/v1/employees/a/b", None),
        ("/files/198503122010011001/x.pdf", "/files/{path}"),
        ("/198503122010011001", None),
        ("/w/a/w/b", "/w/{id}/w/{id}"),
    ],
)
def test_template_of_a_path_has_nothing_of_the_path(
    access: OidcAccess, path: str, template: str | None
) -> None:
    router, inner = APIRouter(), FastAPI(openapi_url=None)
    router.add_api_route("/employees/{number}", lambda: 1, **public())
    inner.add_api_route("/w/{id}", lambda: 1, **public())
    app = service(access)
    app.include_router(router, prefix="/v1")
    app.mount("/files", declare_public(raw_asgi))
    app.mount("/w/{id}", inner)
    found = RouteTable(app).find("GET", path)
    assert (None if found is None else found.template) == template
