"""What can go wrong while a stack comes up. Print the text, without a traceback: it is for the user."""


class StackError(Exception):
    """Something was started, and failed."""


class StackMissing(StackError):
    """Something is not installed here; the text says what to install."""
