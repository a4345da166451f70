"""Incentive's routes."""

from functools import partial

from fastapi import APIRouter

from services.incentive.points.routes import own_points_router
from services.incentive.reconciliation.snapshot import ledger
from services.incentive.reconciliation.trace import trace
from services.incentive.terms import Terms
from shared.http.admin import admin_router
from shared.http.decisions import decisions_router
from shared.http.traces import traces_router
from shared.reconciliation.routes import reconciliation_router
from shared.service import Parts


def routers(parts: Parts[Terms]) -> list[APIRouter]:
    return [
        own_points_router(parts),
        decisions_router(parts.store, parts.service.topic_prefix, parts.askers),
        admin_router(parts),
        traces_router(partial(trace, parts.store)),
        reconciliation_router(parts.store, ledger),
    ]
