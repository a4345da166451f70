"""`python -m demo.up`: the stack and the three services, kept running until Ctrl-C; the data stay for the next time."""

import argparse
import json
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from demo.people import AGENCIES
from demo.report import say
from demo.runs import alone
from demo.settling import watch
from devstack import StackError, local_stack
from devstack.kompeten import (
    ROLES,
    SERVICES,
    Kompeten,
    configure,
    make_topics,
    start,
    write_description,
)
from devstack.processes import ROOT, Processes
from shared.contracts.topics import agency_topic

WATCH_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.up", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run/up", help="data and logs; kept")
    parser.add_argument(
        "--description", type=Path, default=ROOT / ".run/stack.json", help="addresses, for scripts"
    )
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with (
        alone(asked.run_dir),
        local_stack(asked.run_dir, keep=True) as stack,
        Processes(asked.run_dir / "services") as processes,
    ):
        secret = kept_secret(asked.run_dir / "secret")
        opds = [agency.opd for agency in AGENCIES]
        kompeten = configure(stack, opds, settings={"*": {"KOMPETEN_SECRET": secret}})
        make_topics(kompeten)
        start(kompeten, processes)
        write_description(kompeten, asked.description)
        try:
            say("\n".join(instructions(kompeten, asked.description)))
            while True:
                watch(kompeten)
                time.sleep(WATCH_S)
        finally:
            asked.description.unlink(missing_ok=True)
            say("stopping: services first, then the stack")


def kept_secret(path: Path) -> str:
    """Ids follow from it: with another one, the same employees would be strangers to the data that stayed."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def instructions(kompeten: Kompeten, description: Path) -> Iterator[str]:
    stack = kompeten.stack
    yield ""
    yield f"up, with {stack.took}; Ctrl-C stops all of it, the data stay for the next time, `make clean` removes them"
    for name in SERVICES:
        yield f"  {name:13} {kompeten.urls[name]}"
        yield f"  {'':13} {kompeten.internal_urls[name]}/openapi.json and /metrics"
    yield f"  {'mails':13} {stack.mail_page}"
    yield f"  {'Kafka':13} {stack.kafka.bootstrap}, with the user of an agency: see kafka_users in the file for scripts"
    yield f"  {'MongoDB':13} {stack.mongo}"
    yield f"  {'for scripts':13} {description}"
    yield ""
    yield "a token, by role (shell variables hold the value alone):"
    described = kompeten.describe()["tokens"]
    assert isinstance(described, dict)
    for role in ROLES:
        yield f"  {role.upper()}=$({token_line(stack.issuer, described[role]['json'])})"
    yield ""
    opd = kompeten.agencies[0]
    yield f"publish an event as {opd}:"
    yield (
        f'  curl -s {kompeten.urls["enrollment"]}/events -H "Authorization: Bearer $AGENCY"'
        f" -H 'Content-Type: application/cloudevents+json' -d '{json.dumps(example_event(opd))}'"
    )
    yield f"the same over Kafka, to topic {agency_topic(opd, kompeten.topic_prefix)}, once kcat is installed:"
    yield f"  {kcat_line(kompeten, opd, description)}"
    yield "see what became of it:"
    yield f'  curl -s {kompeten.urls["enrollment"]}/decisions/try-1 -H "Authorization: Bearer $AGENCY"'
    yield "connect another agency, without a restart (docs/how-to/connect-an-agency.md):"
    yield '  ./kompeten agency add dinas-baru --name "Dinas Baru"'
    yield ""


def kcat_line(kompeten: Kompeten, opd: str, description: Path) -> str:
    """The password stays in its file: what is printed may be shared."""
    read = f'import json; print(json.load(open("{description}"))["kafka_users"]["{opd}"]["sasl.password"])'
    user = kompeten.kafka_of_agency(opd)
    options = [f"-X {name}={value}" for name, value in user.librdkafka().items() if name != "sasl.password"]
    password = f"-X sasl.password=$({sys.executable} -c '{read}')"
    return (
        f"echo '{json.dumps(example_event(opd))}' | kcat -P {' '.join(options)} {password}"
        f" -t {agency_topic(opd, kompeten.topic_prefix)}"
        " -H 'content-type=application/cloudevents+json; charset=UTF-8'"
    )


def token_line(issuer: str, wish: dict[str, str]) -> str:
    read = 'import json,sys; print(json.load(sys.stdin)["access_token"])'
    return (
        f"curl -s {issuer}/token -H 'Content-Type: application/json' -d '{json.dumps(wish)}'"
        f" | {sys.executable} -c '{read}'"
    )


def example_event(opd: str) -> dict[str, object]:
    """Registers the employee for whom the tokens above are."""
    return {
        "specversion": "1.0",
        "id": "try-1",
        "source": f"urn:bandung:{opd}:try",
        "type": "id.go.bandung.employee.registered.v1",
        "data": {
            "employee_number": "198501012010011001",
            "name": "Dewi Lestari, S.Kom.",
            "email": "dewi.lestari@bandung.example",
            "employment_type": "pns",
            "opd": AGENCIES[0].name,
        },
    }


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: a second Ctrl-C must not cut short what ends the first one's."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(f"up: {error}")
    except KeyboardInterrupt:
        sys.exit(0)
