"""All that goes over Kafka: one class per event type, and how it is written as a CloudEvent.

To add an event type, add its class to the module of its publisher and to `EVENT_TYPES` in `catalogue.py`;
then `python -m tools.reference --release` writes its reference and freezes its schema.
"""
