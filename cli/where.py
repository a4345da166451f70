"""Where the services are and who asks: options, then the environment, then what `make up` wrote down."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
from pydantic_core import PydanticCustomError

from cli.client import Service, Token
from cli.errors import CannotAsk
from shared.contracts.services import SERVICES as DECLARED
from shared.settings.sources import FileProblem, read_exactly
from shared.settings.types import web_address

SERVICES: Final = tuple(service.name for service in DECLARED)
STACK: Final = Path(__file__).resolve().parents[1] / ".run/stack.json"
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Given:
    """What options and environment say; None where they are silent."""

    urls: Mapping[str, str | None] = field(default_factory=dict)
    token_file: Path | None = None
    stack: Path = STACK

    def service(self, name: str, role: str = "operator", opd: str | None = None) -> Service:
        """Ready to be asked as this role; a token that was given is used whatever its role is."""
        named = self.urls.get(name)
        url = named or self._described.get("services", {}).get(name)
        if url is None:
            raise CannotAsk(
                f"nothing says where {name} is: give --{name}-url, set KOMPETEN_{name.upper()}_URL,"
                " or start the local stack with `make up`"
            )
        try:
            web_address(url)
        except PydanticCustomError as wrong:
            raise CannotAsk(
                f"KOMPETEN_{name.upper()}_URL (--{name}-url) {wrong.message()}, for example "
                f"KOMPETEN_{name.upper()}_URL=http://127.0.0.1:8001"
            ) from None
        token = self._given_token(opd)
        if token is None and not named:
            token = self._local_token(role, opd)
        if token is None:
            raise CannotAsk(
                f"no token for {name}: put one of role {role} into a file and name it with --token-file"
                " or KOMPETEN_TOKEN_FILE, or set KOMPETEN_TOKEN"
            )
        return Service(name, url, token, found="" if named else f" (as {_short(self.stack)} says)")

    def all_services(self, names: Sequence[str] = SERVICES) -> list[Service]:
        return [self.service(name) for name in names]

    @cached_property
    def _described(self) -> dict[str, Any]:
        """What `make up` wrote; empty when it is not up."""
        try:
            described = json.loads(self.stack.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise CannotAsk(
                f"{_short(self.stack)} cannot be read: run `make up` again, or give the addresses"
            ) from None
        return described if isinstance(described, dict) else {}

    def _given_token(self, opd: str | None) -> Token | None:
        path, text = self.token_file, os.environ.get("KOMPETEN_TOKEN", "").strip()
        if path is not None:
            return lambda: _checked(_from_file(path), f"the file {path}", opd)
        if text:
            return lambda: _checked(text, "KOMPETEN_TOKEN", opd)
        return None

    def _local_token(self, role: str, opd: str | None) -> Token | None:
        """From the local issuer, which gives anybody any role: never for an address that was given."""
        wish = self._described.get("tokens", {}).get(role)
        if not isinstance(wish, dict):
            return None
        claims = dict(wish.get("json") or {}) | ({} if opd is None else {"opd": opd})
        return lambda: _from_issuer(str(wish.get("method", "POST")), str(wish["url"]), claims)


def _from_file(path: Path) -> str:
    try:
        return read_exactly(path).strip()
    except FileProblem as problem:
        raise CannotAsk(
            f"the token file {path} (KOMPETEN_TOKEN_FILE, --token-file) {problem}; it holds an access token and nothing "
            "else"
        ) from None


def _from_issuer(method: str, url: str, claims: Mapping[str, str]) -> str:
    try:
        answer = httpx.request(method, url, json=dict(claims), timeout=10)
        return str(answer.raise_for_status().json()["access_token"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        raise CannotAsk(
            f"the local issuer gives no token at {url}: see whether `make up` still runs, or give a token"
            " with --token-file"
        ) from None


def _checked(token: str, source: str, opd: str | None) -> str:
    """A token that fits into a header and, as far as one can see from here, is of the agency that was named."""
    if not _TOKEN.fullmatch(token):
        raise CannotAsk(f"{source} holds no access token: put one there, and nothing else")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return token  # the service judges it
    if opd is not None and claims.get("opd") not in (None, opd):
        raise CannotAsk(f"the token of {source} is not of agency {opd}: use that agency's token")
    return token


def _short(path: Path) -> str:
    return ".run/stack.json" if path == STACK else str(path)
