"""The services, and which topics each of them reads and writes: the one list of them in code."""

from typing import Final, NamedTuple

from shared.contracts.topics import AGENCY, COMMANDS, ENROLLMENT_EVENTS, INCENTIVE_EVENTS


class ServiceTopics(NamedTuple):
    name: str
    sources: tuple[str, ...]
    """Topics that it reads besides its own commands, without the prefix; `AGENCY` stands for every agency's."""
    events: str = ""
    """Where its facts go; empty when it publishes none."""

    @property
    def commands(self) -> str:
        return COMMANDS.format(service=self.name)


SERVICES: Final = (
    ServiceTopics("enrollment", (AGENCY,), ENROLLMENT_EVENTS),
    ServiceTopics("incentive", (ENROLLMENT_EVENTS,), INCENTIVE_EVENTS),
    ServiceTopics("notification", (ENROLLMENT_EVENTS, INCENTIVE_EVENTS)),
)
