"""Logs and traces, without a person's data in either."""
