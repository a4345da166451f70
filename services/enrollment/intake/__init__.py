"""Events over HTTP, for agencies without Kafka."""
