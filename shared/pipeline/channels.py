"""A channel says who speaks: a type counts on its own topic alone (DESIGN rule 11).

Whoever may write to a topic may write anything into it. So what a record claims to be is held against the topic that it
came by, before anything else is done with it: read, replayed, mended, released from waiting or tried in a dry run.
"""

from functools import lru_cache
from typing import Final

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.topics import AGENCY, COMMANDS

_DECLARED: Final = {payload.TYPE: topic for payload, topic in EVENT_TYPES.items()}
_OWN_COMMANDS: Final = COMMANDS.format(service="")  # what the name of any commands topic ends with


def is_known(event_type: str) -> bool:
    return event_type in _DECLARED


@lru_cache(maxsize=4096)
def fault_of_channel(event_type: str, topic: str, prefix: str) -> str | None:
    """Why an event of a known type does not count on this topic; None if it does."""
    declared, name = _DECLARED[event_type], topic.removeprefix(prefix)
    if declared == AGENCY:
        belongs = name.startswith("agency.")
    elif declared == COMMANDS:
        belongs = name.endswith(_OWN_COMMANDS)
    else:
        belongs = name == declared
    if belongs:
        return None
    # Without the topic that it came by: what fails alike is one group, whichever agencies sent it.
    own = declared.replace("{opd}", "<agency>").replace("{service}", "<service>")
    return (
        f"its type counts on the topic {own} alone, and it came by another one: "
        "docs/reference/events.md says what may be sent where"
    )
