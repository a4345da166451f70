"""Records in, decisions and facts out: the one way by which anything changes.

A record's way:

client.py         how the group's Kafka client is set
reading.py        batches as we read them, in place of aiokafka's way
unpacking.py      ... no further than we want to hold them
sources.py        which topics of others are read now, and why one is not
consumer.py       takes batches, has them decided, knows where each partition stands
offsets.py        ... and whether Kafka still has its copy of that
channels.py       whether a type may come by this topic
fairness.py       ... and of each topic no more than its share
items.py          from a record to an event and the reaction to it
attempt.py        one transaction: decide (pure), settle what several records changed, write
gathering.py      ... before that: ask what decisions may rest on, lock and load it
limits.py         ... and how much of it one transaction takes on
pace.py           ... while HTTP and heartbeats have their turns
burial.py         what can't be decided becomes a dead letter
publisher.py      sends what a batch left pending
telling.py        spans and lines about a batch once it stands
metrics.py        ... and figures
work.py           leases for what is done outside the loop (PDF, mail)

What a service and its handlers are given:

reactions.py      what a service is to the pipeline: its table of reactions
capabilities.py   the parts of a service, and how their tables and collections are added up
records.py        a record as the log holds it, an event as a handler sees it
documents.py      what a decision may rest on (`Lock`, `Doc`, `Docs`) and what an attempt has loaded (`State`)
waiting.py        `keys` of what others may wait for
outcome.py        what a handler returns
errors.py         three ways not to accept a record, three to give up a batch
places.py         a position's name, a key's partition
store.py          what is asked of a database
books.py          the pipeline's own documents: positions, decisions, dead letters, waiting records

When things go wrong:

mass_failure.py   tells a bad deploy from bad records
triage.py         reactions of every service to commands about what waits and about dead letters
rehearsal.py      a dry run of a decision
discrepancies.py  reactions of every service to lists of what it should have
epochs.py         how a database put back from a backup counts on
restoring.py      what is done before it decides anything
arrivals.py       ... in the order in which the logs took it
"""
