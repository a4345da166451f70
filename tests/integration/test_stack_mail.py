"""The mail catcher: what goes in by SMTP is seen in Mailpit's API, and ordered faults are met."""

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from devstack.companions import mail_ready, start_mail
from devstack.processes import Processes


@dataclass(frozen=True)
class Catcher:
    smtp: str
    page: httpx.Client

    def connect(self, timeout_s: float = 10) -> smtplib.SMTP:
        host, port = self.smtp.split(":")
        return smtplib.SMTP(host, int(port), timeout=timeout_s)

    def order(self, mode: str, **more: float) -> None:
        self.page.put("/faults", json={"mode": mode, **more}).raise_for_status()

    def count(self) -> int:
        return int(self.page.get("/api/v1/messages").json()["total"])


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catcher]:
    run_dir = tmp_path_factory.mktemp("catcher")
    with Processes(run_dir) as processes:
        child, smtp, page = start_mail(processes, run_dir / "mail")
        mail_ready(child, page)
        with httpx.Client(base_url=page) as client:
            yield Catcher(smtp, client)


@pytest.fixture
def catcher(started: Catcher) -> Catcher:
    started.order("none")
    started.page.delete("/api/v1/messages").raise_for_status()
    return started


def letter(subject: str = "Sertifikat Anda", to: str = "ani@example.org") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "Kompeten <kompeten@example.org>", f"Ani Ñusa <{to}>"
    mail["Subject"], mail["Message-ID"] = subject, "<cause-1@example.org>"
    mail.set_content("Selamat.\n")
    mail.add_alternative("<p>Selamat <b>Ani</b>.</p>\n", subtype="html")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="sertifikat.pdf")
    return mail


def test_a_mail_is_listed_and_shown(catcher: Catcher) -> None:
    with catcher.connect() as smtp:
        smtp.send_message(letter("Sertifikat é"), to_addrs=["ani@example.org", "arsip@example.org"])
    (listed,) = catcher.page.get("/api/v1/messages").json()["messages"]
    assert listed["Subject"] == "Sertifikat é"
    assert listed["MessageID"] == "cause-1@example.org"
    assert listed["From"] == {"Name": "Kompeten", "Address": "kompeten@example.org"}
    assert listed["To"] == [{"Name": "Ani Ñusa", "Address": "ani@example.org"}]
    assert listed["Bcc"] == [{"Name": "", "Address": "arsip@example.org"}]
    shown = catcher.page.get(f"/api/v1/message/{listed['ID']}").json()
    assert shown["Text"] == "Selamat.\r\n"
    assert shown["HTML"] == "<p>Selamat <b>Ani</b>.</p>\r\n"
    assert [file["FileName"] for file in shown["Attachments"]] == ["sertifikat.pdf"]
    assert catcher.page.get(f"/api/v1/message/{listed['ID']}/part/1").content == b"%PDF-1.7"


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: tepat\r\n\r\n.titik\r\n..\r\n.\r\nakhir\r\n",
        b".\r\n",
        b"Subject: lampiran\r\n\r\n" + (b"y" * 76 + b"\r\n") * 20_000,
    ],
    ids=["dots", "a dot alone", "1.5 MB"],
)
def test_the_source_is_what_was_sent(catcher: Catcher, raw: bytes) -> None:
    with catcher.connect() as smtp:
        smtp.sendmail("a@example.org", ["b@example.org"], raw)
        smtp.sendmail("a@example.org", ["b@example.org"], raw)
    assert catcher.page.get("/api/v1/message/latest/raw").content == raw
    assert catcher.count() == 2


def test_a_line_that_other_servers_would_refuse_is_refused(catcher: Catcher) -> None:
    with catcher.connect() as smtp, pytest.raises(smtplib.SMTPDataError, match="Line too long"):
        smtp.sendmail("a@example.org", ["b@example.org"], b"x" * 999 + b"\r\n")
    assert catcher.count() == 0


def test_pages_of_the_list_are_newest_first(catcher: Catcher) -> None:
    with catcher.connect() as smtp:
        for number in range(5):
            smtp.send_message(letter(f"surat {number}"))
    page = catcher.page.get("/api/v1/messages", params={"start": 1, "limit": 2}).json()
    assert page["total"] == 5
    assert [mail["Subject"] for mail in page["messages"]] == ["surat 3", "surat 2"]


def test_a_mail_cannot_script_the_page_that_shows_it(catcher: Catcher) -> None:
    mail = EmailMessage()
    mail["To"], mail["Subject"] = "ani@example.org", "<script>alert(1)</script>"
    mail.set_content("<script>alert(2)</script>", subtype="html")
    with catcher.connect() as smtp:
        smtp.send_message(mail, from_addr="a@example.org")
    mail_id = catcher.page.get("/api/v1/messages").json()["messages"][0]["ID"]
    page = catcher.page.get("/", params={"mail": mail_id}).text
    assert "<script>alert" not in page
    assert "<iframe sandbox " in page
    assert catcher.page.get(f"/html/{mail_id}").headers["content-security-policy"].startswith("sandbox;")


def test_refuse_is_met_as_often_as_ordered(catcher: Catcher) -> None:
    catcher.order("refuse", count=1)
    with pytest.raises(smtplib.SMTPConnectError) as met:
        catcher.connect()
    assert met.value.smtp_code == 421
    catcher.connect().quit()
    assert catcher.page.get("/faults").json()["given"] == 1


def test_tempfail_keeps_nothing(catcher: Catcher) -> None:
    catcher.order("tempfail", count=1)
    with catcher.connect() as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as met:
            smtp.send_message(letter())
        assert met.value.recipients["ani@example.org"][0] == 451
        assert catcher.count() == 0
        smtp.send_message(letter())
    assert catcher.count() == 1


def test_a_client_that_leaves_a_slow_server_has_sent_nothing(catcher: Catcher) -> None:
    catcher.order("slow", count=1, delay_s=1)
    smtp = catcher.connect(timeout_s=0.3)
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        smtp.send_message(letter())
    smtp.close()
    catcher.order("slow", count=1, delay_s=1)
    with catcher.connect() as patient:
        patient.send_message(letter())
    assert catcher.count() == 1


def test_close_after_data_keeps_the_mail_and_does_not_say_so(catcher: Catcher) -> None:
    catcher.order("close_after_data", count=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        catcher.connect().send_message(letter())
    assert catcher.count() == 1


def test_mails_survive_a_restart(processes: Processes, tmp_path: Path) -> None:
    child, smtp, page = start_mail(processes, tmp_path / "mail")
    mail_ready(child, page)
    with Catcher(smtp, httpx.Client()).connect() as connected:
        connected.send_message(letter())
    child.kill()
    child, smtp, page = start_mail(processes, tmp_path / "mail")
    mail_ready(child, page)
    assert httpx.get(f"{page}/api/v1/messages").json()["messages"][0]["Subject"] == "Sertifikat Anda"
