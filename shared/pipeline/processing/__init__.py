"""From a record to its decision.

messages.py       from a record to an event and the handler of it
attempt.py        one transaction: decide (pure), settle what several records changed, write
gathering.py      ... before that: ask what decisions may rest on, lock and load it
pace.py           ... while HTTP and heartbeats have their turns
burial.py         what can't be decided becomes a dead letter
mass_failure.py   tells a bad deploy from bad records
rehearsal.py      a dry run of a decision
"""
