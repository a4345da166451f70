"""Where Kafka is, and as whom one speaks to it: one value that everything that connects is given."""

import functools
import logging
import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Security = Literal["sasl_ssl", "sasl_plaintext", "plaintext"]
Mechanism = Literal["scram-sha-512", "plain"]
SCRAM: Final[Mechanism] = "scram-sha-512"


@dataclass(frozen=True)
class KafkaConnection:
    """`str()` and `repr()` have no password, so that it gets into no log and no error."""

    bootstrap: str
    """host:port, several separated by commas"""
    user: str = ""
    password: str = field(default="", repr=False)
    security: Security = "plaintext"
    mechanism: Mechanism = SCRAM
    """`plain` is for an administrator whom the broker knows from its own configuration."""
    ca: str = ""
    """File of the authority that signed the broker's certificate (PEM); empty: those that the system trusts."""

    def options(self) -> dict[str, Any]:
        """What aiokafka's clients take, `bootstrap_servers` included."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap, **self.security_options()}
        return options

    def security_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"security_protocol": self.security.upper()}
        if self.security != "plaintext":
            options["sasl_mechanism"] = self.mechanism.upper()
            options["sasl_plain_username"], options["sasl_plain_password"] = self.user, self.password
        if self.security == "sasl_ssl":
            options["ssl_context"] = _trusting(self.ca)
        return options

    def librdkafka(self) -> dict[str, str]:
        """What confluent-kafka's clients take."""
        settings = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security}
        if self.security != "plaintext":
            settings |= {
                "sasl.mechanism": self.mechanism.upper(),
                "sasl.username": self.user,
                "sasl.password": self.password,
            }
        if self.ca:
            settings["ssl.ca.location"] = self.ca
        return settings

    def addresses(self) -> list[tuple[str, int]]:
        """Hosts as sockets take them: an IPv6 address without its brackets."""
        hosts = (address.strip().rpartition(":") for address in self.bootstrap.split(","))
        return [(host.strip("[]"), int(port)) for host, _, port in hosts]


def _said_elsewhere(record: logging.LogRecord) -> bool:
    """aiokafka warns at each connection of a `plain` user without TLS: where that is, was somebody's decision."""
    return "in the clear" not in record.getMessage()


logging.getLogger("aiokafka.conn").addFilter(_said_elsewhere)


@functools.cache
def _trusting(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca or None)
