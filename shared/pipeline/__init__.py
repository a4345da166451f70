"""Records in, decisions and facts out: the one way by which anything changes.

Here is what a service and its handlers are given; the rooms below drive it.

handlers.py       what a service is to the pipeline: its table of handlers
capabilities.py   the parts of a service, and how their tables and collections are added up
records.py        a record as the log holds it, an event as a handler sees it
documents.py      what a decision may rest on (`Lock`, `Doc`, `Docs`) and what a unit of work has loaded (`State`)
context.py        state, terms, time and trace of a decision as one value, for what a handler calls
waiting.py        `needs` of what others may wait for
outcome.py        what a handler returns
errors.py         three ways not to accept a record, four to give up a batch
channels.py       whether a type may come by a topic
partitioner.py    a key's partition, a position's name
limits.py         how much one transaction takes on
epochs.py         how a database put back from a backup counts on
store.py          what is asked of a database
pipeline_collections.py  the pipeline's own documents: positions, decisions, dead letters, waiting records
work.py           leases for what is done outside the loop (PDF, mail)

A record's way through the rooms, each of which imports those after it alone:

consuming/        takes batches from Kafka, has them decided, publishes what follows, and says so
restore/          what happens before a database that was put back decides anything
operations/       commands that every service knows: about dead letters, records that wait, what is missing
processing/       from a record to its decision
kafka/            the client: what is read, how much of it is unpacked, what is sent
storage/          the database
"""
