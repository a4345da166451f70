"""Sentences on a terminal of 80 columns."""

import io

import pytest

from cli.screen import SHORT, Screen, short
from shared.terminal import wrapped

SENTENCE = (
    "after a change of the register all is judged; what stands for nothing is told by `kompeten people search --id "
    "emp_00000000000000000000000000000000` and waits for an officer to say whose it is"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_sentences_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were cut in mid-word at its edge."""
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    Screen(stream).line(SENTENCE, indent=4)
    lines = stream.getvalue().splitlines()
    assert " ".join(line.strip() for line in lines) == SENTENCE
    assert [line[: len(line) - len(line.lstrip())] for line in lines] == [" " * 4] + [" " * 6] * (
        len(lines) - 1
    )
    assert all(len(line) <= 80 or "emp_" in line for line in lines)


def test_what_is_to_be_copied_stays_in_one_piece() -> None:
    assert wrapped("see `kompeten waiting look body/lan-ri`", 38)[1:] == [
        "  `kompeten waiting look body/lan-ri`"
    ]
    number = "9c1185a5" * 12
    assert number in wrapped(f"group {number}", 40)[1]
    assert wrapped(SENTENCE, 20) == [SENTENCE]


def test_a_pipe_gets_lines_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    Screen(stream).line(SENTENCE)
    assert stream.getvalue() == SENTENCE + "\n"


def test_a_document_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    Screen(stream).verbatim(f'  "reason": "{SENTENCE}"')
    assert stream.getvalue() == f'  "reason": "{SENTENCE}"\n'


def test_what_is_shortened_is_cut_between_words() -> None:
    told = short(SENTENCE)
    assert len(told) <= SHORT
    assert SENTENCE.startswith(told.removesuffix(" …") + " ")
    assert short("x" * 500) == "x" * (SHORT - 1) + "…"
