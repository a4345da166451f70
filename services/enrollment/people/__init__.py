"""What officers and operators see of people and decide about them: whose somebody is, and which records are one person's.

Nothing is kept here: `routes.py` turns what is asked for into the commands of `shared/contracts/people.py`, which
transfers.py and merging.py decide. `rights.py` says who may look at whom and ask for what, `queries.py` reads,
`views.py` is what is shown, `previews.py` what an order would do.
"""
