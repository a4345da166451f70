"""Readiness calls workers by these names: operators alert on them, whatever the classes are called."""

from collections.abc import Callable

import pytest

from services.enrollment import app as enrollment
from services.enrollment.settings import EnrollmentSettings
from services.incentive import app as incentive
from services.incentive.settings import IncentiveSettings
from services.notification import app as notification
from services.notification.settings import NotificationSettings
from shared.service import ON_PAPER, Runner

EVERYWHERE = {"backlog", "bugs", "reconciliation", "reachcheck", "waits"}
OWN = {
    "enrollment": "beginning bodiesbeginning heldrenderings homeadoption lister renderer sweeper waitingwatch",
    "incentive": "",
    "notification": "mailer resender ticker untold",
}
BUILD: dict[str, Callable[[], Runner[object]]] = {
    "enrollment": lambda: enrollment.build(EnrollmentSettings(**ON_PAPER)),
    "incentive": lambda: incentive.build(IncentiveSettings(**ON_PAPER)),
    "notification": lambda: notification.build(
        NotificationSettings(**ON_PAPER, mail_from="kompeten@bandung.example")
    ),
}


@pytest.mark.parametrize("service", BUILD)
def test_workers_keep_their_names(service: str) -> None:
    runner = BUILD[service]()
    try:
        assert {worker.name for worker in runner.components.workers} == EVERYWHERE | {*OWN[service].split()}
    finally:
        runner.components.store.client.close()
