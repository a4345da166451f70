"""`python -m devstack.forget FOLDER`: removes what Docker holds of stacks that ran in a folder; for `make clean`."""

import sys
from collections.abc import Mapping
from pathlib import Path

from docker.client import DockerClient

from devstack import kept
from devstack.containers import FAILURES
from devstack.errors import StackError
from devstack.processes import ROOT


def forget(folder: Path) -> list[str]:
    """Names of what was removed. StackError: the engine does not answer, and it has data from there."""
    folder = folder.resolve()
    label = {"label": kept.RUN_DIR}
    try:
        client = DockerClient.from_env(timeout=30)
        containers = [
            container
            for container in client.containers.list(all=True, filters=label)
            if _is_of(folder, container.labels)
        ]
        for container in containers:
            container.remove(force=True, v=True)
        volumes = [
            volume for volume in client.volumes.list(filters=label) if _is_of(folder, volume.attrs["Labels"])
        ]
        for volume in volumes:
            volume.remove()
    except FAILURES as error:
        if not any("docker" in kept.modes(mode.parent) for mode in folder.glob("*/mode")):
            return []
        raise StackError(
            f"Docker holds data of {_short(folder)} and does not answer ({type(error).__name__}): start its engine "
            "and run it again"
        ) from error
    return [str(resource.name) for resource in (*containers, *volumes)]


def _is_of(folder: Path, labels: Mapping[str, str]) -> bool:
    return Path(labels[kept.RUN_DIR]).is_relative_to(folder)


def _short(folder: Path) -> str:
    return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder)


if __name__ == "__main__":
    try:
        for name in forget(Path(sys.argv[1])):
            print(f"removed {name} of Docker")
    except StackError as error:
        sys.exit(f"clean: {error}")
