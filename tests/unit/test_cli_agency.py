"""What `kompeten agency` tells of Kafka: what differs from the register, who administers it, where a password goes."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from cli.agency_drift import differences, quota_of
from cli.agency_kafka import KafkaAccess
from cli.agency_password import Handed
from cli.agency_view import show_agencies
from cli.answers import Agency, Quota
from cli.errors import CannotAsk
from cli.screen import screens
from shared.kafka.admin import AgencyQuota, AgencyState, UserState
from shared.kafka.connection import KafkaConnection

ONE, TWO = "agency.dinkes.1", "agency.dinkes.2"
USUAL = AgencyQuota()


def agency(*users: str, state: str = "active", quota: Quota | None = None) -> Agency:
    return Agency(code="dinkes", state=state, kafka_users=list(users), quota=quota)


def user(name: str = ONE, *, may_write: bool = True, denied: bool = False) -> UserState:
    limits = {name: value for name, value in USUAL.of_user().items() if value is not None}
    return UserState(name, may_write, denied, limits)


def found(*users: UserState, topic: bool = True) -> AgencyState:
    return AgencyState("dinkes", topic, USUAL.retention_bytes if topic else None, users)


@pytest.mark.parametrize(
    ("registered", "there", "said"),
    [
        (agency(ONE), found(user(ONE)), None),
        (agency(), found(), None),
        (agency(), found(user(ONE)), None),
        (agency(TWO), found(user(ONE, denied=True), user(TWO)), None),
        (agency(ONE, state="suspended"), found(user(ONE, denied=True)), None),
        (agency(state="suspended"), found(user(ONE, denied=True)), None),
        (agency(state="suspended"), found(user(ONE)), f"user {ONE} is not denied"),
        (agency(ONE), found(user(ONE), topic=False), "its topic is missing"),
        (agency(ONE), found(), f"user {ONE} is missing or may not write"),
        (agency(ONE), found(user(ONE, may_write=False)), f"user {ONE} is missing or may not write"),
        (agency(ONE), found(user(ONE, denied=True)), f"user {ONE} is denied"),
        (agency(ONE, state="suspended"), found(user(ONE)), f"user {ONE} is not denied"),
        (agency(TWO), found(user(ONE), user(TWO)), f"user {ONE} can write and is not in the register"),
        (
            agency(ONE, quota=Quota(bytes_per_s=5_000, request_percent=25)),
            found(user(ONE)),
            f"the quota of {ONE} is another one",
        ),
        (
            agency(ONE, quota=Quota(bytes_per_s=USUAL.producer_byte_rate, request_percent=25)),
            found(user(ONE)),
            None,
        ),
    ],
    ids=[
        "as it should be",
        "over HTTP alone",
        "connected before there was a register",
        "rotated",
        "suspended",
        "suspended, with a user of the set-up",
        "a user of the set-up let in though suspended",
        "no topic",
        "no user",
        "no right",
        "denied though active",
        "let in though suspended",
        "a user of nobody",
        "another quota",
        "the usual quota",
    ],
)
def test_what_kafka_has_otherwise_than_the_register_is_told_with_what_mends_it(
    registered: Agency, there: AgencyState, said: str | None
) -> None:
    told = differences(registered, there)
    if said is None:
        assert told == []
    else:
        (sentence,) = told
        assert sentence.startswith(said)
        assert "`kompeten agency " in sentence


@pytest.mark.parametrize(
    ("registered", "there", "shown"),
    [
        (agency(), found(user(ONE)), ONE),
        (agency(), found(), "none"),
        (agency(), None, "none by the register"),
        (agency(ONE), found(), "none"),
        (agency(ONE), None, ONE),
        (agency(TWO), found(user(ONE, denied=True), user(TWO)), f"{ONE} (denied), {TWO}"),
    ],
    ids=[
        "made by the set-up",
        "over HTTP alone",
        "over HTTP alone, Kafka not asked",
        "gone",
        "Kafka not asked",
        "rotated",
    ],
)
def test_the_list_shows_the_users_that_kafka_has(
    registered: Agency, there: AgencyState | None, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = screens()
    show_agencies(out, [registered], {}, {} if there is None else {"dinkes": there})
    assert f"not bound  {shown}  -" in re.sub(r"  +", "  ", capsys.readouterr().out)


def test_what_is_not_named_of_a_quota_stays_or_is_the_usual() -> None:
    assert quota_of(None, None, None) is None
    assert quota_of(5_000, None, None) == {
        "bytes_per_s": 5_000,
        "request_percent": USUAL.request_percentage,
    }
    stands = agency(quota=Quota(bytes_per_s=7_000, request_percent=3))
    assert quota_of(None, 9, stands) == {"bytes_per_s": 7_000, "request_percent": 9}


def test_a_password_in_a_file_is_its_owners_and_no_file_is_written_over(tmp_path: Path) -> None:
    handed = Handed(tmp_path / "password")
    password = handed.password
    assert (tmp_path / "password").read_text() == password + "\n"
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
    assert password not in handed.told()
    with pytest.raises(CannotAsk, match="is there already"):
        _ = Handed(tmp_path / "password").password


def test_a_run_that_was_interrupted_goes_on_with_the_password_that_it_had_written(tmp_path: Path) -> None:
    first = Handed(tmp_path / "password", again=True).password
    assert Handed(tmp_path / "password", again=True).password == first


def test_a_password_without_a_file_is_told_once_and_is_another_each_time() -> None:
    one, other = Handed(None), Handed(None)
    assert one.told() == one.password
    assert len(one.password) >= 32
    assert one.password != other.password


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    local = KafkaConnection("127.0.0.1:1", "admin", "local-secret", "sasl_plaintext", "plain")
    described: dict[str, Any] = {"kafka_admin": asdict(local), "topic_prefix": "x."}
    path = tmp_path / "stack.json"
    path.write_text(json.dumps(described))
    return path


def test_what_make_up_wrote_is_used_where_nothing_else_names_a_broker(stack: Path) -> None:
    admin = KafkaAccess().admin(stack)
    assert (admin.kafka.bootstrap, admin.kafka.password, admin.prefix) == (
        "127.0.0.1:1",
        "local-secret",
        "x.",
    )


def test_an_administrator_of_the_local_stack_is_not_sent_to_a_broker_that_was_given(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KOMPETEN_KAFKA_PASSWORD", raising=False)
    with pytest.raises(CannotAsk, match=r"KOMPETEN_KAFKA_PASSWORD .*is missing") as refused:
        KafkaAccess({"kafka": "broker:9093"}).admin(stack)
    assert "local-secret" not in str(refused.value)


def test_the_administrators_password_comes_from_a_file(stack: Path, tmp_path: Path) -> None:
    (tmp_path / "admin").write_text("far away\n")
    admin = KafkaAccess({"kafka": "broker:9093"}, tmp_path / "admin").admin(stack)
    assert (admin.kafka.bootstrap, admin.kafka.password) == ("broker:9093", "far away")
    with pytest.raises(
        CannotAsk, match=r"KOMPETEN_KAFKA_PASSWORD_FILE \(--kafka-password-file\) .*cannot be read"
    ):
        KafkaAccess({"kafka": "broker:9093"}, tmp_path / "none").admin(stack)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka": "broker"}, "KOMPETEN_KAFKA (--kafka) has 'broker': write host:port"),
        (
            {"kafka": "b:1", "kafka_mechanism": "scram"},
            "KOMPETEN_KAFKA_MECHANISM (--kafka-mechanism)='scram' is not",
        ),
        (
            {"kafka": "b:1", "kafka_security": "ssl"},
            "KOMPETEN_KAFKA_SECURITY (--kafka-security)='ssl' is not acc",
        ),
        (
            {"kafka": "b:1", "kafka_ca": "/nowhere"},
            "KOMPETEN_KAFKA_CA (--kafka-ca) names a file that has no cert",
        ),
        (
            {"kafka": "b:1", "kafka_user": "\u0430dmin"},
            "KOMPETEN_KAFKA_USER (--kafka-user) has other characters",
        ),
    ],
)
def test_a_wrong_option_is_answered_by_both_of_its_names(
    stack: Path, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    (tmp_path / "admin").write_text("hunter2\n")
    with pytest.raises(CannotAsk) as refused:
        KafkaAccess(given, tmp_path / "admin").admin(stack)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)
