"""A certificate: what it shows, under which number, and as PDF."""
