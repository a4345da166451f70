"""What happens before a database that was put back decides anything.

restoring.py      reads the service's own log from the backup on, and takes over what it had given out
"""
