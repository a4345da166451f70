"""deploy/make-secrets.sh and deploy/link-keys.sh, as an operator runs them: in a copy of the checkout."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.settings.types import MAX_LINK_KEYS, ring_of

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[2] / "deploy"
EXISTING = "kompeten_secret"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    for name in ("make-secrets.sh", "link-keys.sh", "demo.env", "env.example"):
        shutil.copy2(DEPLOY / name, tmp_path / "deploy")
    return tmp_path


def run(checkout: Path, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["sh", str(checkout / "deploy" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/", check=False)


def ring(checkout: Path) -> tuple[str, ...]:
    file = checkout / "deploy/secrets/kompeten_link_keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    return ring_of(SecretStr(file.read_text(encoding="utf-8")))


def test_a_new_installation_has_a_link_key_of_its_own(checkout: Path) -> None:
    assert run(checkout, "make-secrets.sh").returncode == 0
    (key,) = ring(checkout)
    assert len(key) == 64
    assert key != (checkout / "deploy/secrets" / EXISTING).read_text(encoding="utf-8").strip()


def test_an_installation_of_before_rings_keeps_the_links_that_went_out(checkout: Path) -> None:
    (checkout / "deploy/secrets").mkdir()
    (checkout / "deploy/secrets" / EXISTING).write_text("0123456789abcdef" * 4 + "\n", encoding="utf-8")
    assert run(checkout, "make-secrets.sh").returncode == 0
    assert ring(checkout) == ("identity",)
    assert run(checkout, "make-secrets.sh").stdout == ""


def test_a_rotated_ring_has_the_new_key_first_and_says_what_to_restart(checkout: Path) -> None:
    run(checkout, "make-secrets.sh")
    before = ring(checkout)
    done = run(checkout, "link-keys.sh", "rotate")
    assert done.returncode == 0
    assert "Restart enrollment" in done.stdout
    assert ring(checkout)[1:] == before
    assert len(set(ring(checkout))) == 2
    listed = run(checkout, "link-keys.sh", "list").stdout
    assert listed.startswith(f"2 of at most {MAX_LINK_KEYS} keys")
    assert not any(key in done.stdout + listed for key in ring(checkout))


def test_where_there_was_no_ring_the_identity_key_becomes_the_second(checkout: Path) -> None:
    (checkout / "deploy/secrets").mkdir()
    assert run(checkout, "link-keys.sh", "rotate").returncode == 0
    assert ring(checkout)[1:] == ("identity",)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_withdrawn_key_is_gone_and_the_others_stay(checkout: Path, number: int) -> None:
    run(checkout, "make-secrets.sh")
    run(checkout, "link-keys.sh", "rotate")
    run(checkout, "link-keys.sh", "rotate")
    keys = list(ring(checkout))
    assert run(checkout, "link-keys.sh", "withdraw", str(number)).returncode == 0
    del keys[number - 1]
    assert ring(checkout) == tuple(keys)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("withdraw", "1"), "It is the only key: add another one first"),
        (("withdraw", "2"), "NUMBER is 1 to 1"),
        (("withdraw", "0"), "NUMBER is 1 to 1"),
        (("withdraw", "x"), "NUMBER is 1 to 1"),
        (("withdraw",), "deploy/link-keys.sh withdraw NUMBER"),
        (("forget",), "deploy/link-keys.sh rotate"),
    ],
)
def test_what_would_leave_no_key_is_refused_in_a_sentence(
    checkout: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    run(checkout, "make-secrets.sh")
    before = ring(checkout)
    refused = run(checkout, "link-keys.sh", *arguments)
    assert refused.returncode != 0
    assert sentence in refused.stderr
    assert ring(checkout) == before


def test_a_ring_never_grows_beyond_what_the_services_take(checkout: Path) -> None:
    run(checkout, "make-secrets.sh")
    for _ in range(MAX_LINK_KEYS - 1):
        assert run(checkout, "link-keys.sh", "rotate").returncode == 0
    refused = run(checkout, "link-keys.sh", "rotate")
    assert refused.returncode == 1
    assert f"withdraw {MAX_LINK_KEYS}" in refused.stderr
    assert len(ring(checkout)) == MAX_LINK_KEYS


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("KOMPETEN_SMTP_PROT=587", "KOMPETEN_SMTP_PROT is no setting here: did you mean KOMPETEN_SMTP_PORT?"),
        ("export KOMPETEN_smtp_port = 587", "did you mean KOMPETEN_SMTP_PORT?"),
        ("KOMPETN_SMTP_HOST: mail", "did you mean KOMPETEN_SMTP_HOST?"),
        ("KOMPETEN_NOTHING_OF_THE_KIND=1", "remove it"),
        ("KOMPETEN_TOPIC_PREFIX=x.", "KOMPETEN_TOPIC_PREFIX is no setting here"),
    ],
)
def test_a_name_that_nothing_reads_is_refused_with_the_one_that_was_meant(
    checkout: Path, line: str, sentence: str
) -> None:
    env = checkout / ".env"
    env.write_text(f"# KOMPETEN_COMMENT=1\n{line}\n", encoding="utf-8")
    refused = run(checkout, "make-secrets.sh", "--check")
    assert refused.returncode == 1
    assert refused.stderr.startswith(".env, line 2: ")
    assert sentence in refused.stderr
    assert not (checkout / "deploy/secrets").exists(), "it only looks"
    assert run(checkout, "make-secrets.sh").returncode == 1


@pytest.mark.parametrize("source", ["demo.env", "env.example"])
def test_what_we_give_is_accepted_and_so_is_what_is_not_ours(checkout: Path, source: str) -> None:
    ours = (DEPLOY / source).read_text(encoding="utf-8")
    (checkout / ".env").write_text(f"{ours}\nTZ=Asia/Jakarta\nCOMPOSE_PROFILES=demo\n", encoding="utf-8")
    checked = run(checkout, "make-secrets.sh", "--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("umask", [0o077, 0o027])
def test_what_containers_read_is_opened_to_them_and_nothing_else(checkout: Path, umask: int) -> None:
    for name in ("mongo", "kafka"):
        shutil.copytree(DEPLOY / name, checkout / "deploy" / name)
    for path in [checkout, *checkout.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~umask)
    assert run(checkout, "make-secrets.sh").returncode == 0
    for name in ("mongo", "kafka"):
        for path in [checkout / "deploy" / name, *(checkout / "deploy" / name).iterdir()]:
            assert stat.S_IMODE(path.stat().st_mode) & 0o005 == (
                0o005 if path.is_dir() else path.stat().st_mode & 1 | 4
            )
    assert stat.S_IMODE((checkout / "deploy/secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((checkout / "deploy/link-keys.sh").stat().st_mode) & 0o007 == 0
