"""Brings up real parts on this machine for demo and tests: Kafka, MongoDB, a mail catcher, a token issuer."""

from devstack.choose import Stack, local_stack
from devstack.errors import StackError, StackMissing

__all__ = ["Stack", "StackError", "StackMissing", "local_stack"]
