"""Catches every mail that is sent to it, shows it on a page, delivers none. For demo and tests only."""

import argparse
from pathlib import Path

import uvicorn
import uvloop

from devstack import mail_smtp
from devstack.mail_app import make_app
from devstack.mail_store import MailStore


async def serve(host: str, smtp_port: int, http_port: int, directory: Path) -> None:
    """Until SIGINT or SIGTERM."""
    store, faults = MailStore(directory), mail_smtp.Faults()
    smtp = await mail_smtp.listen(mail_smtp.Receiver(store, faults), host, smtp_port)
    config = uvicorn.Config(make_app(store, faults), host=host, port=http_port, log_level="warning")
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devstack.mailcatcher", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="where mails are kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 inside Compose")
    asked = parser.parse_args()
    uvloop.run(serve(asked.host, asked.smtp_port, asked.http_port, asked.directory))


if __name__ == "__main__":
    main()
