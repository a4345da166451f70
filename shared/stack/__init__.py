"""Brings up real parts on this machine for demo and tests: Kafka, MongoDB, a mail catcher, a token issuer."""

from shared.stack.choose import Stack, local_stack
from shared.stack.errors import StackError, StackMissing

__all__ = ["Stack", "StackError", "StackMissing", "local_stack"]
