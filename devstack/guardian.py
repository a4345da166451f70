"""Parent of everything a stack starts, so that nothing outlives whoever started the stack.

Run by path, with the standard library alone. It takes one JSON request a line on stdin and answers each with
one line; when stdin ends (the starter closed it, crashed, or was killed) it ends every process group and
container. If the guardian itself is killed, Linux kills its children (PR_SET_PDEATHSIG).
"""

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

GRACE_S = 10.0
TICK_S = 0.5
PR_SET_PDEATHSIG = 1


def main() -> None:
    starter, run_dir = int(sys.argv[1]), Path(sys.argv[2])
    guardian = Guardian(run_dir)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        serve(guardian, starter)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        guardian.end_all()


def serve(guardian: "Guardian", starter: int) -> None:
    """Answers requests until the starter is gone. The pipe alone would not tell if a fork of it lives on."""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        pending = b""
        while os.getppid() == starter:
            if not selector.select(TICK_S):
                continue
            received = os.read(sys.stdin.fileno(), 65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                if (
                    line == b"end"
                ):  # as good as the end of the pipe, which a fork of the starter could hold open
                    return
                answer = guardian.answer(json.loads(line))
                os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


class Guardian:
    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self.labels: list[str] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"do": "start", "argv": argv, "env": env, "cwd": cwd, "log": log, "name": name}:
                try:
                    pid = self.start(argv, env, cwd, log)
                except OSError as error:
                    return {"error": f"cannot start {argv[0]}: {error.strerror}"}
                with (self.run_dir / "pids").open("a") as pids:
                    pids.write(f"{pid} {name}\n")
                return {"pid": pid}
            case {"do": "poll", "pid": pid}:
                return {"status": self.children[pid].poll()}
            case {"do": "signal", "pid": pid, "signal": number}:
                return {"sent": send(pid, number)}
            case {"do": "watch containers", "label": label}:
                self.labels.append(label)
                return {}
            case {"do": "remove containers"}:
                self.remove_containers(self.labels)
                return {}
            case _:
                return {"error": f"unknown request {request.get('do')!r}"}

    def start(self, argv: list[str], env: dict[str, str], cwd: str, log: str) -> int:
        with Path(log).open("ab") as output:
            child = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        self.children[child.pid] = child
        return child.pid

    def end_all(self) -> None:
        """Asks every group to end, insists after GRACE_S, then removes containers."""
        groups = list(self.children)
        for group in groups:
            send(group, signal.SIGTERM)
            send(group, signal.SIGCONT)  # a stopped process would sit on its SIGTERM
        deadline = time.monotonic() + GRACE_S
        while groups and time.monotonic() < deadline:
            groups = [group for group in groups if self.is_alive(group)]
            time.sleep(0.02)
        for group in groups:
            send(group, signal.SIGKILL)
        self.remove_containers(self.labels)
        (self.run_dir / "pids").unlink(missing_ok=True)

    def is_alive(self, group: int) -> bool:
        self.children[group].poll()  # reaped, or its zombie would keep the group
        return send(group, 0)

    def remove_containers(self, labels: Iterable[str]) -> None:
        """In a process of its own: only who runs containers needs the Docker client."""
        for label in labels:
            argv = [sys.executable, "-m", "devstack.sweep", label, str(self.run_dir / "logs")]
            root = Path(__file__).resolve().parents[1]
            subprocess.run(argv, cwd=root, check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def send(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
