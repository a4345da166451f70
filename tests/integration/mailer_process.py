"""A mailer in a process of its own, for tests that kill it: MONGO_URL DATABASE SMTP_PORT LEASE_S."""

import asyncio
import sys

from devstack.ports import HOST
from services.notification.delivery.mailer import Mailer
from services.notification.delivery.smtp import SmtpServer
from services.notification.terms import load_terms
from shared.pipeline.storage.mongo import MongoStore, connect

TERMS = load_terms("0123456789abcdef" * 4, "https://kompeten.example")


async def main(url: str, database: str, port: int, lease_s: float) -> None:
    server = SmtpServer(HOST, port, client_name="bandung.example")
    store = MongoStore(connect(url), database)
    await Mailer(store, server, "Kompeten <kompeten@bandung.example>", TERMS, lease_s=lease_s).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
