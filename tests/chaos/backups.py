"""A service's database as a backup keeps it: all of it, as it was at one moment."""

from typing import Any

from tests.chaos.system import System

Backup = dict[str, list[dict[str, Any]]]


def backup(system: System, service: str) -> Backup:
    """While the service runs."""
    with system.client.start_session(snapshot=True) as session:
        database = system.database(service)
        return {
            name: list(database[name].find({}, session=session)) for name in database.list_collection_names()
        }


def put_back(system: System, service: str, kept: Backup) -> None:
    """Only while the service is down. What the backup does not have is gone."""
    assert system.child(service).poll() is not None
    database = system.database(service)
    for name in database.list_collection_names():
        database[name].delete_many({})
    for name, documents in kept.items():
        if documents:
            database[name].insert_many(documents)
