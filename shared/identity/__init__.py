"""Ids and links, made from secret keys: the same for the same thing, and nothing that one could guess."""
