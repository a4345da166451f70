"""MongoDB, behind what the pipeline asks of a database (store.py).

mongo.py          documents, transactions and leases by Motor
mongo_errors.py   what the driver's errors say
"""
