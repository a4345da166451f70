"""Each service is killed at each place where a crash could lose or double something, and started again."""

import asyncio
import signal
from typing import Final

import pytest

from devstack.kompeten import SERVICES
from services.notification.letters.documents import MAILS
from shared.failpoints import NAMES
from tests.chaos.system import System

# Services that die in one flow: a kill costs the group's session timeout (10 s), so they share it.
ROUNDS: Final = (
    {
        "enrollment": "before-transaction:3",
        "incentive": "before-transaction:2",
        "notification": "mail-leased:2",
    },
    {"enrollment": "before-commit:3", "incentive": "before-commit:3", "notification": "before-commit:2"},
    {"enrollment": "after-commit:2", "incentive": "after-commit:2", "notification": "after-commit:3"},
    {"enrollment": "half-published:5", "incentive": "half-published:4", "notification": "after-publish:2"},
    {"enrollment": "after-publish:3", "incentive": "after-publish:2", "notification": "mail-accepted:9"},
    {"enrollment": "rendered-not-stored:2", "notification": "mail-handing-over:2"},
    {"enrollment": "rendering-stored:2", "notification": "mail-noted:2"},
    {"notification": "before-transaction:3"},
)
PER_ROUND: Final = 60
MAX_A_ROUND: Final = 2_000
"""At ten a second, more than a service that was killed needs to come back on a busy machine."""


def test_every_failpoint_has_its_round() -> None:
    armed = {(service, point.partition(":")[0]) for one in ROUNDS for service, point in one.items()}
    pipeline = {name for name in NAMES if not name.startswith(("mail-", "render", "restore-"))}
    wanted = {(service, name) for service in SERVICES for name in pipeline}
    wanted.remove(("notification", "half-published"))  # it publishes nothing
    wanted |= {("enrollment", name) for name in NAMES if name.startswith("render")}
    wanted |= {("notification", name) for name in NAMES if name.startswith("mail-")}
    assert armed == wanted


@pytest.mark.chaos
@pytest.mark.parametrize(
    "armed",
    ROUNDS,
    ids=lambda armed: "+".join(f"{n[:4]}-{p}" for n, p in armed.items()),
)
async def test_killed_there_nothing_is_lost_or_doubled(system: System, armed: dict[str, str]) -> None:
    running = set(system.kompeten.children)
    before = sum(mail.repeated for mail in (await system.read()).mails)
    for service in armed:
        if service in running and system.child(service).poll() is None:
            assert await system.stopped(service) == 0
    for service in {*SERVICES} - running | {*armed}:
        system.launch(service, armed.get(service, ""))
    at_most = len(system.traffic.reported) + MAX_A_ROUND
    sending = asyncio.create_task(system.flow(PER_ROUND))
    waiting = dict(armed)
    in_hand = 0
    while waiting:
        for service in list(waiting):
            if (status := system.child(service).poll()) is None:
                continue
            assert status == -signal.SIGKILL, system.child(service).tail()
            del waiting[service]
            await system.nothing_left_of(service)
            if service == "notification":  # wherever it was killed: its mailer died with it
                mails = system.database(service)[MAILS.name]
                in_hand += mails.count_documents({"state": "handing_over"})
            system.expire_leases(service)
            system.launch(service)
        if sending.done() and waiting:
            sending.result()
            assert len(system.traffic.reported) < at_most, f"never passed: {waiting}"
            sending = asyncio.create_task(system.flow(10, pause_s=1))
        await asyncio.sleep(0.1)
    await sending
    found = await system.settled()
    arrived_again = sum(found.caught.values()) - len(found.caught)
    if "mail-accepted" in armed.get("notification", ""):
        assert arrived_again >= 1, "the mail whose acceptance was not noted is sent again"
    repeated = sum(mail.repeated for mail in found.mails)
    assert repeated - before <= in_hand, "only what a mailer had in hand when it died is repeated"
