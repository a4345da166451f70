"""Incentive's routes."""

from functools import partial

from fastapi import APIRouter

from services.incentive.points.routes import own_points_router
from services.incentive.reconciliation.snapshot import snapshot
from services.incentive.reconciliation.trace import trace
from services.incentive.terms import Terms
from shared.http.admin import admin_router
from shared.http.decisions import decisions_router
from shared.http.traces import traces_router
from shared.reconciliation.routes import reconciliation_router
from shared.service import Components


def routers(components: Components[Terms]) -> list[APIRouter]:
    return [
        own_points_router(components),
        decisions_router(components.store, components.service.topic_prefix, components.askers),
        admin_router(components),
        traces_router(partial(trace, components.store)),
        reconciliation_router(components.store, snapshot),
    ]
