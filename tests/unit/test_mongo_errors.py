"""Which of the driver's errors say that MongoDB is away, and which that something of ours is wrong."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from devstack.ports import free_ports
from shared.pipeline.errors import Unavailable
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.pipeline.storage.mongo_errors import is_infrastructure, sentence

STEPPED_DOWN = {
    "code": 11602,
    "codeName": "InterruptedDueToReplStateChange",
    "errmsg": "operation was interrupted",
}
DUPLICATE = {"code": 11000, "errmsg": "E11000 duplicate key error"}


def bulk(
    written: tuple[dict[str, Any], ...] = (), concern: tuple[dict[str, Any], ...] = ()
) -> BulkWriteError:
    """As the server answered when its primary stepped down during a bulk write."""
    return BulkWriteError({"writeErrors": list(written), "writeConcernErrors": list(concern), "nMatched": 12})


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (AutoReconnect("connection closed"), True),
        (OperationFailure("not primary", 10107), True),
        (WriteConcernError("operation was interrupted", 11602), True),
        (bulk(concern=(STEPPED_DOWN,)), True),
        (bulk(written=(STEPPED_DOWN,)), True),
        (bulk(written=(DUPLICATE,)), False),
        (bulk(written=(DUPLICATE,), concern=(STEPPED_DOWN,)), False),
        (bulk(), False),
        (OperationFailure("E11000 duplicate key error", 11000), False),
        (OperationFailure("not authorized on kompeten to execute command", 13), True),
        (OperationFailure("Authentication failed.", 18), True),
        (OperationFailure("Available disk space of 1 bytes is less than required", 14031), True),
        (bulk(written=({"code": 8, "errmsg": "28: No space left on device"},)), True),
        (bulk(concern=({"code": 64, "errmsg": "waiting for replication timed out"},)), True),
        (bulk(written=(DUPLICATE, {"code": 13, "errmsg": "not authorized"})), False),
        (ConfigurationError("The DNS query name does not exist: _mongodb._tcp.db.example."), True),
    ],
)
def test_only_what_goes_by_itself_is_taken_for_an_outage(error: PyMongoError, away: bool) -> None:
    """One answer of the third kind ended the mailer, and with it the service."""
    assert is_infrastructure(error) is away


TOPOLOGY = "(configured timeouts: connectTimeoutMS: 5000.0ms), Timeout: 5.0s, Topology Description: <...>"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        # What a mongod whose disk had become full left behind: it ends itself, and nobody listens any more.
        (
            ServerSelectionTimeoutError(f"db-1:27017: [Errno 111] Connection refused {TOPOLOGY}"),
            "a full disk ends it",
        ),
        (AutoReconnect("db-1:27017: connection closed (configured timeouts: ...)"), "closed the connection"),
        (AutoReconnect("db-1:27017: [Errno 104] Connection reset by peer"), "broke off"),
        (AutoReconnect("db-1:27017: [Errno 32] Broken pipe"), "broke off"),
        (
            OperationFailure("Available disk space of 1 bytes is less than required", 14031),
            "its disk is full",
        ),
        (bulk(written=({"code": 8, "errmsg": "28: No space left on device"},)), "its disk is full"),
        (
            ServerSelectionTimeoutError(f'No replica set members match selector "Primary()" {TOPOLOGY}'),
            "no primary",
        ),
        (NotPrimaryError("not primary", {"code": 10107, "errmsg": "not primary"}), "changes its primary"),
        (bulk(concern=(STEPPED_DOWN,)), "changes its primary"),
        (WriteConcernError("waiting for replication timed out", 64), "did not reach a majority"),
        (OperationFailure("not authorized on kompeten to execute command", 13), "readWrite"),
        (OperationFailure("Authentication failed.", 18), "put the right one into KOMPETEN_MONGO"),
        (ServerSelectionTimeoutError(f"db-1:27017: timed out {TOPOLOGY}"), "did not answer in time"),
        (NetworkTimeout("db-1:27017: timed out"), "did not answer in time"),
        (
            ServerSelectionTimeoutError(f"db-1: [Errno -2] Name or service not known {TOPOLOGY}"),
            "its host is not there",
        ),
    ],
)
def test_an_outage_is_told_by_what_is_known_of_it_and_what_to_do(error: PyMongoError, words: str) -> None:
    """All of them were "MongoDB does not answer"."""
    assert is_infrastructure(error)
    said = sentence(error)
    assert words in said
    assert "db-1" not in said, "no addresses"
    assert "Topology" not in said


@pytest.mark.slow
async def test_before_the_driver_gives_up_it_is_known_that_nobody_listens() -> None:
    """Readiness has less time than the driver takes to look for a server."""
    (port,) = free_ports(1)
    client = connect(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0")
    store = MongoStore(client, "kompeten_test")
    try:
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.ping(), 1.0)
            assert "no process listens" in store.why_away()
            with pytest.raises(Unavailable, match="no process listens"):
                await store.ping()
    finally:
        client.close()
