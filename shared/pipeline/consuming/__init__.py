"""Takes batches from Kafka, has them decided, publishes what follows, and says so.

consumer.py       takes partitions over and batches from them, has these decided
partition_table.py  where each partition stands: decided, published, fetched
sources.py        which topics of others are read now, and why one is not
fairness.py       ... and of each topic no more than its share
merge_by_time.py  records of several partitions in the order in which the logs took them
coverage.py       until when all members together have decided what the log has
offsets.py        whether Kafka still has its copy of the positions
observability.py  spans and lines about a batch once it stands
metrics.py        ... and figures
"""
