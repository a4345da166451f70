"""Commands that every service knows.

triage.py         reactions to commands about what waits and about dead letters
discrepancies.py  reactions to lists of what a service should have
"""
