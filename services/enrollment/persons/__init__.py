"""Who somebody is.

persons.py        a person is a file, or several that were merged
homes.py          whose person somebody is
snapshots.py      what is kept of each source
current.py        how the person stands by all of it
queries.py        people as they stand, and worklists
rights.py         which officer may look at whom
"""
