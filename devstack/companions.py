"""The mail catcher and the issuer as processes: ours, so alike whichever brokers a run uses."""

from pathlib import Path

from devstack.ports import HOST, free_ports, url_answers
from devstack.processes import Child, Processes

READY_S = 60.0


def start_issuer(processes: Processes) -> tuple[Child, str]:
    """Its process and URL, not yet ready."""
    (port,) = free_ports(1)
    child = processes.start_python("issuer", "devstack.issuer", "--port", str(port))
    return child, f"http://{HOST}:{port}"


def issuer_ready(issuer: Child, url: str) -> None:
    issuer.wait_ready(lambda: url_answers(f"{url}/.well-known/openid-configuration"), READY_S)


def start_mail(processes: Processes, directory: Path) -> tuple[Child, str, str]:
    """Its process, SMTP's host:port and the page's URL, not yet ready. Mails in `directory` are kept."""
    smtp, http = free_ports(2)
    ports = ["--smtp-port", str(smtp), "--http-port", str(http)]
    argv = [*ports, "--directory", str(directory.resolve())]
    child = processes.start_python("mailcatcher", "devstack.mailcatcher", *argv)
    return child, f"{HOST}:{smtp}", f"http://{HOST}:{http}"


def mail_ready(mail: Child, page: str) -> None:
    mail.wait_ready(lambda: url_answers(f"{page}/readyz"), READY_S)
