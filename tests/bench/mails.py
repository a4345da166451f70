"""Mails a second, from queued to noted as sent, against a real MongoDB and a mail server that is given.

KOMPETEN_MONGO=mongodb://... python -m tests.bench.mails [--smtp HOST:PORT | --sink] [--mails 3000]

Without --smtp, the mail catcher of the local stack is started: it parses and stores every mail in Python
and takes a core of its own. `--sink` starts a server that only answers, to see what the mailer itself can do.
"""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, process_time

import uvloop

from devstack.ports import HOST, free_ports, port_answers
from devstack.processes import Processes
from services.notification.app import COLLECTIONS
from services.notification.delivery.mailer import Mailer
from services.notification.delivery.smtp import SmtpServer
from services.notification.letters.documents import CONTACTS, MAILS, Contact, Letter, Mail
from services.notification.terms import load_terms
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.pipeline.storage.mongo import MongoStore, connect

TERMS = load_terms("0123456789abcdef" * 4, "https://kompeten.example")


class Sink(asyncio.Protocol):
    """Says yes to everything, keeps nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.in_data, self.tail = transport, False, b""
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.tail += data
        if self.in_data:
            if not self.tail.endswith(b"\r\n.\r\n"):
                return
            self.in_data, self.tail = False, b""
            self.transport.write(b"250 ok\r\n")
        elif self.tail.endswith(b"\r\n"):
            command, self.tail = self.tail[:4].upper(), b""
            self.in_data = command == b"DATA"
            self.transport.write(b"354 go\r\n" if self.in_data else b"250 ok\r\n")


async def sink(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, HOST, port)
    await server.serve_forever()


def mail(number: int) -> Mail:
    now = datetime.now(UTC) - timedelta(minutes=1)
    letter = Letter(
        id=f"let_{number:08}",
        certificate_id=CertificateId(f"crt_{number}"),
        completion_id=CompletionId(f"cmp_{number}"),
        employee_id=EmployeeId(f"emp_{number % 500}"),
        template="certificate_issued",
        revision=1,
        state="released",
        reason="",
        due=now,
        completion_version=1,
        certificate_number=f"800.2/{number:06}/BKPSDM/2026",
        title="Pelatihan Keamanan Informasi bagi Pengelola Sistem Elektronik",
        verification_url="https://kompeten.example/v/abcdefghijklmnopqrstuvwxyz",
        organizer_name="BKPSDM Kota Bandung",
        completed_on="2026-04-11",
        jp=Decimal(20),
        points=45,
        balance=1250,
        level="mahir",
    )
    return Mail(id=letter.id, employee_id=letter.employee_id, letter=letter, due=now)


async def measure(address: str, mongo: str, count: int, connections: int) -> None:
    client = connect(mongo)
    name = f"bench_mails_{secrets.token_hex(4)}"
    store = MongoStore(client, name)
    await store.prepare(COLLECTIONS)
    contacts = [
        Contact(
            EmployeeId(f"emp_{i}"), 1, [str(i)], f"Dr. Siti Ma'ruf {i}, M.Kom.", f"p{i}@example.org", "id"
        )
        for i in range(500)
    ]
    await store.database[CONTACTS.name].insert_many([dict(store.encode(one)) for one in contacts])
    await store.database[MAILS.name].insert_many([dict(store.encode(mail(i))) for i in range(count)])
    host, _, port = address.rpartition(":")
    server = SmtpServer(host, int(port), client_name="bandung.example")
    mailer = Mailer(
        store,
        server,
        "Kompeten <kompeten@bandung.example>",
        TERMS,
        letters_a_day=count,
        connections=connections,
    )
    began, used = monotonic(), process_time()
    running = asyncio.create_task(mailer.run())
    while await store.count(MAILS, {"state": "sent"}) < count:
        await asyncio.sleep(0.05)
    took, cpu = monotonic() - began, process_time() - used
    mailer.stop()
    await running
    print(f"{count} mails in {took:.2f} s: {count / took:.0f}/s, {cpu / count * 1000:.2f} ms CPU each")
    await client.drop_database(name)
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mails", description=__doc__)
    parser.add_argument("--smtp", help="host:port of a mail server; without it, the catcher is started")
    parser.add_argument("--sink", action="store_true", help="start a server that keeps nothing")
    parser.add_argument("--serve-sink", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=4)
    asked = parser.parse_args()
    if asked.serve_sink:
        asyncio.run(sink(asked.serve_sink))
        return
    mongo = os.environ.get("KOMPETEN_MONGO") or sys.exit("set KOMPETEN_MONGO: `make up` prints it")
    with ExitStack() as ending:
        address = asked.smtp
        if address is None:
            directory = Path(ending.enter_context(tempfile.TemporaryDirectory()))
            processes = ending.enter_context(Processes(directory))
            smtp, http = free_ports(2)
            if asked.sink:
                child = processes.start_python("sink", "tests.bench.mails", "--serve-sink", str(smtp))
            else:
                options = ["--smtp-port", str(smtp), "--http-port", str(http)]
                options += ["--directory", str(directory / "mail")]
                child = processes.start_python("mailcatcher", "devstack.mailcatcher", *options)
            address = f"{HOST}:{smtp}"
            child.wait_ready(lambda: port_answers(address), 60)
        uvloop.run(measure(address, mongo, asked.mails, asked.connections))


if __name__ == "__main__":
    main()
