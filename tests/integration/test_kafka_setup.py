"""The set-up step on the real broker, as Compose runs it at each start."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devstack import Stack
from devstack.kompeten import SERVICES
from shared.contracts.rights import agency_user, service_user
from shared.kafka.access import connected
from shared.kafka.admin import AgencyQuota, KafkaAdmin
from shared.kafka.connection import SCRAM, KafkaConnection
from shared.kafka_setup import NoPassword, SetUpSettings, set_up

WELL = "topics, users and rights are as declared"
SetUp = Callable[[], list[str]]


@pytest.fixture
def prefix() -> str:
    return f"setup-{secrets.token_hex(4)}."


@pytest.fixture
def run(stack: Stack, tmp_path: Path, prefix: str) -> SetUp:
    """With a password for each service and for one of two agencies."""
    for name in (*(f"services/{service}" for service in SERVICES), "agencies/dinas"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(secrets.token_hex(24) + "\n")
    settings = SetUpSettings.model_validate(
        {
            "kafka": stack.kafka.bootstrap,
            "kafka_security": stack.kafka.security,
            "kafka_mechanism": stack.kafka.mechanism,
            "kafka_user": stack.kafka.user,
            "kafka_password": stack.kafka.password,
            "topic_prefix": prefix,
            "agencies": "dinas,dinas-sda",
            "kafka_services_dir": tmp_path / "services",
            "kafka_agencies_dir": tmp_path / "agencies",
        }
    )
    return lambda: list(set_up(settings))


def test_it_makes_all_once_and_says_so(run: SetUp, prefix: str) -> None:
    first = run()
    assert first[-1] == WELL
    assert {f"topic {prefix}agency.{opd}.v1" for opd in ("dinas", "dinas-sda")} <= set(first)
    assert f"user {prefix}agency.dinas.1" in first
    assert f"user {prefix}agency.dinas-sda.1" not in first
    assert run() == [WELL]


def test_a_changed_password_is_told_once_for_each_user_and_never_shown(
    run: SetUp, stack: Stack, prefix: str, tmp_path: Path
) -> None:
    run()
    passwords = [secrets.token_hex(24) for _ in range(2)]
    for file, password in zip(("services/incentive", "agencies/dinas"), passwords, strict=True):
        (tmp_path / file).write_text(password + "\n")
    told = run()
    users = [service_user("incentive", prefix), agency_user("dinas", prefix=prefix)]
    assert told == [*(f"another password for user {user}" for user in users), WELL]
    assert run() == [WELL]
    for user, password in zip(users, passwords, strict=True):
        assert lets_in(replace(stack.kafka, user=user, password=password, mechanism=SCRAM))


def lets_in(kafka: KafkaConnection) -> bool:
    async def ask() -> bool:
        async with connected(kafka, "test"):
            return True

    return asyncio.run(ask())


def test_what_an_operator_changed_stays(run: SetUp, stack: Stack, prefix: str) -> None:
    run()
    admin, user = KafkaAdmin(stack.kafka, prefix), agency_user("dinas", prefix=prefix)
    password = secrets.token_hex(16)
    admin.ensure_agency("dinas", user, password, AgencyQuota(producer_byte_rate=5_000_000))
    admin.deny(user)
    run()
    (state,) = admin.describe_agencies(["dinas"])
    assert state.users[0].quota["producer_byte_rate"] == 5_000_000
    assert not state.open


def test_a_rotated_password_is_not_brought_back(run: SetUp, stack: Stack, prefix: str) -> None:
    run()
    admin = KafkaAdmin(stack.kafka, prefix)
    new = admin.next_agency_user("dinas")
    admin.ensure_agency("dinas", new, secrets.token_hex(16))
    admin.delete_user(agency_user("dinas", prefix=prefix))
    assert "dinas: its password was rotated, so its file is left alone" in run()
    assert admin.agency_users("dinas") == [new]


def test_a_missing_password_is_told_with_its_file(run: SetUp, tmp_path: Path) -> None:
    (tmp_path / "services/incentive").unlink()
    with pytest.raises(
        NoPassword, match=r"KAFKA_SERVICES_DIR .*/services/incentive, .* deploy/make-secrets.sh"
    ):
        run()
