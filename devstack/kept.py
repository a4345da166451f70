"""What stays of a stack that keeps its data: in which way it ran, beside the data, and Docker's part of them."""

import hashlib
from pathlib import Path

RUN_DIR = "kompeten.stack.run_dir"
"""Label of what Docker holds for a run directory."""


def modes(run_dir: Path) -> list[str]:
    """The ways that have data there, that of the last time first."""
    file = run_dir / "mode"
    if file.exists():
        return file.read_text(encoding="utf-8").split()
    # Before the file was written only the native way kept anything.
    return ["native"] if (run_dir / "mongo").is_dir() else []


def remember(run_dir: Path, mode: str) -> None:
    others = [other for other in modes(run_dir) if other != mode]
    (run_dir / "mode").write_text("".join(f"{kept}\n" for kept in (mode, *others)), encoding="utf-8")


def volume(run_dir: Path, name: str) -> str:
    """Docker's names are the whole machine's: another checkout has other ones."""
    return f"kompeten-{hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:10]}-{name}"
