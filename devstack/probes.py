"""Whether Kafka and MongoDB can be worked with; a replica set that nobody initiated is, in passing."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pymongo
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pymongo.errors import OperationFailure, PyMongoError

from devstack.ports import port_answers
from shared.kafka.connection import KafkaConnection

Probe = Callable[[], bool]
REPLICA_SET = "rs0"
MONGOD_OPTIONS = ("--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", "1")
NOT_YET_INITIALIZED = 94
NO_LONGER_MEMBER = 93  # InvalidReplicaSetConfig: the data was made on another port


def mongo_url(address: str) -> str:
    return f"mongodb://{address}/?replicaSet={REPLICA_SET}"


def is_primary(url: str) -> bool:
    """`url` as by `mongo_url`. Initiates the set, or tells it its new port."""
    address = url.removeprefix("mongodb://").partition("/")[0]
    if not port_answers(address):
        return False
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
        f"mongodb://{address}", directConnection=True, serverSelectionTimeoutMS=2000, connectTimeoutMS=2000
    )
    with contextlib.closing(client), contextlib.suppress(PyMongoError):
        try:
            client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            member = {"_id": 0, "host": address}
            if error.code == NOT_YET_INITIALIZED:
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
            elif error.code == NO_LONGER_MEMBER:
                known = client.local["system.replset"].find_one() or {}
                config = {**known, "version": int(str(known["version"])) + 1, "members": [member]}
                client.admin.command("replSetReconfig", config, force=True)
        return bool(client.admin.command("hello").get("isWritablePrimary"))
    return False


def kafka_answers(kafka: KafkaConnection) -> bool:
    """True once the broker takes part in its cluster: an open port comes before that."""
    if not port_answers(kafka.bootstrap):
        return False
    # In a thread: whoever brings up a stack may have an event loop running.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _has_broker(kafka)).result()


async def _has_broker(kafka: KafkaConnection) -> bool:
    admin = AIOKafkaAdminClient(**kafka.options(), request_timeout_ms=5000)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that it is not there yet is no news
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        logging.getLogger("aiokafka").setLevel(logging.NOTSET)
        await admin.close()
