"""Tokens that the issuer never gave, or gave for something else; and a key set of the odd kind."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.attack.attacker import Attacker
from tests.attack.odd_keys import P384_KEY, SHARED_SECRET, WEAK_KEY
from tests.attack.victim import VICTIM_OPD, Victim
from tests.end_to_end.product import until
from tests.unit.oidc_issuer import (
    EC_KEY,
    ED_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    Issuer,
    public_jwk,
    unsigned_token,
)

pytestmark = [pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

OWN: Final = {"enrollment": "/me/record", "incentive": "/me/points", "notification": "/me/mails"}
HUGE: Final = "a huge one"
NOT_THE_ISSUERS: Final[dict[str, Callable[[Issuer, dict[str, Any]], str]]] = {
    "no signature": lambda issuer, said: unsigned_token(issuer.claims(**said), {"alg": "none", "kid": "rsa"}),
    "none, in capitals": lambda issuer, said: unsigned_token(issuer.claims(**said), {"alg": "NONE", "kid": "rsa"}),
    "no algorithm": lambda issuer, said: unsigned_token(issuer.claims(**said), {"kid": "rsa"}),
    "HMAC by the public key": lambda issuer, said: _hmac(issuer, said, _public_pem()),
    "HMAC by a shared secret of the set": lambda issuer, said: _hmac(issuer, said, SHARED_SECRET, "oct"),
    "HMAC by nothing": lambda issuer, said: _hmac(issuer, said, b""),
    "another's key": lambda issuer, said: issuer.token(key=OTHER_RSA_KEY, **said),
    "a key for encryption": lambda issuer, said: issuer.token(key=OTHER_RSA_KEY, kid="encryption", **said),
    "a key that only signs": lambda issuer, said: issuer.token(key=OTHER_RSA_KEY, kid="signs-only", **said),
    "a key with an odd id": lambda issuer, said: issuer.token(key=OTHER_RSA_KEY, kid=None, **said),
    "a weak key": lambda issuer, said: issuer.token(key=WEAK_KEY, kid="weak", **said),
    "a curve that is not allowed": lambda issuer, said: issuer.token(
        key=P384_KEY, algorithm="ES384", kid="p384", **said
    ),
    "its own key in the header": lambda issuer, said: jwt.encode(
        issuer.claims(**said), OTHER_RSA_KEY, "RS256", {"jwk": public_jwk(OTHER_RSA_KEY, "rsa"), "kid": "rsa"}
    ),
    "a key at its own address": lambda issuer, said: jwt.encode(
        issuer.claims(**said), OTHER_RSA_KEY, "RS256", {"jku": "http://127.0.0.1:1/jwks", "kid": "rsa"}
    ),
    "a key by a path": lambda issuer, said: issuer.token(key=OTHER_RSA_KEY, kid="../../../../dev/null", **said),
    "an extension that must be understood": lambda issuer, said: jwt.encode(
        issuer.claims(**said), RSA_KEY, "RS256", {"kid": "rsa", "crit": ["exp"]}
    ),
    "a part changed": lambda issuer, said: _changed(issuer.token(**said), issuer.claims(roles=["operator"])),
    "four parts": lambda issuer, said: issuer.token(**said) + ".e30",
    "a signature with more behind it": lambda issuer, said: issuer.token(**said) + "AAAA",
    "nothing but dots": lambda issuer, said: "..",
    HUGE: lambda issuer, said: issuer.token(padding="x" * 100_000, **said),
}  # fmt: skip
NOT_FOR_US: Final[dict[str, dict[str, Any]]] = {
    "another issuer's": {"iss": "https://penyerang.example"},
    "the issuer with a slash": {"iss": "{}/"},
    "for another service": {"aud": "another"},
    "for nobody": {"aud": None},
    "for a name that holds ours": {"aud": "kompeten.penyerang.example"},
    "expired": {"exp": int(time.time()) - 3600},
    "not valid yet": {"nbf": int(time.time()) + 3600},
    "without an end": {"exp": None},
    "an end that is none": {"exp": "never"},
    "an end beyond all clocks": {"exp": 1e400},
    "without a subject": {"sub": None},
    "a subject that is no text": {"sub": 17},
    "a number as JSON number": {"employee_number": 198501012010011001},
    "a number in a list": {"employee_number": ["198501012010011001"]},
    "an agency with slashes": {"opd": "../dinas-air"},
    "an agency with a wildcard": {"opd": "dinas*"},
    "two agencies": {"opd": ["dinas", "dinas-air"]},
}


def _public_pem() -> bytes:
    return RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _hmac(issuer: Issuer, said: dict[str, Any], key: bytes, kid: str = "rsa") -> str:
    """By hand: the library refuses to make one with a public key."""
    text = unsigned_token(issuer.claims(**said), {"alg": "HS256", "kid": kid}).rpartition(".")[0]
    signature = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _changed(token: str, claims: dict[str, Any]) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{unsigned_token(claims, {}).split('.')[1]}.{signature}"


def refused(attacker: Attacker, token: str, what: str) -> None:
    for service, path in OWN.items():
        answer = attacker.with_token(service, token, path)
        # A head beyond all bounds is ended before anybody looks for a token in it.
        refusals = {400, 401, 431} if what == HUGE else {401}
        assert answer.status_code in refusals, (what, service, answer.text)


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
def test_a_token_that_the_issuer_did_not_sign_is_none(
    attacker: Attacker, issuer: Issuer, victim: Victim
) -> None:
    said = {"employee_number": victim.valid.person.number, "opd": VICTIM_OPD}
    for what, made in NOT_THE_ISSUERS.items():
        refused(attacker, made(issuer, said), what)


def test_a_token_that_is_not_for_us_now_is_none(attacker: Attacker, issuer: Issuer, victim: Victim) -> None:
    said = {"employee_number": victim.valid.person.number, "opd": VICTIM_OPD}
    for what, changes in NOT_FOR_US.items():
        changes = {name: issuer.url + "/" if value == "{}/" else value for name, value in changes.items()}
        refused(attacker, issuer.token(**{**said, **changes}), what)


def test_roles_of_an_odd_type_are_no_roles(attacker: Attacker, issuer: Issuer) -> None:
    odd: list[Any] = [
        {}, {"operator": True}, 17, True, [["operator"]], [{"name": "operator"}], ["Operator"], "OPERATOR",
        "operator,auditor", ["operator "], ["__class__"], None, [None], "x" * 1000,
    ]  # fmt: skip
    for roles in odd:
        for service in OWN:
            answer = attacker.with_token(service, issuer.token(roles=roles), "/admin/status")
            assert answer.status_code == 403, (roles, service)


def test_a_number_of_17_digits_is_nobodys(attacker: Attacker, issuer: Issuer, victim: Victim) -> None:
    for number in (victim.valid.person.number[:-1], victim.valid.person.number + "0", "0" * 18, "x" * 5000):
        for service, path in OWN.items():
            answer = attacker.with_token(service, issuer.token(employee_number=number), path)
            assert answer.status_code in {401, 403, 404} or answer.json() == [], (service, answer.text)


def test_beside_odd_keys_the_good_ones_of_each_kind_are_used(attacker: Attacker, issuer: Issuer) -> None:
    """The other side: what is refused above is refused for itself. The set has been odd from the beginning."""
    said = {"employee_number": attacker.person.number, "opd": None}
    attacker.product.settled()
    good = [
        issuer.token(**said),
        issuer.token(kid=None, **said),
        issuer.token(kid="nulls", **said),
        issuer.token(algorithm="PS256", **said),
        issuer.token(key=EC_KEY, algorithm="ES256", kid="ec", **said),
        issuer.token(key=ED_KEY, algorithm="EdDSA", kid="ed", **said),
    ]
    for token in good:
        for service, path in OWN.items():
            assert attacker.with_token(service, token, path).status_code == 200


@pytest.fixture
def key_set(unharmed: None, attacker: Attacker, issuer: Issuer) -> Iterator[None]:
    """As it was, after the test, and known to all services again."""
    keys = issuer.keys
    yield
    issuer.keys, issuer.key_set = keys, None
    good = issuer.token(employee_number=attacker.person.number, opd=None)
    for service, path in OWN.items():
        until(
            lambda service=service, path=path: attacker.with_token(service, good, path).is_success,
            f"{service} has the keys",
        )


@pytest.mark.usefixtures("key_set")
def test_a_new_key_under_the_same_id_is_taken_up_and_the_old_one_ends(
    attacker: Attacker, issuer: Issuer
) -> None:
    def status(key: Any) -> int:
        token = issuer.token(key=key, employee_number=attacker.person.number, opd=None)
        return attacker.with_token("notification", token, OWN["notification"]).status_code

    issuer.keys = [
        public_jwk(OTHER_RSA_KEY, "rsa") if isinstance(one, dict) and one.get("kid") == "rsa" else one
        for one in issuer.keys
    ]
    until(lambda: status(OTHER_RSA_KEY) == 200, "the new key is asked for")
    assert status(RSA_KEY) == 401


@pytest.mark.usefixtures("key_set")
def test_a_key_set_that_is_none_costs_nobody_his_session(attacker: Attacker, issuer: Issuer) -> None:
    """And who asks for it with made-up tokens, makes few questions of many."""
    good = issuer.token(employee_number=attacker.person.number, opd=None)
    unknown = issuer.token(key=OTHER_RSA_KEY, kid="unheard of")

    def status(token: str) -> int:
        return attacker.with_token("incentive", token, OWN["incentive"]).status_code

    issuer.key_set = "[" * 100_000
    asked = len(issuer.asked)
    until(lambda: status(unknown) and len(issuer.asked) > asked, "the key set is asked for")
    assert {status(unknown) for _ in range(50)} <= {401, 503}
    assert status(good) == 200
    assert len(issuer.asked) - asked < 10
