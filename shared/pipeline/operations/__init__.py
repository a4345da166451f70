"""Commands that every service knows.

dead_letter_commands.py  handlers of commands about what waits and about dead letters
discrepancies.py  handlers of lists of what a service should have
"""
