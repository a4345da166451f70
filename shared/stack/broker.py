"""Settings of the one-node broker, the same for jars and for the image."""

from collections.abc import Mapping

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


def as_properties(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """How the image is told: a.b becomes KAFKA_A_B (none of our names has a dash or an underscore)."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}
