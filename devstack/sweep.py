"""`python -m devstack.sweep LABEL LOGS`: removes containers by their label, once their logs are kept."""

import sys
import time
from pathlib import Path

from docker.client import DockerClient

from devstack.containers import KEEPS_DATA, LABEL, STOPS_WITHIN_S


def remove(label: str, logs: Path) -> None:
    """Looks twice: their maker may have died while one was being created."""
    client = DockerClient.from_env()
    for pause_s in (0.0, 1.0):
        time.sleep(pause_s)
        for container in client.containers.list(all=True, filters={"label": label}):
            name = container.labels.get(f"{LABEL}.name", container.name)
            if container.labels.get(KEEPS_DATA):
                container.stop(timeout=STOPS_WITHIN_S)  # it is to leave them in order
            (logs / f"{name}.log").write_bytes(container.logs())
            container.remove(force=True, v=True)


if __name__ == "__main__":
    remove(sys.argv[1], Path(sys.argv[2]))
