"""Commands that every service knows.

triage.py         handlers of commands about what waits and about dead letters
discrepancies.py  handlers of lists of what a service should have
"""
