"""The mail server's settings: wrong ones are refused at start, by name and without a secret."""

import os

import pytest

from services.notification.settings import NotificationSettings
from shared.settings.reading import load

USUAL = {
    "KOMPETEN_MONGO": "mongodb://db/?replicaSet=rs0",
    "KOMPETEN_KAFKA_PASSWORD": "c0ffee5a41b7f0c2a94d8e13",
    "KOMPETEN_AGENCIES": "bkpsdm",
    "KOMPETEN_PUBLIC_URL": "https://kompeten.example",
    "KOMPETEN_SECRET": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
    "KOMPETEN_OIDC_ISSUER": "https://id.example",
    "KOMPETEN_MAIL_FROM": "Kompeten Kota Bandung <kompeten@bandung.example>",
}


@pytest.fixture(autouse=True)
def _only_these_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KOMPETEN_")]:
        monkeypatch.delenv(name)
    for name, value in USUAL.items():
        monkeypatch.setenv(name, value)


def test_the_mail_server_is_this_machine_unless_told_otherwise() -> None:
    settings = load(NotificationSettings)
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_tls) == ("127.0.0.1", 25, "none")
    assert (settings.mail_connections, settings.mail_unknown) == (4, "resend")
    assert settings.smtp().client_name == "bandung.example"


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOMPETEN_SMTP_TLS", "starttls")
    monkeypatch.setenv("KOMPETEN_SMTP_USER", "kompeten")
    monkeypatch.setenv("KOMPETEN_SMTP_PASSWORD", "s3cret-of-the-server")
    settings = load(NotificationSettings)
    assert settings.smtp().password == "s3cret-of-the-server"
    assert "s3cret" not in repr(settings) + repr(settings.smtp())


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"KOMPETEN_MAIL_FROM": "Kompeten"}, "KOMPETEN_MAIL_FROM is no address"),
    ({"KOMPETEN_MAIL_FROM": ""}, "KOMPETEN_MAIL_FROM is missing"),
    ({"KOMPETEN_SMTP_USER": "kompeten"}, "KOMPETEN_SMTP_PASSWORD and KOMPETEN_SMTP_USER go together"),
    ({"KOMPETEN_SMTP_PASSWORD": "s3cret"}, "KOMPETEN_SMTP_PASSWORD and KOMPETEN_SMTP_USER go together"),
    ({"KOMPETEN_SMTP_USER": "kompeten", "KOMPETEN_SMTP_PASSWORD": "s3cret"}, "would go out unprotected"),
    ({"KOMPETEN_MAIL_UNKNOWN": "maybe"}, "KOMPETEN_MAIL_UNKNOWN='maybe' is not accepted: write one of resend, hold"),
    *(({"KOMPETEN_SMTP_HOST": host}, "KOMPETEN_SMTP_HOST is no host: write its name")
      for host in ("smtp://mail", "mail:25", "[::1]:25", "[mail]", "::g", "mail..example", "a b", "ü" * 70)),
])  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(
    changes: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(NotificationSettings)
    told = capsys.readouterr().err
    assert sentence in told
    assert "s3cret" not in told


@pytest.mark.parametrize(("host", "connects_to"), [
    ("::1", "::1"), ("[::1]", "::1"), ("2001:db8::25", "2001:db8::25"), ("10.0.0.7", "10.0.0.7"),
    ("mail.bandung.example", "mail.bandung.example"), ("mail_1", "mail_1"),
    ("mail.straße.example", "mail.xn--strae-oqa.example"),
])  # fmt: skip
def test_the_mail_server_may_be_a_name_or_an_address(
    host: str, connects_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOMPETEN_SMTP_HOST", host)
    assert load(NotificationSettings).smtp().host == connects_to


def test_a_sender_in_a_domain_beyond_ascii_has_that_very_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOMPETEN_MAIL_FROM", "Kompeten <kompeten@straße.example>")
    assert load(NotificationSettings).smtp().client_name == "xn--strae-oqa.example"
