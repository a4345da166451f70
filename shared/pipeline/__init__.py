"""Records in, decisions and facts out: the one way by which anything changes.

consumer.py    takes batches from Kafka, knows where each partition stands
attempt.py     one transaction: lock, load, decide (pure), write
documents.py   what a decision may rest on (`Lock`, `Doc`, `Docs`) and what an attempt has loaded (`State`)
outcome.py     what a handler returns
books.py       positions, decisions, dead letters, waiting records
triage.py      reactions of every service to its own commands: what waits, dead letters
rehearsal.py   a dry run of a decision
publisher.py   sends what a batch left pending
work.py        leases for what is done outside the loop (PDF, mail)
"""
