"""Enrollment as a whole: its reactions, topics, routes and workers."""

from typing import Any

from services.enrollment.adoption import GivenNumbers
from services.enrollment.documents import COLLECTIONS, RENDERINGS
from services.enrollment.handlers import REACTIONS, settle_completions
from services.enrollment.lister import Lister
from services.enrollment.renderer import Renderer
from services.enrollment.routes import routers
from services.enrollment.settings import EnrollmentSettings
from services.enrollment.terms import Terms, load_terms
from shared.contracts.topics import ENROLLMENT_EVENTS, agency_topic
from shared.pipeline.reactions import Service
from shared.pipeline.work import DEFERRED, LEASED, QUEUED
from shared.service import ON_PAPER, Parts, Runner, make_parts, openapi_of


def service_of(settings: EnrollmentSettings, terms: Terms) -> Service[Terms]:
    return Service(
        name="enrollment",
        terms=terms,
        reactions=REACTIONS,
        settle=settle_completions,
        collections=COLLECTIONS,
        sources=tuple(agency_topic(opd) for opd in settings.agencies),
        events_topic=ENROLLMENT_EVENTS,
        topic_prefix=settings.topic_prefix,
        epoch=settings.epoch,
        adoption=GivenNumbers(terms),
        rules=terms.version,
    )


def build(settings: EnrollmentSettings) -> Runner[Terms]:
    terms = load_terms(settings.secret.get_secret_value(), settings.public_url, settings.epoch)
    work = {RENDERINGS: (QUEUED, DEFERRED, LEASED)}
    parts: Parts[Terms] = make_parts(service_of(settings, terms), settings, work)
    if settings.pdf_workers:
        parts.workers.append(Renderer(parts.store, parts.commands, settings.pdf_workers))
    parts.workers.append(
        Lister(
            parts.store,
            parts.commands,
            parts.service.name,
            parts.service.topics,
            lambda places: parts.log_ends(places),
            settings.list_every_s,
        )
    )
    return Runner(settings, parts, routers(parts, settings.agencies, settings.events_per_second))


def openapi() -> dict[str, Any]:
    """For the reference; needs no network."""
    return openapi_of(build(EnrollmentSettings(**ON_PAPER)))
