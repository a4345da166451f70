"""A real issuer for tests: real keys, and a JWKS served over HTTP by a thread."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

AUDIENCE = "kompeten"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def public_jwk(key: PrivateKey, kid: str | None, **members: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        text = RSAAlgorithm.to_jwk(key.public_key())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        text = ECAlgorithm.to_jwk(key.public_key())
    else:
        text = OKPAlgorithm.to_jwk(key.public_key())
    document: dict[str, Any] = json.loads(text)
    document.pop("key_ops", None)
    return document | ({} if kid is None else {"kid": kid}) | members


class Issuer:
    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = [public_jwk(RSA_KEY, "rsa"), public_jwk(EC_KEY, "ec"), public_jwk(ED_KEY, "ed")]
        self.key_set: Any = None
        """Instead of the keys: any document, or a text that is none."""
        self.asked: list[str] = []
        self.delay_s = 0.0
        self.up = True

    def document(self, path: str) -> Any:
        if path == "/jwks":
            return {"keys": self.keys} if self.key_set is None else self.key_set
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        return None

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "u-1", "iat": now, "exp": now + 60}
        claims |= {
            "roles": ["employee"],
            "employee_number": "198503122010011001",
            "opd": "dinkes",
            "azp": "portal",
        }
        return {key: value for key, value in (claims | changes).items() if value is not None}

    def wished(self, wish: dict[str, Any]) -> str:
        """The token that the local stack's issuer gives for the same wish."""
        said = {"employee_number": None, "opd": None, "azp": None, "sub": f"local-{wish['role']}", **wish}
        ends = int(time.time()) + said.pop("expires_in", 3600)
        return self.token(
            aud=said.pop("audience", AUDIENCE), roles=[said.pop("role")], **{"exp": ends, **said}
        )

    def token(
        self, *, key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "rsa", **changes: Any
    ) -> str:
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode(self.claims(**changes), key, algorithm=algorithm, headers=headers)


@contextmanager
def serving_issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            time.sleep(issuer.delay_s)
            document = issuer.document(self.path)
            self.send_response(200 if issuer.up and document is not None else 500)
            self.end_headers()
            text = document if isinstance(document, str) else json.dumps(document)
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            wish = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": issuer.wished(wish)}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def unsigned_token(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(encoded(part) for part in parts)
