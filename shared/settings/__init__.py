"""What operators set: read once at the start, and answered in sentences where it can't be so."""
