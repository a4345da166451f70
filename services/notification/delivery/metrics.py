"""What the mailers did, for Prometheus: states and counts, never an address or a letter."""

from prometheus_client import Counter

MAILS = Counter("kompeten_mails_total", "Mails by the state that a mailer gave them", ["state"])
REPEATED = Counter(
    "kompeten_mails_repeated_total", "Mails handed over again although the first time may have arrived"
)
LEASES_LOST = Counter("kompeten_mail_leases_lost_total", "Notes refused because another worker has the mail")
