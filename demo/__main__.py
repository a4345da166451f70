"""`python -m demo`: a realistic day of the city on a real stack; a table, then one line of JSON. 0: nothing lost."""

import argparse
import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from demo import report
from demo.city import City, build_city
from demo.comparison import Reader
from demo.expectations import expectations
from demo.keepsakes import keep
from demo.publish import Published, certificate_of, publish, revoke, revoke_in_advance
from demo.reconcile import reconcile
from demo.runs import fresh
from demo.settling import settle
from devstack import StackError, local_stack
from devstack.kompeten import Kompeten, configure, make_topics, start
from devstack.processes import ROOT, Processes
from services.enrollment.certificates.documents import STORED_PDFS

DEADLINE_S = 110.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--employees", type=int, default=350, help="size of the city, 40 to 990")
    parser.add_argument("--seed", type=int, default=2026, help="another number, another day")
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run/demo", help="made anew at each run")
    asked = parser.parse_args()
    if not 40 <= asked.employees <= 990:
        parser.error(f"--employees {asked.employees}: 40 to 990 are allowed")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    city = build_city(asked.employees, asked.seed)
    with fresh(asked.run_dir) as run_dir, running(city, run_dir) as kompeten:
        report.say(f"stack and services are up after {time.monotonic() - began:.1f} s; data in {run_dir}")
        reader = Reader(kompeten)
        try:
            return _play(city, kompeten, reader, run_dir)
        finally:
            reader.close()


@contextmanager
def running(city: City, run_dir: Path) -> Iterator[Kompeten]:
    with local_stack(run_dir) as stack, Processes(run_dir / "services") as processes:
        # A broker that was given may hold an earlier demo.
        run = f"demo{secrets.token_hex(4)}" if stack.took == "given" else ""
        kompeten = configure(
            stack, city.agencies, topic_prefix=f"{run}." if run else "", database_prefix=run or "kompeten"
        )
        make_topics(kompeten)
        start(kompeten, processes)
        yield kompeten


def _play(city: City, kompeten: Kompeten, reader: Reader, run_dir: Path) -> int:
    report.say(
        f"the day: {len(city.employees)} employees of {len(city.agencies)} agencies, {len(city.messages)} events,"
        f" {len(city.expected)} completions that must come out once"
    )
    published, times = asyncio.run(_day(city, kompeten, reader))
    comparison, wanted = reader.comparison(), expectations(city)
    findings = reconcile(wanted, comparison)
    result = report.summary(comparison, findings)
    pdfs = reader.count("enrollment", STORED_PDFS)
    report.print_tables(
        ("What went in", report.went_in(city)),
        ("What came out", report.came_out(comparison, result, pdfs, published.refused)),
        ("Times", report.took(times)),
    )
    report.print_findings(findings)
    for line in keep(city, kompeten, reader, comparison, run_dir):
        report.say(line)
    report.say(report.last_line(result))
    return 1 if findings else 0


async def _day(city: City, kompeten: Kompeten, reader: Reader) -> tuple[Published, report.Times]:
    for revocation in city.in_advance:
        await revoke_in_advance(revocation, kompeten)
    with report.shown(city) as show:
        began, first = time.monotonic(), time.time()
        published = await publish(city, kompeten)
        published_s = time.monotonic() - began
        in_time = await settle(kompeten, reader, show, DEADLINE_S)
        last_mail_s = max((moment.timestamp() for moment in reader.sent_at()), default=first) - first
        delays = reader.delays_s()
        for revocation in city.afterwards:
            await revoke(revocation, certificate_of(revocation.occasion, kompeten), kompeten)
        in_time = await settle(kompeten, reader, show, DEADLINE_S / 4) and in_time
    if not in_time:
        report.say(f"not everything was settled within {DEADLINE_S:g} s; what is missing counts as lost")
        for name, url in kompeten.urls.items():
            report.say(f"{name}: {await asyncio.to_thread(readiness, url)}")
    return published, report.Times(published_s, last_mail_s, delays)


def readiness(url: str) -> str:
    """What a service says of itself."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=10).text
    except httpx.HTTPError as error:
        return f"does not answer: {type(error).__name__}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StackError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
