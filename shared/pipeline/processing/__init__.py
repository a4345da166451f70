"""From a record to its decision.

messages.py       from a record to an event and the handler of it
unit_of_work.py   one transaction: decide (pure), recalculate what several records changed, write
outbox.py         ... the events that follow
stale.py          ... the documents from which more follows, until that is worked out
loader.py         ... before that: ask what decisions may rest on, lock and load it
pace.py           ... while HTTP and heartbeats have their turns
dead_letters.py   what can't be decided becomes a dead letter
failure_guard.py  tells a bad deploy from bad records
dry_run.py        a dry run of a decision
"""
