"""A new password, on its way to an agency: known to Kafka and to whoever gave the command, to nobody else."""

import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cli.errors import CannotAsk

PASSWORD_BYTES: Final = 24


@dataclass(frozen=True)
class Handed:
    """A new password, on its way to the agency: into a file that only its owner may read, or shown once."""

    file: Path | None
    again: bool = False
    """One that is in the file already is taken: it is of a run that was interrupted."""

    @cached_property
    def password(self) -> str:
        """Written before Kafka learns it: what nobody holds would have to be set again."""
        if self.file is None:
            return _new_password()
        try:
            if self.again and self.file.exists():
                return self.file.read_text(encoding="utf-8").removesuffix("\n")
            self.file.touch(mode=0o600, exist_ok=False)
            password = _new_password()
            self.file.write_text(password + "\n", encoding="utf-8")
        except FileExistsError:
            raise CannotAsk(f"{self.file} is there already: name another file, or remove this one") from None
        except OSError as error:
            raise CannotAsk(
                f"{self.file} cannot be read or written ({error.strerror}): name another one, or leave "
                "--password-file out, as in a container that may write nothing: the password is shown once"
            ) from None
        return password

    def told(self) -> str:
        return f"in {self.file}, for its owner alone" if self.file is not None else self.password


def _new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)
