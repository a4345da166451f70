"""What goes wrong while Kafka is set up, in a sentence for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from shared.kafka.access import NoAccess


class AdminError(Exception):
    """Kafka did not do what it was asked; the text says what to do and never has a password."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Library errors become AdminError: `doing` was not possible, and why."""
    try:
        yield
    except KafkaException as error:
        raise AdminError(f"{doing}: {error.args[0].str()}") from error
    except NoAccess as error:
        raise AdminError(str(error)) from error
    except (KafkaError, TimeoutError, OSError) as error:
        raise AdminError(f"{doing}: {type(error).__name__}") from error
