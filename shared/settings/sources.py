"""Where a setting's value comes from: a variable of the environment, or a file that is named or mounted."""

import codecs
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PREFIX: Final = "KOMPETEN_"
SECRETS_DIR: Final = Path("/run/secrets")
MAX_FILE_BYTES: Final = 1 << 20
_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileProblem(ValueError):
    """What is wrong with a setting's file, as the end of a sentence that begins with the file."""


class Files(PydanticBaseSettingsSource):
    """`KOMPETEN_MONGO_FILE=/path` or `/run/secrets/kompeten_mongo`, for any setting."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._value(file_of(field_name, environment())), field_name, False

    def __call__(self) -> dict[str, Any]:
        there = environment()
        files = {name: file_of(name, there) for name in self.settings_cls.model_fields}
        # One that is given otherwise is not read.
        values = {name: self._value(path) for name, path in files.items() if name not in self.current_state}
        return {name: value for name, value in values.items() if value is not None}

    def _value(self, path: Path | None) -> str | None:
        try:
            return None if path is None else read_exactly(path) or None
        except FileProblem:  # told by `shared.settings.reading`, with all else that is wrong
            return None


def variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


def environment() -> Mapping[str, str]:
    return {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}


def file_of(field_name: str, there: Mapping[str, str]) -> Path | None:
    """The one that is named in the environment, else the one that is mounted; also where nothing can be read there."""
    if named := there.get(variable(field_name) + "_FILE"):
        return Path(named)
    mounted = SECRETS_DIR / variable(field_name).lower()
    return mounted if os.path.lexists(mounted) else None


def read_exactly(path: Path) -> str:
    """What the file holds, but for one line end at its end, which every editor writes. Raises FileProblem."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError:
        # Docker makes one where the file to be mounted is missing.
        raise FileProblem("is a folder: put a file with the value in its place") from None
    except FileNotFoundError:
        raise FileProblem("cannot be read (FileNotFoundError): make it, or name another one") from None
    except PermissionError:
        raise FileProblem(
            "cannot be read (PermissionError): let the user that this runs as read it, for example by chmod 444"
        ) from None
    except (OSError, ValueError) as error:
        raise FileProblem(f"cannot be read ({type(error).__name__}): name another one") from None
    if len(raw) > MAX_FILE_BYTES:
        raise FileProblem("is larger than 1 MiB: name one that holds the value alone")
    if raw.startswith(_BYTE_ORDER_MARKS):
        raise FileProblem(
            "begins with a byte order mark: save it as UTF-8 without one, or write it with printf"
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError:  # has the file's bytes in it: not kept as the cause
        raise FileProblem("is not UTF-8: save it as that, or write it with printf") from None
    return re.sub(r"\r?\n\Z", "", text)
