"""For the tests of the mailer: a database, and a mail server that fails as ordered."""

import secrets
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from devstack import Stack
from devstack.ports import HOST, free_ports, url_answers
from devstack.processes import Processes
from services.notification.app import COLLECTIONS
from shared.pipeline.storage.mongo import MongoStore, connect
from tests.integration.mailing import Catcher


@pytest.fixture(scope="module")
def mail_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catcher]:
    directory = tmp_path_factory.mktemp("mailer")
    smtp, http = free_ports(2)
    with Processes(directory) as processes:
        options = ["--smtp-port", str(smtp), "--http-port", str(http), "--directory", str(directory / "mail")]
        child = processes.start_python("mailcatcher", "devstack.mailcatcher", *options)
        child.wait_ready(lambda: url_answers(f"http://{HOST}:{http}/readyz"), 60)
        with httpx.Client(base_url=f"http://{HOST}:{http}") as page:
            yield Catcher(smtp, page)


@pytest.fixture
def catcher(mail_server: Catcher) -> Catcher:
    mail_server.order("none")
    mail_server.page.delete("/api/v1/messages").raise_for_status()
    return mail_server


@pytest.fixture
async def mail_store(stack: Stack) -> AsyncIterator[MongoStore]:
    client = connect(stack.mongo)
    name = f"mailer_{secrets.token_hex(6)}"
    store = MongoStore(client, name)
    await store.prepare(COLLECTIONS)
    yield store
    await client.drop_database(name)
    client.close()
