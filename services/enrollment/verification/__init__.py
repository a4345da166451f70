"""What anybody may open: whether a certificate is genuine, and its PDF by the link of a mail."""
