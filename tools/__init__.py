"""Generators: what they write is checked in, and `make check` holds it against the code."""
