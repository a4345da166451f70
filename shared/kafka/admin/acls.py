"""Access control lists (ACLs): what Kafka holds for whom, and how a declared right becomes one."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from shared.contracts.rights import Right
from shared.kafka.admin.errors import translated
from shared.kafka.admin.waiting import TIMEOUT_S, until

EVERYTHING: Final = "*"
_PRINCIPAL: Final = "User:"


class Acl(NamedTuple):
    """As Kafka holds it; `operation` and `resource` in its own words, lower case."""

    user: str
    operation: str
    resource: str
    name: str
    prefixed: bool = False
    allows: bool = True

    def __str__(self) -> str:
        verb = "may" if self.allows else "may not"
        what = "do anything with" if self.operation == "all" else self.operation
        which = f"any {self.resource}" if self.name == EVERYTHING else f"{self.resource} {self.name}"
        return f"{self.user} {verb} {what} {which}{'*' if self.prefixed else ''}"


def acl_of(right: Right) -> Acl:
    return Acl(*right)


def denial_of(user: str) -> Acl:
    """Goes before whatever allows: on every topic, so that a right given later opens nothing either."""
    return Acl(user, "all", "topic", EVERYTHING, allows=False)


class Acls:
    def __init__(self, client: AdminClient) -> None:
        self._client = client

    def all(self) -> set[Acl]:
        return self._found(_filter())

    def of(self, user: str) -> set[Acl]:
        return self._found(_filter(user))

    def ensure(self, wanted: Iterable[Acl]) -> list[Acl]:
        """Those that were missing; returns when the broker holds all, and so all that was asked for before."""
        missing = sorted(set(wanted) - self.all())
        if missing:
            with translated("rights could not be granted"):
                futures = self._client.create_acls(
                    [_binding(acl) for acl in missing], request_timeout=TIMEOUT_S
                )
                for future in futures.values():
                    future.result()
            until(lambda: self.all().issuperset(missing), _shown(missing))
        return missing

    def delete(self, unwanted: Iterable[Acl]) -> None:
        """Returns when the broker holds none of them any more."""
        unwanted = list(unwanted)
        if unwanted:
            filters = [_exactly(acl) for acl in unwanted]
            with translated("rights could not be taken back"):
                for future in self._client.delete_acls(filters, request_timeout=TIMEOUT_S).values():
                    future.result()
            until(lambda: self.all().isdisjoint(unwanted), _shown(unwanted))

    def _found(self, which: AclBindingFilter) -> set[Acl]:
        with translated("rights could not be read"):
            bindings = self._client.describe_acls(which, request_timeout=TIMEOUT_S).result()
        return {_acl(binding) for binding in bindings}


def _shown(changed: Sequence[Acl]) -> str:
    return f"the change of {len(changed)} rights"


def _filter(user: str | None = None) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # confluent-kafka takes None for "any", its types do not say so
        ResourcePatternType.ANY,
        None if user is None else _PRINCIPAL + user,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _exactly(acl: Acl) -> AclBindingFilter:
    binding = _binding(acl)
    return AclBindingFilter(
        binding.restype, binding.name, binding.resource_pattern_type, binding.principal, binding.host,
        binding.operation, binding.permission_type,
    )  # fmt: skip


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(
        ResourceType[acl.resource.upper()],
        acl.name,
        ResourcePatternType.PREFIXED if acl.prefixed else ResourcePatternType.LITERAL,
        _PRINCIPAL + acl.user,
        EVERYTHING,  # from any address: who may reach the broker is the network's matter
        AclOperation[acl.operation.upper()],
        AclPermissionType.ALLOW if acl.allows else AclPermissionType.DENY,
    )


def _acl(binding: AclBinding) -> Acl:
    return Acl(
        binding.principal.removeprefix(_PRINCIPAL),
        AclOperation(binding.operation).name.lower(),
        ResourceType(binding.restype).name.lower(),
        binding.name,
        binding.resource_pattern_type == ResourcePatternType.PREFIXED,
        binding.permission_type == AclPermissionType.ALLOW,
    )
