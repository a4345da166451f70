"""What can be said of the stack without starting one."""

import subprocess
import sys
from pathlib import Path

import pytest

from devstack import StackError, StackMissing, broker, fetch, kept, local_stack
from devstack.forget import forget
from devstack.issuer import Wish, claims, is_loopback
from devstack.mail_smtp import Fault, Faults
from devstack.ports import HIGH, LOW, free_ports


def test_an_unknown_mode_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with (
        pytest.raises(StackError, match="'podman': allowed are docker and native"),
        local_stack(tmp_path, mode="podman"),
    ):
        pass


def test_a_mail_server_is_given_with_its_page(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="go together"), local_stack(tmp_path, smtp="127.0.0.1:25"):
        pass


def test_without_java_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackMissing, match="no java: Kafka needs Java 17 or newer"):
        fetch.java()


def test_without_maven_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackMissing, match=r"no mvn: .* apt-get install maven"):
        fetch.kafka_jars(tmp_path)


def test_an_old_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackMissing, match=r"java is too old .*11.0.2.*: install Java 17 or newer"):
        fetch.java()


def test_a_mongod_without_its_libraries_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mongod = tmp_path / "mongod"
    mongod.write_text("#!/bin/sh\necho 'libcurl.so.4: cannot open shared object file' >&2\nexit 127\n")
    mongod.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackMissing, match=r"libcurl.so.4.*: install libcurl 4, OpenSSL 3"):
        fetch.mongod(tmp_path / "cache")


def test_the_image_gets_the_settings_of_the_jars() -> None:
    assert broker.as_variables({"auto.create.topics.enable": "false"}) == {
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false"
    }


def test_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(LOW <= port < HIGH for port in ports)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_the_issuer_knows_who_can_reach_it(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.slow
def test_the_issuer_refuses_to_be_reached_by_others() -> None:
    argv = [sys.executable, "-m", "devstack.issuer", "--port", "1", "--host", "0.0.0.0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--insecure-listen" in done.stderr


def test_a_token_says_only_what_was_wished() -> None:
    assert claims(Wish(role="admin", expires_in=-1), "http://issuer", now_s=100) == {
        "iss": "http://issuer",
        "aud": "kompeten",
        "sub": "local-admin",
        "iat": 100,
        "exp": 99,
        "roles": ["admin"],
    }


def test_a_fault_is_met_as_often_as_ordered_and_only_where_ordered() -> None:
    faults = Faults()
    faults.order(Fault(mode="tempfail", count=2))
    assert [faults.take("refuse"), *(faults.take("tempfail") for _ in range(3))] == [False, True, True, False]


def test_the_way_of_the_last_time_is_the_first_that_is_remembered(tmp_path: Path) -> None:
    assert kept.modes(tmp_path) == []
    (tmp_path / "mongo").mkdir()  # of a version that remembered nothing
    assert kept.modes(tmp_path) == ["native"]
    kept.remember(tmp_path, "docker")
    assert kept.modes(tmp_path) == ["docker", "native"]
    kept.remember(tmp_path, "native")
    assert kept.modes(tmp_path) == ["native", "docker"]


def test_data_that_docker_holds_are_not_left_for_others_while_it_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.delenv("STACK", raising=False)
    kept.remember(tmp_path, "docker")
    with (
        pytest.raises(StackError, match=r"(?s)no Docker engine answers.*STACK=native make up.*STACK=docker"),
        local_stack(tmp_path, keep=True),
    ):
        pass
    with pytest.raises(StackError, match="start its engine and run it again"):
        forget(tmp_path.parent)


def test_where_docker_holds_nothing_it_need_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    (tmp_path / "up").mkdir()
    kept.remember(tmp_path / "up", "native")
    assert forget(tmp_path) == []
