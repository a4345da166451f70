"""Members of a key set that no service can use, or that would be dangerous to use. RFC 7517 says to ignore them."""

import base64
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.unit.oidc_issuer import OTHER_RSA_KEY, RSA_KEY, public_jwk

WEAK_KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P384_KEY: Final = ec.generate_private_key(ec.SECP384R1())
SHARED_SECRET: Final = b"a secret that client and issuer share" * 2
_NULLS: Final = {"d": None, "x5c": None, "x5t": None}

ODD_KEYS: Final[list[Any]] = [
    None,
    "text",
    17,
    [],
    {},
    {"keys": [public_jwk(RSA_KEY, "nested")]},
    {"kty": "RSA", "kid": "rsa"},
    {"kty": "RSA", "kid": "rsa", "n": "!", "e": "AQAB"},
    {"kty": "RSA", "kid": "rsa", "n": 17, "e": None},
    {"kty": ["RSA"], "kid": "rsa"},
    {"kty": "quantum", "kid": "rsa", "alg": "RS256"},
    {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(SHARED_SECRET).decode().rstrip("=")},
    public_jwk(WEAK_KEY, "weak"),
    public_jwk(P384_KEY, "p384"),
    {**public_jwk(OTHER_RSA_KEY, "encryption"), "use": "enc"},
    {**public_jwk(OTHER_RSA_KEY, "signs-only"), "key_ops": ["sign"]},
    {**public_jwk(OTHER_RSA_KEY, "odd-id"), "kid": {"id": "rsa"}},
    {**public_jwk(RSA_KEY, "nulls"), **_NULLS, "use": None, "alg": None, "key_ops": None},
]
