"""The reference of all that goes over Kafka: schemas, AsyncAPI, pages, and whether a change breaks readers."""
