"""Enrollment as a whole: its handlers, topics, routes and workers."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.enrollment import (
    agencies,
    bodies,
    completions,
    contests,
    employees,
    reach,
    reconciliation,
    rendering,
)
from services.enrollment.agencies.beginning import Beginning
from services.enrollment.agencies.documents import NO_ROOM, TOO_FAST
from services.enrollment.agencies.register import RegisterCopy
from services.enrollment.bodies.beginning import BodiesBeginning
from services.enrollment.bodies.documents import LACKED
from services.enrollment.certificates.documents import HELD, PRIOR_ISSUES, RENDERINGS
from services.enrollment.certificates.restore import PriorIssues
from services.enrollment.completions.documents import CONTESTED
from services.enrollment.completions.handlers import recalculate_completions
from services.enrollment.completions.reported_bodies import reported_bodies
from services.enrollment.completions.terms import CompletionTerms, load_terms
from services.enrollment.employees.adopted_homes import HomeAdoption
from services.enrollment.persons.documents import DISPUTED, EMPLOYEES, LINKS, UNCLAIMED
from services.enrollment.persons.persons import own_numbers
from services.enrollment.reach.sweep import Sweeper
from services.enrollment.reconciliation.manifest_publisher import ManifestPublisher
from services.enrollment.rendering.held_renderings import HeldRenderings
from services.enrollment.rendering.renderer import Renderer
from services.enrollment.routes import routers
from services.enrollment.settings import EnrollmentSettings
from services.enrollment.waiting_watch import WaitingWatch
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.identity.database_key import LOOK_AT
from shared.identity.identifiers import Ids
from shared.pipeline.capabilities import Capability, collections_of, handlers_of
from shared.pipeline.documents import Collection
from shared.pipeline.handlers import Service
from shared.pipeline.operations.dead_letter_commands import DEAD_LETTER_COMMANDS
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.work import DEFERRED, LEASED, QUEUED, Counts, by_state
from shared.service import ON_PAPER, Components, Runner, make_components, openapi_of
from shared.settings.types import ring_of

CAPABILITIES: tuple[Capability[CompletionTerms], ...] = (
    agencies.CAPABILITY,
    bodies.CAPABILITY,
    completions.CAPABILITY,
    rendering.CAPABILITY,
    contests.CAPABILITY,
    employees.CAPABILITY,
    reach.CAPABILITY,
    reconciliation.CAPABILITY,
    Capability("restore", {}, (PRIOR_ISSUES,)),
    Capability("operations", DEAD_LETTER_COMMANDS, ()),
)
HANDLERS, COLLECTIONS = handlers_of(*CAPABILITIES), collections_of(*CAPABILITIES)


def service_of(settings: EnrollmentSettings, terms: CompletionTerms) -> Service[CompletionTerms]:
    return Service(
        name="enrollment",
        terms=terms,
        handlers=HANDLERS,
        recalculate=recalculate_completions,
        collections=COLLECTIONS,
        sources=(),  # the agencies' topics: those of the register
        events_topic=ENROLLMENT_EVENTS,
        topic_prefix=settings.topic_prefix,
        epoch=settings.epoch,
        restore=PriorIssues(terms),
        rules=terms.version,
    )


def build(settings: EnrollmentSettings) -> Runner[CompletionTerms]:
    secret, ring = settings.secret.get_secret_value(), ring_of(settings.link_keys)
    terms = load_terms(secret, settings.public_url, settings.epoch, ring)
    work: Mapping[Collection[Any], Counts] = {
        RENDERINGS: by_state(QUEUED, DEFERRED, LEASED, HELD),
        EMPLOYEES: {
            kind: {"open": kind} for kind in (DISPUTED, UNCLAIMED, LINKS)
        },  # of people, not of workers
        CONTESTED: {"undecided": {}},
    }
    components: Components[CompletionTerms] = make_components(
        service_of(settings, terms),
        settings,
        work,
        {kind: timedelta(days=settings.unknown_body_days) for kind in (LACKED, NO_ROOM, TOO_FAST)},
    )
    components.evidence = knows_employees
    register = RegisterCopy(components.store, settings.agencies, settings.topic_prefix)
    beginning = Beginning(components.store, components.commands, settings.agencies)
    components.sources.register = register
    components.told.append(register.decided)
    components.workers.append(beginning)
    adoption = HomeAdoption(components.store, components.commands, settings.topic_prefix)
    components.workers.append(adoption)
    sweeper = Sweeper(components.store, components.commands)
    components.workers.append(sweeper)
    components.remarks["register"] = sweeper.remarks
    components.counted["judged_anew"] = sweeper.left
    components.remarks["agencies"] = beginning.remarks
    watch = WaitingWatch(components.store)
    components.workers.append(watch)
    components.remarks["waiting"] = watch.remarks
    held = HeldRenderings(components.store)
    components.workers.append(held)
    components.remarks["fonts"] = held.remarks
    components.quoting |= {"waiting", "fonts", "bodies"}
    store = components.store

    async def behind_s() -> float:
        # Judged from then on: whose people are known by then are not judged by nobody's.
        return await components.behind_s(None) if adoption.done else math.inf

    bodies_beginning = BodiesBeginning(
        store,
        components.commands,
        setting=settings.bodies,
        ruled=terms.bodies.agencies,
        reported=lambda: reported_bodies(store),
        behind_s=behind_s,
    )
    components.workers.append(bodies_beginning)
    components.remarks["bodies"] = bodies_beginning.remarks
    if settings.pdf_workers:
        renderer = Renderer(components.store, components.commands, settings.pdf_workers)
        components.workers.append(renderer)
        components.remarks["certificates"] = renderer.remarks
    components.workers.append(
        ManifestPublisher(
            components.store,
            components.commands,
            group=components.service.name,
            topics=components.sources.known,
            log_ends=lambda places: components.log_ends(places),
            every_s=settings.list_every_s,
        )
    )
    return Runner(settings, components, routers(components, register, settings.events_per_second))


async def knows_employees(store: MongoStore, ids: Ids) -> bool | None:
    """Whether employees have the ids that their numbers give."""
    employees = await store.select(EMPLOYEES, {}, sort=[("_id", 1)], limit=LOOK_AT)
    found = [
        any(ids.employee(number) == employee.id for number in own_numbers(employee)) for employee in employees
    ]
    return any(found) if found else None


def openapi() -> dict[str, Any]:
    """For the reference; needs no network."""
    return openapi_of(build(EnrollmentSettings(**ON_PAPER)))
