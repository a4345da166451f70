"""Faults of what the services need: brokers, databases, the network, the mail server."""

import asyncio
import functools
import signal
from typing import Final

from devstack.kompeten import SERVICES
from tests.chaos.system import until
from tests.faults.cluster import NODES, within
from tests.faults.field import Fault, Field
from tests.faults.proxy import How

STOPPED_WITHIN_S: Final = 40.0
MAILS: Final = 10


async def _broker_back(field: Field, node: int) -> None:
    field.cluster.start_broker(node)
    await field.cluster.brokers_ready()


async def broker_killed(field: Field) -> None:
    node = field.dice.randrange(NODES)
    await asyncio.to_thread(field.cluster.brokers[node].kill)
    await asyncio.sleep(field.outage_s)
    await _broker_back(field, node)


async def controller_killed(field: Field) -> None:
    node = field.cluster.controller()
    await asyncio.to_thread(field.cluster.brokers[node].kill)
    await asyncio.sleep(field.outage_s)
    await _broker_back(field, node)


async def brokers_rolled(field: Field) -> None:
    for node in range(NODES):
        await asyncio.to_thread(field.cluster.brokers[node].stop, STOPPED_WITHIN_S)
        await _broker_back(field, node)


async def brokers_away(field: Field) -> None:
    for child in field.cluster.brokers.values():
        child.send_signal(signal.SIGKILL)
    await asyncio.sleep(field.outage_s)
    for node in range(NODES):
        await asyncio.to_thread(field.cluster.brokers[node].wait, 10)
        field.cluster.start_broker(node)
    await field.cluster.brokers_ready()


async def stepped_down(field: Field) -> None:
    primary = await _primary(field)
    await asyncio.to_thread(field.cluster.step_down, primary)


async def primary_killed(field: Field) -> None:
    primary = await _primary(field)
    await asyncio.to_thread(field.cluster.databases[primary].kill)
    await asyncio.sleep(field.outage_s)
    field.cluster.start_database(primary)


async def no_primary(field: Field) -> None:
    """Two of three are gone; the one that is left may not decide alone."""
    primary = await _primary(field)
    gone = [primary, next(node for node in range(NODES) if node != primary)]
    for node in gone:
        await asyncio.to_thread(field.cluster.databases[node].kill)
    await asyncio.sleep(field.outage_s)
    for node in gone:
        field.cluster.start_database(node)
    await asyncio.to_thread(within, 60, lambda: field.cluster.primary() is not None, "a primary")


async def _primary(field: Field) -> int:
    await asyncio.to_thread(within, 60, lambda: field.cluster.primary() is not None, "a primary")
    primary = field.cluster.primary()
    assert primary is not None
    return primary


async def disk_full(field: Field) -> None:
    """The primary's file system fills up; it is freed after a while, and the node started again."""
    node = NODES - 1
    await asyncio.to_thread(field.cluster.step_up, node)
    filler = await asyncio.to_thread(field.cluster.fill_disk)
    await asyncio.to_thread(
        within, 60, lambda: field.cluster.primary() not in (None, node), "another primary than the full one"
    )
    await asyncio.sleep(2)
    filler.unlink()
    await asyncio.to_thread(field.cluster.databases[node].kill)
    await asyncio.to_thread(field.cluster.leave_small_disk)
    field.cluster.start_database(node)


def no_small_disk(field: Field) -> str:
    return field.cluster.no_small_disk


async def network_cut(service: str, kind: str, how: How, field: Field) -> None:
    field.network.cut(service, kind, how)
    await asyncio.sleep(field.outage_s)
    field.network.heal(service, kind)


async def network_refused(field: Field) -> None:
    """Every service's connections to everything are reset, and refused for a while."""
    ways = [(service, kind) for service in SERVICES for kind in ("broker", "database")]
    for way in ways:
        field.network.cut(*way, "refused")
    await asyncio.sleep(field.outage_s)
    for way in ways:
        field.network.heal(*way)


async def mail_refused(field: Field) -> None:
    await field.system.stopped("notification")  # its open connections would still take mails
    field.system.order("refuse")
    field.launch("notification")
    await until(
        lambda: any("mail server" in fault for fault in field.system.faults_of("notification") or ()),
        lambda: f"{field.system.faults_of('notification')}",
        90,
    )
    field.system.order("none")


async def mail_trouble(mode: str, field: Field) -> None:
    """So many mails meet it."""
    more = {"delay_s": 3.0} if mode == "slow" else {}
    field.system.order(mode, count=MAILS, **more)
    await until(
        lambda: field.system.given() >= MAILS, lambda: f"{mode} met by {field.system.given()} of {MAILS}", 90
    )
    if mode == "close_after_data":  # the client can't know whether these arrived, and sends them again
        field.in_hand += MAILS
    field.system.order("none")


FAULTS: Final = (
    Fault("disk full on the primary", disk_full, no_small_disk, first=True),
    Fault("broker killed", broker_killed, brief=True),
    Fault("controller killed", controller_killed),
    Fault("rolling restart of the brokers", brokers_rolled),
    Fault("all brokers away", brokers_away),
    Fault("primary stepped down", stepped_down, brief=True),
    Fault("primary killed in mid-transaction", primary_killed, brief=True),
    Fault("no primary", no_primary),
    *(
        Fault(
            f"network cut: {service} from its {kind}",
            functools.partial(network_cut, service, kind, "silent"),
            brief=(service, kind) in (("enrollment", "database"), ("incentive", "broker")),
        )
        for service in SERVICES
        for kind in ("broker", "database")
    ),
    Fault("all connections reset and refused", network_refused, brief=True),
    Fault("SMTP refuses connections", mail_refused),
    Fault("SMTP slow", functools.partial(mail_trouble, "slow")),
    Fault("SMTP answers 4xx", functools.partial(mail_trouble, "tempfail")),
    Fault("SMTP quota", functools.partial(mail_trouble, "quota")),
    Fault("SMTP drops after the final dot", functools.partial(mail_trouble, "close_after_data"), brief=True),
)
