"""Settings of the one-node broker, the same for jars and for the image.

It asks everybody who they are, as the one in production does: the administrator and the broker itself are known
from these settings (PLAIN), whoever else from what the administrator tells it (SCRAM), and nobody may do anything
that was not granted."""

from collections.abc import Mapping, Sequence

from shared.kafka.connection import KafkaConnection

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
HEAP = "-Xms512m -Xmx512m"

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "num.partitions": "1",
    # Topics are declared: a typing error must fail, not make a topic.
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The default waits 3 s for more members before the first rebalance.
    "group.initial.rebalance.delay.ms": "0",
    "message.max.bytes": "20971520",
    "replica.fetch.max.bytes": "20971520",
}


ADMIN = "admin"
BROKER = "broker"
CONTROLLER = "CONTROLLER"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def guarded(listeners: Sequence[str], password: str, unguarded: Sequence[str] = ()) -> dict[str, str]:
    """Settings that go with `listeners`, which ask who somebody is; the first of them is the brokers' own.

    `unguarded` ask nobody: whoever comes there is ANONYMOUS, and may do what is granted to that name."""
    login = (
        f'{_PLAIN} required username="{BROKER}" password="{password}" '
        f'user_{BROKER}="{password}" user_{ADMIN}="{password}";'
    )
    guards = dict.fromkeys((CONTROLLER, *listeners), "SASL_PLAINTEXT")
    protocols = guards | dict.fromkeys(unguarded, "PLAINTEXT")
    settings = {
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
        "inter.broker.listener.name": listeners[0],
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"listener.name.{CONTROLLER.lower()}.sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{ADMIN};User:{BROKER}",
    }
    for name in guards:
        settings[f"listener.name.{name.lower()}.plain.sasl.jaas.config"] = login
    for name in listeners:
        settings[f"listener.name.{name.lower()}.scram-sha-512.sasl.jaas.config"] = f"{_SCRAM} required;"
    return settings


def administrator(address: str, password: str) -> KafkaConnection:
    return KafkaConnection(address, ADMIN, password, "sasl_plaintext", "plain")


def as_properties(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """How the image is told: a.b becomes KAFKA_A_B, a-b KAFKA_A___B (none of our names has an underscore)."""
    return {
        "KAFKA_" + name.upper().replace(".", "_").replace("-", "___"): value
        for name, value in settings.items()
    }
