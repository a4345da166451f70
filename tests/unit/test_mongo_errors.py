"""Which of the driver's errors say that MongoDB is away, and which that something of ours is wrong."""

from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from shared.mongo import is_infrastructure

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
        (OperationFailure("Authentication failed.", 18), True),
        (OperationFailure("not authorized on kompeten_incentive to execute command", 13), True),
        (ConfigurationError("The DNS query name does not exist: _mongodb._tcp.db.example."), True),
    ],
)
def test_only_what_goes_by_itself_is_taken_for_an_outage(error: PyMongoError, away: bool) -> None:
    """One answer of the third kind ended the mailer, and with it the service."""
    assert is_infrastructure(error) is away
