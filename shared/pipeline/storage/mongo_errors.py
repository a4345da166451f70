"""What the driver's errors say: whether MongoDB is away or refuses everybody, and in words for an operator why.

A record is never at fault for one of these: work pauses and goes on by itself, nothing becomes a dead letter.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)
from pymongo.topology_description import TopologyDescription

# Codes of a server that is shutting down, stepping down or recovering: wait, nothing is at fault.
NOT_PRIMARY: Final = frozenset({89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
# CursorNotFound, CursorKilled, Interrupted: of a command in hand when its session was ended, by whoever takes over
# (MongoStore._end) or by an operator. Between two commands the server says NoSuchTransaction, with the label; here
# without.
ENDED: Final = frozenset({43, 237, 11601})
_FULL: Final = "its disk is full: free some of it, or enlarge the volume"
_STEPS_DOWN: Final = "it is shutting down, or changes its primary: it comes back by itself"
_NOT_COPIED: Final = (
    "a write did not reach a majority of the replica set: see with rs.status() which members are down or lag"
)
_NO_PRIMARY: Final = (
    "its replica set has no primary: bring up a majority of its members (rs.status() names them)"
)
_NOT_LET_IN: Final = (
    "it does not let in the user in KOMPETEN_MONGO by the password there: set that password in MongoDB, or put the right "
    "one into KOMPETEN_MONGO or its file and restart this service"
)
# Everybody is refused alike, whatever the record.
_REFUSALS: Final[Mapping[int, str]] = {
    13: "it does not grant the user in KOMPETEN_MONGO what this service does there: give that user readWrite on this "
    "service's database",
    18: _NOT_LET_IN,
    8000: _NOT_LET_IN,  # MongoDB Atlas's word for it
    64: _NOT_COPIED,
    79: _NOT_COPIED,
    100: _NOT_COPIED,
    14031: _FULL,
}
# In Compose a container that does not run has no name.
_NAMELESS: Final = (
    "its host is not there, or the name in KOMPETEN_MONGO is not its own: see first whether it runs (`docker compose ps "
    "mongo`), then KOMPETEN_MONGO and the name service"
)
_BROKEN_OFF: Final = "its connection broke off: it is starting anew or has ended, its log says which"
_NO_SPACE: Final = "No space left on device"
# By what the driver's text of a server that was not found has. Its own says addresses, and all of the topology.
_AWAY: Final[Mapping[str, str]] = {
    _NO_SPACE: _FULL,
    "Authentication failed": _NOT_LET_IN,
    "Connection refused": "no process listens at its address: start mongod; where it ended by itself, its log says "
    "why (a full disk ends it)",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not one that is trusted here: see tlsCAFile in KOMPETEN_MONGO",
    "SSL": "the TLS handshake failed: see tls in KOMPETEN_MONGO",
    "Name or service not known": _NAMELESS,
    "name resolution": _NAMELESS,
    "No route to host": "no way leads to its host: see the network",
    "Network is unreachable": "no way leads to its host: see the network",
    "timed out": "its server did not answer in time: see its load and the network",
    "No replica set members": _NO_PRIMARY,
    "No primary": _NO_PRIMARY,
    "reset by peer": _BROKEN_OFF,
    "connection closed": "it closed the connection: it is starting anew, or has as many as it takes (its log says which)",
}


def is_infrastructure(error: PyMongoError) -> bool:
    # The address was looked through at the start (shared/settings/types.py), so what is left to be wrong with the
    # configuration is in the DNS.
    if isinstance(error, AutoReconnect | ConnectionFailure | ConfigurationError):
        return True
    faults = list(_faults(error))
    return bool(faults) and all(_is_nobodys(fault) for fault in faults)


def sentence(error: PyMongoError) -> str:
    """Why, and what to do, without addresses and names; the error's kind where no more is known."""
    for fault in _faults(error):
        if _NO_SPACE in str(fault.get("errmsg", "")):
            return f"MongoDB: {_FULL}"
        if (known := _REFUSALS.get(fault.get("code", 0))) is not None:
            return f"MongoDB: {known}"
        if fault.get("code") in NOT_PRIMARY:
            return f"MongoDB: {_STEPS_DOWN}"
    if isinstance(error, WaitQueueTimeoutError):
        return "MongoDB: all connections of this process are in use: see what takes it so long"
    if (known := _known(str(error))) is not None:
        return f"MongoDB: {known}"
    if isinstance(error, NetworkTimeout | ServerSelectionTimeoutError):
        return f"MongoDB: {_AWAY['timed out']}"
    if isinstance(error, ConfigurationError):
        return (
            "MongoDB: its hosts are not found in DNS: check the name after mongodb+srv:// in KOMPETEN_MONGO, if it does "
            "not come back by itself"
        )
    if isinstance(error, ConnectionFailure):
        return f"MongoDB: {_BROKEN_OFF}"
    return f"MongoDB: {type(error).__name__}"


def sentence_of(topology: TopologyDescription) -> str:
    """As `sentence`, of what the driver has noted about servers while it still looks for one."""
    servers = topology.server_descriptions().values()
    for server in servers:
        if (known := _known(str(server.error or ""))) is not None:
            return f"MongoDB: {known}"
    if topology.topology_type_name == "ReplicaSetNoPrimary" and any(
        server.is_server_type_known for server in servers
    ):
        return f"MongoDB: {_NO_PRIMARY}"
    return f"MongoDB: {_AWAY['timed out']}"


def _known(text: str) -> str | None:
    return next((known for part, known in _AWAY.items() if part in text), None)


def _is_nobodys(fault: Mapping[str, Any]) -> bool:
    code = fault.get("code")
    return code in NOT_PRIMARY | ENDED | _REFUSALS.keys() or _NO_SPACE in str(fault.get("errmsg", ""))


def _faults(error: PyMongoError) -> Iterator[Mapping[str, Any]]:
    """What the server said, each with code and errmsg; a bulk write has a code of its own, whatever happened to its
    parts."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        yield from details.get("writeErrors", ())
        yield from details.get("writeConcernErrors", ())
    elif isinstance(error, OperationFailure):
        yield {"code": error.code, "errmsg": str(error)}
    elif isinstance(error, AutoReconnect) and isinstance(error.details, Mapping):
        yield error.details
