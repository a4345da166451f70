"""`./kompeten` on a host without Python packages: what it asks of Docker, which a script in its place writes down."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devstack.processes import ROOT

DOCKER = r"""#!/bin/sh
printf '%s\n' "$PWD" "$@" > "$WRITTEN"
cat
exit 7
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with `docker` on the PATH and no .venv."""
    root = tmp_path / "a clone"
    (root / "deploy").mkdir(parents=True)
    for name in ("kompeten", "docker-compose.yml", "deploy/cli.sh"):
        shutil.copy2(ROOT / name, root / name)
    (root / ".env").touch()
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return root


def asked(checkout: Path, folder: Path, *arguments: str, **env: str) -> tuple[list[str], str, int]:
    """What Docker is asked for, the output, the exit status."""
    written = checkout.parent / "written"
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [checkout / "kompeten", *arguments],
        cwd=folder,
        env={"PATH": path, "WRITTEN": str(written), **env},
        input="from standard input",
        capture_output=True,
        text=True,
        check=False,
    )
    lines = written.read_text().splitlines() if written.exists() else []
    return lines, done.stdout + done.stderr, done.returncode


def test_it_runs_in_compose_with_arguments_input_and_exit_status_as_they_are(
    checkout: Path, tmp_path: Path
) -> None:
    given = ["agency", "add", "dinas baru", "--name", "Dinas  'Baru' $HOME", "*"]
    lines, output, status = asked(checkout, tmp_path, *given)
    assert lines[0] == str(checkout)
    assert lines[1:7] == ["compose", "--progress", "quiet", "run", "--rm", "--no-deps"]
    assert lines[lines.index("cli") :] == ["cli", *given]
    assert "--no-TTY" in lines
    assert (output, status) == ("from standard input", 7)


def test_files_are_there_under_their_own_names_with_what_is_written_beside_them(
    checkout: Path, tmp_path: Path
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "else where"
    for folder in (here, elsewhere):
        folder.mkdir()
        (folder / "events.jsonl").touch()
    mounts = {f"{folder}:{folder}" for folder in (here, elsewhere)}
    for given in (["publish", str(elsewhere / "events.jsonl")], ["publish", "../else where/events.jsonl"]):
        lines, _, _ = asked(checkout, here, *given)
        assert set(lines) >= mounts
        assert lines[lines.index("--workdir") + 1] == str(here)
        assert lines[lines.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    lines, _, _ = asked(
        checkout, here, "publish", "events.jsonl", f"--token-file={elsewhere / 'events.jsonl'}"
    )
    assert lines.count("--volume") == 2


def test_no_token_is_in_an_argument(checkout: Path, tmp_path: Path) -> None:
    token_file = tmp_path / "private" / "token"
    token_file.parent.mkdir()
    token_file.write_text("very-secret")
    given = {"KOMPETEN_TOKEN": "very-secret", "KOMPETEN_TOKEN_FILE": str(token_file)}
    lines, _, _ = asked(checkout, tmp_path / "bin", "status", **given)
    assert not [line for line in lines if "very-secret" in line]
    assert f"{token_file.parent}:{token_file.parent}" in lines
    assert lines[lines.index("--env") + 1] == "KOMPETEN_TOKEN_FILE"


def test_what_the_container_cannot_do_is_said(checkout: Path, tmp_path: Path) -> None:
    lines, output, status = asked(checkout, tmp_path, "publish", "/etc/hostname")
    assert (lines, status) == ([], 2)
    assert "put the file into another folder" in output
    lines, output, status = asked(checkout, tmp_path, "dead-letters", "edit", "1")
    assert (lines, status) == ([], 2)
    assert "dead-letters replay ID --event FILE" in output


def test_where_nothing_is_set_up_it_says_how(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".env").unlink()
    lines, said, status = asked(checkout, tmp_path / "bin", "--help")
    assert (lines, status) == ([], 2)
    assert "run-with-compose.md sets it up" in said
