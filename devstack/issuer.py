"""A local OpenID Connect issuer for the demo and the tests: it gives anybody any role. Never for production.

The key is made at start and kept in memory. POST /token takes a wish and returns a signed token.
"""

import argparse
import base64
import ipaddress
import sys
import time
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel, ConfigDict

AUDIENCE = "kompeten"
ALGORITHM = "RS256"  # the one that every OpenID Connect client must know


class Wish(BaseModel):
    """What the token is to say. `expires_in` (s) may be negative, `audience` another: to be refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    sub: str | None = None
    employee_number: str | None = None
    opd: str | None = None
    azp: str | None = None
    """Client that the token is given to."""
    expires_in: int = 3600
    audience: str = AUDIENCE


def claims(wish: Wish, issuer: str, now_s: int) -> dict[str, Any]:
    said = {
        "iss": issuer,
        "aud": wish.audience,
        "sub": wish.sub or f"local-{wish.role}",
        "iat": now_s,
        "exp": now_s + wish.expires_in,
        "roles": [wish.role],
        "employee_number": wish.employee_number,
        "opd": wish.opd,
        "azp": wish.azp,
    }
    return {name: value for name, value in said.items() if value is not None}


def make_app(issuer: str) -> FastAPI:
    app = FastAPI(title="Kompeten development issuer", description=__doc__)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    key_id = base64.urlsafe_b64encode(public["n"].encode()[:12]).decode()

    @app.get("/.well-known/openid-configuration")
    async def configuration() -> dict[str, Any]:
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks.json",
            "token_endpoint": f"{issuer}/token",
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    @app.get("/jwks.json")
    async def keys() -> dict[str, Any]:
        return {"keys": [{**public, "kid": key_id, "use": "sig", "alg": ALGORITHM}]}

    @app.post("/token")
    async def token(wish: Wish) -> dict[str, Any]:
        payload = claims(wish, issuer, int(time.time()))
        signed = jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": key_id})
        return {"access_token": signed, "token_type": "Bearer", "expires_in": wish.expires_in}

    return app


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devstack.issuer", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--issuer", help="URL that clients know it by; default http://HOST:PORT")
    parser.add_argument(
        "--insecure-listen",
        action="store_true",
        help="allow a HOST that other machines reach, as inside Compose",
    )
    asked = parser.parse_args()
    if not is_loopback(asked.host) and not asked.insecure_listen:
        parser.error(
            f"{asked.host} is reached by other machines, and this issuer gives anybody any role:"
            " listen on 127.0.0.1, or say --insecure-listen"
        )
    print("development issuer: gives anybody any role; never for production", file=sys.stderr, flush=True)
    app = make_app(asked.issuer or f"http://{asked.host}:{asked.port}")
    uvicorn.run(app, host=asked.host, port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
