"""docker-compose.yml as an operator runs it: a copy of the checkout, and a project name and ports of its own."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from devstack.ports import free_ports
from devstack.processes import ROOT
from shared.contracts.rights import agency_user
from shared.kafka.connection import KafkaConnection

SHIPPED = (
    "docker-compose.yml",
    ".dockerignore",
    "cli",
    "deploy",
    "devstack",
    "kompeten",
    "requirements/run.txt",
    "services",
    "shared",
)
UP_S = 180
WITH_KAFKA_PORT = {
    "COMPOSE_FILE": "docker-compose.yml:deploy/kafka-port.yml",
    "KOMPETEN_KAFKA_HOST": "127.0.0.1",
}
COUNT = (Path(__file__).parent / "count.js").read_text(encoding="utf-8")


def why_not() -> str | None:
    """What is missing to run Compose here, in a sentence."""
    for command, lacks in (
        (["docker", "info"], "no Docker engine answers (`docker info`)"),
        (["docker", "compose", "version"], "the Compose plugin is missing (`docker compose version`)"),
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            return lacks
    return None


class Project:
    def __init__(self, folder: Path) -> None:
        """`folder` is empty until something is shipped there."""
        self.folder = folder
        self.name = f"kompeten-test-{uuid.uuid4().hex[:6]}"
        names = ("ENROLLMENT", "INCENTIVE", "NOTIFICATION", "KAFKA", "MAIL_PAGE", "ISSUER")
        self.port = dict(zip(names, free_ports(len(names)), strict=True))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KOMPETEN_", "COMPOSE_"))}
        self.env = {
            **inherited,
            "COMPOSE_PROJECT_NAME": self.name,
            **WITH_KAFKA_PORT,
            "KOMPETEN_VERSION": self.name,
            "KOMPETEN_PUBLIC_URL": self.url("ENROLLMENT"),
            **{f"KOMPETEN_{name}_PORT": str(port) for name, port in self.port.items()},
        }

    def ship(self) -> None:
        """This checkout, over what is there; secrets stay."""
        for path in SHIPPED:
            source, target = ROOT / path, self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                if path != "deploy":  # where the secrets are
                    shutil.rmtree(target, ignore_errors=True)  # what moved since is not left beside
                ignored = shutil.ignore_patterns("secrets", "__pycache__")
                shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy2(source, target)

    def ship_version(self, commit: str) -> str:
        """As that commit has it; why not, when the history does not hold it."""
        # All of it: what belongs to an image lay elsewhere then.
        done = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=False)
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip()
            return f"the repository's history does not give {commit} ({why}): a full clone is needed"
        subprocess.run(["tar", "-x", "-C", str(self.folder)], input=done.stdout, check=True)
        return ""

    def kafka(self, user: str, password: str) -> KafkaConnection:
        """Its port on this host."""
        ca = self.folder / "deploy/secrets/kafka_ca.pem"
        return KafkaConnection(f"127.0.0.1:{self.port['KAFKA']}", user, password, "sasl_ssl", ca=str(ca))

    def kafka_of(self, who: str) -> KafkaConnection:
        """Of a service, or of an agency whose password was made."""
        secrets = self.folder / "deploy/secrets"
        agency = secrets / "agencies" / who
        file = agency if agency.exists() else secrets / f"kafka_{who}"
        return self.kafka(agency_user(who) if agency.exists() else who, file.read_text().strip())

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port[name]}"

    def run(
        self, *command: str, check: bool = True, timeout_s: float = UP_S
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=timeout_s,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, (
            f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
        return done

    def compose(self, *arguments: str, timeout_s: float = UP_S) -> str:
        return self.run("docker", "compose", *arguments, timeout_s=timeout_s).stdout

    def up(self, *arguments: str) -> None:
        self.compose(
            "up", "--detach", "--wait", "--wait-timeout", str(UP_S), *arguments, timeout_s=UP_S + 300
        )

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        return json.loads(self.run("docker", "inspect", container).stdout)[0]

    def kill(self, container: str) -> None:
        """SIGKILL from outside: what `docker kill` ends, no restart policy brings back."""
        pid = self.inspect(container)["State"]["Pid"]
        self.run(
            "docker", "run", "--rm", "--pid", "host", "--user", "0", "--network", "none", "--entrypoint", "python",
            f"kompeten:{self.name}", "-c", f"import os; os.kill({pid}, 9)",
        )  # fmt: skip

    def healthy(self, container: str) -> bool:
        state = self.inspect(container)["State"]
        return bool(state["Running"]) and state["Health"]["Status"] == "healthy"

    def counted(self) -> dict[str, Any]:
        mongosh = (
            "mongosh",
            "--quiet",
            "--norc",
            "mongodb://127.0.0.1/?directConnection=true&serverSelectionTimeoutMS=60000",
            "--eval",
            COUNT,
        )
        return json.loads(self.compose("exec", "-T", "mongo", *mongosh))

    def token(self, role: str, **claims: str) -> str:
        status, answer = self.call("POST", f"{self.url('ISSUER')}/token", {"role": role, **claims})
        assert status == 200
        return str(json.loads(answer)["access_token"])

    def mails(self) -> list[dict[str, Any]]:
        status, answer = self.call("GET", f"{self.url('MAIL_PAGE')}/api/v1/messages?limit=10000")
        assert status == 200
        return list(json.loads(answer)["messages"])

    def call(
        self, method: str, url: str, body: object = None, token: str | None = None, accept: str = "*/*"
    ) -> tuple[int, bytes]:
        """Status and body; status 0: nobody answers."""
        headers = {"content-type": "application/json", "accept": accept}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()
        except (URLError, OSError):
            return 0, b""

    def remove(self) -> None:
        self.run("docker", "compose", "--profile", "*", "down", "--volumes", "--remove-orphans", check=False)
        self.run("docker", "image", "rm", "--force", f"kompeten:{self.name}", check=False)


def until(reached: Callable[[], object], within_s: float, what: Callable[[], object]) -> None:
    """`what` is asked at the end, to say what was there instead."""
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, f"after {within_s:g} s: {what()}"
        time.sleep(1)
