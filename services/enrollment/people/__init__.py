"""What officers and operators see of people and decide about them: whose somebody is, which records are one person's, and
which completions its agency contests.

Nothing is kept here: `routes.py` turns what is asked for into the commands of `shared/contracts/people.py`, which
transfers.py and merging.py decide. `rights.py` says who may look at whom and ask for what, `queries.py` reads,
`views.py` is what is shown, `previews.py` what an order would do. Contests, which `contests.py` beside this room decides,
are asked for in `contests.py` here and shown by `doubts.py`.
"""
