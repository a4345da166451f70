"""Reads settings at the start, and says in sentences what is wrong with them."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from pydantic import ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from shared.settings.names import unknown
from shared.settings.sentences import is_secret, sentence
from shared.settings.sources import PREFIX, FileProblem, Files, environment, file_of, read_exactly, variable

EXIT_STATUS: Final = 2
IDENTITY_KEY: Final = "secret"
_QUOTES: Final = ("''", '""', "\u201c\u201d", "\u2018\u2019")


class FromEnvironment(BaseSettings):
    """Settings from KOMPETEN_* variables and files. Made by `read` or `load`, which say in sentences what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )
    service: ClassVar[str] = "all"

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: Any, info: Any) -> Any:
        """What nobody means, in any setting but a secret, which may be made of everything."""
        if not isinstance(value, str) or is_secret(cls.model_fields[info.field_name]):
            return value
        text = value.strip(" \t\r\n")
        if value and not text:
            raise PydanticCustomError("setting", "holds nothing but blanks: write a value, or leave it out")
        if any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029" for character in text):
            raise PydanticCustomError(
                "setting", "has a line end or another control character in it: write one line"
            )
        if len(text) > 1 and text[0] + text[-1] in _QUOTES:
            raise PydanticCustomError("setting", "is in quotation marks: write it without them")
        return text

    def faults(self) -> list[str]:
        """What can only be found out by asking, once the values are what they must be; a sentence each."""
        return []

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, Files(settings_cls)


class WrongSettings(Exception):
    """What is wrong, a sentence each; none has a secret."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = tuple(sentences)


_Loaded = TypeVar("_Loaded", bound=FromEnvironment)


def read(cls: type[_Loaded], **given: Any) -> _Loaded:
    """The settings; `given` comes before the environment. Raises WrongSettings."""
    own = map(variable, cls.model_fields)
    unread = _file_problems(cls, given)
    problems = [*unknown(environment(), own), *sorted(unread.values())]
    try:
        settings = cls(**given)
    except ValidationError as error:
        # One whose file cannot be taken is told already, and would be told as missing.
        told = [
            problem
            for problem in error.errors(include_url=False)
            if not unread.keys() & set(problem["loc"][:1])
        ]
        problems += [sentence(cls, problem) for problem in told]
    except SettingsError:
        problems.append("A KOMPETEN_ variable has a value that cannot be parsed.")
    else:
        problems += settings.faults()
        if not problems:
            return settings
    raise WrongSettings(problems)


def load(cls: type[_Loaded]) -> _Loaded:
    """The settings; or exit status 2 and one sentence per problem on stderr, without secrets."""
    try:
        return read(cls)
    except WrongSettings as wrong:
        sys.stderr.write("".join(f"{problem}\n" for problem in wrong.sentences))
        raise SystemExit(EXIT_STATUS) from None


def _file_problems(cls: type[FromEnvironment], given: Mapping[str, Any]) -> dict[str, str]:
    """By field, of those that are named and of those that are mounted."""
    there, sentences = environment(), {}
    for field_name in cls.model_fields.keys() - given.keys():
        name, path = variable(field_name), file_of(field_name, there)
        named = there.get(f"{name}_FILE")
        if named and there.get(name):
            sentences[field_name] = f"{name} and {name}_FILE are both set: keep one of them."
        if path is None:
            continue
        file = f"{name}_FILE names a file that" if named else f"{name} is read from {path}, which"
        try:
            text = read_exactly(path)
        except FileProblem as problem:
            sentences[field_name] = f"{file} {problem}."
            continue
        if field_name == IDENTITY_KEY and text != text.strip():
            sentences[field_name] = (
                f"{file} begins or ends with blanks or empty lines, which earlier versions did not count: take them "
                "out, as this key must stay what it was."
            )
    return sentences
