"""The Kafka client, as far as the pipeline needs it.

client.py         how the group's client is set, and that topics are as they were declared
reading.py        batches as we read them, in place of aiokafka's way
unpacking.py      ... no further than we want to hold them
publisher.py      sends what a batch left pending
"""
