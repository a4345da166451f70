"""Reads what came out: from the services' databases and from the mail catcher."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.database import Database

from demo.city import Occasion
from demo.reconcile import Account, Caught, Certified, Comparison, Letter, Points
from devstack.kompeten import SERVICES, Kompeten
from services.enrollment.certificates.documents import STORED_PDFS
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.persons.documents import EMPLOYEES
from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, POINT_ENTRIES
from services.notification.letters.documents import LETTERS, MAILS, Mail
from shared.pipeline.documents import Collection, Document
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, WAITING

Raw = dict[str, Any]  # what MongoDB returns, before msgspec has given it a type
D = TypeVar("D", bound=Document)
LINK = re.compile(r"https?://\S+/v/[a-z2-7]+")
EVERYTHING = 1_000_000


class MailIndex(NamedTuple):
    id: str
    message_id: str
    recipient: str
    subject: str


class Reader:
    """Majority reads of the three databases; mails that arrived before it was made are somebody else's."""

    def __init__(self, kompeten: Kompeten) -> None:
        self._kompeten = kompeten
        client: MongoClient[Raw] = MongoClient(kompeten.stack.mongo, readConcernLevel="majority")
        self._client = client
        self._mails = httpx.Client(base_url=kompeten.stack.mail_page, timeout=30)
        self._read: dict[str, Caught] = {}
        self._earlier = {index.id for index in self._index()}

    def close(self) -> None:
        self._client.close()
        self._mails.close()

    def database(self, service: str) -> Database[Raw]:
        codec: CodecOptions[Raw] = CodecOptions(tz_aware=True)
        return self._client.get_database(self._kompeten.database(service), codec_options=codec)

    def all(
        self, service: str, collection: Collection[D], filter: Mapping[str, object] | None = None
    ) -> list[D]:
        found = list(self.database(service)[collection.name].find(dict(filter or {})))
        return msgspec.convert(found, list[collection.document])  # type: ignore[name-defined]

    def count(self, service: str, collection: Collection[Document], **filter: object) -> int:
        return self.database(service)[collection.name].count_documents(filter)

    def comparison(self) -> Comparison:
        completions = [
            completion for completion in self.all("enrollment", COMPLETIONS) if completion.effective
        ]
        return Comparison(
            certified=tuple(self._certified(completions)),
            points=tuple(self._points()),
            accounts=tuple(self._accounts()),
            letters=tuple(self._letters()),
            caught=tuple(self.caught()),
            dead_letters=self.dead_letters(),
            point_entries=self.count("incentive", POINT_ENTRIES),
            waiting=sum(self.count(service, WAITING) for service in SERVICES),
            decided=self.decided(),
        )

    def dead_letters(self) -> tuple[str, ...]:
        return tuple(letter.reason for service in SERVICES for letter in self.all(service, DEAD_LETTERS))

    def decided(self) -> int:
        """Records of the agencies' topics that have a first verdict."""
        topics = "|".join(
            re.escape(f"{self._kompeten.topic_prefix}agency.{opd}.v1") for opd in self._kompeten.agencies
        )
        return self.count("enrollment", DECISIONS, _id={"$regex": f"^({topics})/[0-9]+/[0-9]+/0$"})

    def caught(self) -> list[Caught]:
        """Each mail's text is fetched once."""
        index = [entry for entry in self._index() if entry.id not in self._earlier]
        for entry in index:
            if entry.id not in self._read:
                text = text_of(self.raw_mail(entry.id))
                link = LINK.search(text)
                self._read[entry.id] = Caught(
                    entry.message_id, entry.recipient, entry.subject, link.group() if link else ""
                )
        return [self._read[entry.id] for entry in index]

    def count_mails(self) -> int:
        answer = self._mails.get("/api/v1/messages", params={"limit": 0})
        return int(answer.json()["total"]) - len(self._earlier)

    def raw_mail(self, id: str) -> bytes:
        return self._mails.get(f"/api/v1/message/{id}/raw").content

    def mail_of(self, message_id: str) -> bytes:
        return self.raw_mail(next(index.id for index in self._index() if index.message_id == message_id))

    def delays_s(self) -> list[float]:
        """From the arrival of a completion in the log to its certificate's mail, in order; first mails only."""
        arrived: dict[str, datetime] = {}
        agencies = "^" + re.escape(self._kompeten.topic_prefix + "agency.")
        accepted = {"v": "accepted", "_id": {"$regex": agencies}}
        for decision in self.all("enrollment", DECISIONS, accepted):
            arrived[decision.subject] = min(
                arrived.get(decision.subject, decision.decided_at), decision.decided_at
            )
        sent = ((mail.letter, mail.sent_at) for mail in self.sent_mails())
        return sorted(
            (at - arrived[letter.completion_id]).total_seconds()
            for letter, at in sent
            if at is not None and letter.revision == 1 and letter.completion_id in arrived
        )

    def sent_mails(self) -> list[Mail]:
        return self.all("notification", MAILS, {"state": "sent"})

    def sent_at(self) -> list[datetime]:
        return [mail.sent_at for mail in self.sent_mails() if mail.sent_at is not None]

    def _index(self) -> list[MailIndex]:
        answer = self._mails.get("/api/v1/messages", params={"limit": EVERYTHING})
        return [
            MailIndex(
                message["ID"],
                message["MessageID"],
                message["To"][0]["Address"] if message["To"] else "",
                message["Subject"],
            )
            for message in answer.json()["messages"]
        ]

    def _certified(self, completions: list[Completion]) -> Iterator[Certified]:
        numbers = {employee.id: tuple(employee.numbers) for employee in self.all("enrollment", EMPLOYEES)}
        stored = self.database("enrollment")[STORED_PDFS.name].find({}, {"sha256": 1})
        pdfs = {raw["_id"]: raw["sha256"] for raw in stored}
        for completion in completions:
            facts = next(
                content.facts for content in completion.contents if content.digest == completion.effective
            )
            has = numbers.get(completion.employee_id, ("",))
            certificate = completion.certificate
            pdf = None if certificate is None else pdfs.get(f"{certificate.id}/{certificate.revision}")
            yield Certified(
                completion_id=completion.id,
                numbers=has,
                occasion=Occasion(has[0], facts.organizer_code, facts.code, facts.batch),
                title=facts.title,
                score=facts.score,
                year=facts.completed_on.year,
                certificate_id=None if certificate is None else certificate.id,
                number=None if certificate is None else certificate.number,
                revision=0 if certificate is None else certificate.revision,
                revoked=not completion.learning_year if certificate is None else certificate.revoked,
                jp=completion.jp,
                jp_rule=completion.jp_rule,
                certified=completion.certified,
                has_pdf=certificate is not None and pdf is not None and pdf == certificate.sha256,
            )

    def _points(self) -> Iterator[Points]:
        ledger: dict[str, int] = defaultdict(int)
        for entry in self.all("incentive", POINT_ENTRIES):
            ledger[entry.completion_id] += entry.points
        for completion in self.all("incentive", EARNED_COMPLETIONS):
            month = completion.month.partition("/")[2]
            yield Points(completion.id, month, completion.points, completion.settled, ledger[completion.id])

    def _accounts(self) -> Iterator[Account]:
        ledger: dict[str, int] = defaultdict(int)
        for entry in self.all("incentive", POINT_ENTRIES):
            ledger[entry.employee_id] += entry.points
        for account in self.all("incentive", ACCOUNTS):
            yield Account(account.id, account.balance, ledger.pop(account.id, 0))
        for id, points in ledger.items():
            yield Account(id, 0, points)

    def _letters(self) -> Iterator[Letter]:
        sent = {mail.id: mail.message_id.strip("<>") for mail in self.sent_mails()}
        for letter in self.all("notification", LETTERS):
            yield Letter(
                letter.id, letter.completion_id, letter.template, letter.revision, sent.get(letter.id, "")
            )


def text_of(raw: bytes) -> str:
    return _part(raw, "plain")


def html_of(raw: bytes) -> str:
    return _part(raw, "html")


def _part(raw: bytes, kind: str) -> str:
    body = message_from_bytes(raw, policy=policy.default).get_body((kind,))
    return "" if body is None else str(body.get_content())
