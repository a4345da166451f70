"""Mails on disk: an .eml each, as received, and an index line. Only the index is in memory, 0.5 KB a mail."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple


class Received(NamedTuple):
    id: str
    created: str
    """RFC 3339, UTC"""
    size_bytes: int
    sender: str
    recipients: tuple[str, ...]
    """of the envelope: who really gets it"""


class MailStore:
    """Finds what an earlier run left in `directory`. Not synced to disk: a catcher, no mail server."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._index_path = directory / "index.jsonl"
        self._mails = {mail.id: mail for mail in self._read_index()}
        self._index = self._index_path.open("a")
        self._last = max((int(mail, 16) for mail in self._mails), default=0)

    def add(self, raw: bytes, sender: str, recipients: Sequence[str]) -> Received:
        self._last += 1
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        mail = Received(f"{self._last:08x}", created, len(raw), sender, tuple(recipients))
        self._path(mail.id).write_bytes(raw)
        self._index.write(json.dumps(mail) + "\n")
        self._index.flush()
        self._mails[mail.id] = mail
        return mail

    def __len__(self) -> int:
        return len(self._mails)

    def newest_first(self, start: int, limit: int) -> list[Received]:
        return list(islice(reversed(self._mails.values()), start, start + limit))

    def get(self, mail_id: str) -> Received | None:
        """`latest` is a name for the newest."""
        if mail_id == "latest":
            return next(reversed(self._mails.values()), None)
        return self._mails.get(mail_id)

    def raw(self, mail: Received, limit_bytes: int = -1) -> bytes:
        with self._path(mail.id).open("rb") as file:
            return file.read(limit_bytes)

    def clear(self) -> None:
        """Ids go on from where they are: one that was seen never means another mail."""
        for mail_id in self._mails:
            self._path(mail_id).unlink(missing_ok=True)
        self._mails.clear()
        os.ftruncate(self._index.fileno(), 0)

    def _path(self, mail_id: str) -> Path:
        return self.directory / f"{mail_id}.eml"

    def _read_index(self) -> list[Received]:
        if not self._index_path.exists():
            return []
        lines = self._index_path.read_text().splitlines()
        # A kill may have cut the last line.
        fields = [json.loads(line) for line in lines if line.endswith("]")]
        return [
            Received(mail_id, created, size_bytes, sender, tuple(recipients))
            for mail_id, created, size_bytes, sender, recipients in fields
        ]
