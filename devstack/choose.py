"""Which Kafka, MongoDB and mail server a run uses: those it is given, Docker's, or this machine's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from devstack import containers, kept, native
from devstack.companions import issuer_ready, mail_ready, start_issuer, start_mail
from devstack.errors import StackError, StackMissing
from devstack.processes import ROOT, Processes
from shared.kafka.connection import KafkaConnection
from shared.kafka.settings import AdministratorSettings
from shared.settings.reading import WrongSettings, read

MODES = ("docker", "native")


@dataclass(frozen=True)
class Stack:
    kafka: KafkaConnection
    """As its administrator: makes topics and users, reads and writes everything."""
    mongo: str
    """URL; a replica set, so transactions work"""
    smtp: str
    """host:port"""
    mail_page: str
    """URL: a page for people, Mailpit's /api/v1 for programs"""
    issuer: str
    """URL, as in the `iss` of its tokens"""
    took: str
    """given, docker or native"""
    why: str


@dataclass(frozen=True)
class _Brokers:
    kafka: KafkaConnection
    mongo: str
    took: str
    why: str


@contextmanager
def local_stack(
    run_dir: Path,
    *,
    kafka: KafkaConnection | None = None,
    mongo: str | None = None,
    smtp: str | None = None,
    mail_page: str | None = None,
    mode: str | None = None,
    cache_dir: Path | None = None,
    keep: bool = False,
) -> Iterator[Stack]:
    """Everything up and ready inside the `with`, and gone after it, whatever ends it.

    An address left out is looked for in KOMPETEN_KAFKA (with KOMPETEN_KAFKA_USER and _PASSWORD of an administrator,
    _SECURITY, _MECHANISM and _CA), KOMPETEN_MONGO, KOMPETEN_SMTP, KOMPETEN_MAIL_PAGE;
    `mode` (docker or native) in STACK; `cache_dir` in KOMPETEN_CACHE, else `.run/cache`. Logs are in
    `<run_dir>/logs`; native data stays in `run_dir` and is found again. With `keep` so does Docker's, in volumes, and
    a later run goes on in the way of the one before unless `mode` says another. StackMissing tells what to install,
    StackError what failed; both are meant to be printed without a traceback.
    """
    kafka, mongo = kafka or _given_kafka(), mongo or os.environ.get("KOMPETEN_MONGO")
    smtp, mail_page = (
        smtp or os.environ.get("KOMPETEN_SMTP"),
        mail_page or os.environ.get("KOMPETEN_MAIL_PAGE"),
    )
    mode = mode or os.environ.get("STACK") or None
    cache = cache_dir or Path(os.environ.get("KOMPETEN_CACHE") or ROOT / ".run/cache")
    if mode not in (None, *MODES):
        raise StackError(f"STACK is {mode!r}: allowed are {' and '.join(MODES)}, or nothing to let it choose")
    if (smtp is None) != (mail_page is None):
        raise StackError("KOMPETEN_SMTP and KOMPETEN_MAIL_PAGE go together: set both or none")
    with Processes(run_dir) as processes:
        issuer = start_issuer(processes)
        mail = None if smtp and mail_page else start_mail(processes, processes.run_dir / "mail")
        brokers = (
            _Brokers(kafka, mongo, "given", "KOMPETEN_KAFKA and KOMPETEN_MONGO")
            if kafka and mongo
            else _kept(processes, kafka, mongo, mode, cache.resolve())
            if keep
            else _brokers(processes, kafka, mongo, mode, cache.resolve())
        )
        issuer_ready(*issuer)
        if mail is not None:
            child, smtp, mail_page = mail
            mail_ready(child, mail_page)
        assert smtp is not None
        assert mail_page is not None
        print(f"stack: {brokers.took} ({brokers.why})", flush=True)
        yield Stack(
            brokers.kafka,
            brokers.mongo,
            smtp,
            mail_page,
            issuer=issuer[1],
            took=brokers.took,
            why=brokers.why,
        )


def _given_kafka() -> KafkaConnection | None:
    """A stack is for demo and tests, so one that asks nobody who they are will do."""
    if not os.environ.get("KOMPETEN_KAFKA"):
        return None
    try:
        return read(AdministratorSettings, development=True).connection()
    except WrongSettings as error:
        raise StackError(f"KOMPETEN_KAFKA is set, but not how to administer it: {error}") from error


def _kept(
    processes: Processes, kafka: KafkaConnection | None, mongo: str | None, mode: str | None, cache: Path
) -> _Brokers:
    """In the way of the last time: the data are there. What is wanted otherwise is said with what becomes of them."""
    run_dir = processes.run_dir
    before = kept.modes(run_dir)
    last = before[0] if before else None
    try:
        brokers = _brokers(processes, kafka, mongo, mode or last, cache, keep=True)
    except StackError as error:
        if mode is not None or last is None:
            raise
        raise type(error)(
            f"{error}\nThe data of the last time are kept the {last} way, so it is the one that is tried. To begin the "
            f"other way: STACK={_other(last)} make up; what is there stays, and STACK={last} finds it again"
        ) from error
    kept.remember(run_dir, brokers.took)
    if mode is None and last is not None:
        brokers = replace(
            brokers, why=f"as the last time, with its data; STACK={_other(last)} begins the other way"
        )
    if _other(brokers.took) in before:
        other = _other(brokers.took)
        print(f"stack: the data of the {other} way stay; STACK={other} finds them again", flush=True)
    return brokers


def _other(mode: str) -> str:
    return next(other for other in MODES if other != mode)


def _brokers(
    processes: Processes,
    kafka: KafkaConnection | None,
    mongo: str | None,
    mode: str | None,
    cache: Path,
    *,
    keep: bool = False,
) -> _Brokers:
    why = "STACK=native"
    if mode != "native":
        try:
            version = containers.engine_and_images()
            contained = containers.start_kafka_and_mongo(processes, kafka, mongo, keep=keep)
            return _Brokers(
                *contained, "docker", f"engine {version} answers" if mode is None else "STACK=docker"
            )
        except StackError as error:
            if mode == "docker":
                raise
            why = str(error).splitlines()[0]
            processes.ask(do="remove containers")
    try:
        return _Brokers(*_native(processes, kafka, mongo, cache), "native", why)
    except StackMissing as missing:
        hint = "" if mode == "native" else f"\n(Docker would do too, but: {why})"
        raise StackMissing(f"{missing}{hint}") from missing


def _native(
    processes: Processes, kafka: KafkaConnection | None, mongo: str | None, cache: Path
) -> tuple[KafkaConnection, str]:
    """Both are started before either is waited for: together 4 s, one after the other 6."""
    started_mongo = None if mongo else native.start_mongo(processes, processes.run_dir / "mongo", cache)
    started_kafka = None if kafka else native.start_kafka(processes, processes.run_dir / "kafka", cache)
    if started_mongo is not None:
        native.mongo_ready(*started_mongo)
        mongo = started_mongo[1]
    if started_kafka is not None:
        native.kafka_ready(*started_kafka)
        kafka = started_kafka[1]
    assert kafka is not None
    assert mongo is not None
    return kafka, mongo
