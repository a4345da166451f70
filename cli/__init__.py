"""`kompeten`, the operators' command line: a client of the services' admin HTTP interface, and nothing else.

`client.py` asks, `answers.py` is what comes back, `where.py` finds addresses and tokens, `command.py` gives
every command its common options and exit statuses; one module for each group of commands.
"""
