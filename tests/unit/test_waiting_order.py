"""Records that waited are decided in the order of the log."""

from shared.pipeline.records import RecordMetadata
from shared.pipeline.waiting import waiting_id


def test_ids_of_waiting_records_sort_as_the_log_does() -> None:
    places = [RecordMetadata("agency.dinkes.v1", 0, offset) for offset in (9, 98, 100, 1_000, 2**63 - 1)]
    assert sorted(places, key=waiting_id) == places
