"""What a service does beside the log: looks again at what waits or failed, counts, asks servers whether they answer."""
