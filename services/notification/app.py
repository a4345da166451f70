"""Notification as a whole: its handlers, topics, routes and workers."""

from collections.abc import Mapping
from typing import Any, Final

from services.notification import delivery, letters, reconciliation
from services.notification.delivery.mailer import HANDING_OVER, Mailer
from services.notification.delivery.policy import HELD, UNKNOWN
from services.notification.delivery.reporter import DeliveryReporter, UnreportedDeliveries
from services.notification.delivery.resender import Resender
from services.notification.delivery.smtp import trouble
from services.notification.letters.documents import LETTERS, MAILS
from services.notification.letters.timers import LetterTimers
from services.notification.routes import routers
from services.notification.settings import NotificationSettings
from services.notification.terms import Terms, load_terms
from shared.contracts.topics import ENROLLMENT_EVENTS, INCENTIVE_EVENTS
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
from shared.workers.reach import ReachCheck

CAPABILITIES: tuple[Capability[Terms], ...] = (
    letters.CAPABILITY,
    delivery.CAPABILITY,
    reconciliation.CAPABILITY,
    Capability("operations", DEAD_LETTER_COMMANDS, ()),
)
HANDLERS, COLLECTIONS = handlers_of(*CAPABILITIES), collections_of(*CAPABILITIES)

WORK: Final[Mapping[Collection[Any], Counts]] = {
    MAILS: {
        **by_state(QUEUED, LEASED, HANDING_OVER, UNKNOWN),
        DEFERRED: {"state": DEFERRED, "reason": {"$ne": HELD}},
        "held": {"state": DEFERRED, "reason": HELD},
    }
}
"""Mails that are held wait for a decision of people, not for the mail server."""


ASKED_WITHIN_S: Final = 10.0


def service_of(settings: NotificationSettings, terms: Terms) -> Service[Terms]:
    return Service(
        name="notification",
        terms=terms,
        handlers=HANDLERS,
        collections=COLLECTIONS,
        sources=(ENROLLMENT_EVENTS, INCENTIVE_EVENTS),
        topic_prefix=settings.topic_prefix,
        epoch=settings.epoch,
    )


def build(settings: NotificationSettings) -> Runner[Terms]:
    secret, ring = settings.secret.get_secret_value(), ring_of(settings.link_keys)
    terms = load_terms(secret, settings.public_url, settings.reissue_quiet_s, ring)
    components: Components[Terms] = make_components(service_of(settings, terms), settings, WORK)
    components.evidence = knows_letters
    reporter = DeliveryReporter(components.commands, settings.epoch)
    mailer = Mailer(
        components.store,
        settings.smtp(),
        settings.mail_from,
        terms,
        letters_a_day=settings.letters_a_day,
        connections=settings.mail_connections,
        unknown=settings.mail_unknown,
        epoch=settings.epoch,
        reporter=reporter,
    )
    server = ReachCheck(
        "mail server",
        lambda: trouble(settings.smtp(), ASKED_WITHIN_S),
        "mails will wait; check KOMPETEN_SMTP_HOST and the settings beside it, or mend it there",
    )
    # While mails wait for it, that is a fault of the mailer's.
    components.remarks["mail server"] = lambda: [] if mailer.circuit.open else server.remarks()
    components.woken.append(mailer.wake)
    components.workers += [
        mailer,
        server,
        Resender(components.store, mailer.wake),
        UnreportedDeliveries(components.store, reporter, lambda: components.behind_s(None)),
        LetterTimers(components.store, components.commands, lambda number: components.behind_s(number)),
    ]
    return Runner(settings, components, routers(components))


async def knows_letters(store: MongoStore, ids: Ids) -> bool | None:
    """Whether letters are about certificates with the ids that their completions give."""
    letters = await store.select(LETTERS, {}, sort=[("_id", 1)], limit=LOOK_AT)
    found = [ids.certificate(letter.completion_id) == letter.certificate_id for letter in letters]
    return any(found) if found else None


def openapi() -> dict[str, Any]:
    """For the reference; needs no network."""
    return openapi_of(build(NotificationSettings(**ON_PAPER, mail_from="kompeten@bandung.example")))
