"""Incentive as a whole: its handlers, topics and routes."""

from typing import Any

from services.incentive import points, reconciliation
from services.incentive.points.handlers import recalculate_points
from services.incentive.routes import routers
from services.incentive.settings import IncentiveSettings
from services.incentive.terms import Terms, load_terms
from shared.contracts.topics import ENROLLMENT_EVENTS, INCENTIVE_EVENTS
from shared.pipeline.capabilities import Capability, collections_of, handlers_of
from shared.pipeline.handlers import Service
from shared.pipeline.operations.dead_letter_commands import DEAD_LETTER_COMMANDS
from shared.service import ON_PAPER, Components, Runner, make_components, openapi_of

CAPABILITIES: tuple[Capability[Terms], ...] = (
    points.CAPABILITY,
    reconciliation.CAPABILITY,
    Capability("operations", DEAD_LETTER_COMMANDS, ()),
)
HANDLERS, COLLECTIONS = handlers_of(*CAPABILITIES), collections_of(*CAPABILITIES)


def service_of(settings: IncentiveSettings, terms: Terms) -> Service[Terms]:
    return Service(
        name="incentive",
        terms=terms,
        handlers=HANDLERS,
        recalculate=recalculate_points,
        collections=COLLECTIONS,
        sources=(ENROLLMENT_EVENTS,),
        events_topic=INCENTIVE_EVENTS,
        topic_prefix=settings.topic_prefix,
        epoch=settings.epoch,
        rules=terms.rules.version,
    )


def build(settings: IncentiveSettings) -> Runner[Terms]:
    components: Components[Terms] = make_components(
        service_of(settings, load_terms(settings.epoch)), settings, {}
    )
    return Runner(settings, components, routers(components))


def openapi() -> dict[str, Any]:
    """For the reference; needs no network."""
    return openapi_of(build(IncentiveSettings(**ON_PAPER)))
