"""What the set-up step and the command line ask for, from the parts beside this."""

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from aiokafka.errors import SaslAuthenticationFailed
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from shared.contracts.rights import (
    Right,
    agency_rights,
    agency_user,
    all_service_rights,
    number_of,
    opd_of,
    rights_of_service,
    service_user,
)
from shared.contracts.topics import TopicSpec, agency_topic, topic_specs
from shared.kafka.access import Refused, connected
from shared.kafka.admin.acls import Acl, Acls, acl_of, denial_of
from shared.kafka.admin.agencies import AgencyQuota, AgencyState, UserState
from shared.kafka.admin.blocking import blocking
from shared.kafka.admin.errors import translated
from shared.kafka.admin.quotas import Quotas
from shared.kafka.admin.users import Users
from shared.kafka.admin.waiting import TIMEOUT_S, until
from shared.kafka.connection import SCRAM, KafkaConnection
from shared.kafka.topic_rights import check_administrator
from shared.kafka.topics import create_topics

QUOTA: Final = AgencyQuota()
RETENTION_BYTES: Final = "retention.bytes"


class KafkaAdmin:
    """See the package. Blocks, so that an event loop runs it in a thread."""

    def __init__(self, kafka: KafkaConnection, topic_prefix: str = "") -> None:
        self.kafka, self.prefix = kafka, topic_prefix

    @functools.cached_property
    def _client(self) -> AdminClient:
        # librdkafka would try a wrong password for ever, and say so on standard error alone; asked for users by
        # somebody who may not see them, confluent-kafka 2.16 ends the whole process ("invalid pointer").
        with translated("Kafka could not be reached as its administrator"):
            blocking(check_administrator(self.kafka))
        return AdminClient({**self.kafka.librdkafka(), "log_level": "2"}, logger=logging.getLogger(__name__))

    @functools.cached_property
    def users(self) -> Users:
        return Users(self._client)

    @functools.cached_property
    def acls(self) -> Acls:
        return Acls(self._client)

    @functools.cached_property
    def quotas(self) -> Quotas:
        return Quotas(self.kafka)

    # Topics and services

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Names of those that were missing. Raises TopicsDiffer when one has other partitions."""
        with translated("topics could not be made"):
            return blocking(
                create_topics(self.kafka, [(spec.name, spec.partitions, spec.config) for spec in specs])
            )

    def ensure_services(self, passwords: Mapping[str, str]) -> list[str]:
        """Topics of the services, and for each of these services its user and rights."""
        done = [f"topic {name}" for name in self.ensure_topics(topic_specs([], self.prefix))]
        known = self.users.all()
        for service, password in passwords.items():
            done += self._ensure_user(service_user(service, self.prefix), password, known)
        wanted = [right for service in passwords for right in rights_of_service(service, self.prefix)]
        return done + self._ensure_rights(wanted)

    def _ensure_user(self, user: str, password: str, known: AbstractSet[str]) -> list[str]:
        """Kafka tells nobody's password, so whether it is another one is found by using it."""
        differs = self._differs(user, password) if user in known else None
        if differs is False:
            return []
        self.users.set_password(user, password)
        until(lambda: not self._differs(user, password), f"the password of {user}")
        if user not in known:
            return [f"user {user}"]
        return [f"another password for user {user}"] if differs else []

    def _differs(self, user: str, password: str) -> bool | None:
        """None where nobody can tell: at a listener that asks nobody, or not by SCRAM."""
        if self.kafka.security == "plaintext":
            return None
        asking = replace(self.kafka, user=user, password=password, mechanism=SCRAM)
        with translated(f"whether the password of {user} is another one could not be asked"):
            try:
                blocking(self._connects(asking))
            except Refused as refused:
                return True if isinstance(refused.__cause__, SaslAuthenticationFailed) else None
        return False

    @staticmethod
    async def _connects(kafka: KafkaConnection) -> None:
        async with connected(kafka, "kompeten-password"):
            pass

    # Agencies

    def ensure_agency(
        self, opd: str, user: str, password: str, quota: AgencyQuota | None = None
    ) -> list[str]:
        """Without `quota` a new user and a new topic get the usual one, and known ones keep theirs."""
        done = self.ensure_agency_topic(opd, quota)
        known = self.users.all()
        done += self._ensure_user(user, password, known)
        if quota is not None or user not in known:
            values = (quota or QUOTA).of_user()
            done += [f"quota of {user}"] if self.quotas.ensure(user, values) else []
        # Last: nobody writes without a quota.
        return done + self._ensure_rights(agency_rights(user, opd, self.prefix))

    def ensure_agency_topic(self, opd: str, quota: AgencyQuota | None = None) -> list[str]:
        """For an agency that speaks over HTTP alone, that is all it needs."""
        topic, wanted = agency_topic(opd, self.prefix), quota or QUOTA
        made = self.ensure_topics([TopicSpec(topic, 1, wanted.of_topic())])
        done = [f"topic {name}" for name in made]
        if quota is not None and self._retention_bytes([topic])[topic] != quota.retention_bytes:
            self._set_retention_bytes(topic, quota.retention_bytes)
            done.append(f"{RETENTION_BYTES} of {topic}")
        return done

    def agency_users(self, opd: str) -> list[str]:
        numbers = (number_of(user, opd, self.prefix) for user in self.users.all())
        return [agency_user(opd, number, self.prefix) for number in sorted(filter(None, numbers))]

    def next_agency_user(self, opd: str) -> str:
        """The name for a new password."""
        return agency_user(opd, self._number_used(opd) + 1, self.prefix)

    def _number_used(self, opd: str) -> int:
        """The highest, also of a user that was deleted while its denial stayed."""
        names = [*self.users.all(), *(acl.user for acl in self.acls.all())]
        return max((number_of(name, opd, self.prefix) or 0 for name in names), default=0)

    def deny(self, user: str) -> list[str]:
        """From its next request on, also on an open connection; what it sent before stays."""
        return [str(acl) for acl in self.acls.ensure([denial_of(user)])]

    def allow(self, user: str) -> list[str]:
        denial = denial_of(user)
        if denial not in self.acls.of(user):
            return []
        self.acls.delete([denial])
        return [f"{user} is denied no more"]

    def delete_user(self, user: str) -> None:
        """Denied first, so that an open connection is of no use. Returns when the broker lets nobody in by its
        password: it takes changes in the order of its metadata log, and the rights' end stands after the user's.
        """
        self.deny(user)
        self.quotas.delete(user)
        self.users.delete(user)
        self.acls.delete(self.acls.of(user))

    def describe_agencies(self, opds: Iterable[str]) -> list[AgencyState]:
        opds = list(opds)
        topics = [agency_topic(opd, self.prefix) for opd in opds]
        kept, acls, quotas = self._retention_bytes(topics), self.acls.all(), self.quotas.all()
        return [
            AgencyState(
                opd,
                topic in kept,
                kept.get(topic),
                tuple(
                    UserState(
                        user,
                        Acl(user, "write", "topic", topic) in acls,
                        denial_of(user) in acls,
                        quotas.get(user, {}),
                    )
                    for user in self.agency_users(opd)
                ),
            )
            for opd, topic in zip(opds, topics, strict=True)
        ]

    # Drift

    def drift(self, opds: Iterable[str] | None = None) -> list[str]:
        """A sentence for each thing that is declared and not there, or there and not declared. Without `opds` every
        agency that has a user counts as declared."""
        there, users = self.acls.all(), self.users.all()
        if opds is None:
            opds = {opd for opd in (opd_of(user, self.prefix) for user in users) if opd is not None}
        declared = {acl_of(right) for right in all_service_rights(self.prefix)}
        for opd in opds:
            for user in self.agency_users(opd):
                declared |= {acl_of(right) for right in agency_rights(user, opd, self.prefix)}
        denied = {acl.user for acl in there if not acl.allows}
        faults = [f"missing: {acl}" for acl in sorted(declared - there) if acl.user not in denied]
        faults += [f"not declared: {acl}" for acl in sorted(there - declared) if self._ours(acl)]
        known = {right.user for right in all_service_rights(self.prefix)}
        return faults + [f"missing: user {user}" for user in sorted(known - users)]

    def _ours(self, acl: Acl) -> bool:
        """Of this installation, on a cluster that has others; a denial is a decision, no drift."""
        return acl.allows and (acl.user.startswith(self.prefix) or acl.name.startswith(self.prefix))

    # Parts

    def _ensure_rights(self, rights: Iterable[Right]) -> list[str]:
        return [str(acl) for acl in self.acls.ensure(acl_of(right) for right in rights)]

    def _retention_bytes(self, topics: Sequence[str]) -> dict[str, int]:
        """Of those topics that are there."""
        with translated("topics could not be read"):
            known = set(self._client.list_topics(timeout=TIMEOUT_S).topics)
            asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics if topic in known]
            if not asked:
                return {}
            answers = self._client.describe_configs(asked, request_timeout=TIMEOUT_S)
            return {
                resource.name: int(future.result()[RETENTION_BYTES].value)
                for resource, future in answers.items()
            }

    def _set_retention_bytes(self, topic: str, value: int) -> None:
        change = ConfigEntry(RETENTION_BYTES, str(value), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
        with translated(f"{RETENTION_BYTES} of {topic} could not be set"):
            for future in self._client.incremental_alter_configs(
                [resource], request_timeout=TIMEOUT_S
            ).values():
                future.result()
