"""`make chaos`: the fault ledger. `--brief`: some of the faults; `--full`: minute-long outages.

Exit status 0 when nothing was lost, doubled, swapped or wrongly sent, and every fault was recovered from.
"""

import argparse
import asyncio
import logging
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pymongo.errors import PyMongoError

from devstack import StackError
from devstack.choose import Stack
from devstack.companions import issuer_ready, start_issuer
from devstack.kompeten import SERVICES
from devstack.processes import ROOT, Processes
from services.notification.letters.documents import MAILS
from shared.pipeline.pipeline_collections import DEAD_LETTERS
from tests.chaos import ledger as model
from tests.chaos.stories import Stories
from tests.chaos.system import System
from tests.faults import processes as process_faults
from tests.faults import report, servers
from tests.faults.cluster import Cluster
from tests.faults.field import Fault, Field
from tests.faults.proxy import Network
from tests.faults.report import Injected, Ledger

PAGE: Final = ROOT / "docs/reference/fault-ledger.md"
COLD: Final = "services started before their brokers and databases"
SEED: Final = 20261125
STUCK_S: Final = 60.0
FAULTS: Final = (*servers.FAULTS, *process_faults.FAULTS)


@dataclass(frozen=True)
class Plan:
    command: str
    faults: tuple[Fault, ...]
    events: int
    completions_a_tick: int
    """More than the machine decides meanwhile, and a recovery is as long as the queue that earlier faults left."""
    outage_s: float
    stories: int
    """That begin with each fault."""


def plans() -> dict[str, Plan]:
    return {
        "brief": Plan("make chaos-brief", tuple(one for one in FAULTS if one.brief), 1_000, 2, 3, 1),
        "usual": Plan("make chaos", FAULTS, 20_000, 4, 8, 2),
        "full": Plan("make chaos-full", FAULTS, 60_000, 9, 60, 2),
    }


@dataclass
class Run:
    field: Field
    plan: Plan
    began: float = field(default_factory=time.monotonic)
    injected: list[Injected] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    over: bool = False
    untold: list[str] = field(default_factory=list)
    """Why stories came to no end."""

    async def cold(self) -> None:
        """Services first, then what they need."""
        began = time.monotonic()
        field = self.field
        for service in SERVICES:
            field.launch(service)
        for node in range(3):
            field.cluster.start_database(node)
            field.cluster.start_broker(node)
        await field.cluster.databases_ready()
        await field.cluster.brokers_ready()
        await field.system.make_topics()
        await self.recover(COLD, time.monotonic() - began)

    async def inject(self, fault: Fault) -> None:
        if why := fault.impossible(self.field):
            self.not_run[fault.name] = why
            print(f"not run    {fault.name}: {why}", flush=True)
            return
        began = time.monotonic()
        await fault.inject(self.field)
        await self.recover(fault.name, time.monotonic() - began)

    async def recover(self, name: str, lasted_s: float) -> None:
        recovered_s, missing = await self.field.recovered()
        self.injected.append(Injected(name, lasted_s, recovered_s))
        after = (
            f"NOT recovered ({missing})" if recovered_s is None else f"recovered after {recovered_s:4.1f} s"
        )
        print(f"{time.monotonic() - self.began:6.0f} s   {after}   {name}", flush=True)

    async def all(self) -> None:
        faults = list(self.plan.faults)
        self.field.dice.shuffle(faults)
        faults.sort(key=lambda fault: not fault.first)
        await self.cold()
        traffic = self.field.system.traffic
        sending = asyncio.create_task(self.field.flow(lambda: self.over))
        try:
            for fault in faults:
                self.field.current = not fault.first
                if self.field.current:
                    self.field.stories.begin(self.plan.stories)
                await self.inject(fault)
            self.untold = await self.field.stories.ended()
            self.field.completions_a_tick = 100  # what is missing to the wanted number, without more faults
            while len(traffic.messages) < self.plan.events and not sending.done():
                await asyncio.sleep(0.5)
        finally:
            self.over = True
            await sending

    async def settle(self) -> None:
        """Until nothing is on its way any more, or what is has not changed for so long: then it is lost."""
        left, changed = ["not looked yet"], time.monotonic()
        while left and time.monotonic() - changed < STUCK_S:
            await asyncio.sleep(1)
            try:
                self.field.system.hasten()
                now = await asyncio.to_thread(self.field.system.unfinished)
            except PyMongoError as error:
                now = [type(error).__name__]
            if now != left:
                left, changed = now, time.monotonic()
        print(f"{time.monotonic() - self.began:6.0f} s   {'; '.join(left) or 'all is done'}", flush=True)

    async def ledger(self, seed: int) -> Ledger:
        system = self.field.system
        found = await system.read()
        findings = model.findings(system.traffic, found, dead_letters=None)
        findings += [model.Finding("lost", why) for why in self.untold]
        dead = {bytes(one.value or b"") for service in SERVICES for one in system.all(service, DEAD_LETTERS)}
        findings += [
            model.Finding("lost", f"no dead letter for {value[:60]!r}")
            for value in system.traffic.poisoned - dead
        ]
        findings += [
            model.Finding("different", f"a dead letter of {value[:200]!r}")
            for value in dead - system.traffic.poisoned
        ]
        return Ledger(
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            command=self.plan.command,
            commit=commit(),
            seed=seed,
            outage_s=self.plan.outage_s,
            events=len(system.traffic.messages),
            completions=len(system.traffic.reported),
            lasted_s=round(time.monotonic() - self.began, 1),
            injected=self.injected,
            not_run=self.not_run,
            findings=report.count([one.kind for one in findings]),
            sentences=[str(one) for one in findings[:50]],
            mails_sent=sum(mail.state == "sent" for mail in system.all("notification", MAILS)),
            mails_arrived_again=sum(found.caught.values()) - len(found.caught),
            mails_in_hand=self.field.in_hand,
            dead_letters_expected=len(system.traffic.poisoned),
            dead_letters_found=len(dead),
        )


def commit() -> str:
    """With `-dirty` where code was changed since."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    code = [*git, "diff", "--quiet", "HEAD", "--", "services", "shared", "cli", "devstack", "tests"]
    dirty = subprocess.run(code, capture_output=True, check=False).returncode
    return (head.stdout.strip() or "unknown") + ("-dirty" if dirty else "")


async def measure(plan: Plan, seed: int, directory: Path, cache: Path) -> Ledger:
    with Processes(directory / "servers") as servers, Processes(directory / "services") as services:
        network = Network()
        cluster = Cluster(servers, network, directory / "data", cache)
        try:
            if any(fault.first for fault in plan.faults):
                cluster.mount_small_disk()
            issuer, issuer_url = start_issuer(servers)
            issuer_ready(issuer, issuer_url)
            stack = Stack(
                kafka=cluster.kafka,
                mongo=cluster.mongo,
                smtp="",
                mail_page="",
                issuer=issuer_url,
                took="native",
                why="three of each",
            )
            system = System(stack, services, seed=seed)
            field = Field(
                system,
                cluster,
                network,
                random.Random(seed),
                plan.outage_s,
                plan.completions_a_tick,
                Stories(system),
            )
            run = Run(field, plan)
            await run.all()
            await run.settle()
            return await run.ledger(seed)
        finally:
            services.close()
            cluster.close()
            network.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--brief", action="store_const", const="brief", dest="length", default="usual")
    length.add_argument("--full", action="store_const", const="full", dest="length")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="faults whose names contain this")
    parser.add_argument(
        "--write", action="store_true", help=f"the page and its JSON: {PAGE.relative_to(ROOT)}"
    )
    asked = parser.parse_args()
    plan = plans()[asked.length]
    if asked.only:
        chosen = tuple(one for one in plan.faults if asked.only in one.name)
        plan = Plan(plan.command, chosen, 500, plan.completions_a_tick, plan.outage_s, 5 * plan.stories)
    logging.disable()  # that brokers are away is no news here
    cache = Path(os.environ.get("KOMPETEN_CACHE") or ROOT / ".run/cache").resolve()
    directory = ROOT / f".run/chaos-{os.getpid()}"
    try:
        ledger = asyncio.run(measure(plan, asked.seed, directory, cache))
    except StackError as error:
        sys.exit(f"chaos: {error}")
    print("\n".join(["", *report.lines(ledger), ""]))
    print("\n".join(ledger.sentences))
    if asked.write:
        report.write(ledger, PAGE)
        print(f"written: {PAGE.relative_to(ROOT)}")
    print(f"chaos: {'all holds' if ledger.holds else 'SOMETHING DOES NOT HOLD'}; logs are in {directory}")
    return 0 if ledger.holds else 1


if __name__ == "__main__":
    sys.exit(main())
