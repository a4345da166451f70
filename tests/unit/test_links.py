"""Links of mails: what they open, for whom, for how long, and by which key."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.payload import CertificateId
from shared.identity.identifiers import Ids
from shared.identity.link_keys import IDENTITY, LinkKeys
from shared.identity.links import DOWNLOAD_DAYS, Download, Expired, Links, NotOurs

IDS = Ids("0123456789abcdef" * 2)
CERTIFICATE = CertificateId("crt_" + "0" * 32)
RINA = "Rina@example.org"
NOW = datetime(2026, 4, 12, 2, 30, 0, 500, UTC)
OLD, NEW = "old-key-" * 4, "new-key-" * 4


def links(*ring: str, ids: Ids = IDS) -> Links:
    return Links("https://kompeten.example/", ids, LinkKeys(ids, ring))


def token(by: Links, address: str = RINA, revision: int = 3) -> str:
    url, _ = by.download(CERTIFICATE, revision, address, NOW)
    return url.removeprefix("https://kompeten.example/d/")


def before_rings(ids: Ids = IDS) -> str:
    """As version 0 wrote a link."""
    text = f"{CERTIFICATE}.{int((NOW + timedelta(days=DOWNLOAD_DAYS)).timestamp())}"
    return f"{text}.{ids.signature(text)}"


def test_a_link_says_what_it_opens_and_expires_after_its_days() -> None:
    url, until = links().download(CERTIFICATE, 3, RINA, NOW)
    assert url.startswith(f"https://kompeten.example/d/{CERTIFICATE}.3.")
    assert until == NOW.replace(microsecond=0) + timedelta(days=DOWNLOAD_DAYS)
    opened = links().opened(token(links()), until)
    assert (opened.certificate_id, opened.revision) == (CERTIFICATE, 3)
    assert opened.written_at == NOW.replace(microsecond=0)
    with pytest.raises(Expired):
        links().opened(token(links()), until + timedelta(seconds=1))


@pytest.mark.parametrize("address", ["other@example.org", "", None])
def test_a_link_is_for_the_address_that_it_was_mailed_to(address: str | None) -> None:
    opened = links().opened(token(links()), NOW)
    assert links().goes_to(opened, "rina@EXAMPLE.org", since=NOW + timedelta(days=1))
    assert not links().goes_to(opened, address, since=None)


def test_a_link_does_not_show_the_address() -> None:
    assert "rina" not in token(links()).lower()
    assert IDS.address(RINA) != Ids("another secret " * 3).address(RINA)


def forged() -> list[str]:
    good = token(links())
    *said, signature = good.split(".")
    changed = [
        ".".join([*said[:place], other, *said[place + 1 :], signature])
        for place, other in enumerate(
            ["crt_" + "1" * 32, "4", str(int(said[2]) + 1), IDS.address("other@example.org")]
        )
    ]
    *old, old_signature = before_rings().split(".")
    return [
        *changed, good[:-1], good + "A", good + ".", good.upper(), "." + good, "", ".", "....", "a.b.c.d.é", good + "é",
        f"{'.'.join(said)}.", f"{'.'.join(said)}.{IDS.signature('.'.join(said))}", f"{said[0]}.{said[2]}.{signature}",
        f"{old[0]}.{int(old[1]) + 1}.{old_signature}", f"{'.'.join(old)}.{signature}", "crt_1.x.y.z.w", "9" * 10_000,
        token(links(ids=Ids("another secret " * 3))), token(links(NEW)), before_rings(Ids("another secret " * 3)),
    ]  # fmt: skip


@pytest.mark.parametrize("given", forged(), ids=lambda given: given[:60])
def test_what_no_key_of_the_ring_has_signed_is_not_ours(given: str) -> None:
    with pytest.raises(NotOurs):
        links().opened(given, NOW)


@pytest.mark.parametrize(
    ("signed_by", "opened_by", "opens"),
    [
        ([], [], True),
        ([], [IDENTITY], True),
        ([], [NEW, IDENTITY], True),
        ([NEW, IDENTITY], [NEW], True),
        ([OLD], [NEW, OLD], True),
        ([NEW, OLD], [NEW], True),
        ([NEW, OLD], [OLD], False),
        ([OLD], [NEW], False),
        ([], [NEW], False),
        ([IDENTITY], [NEW, OLD], False),
    ],
)
def test_the_newest_key_signs_and_each_opens_until_it_is_withdrawn(
    signed_by: Sequence[str], opened_by: Sequence[str], opens: bool
) -> None:
    given = token(links(*signed_by))
    if opens:
        assert links(*opened_by).opened(given, NOW).certificate_id == CERTIFICATE
    else:
        with pytest.raises(NotOurs):
            links(*opened_by).opened(given, NOW)


def test_a_link_of_before_there_was_a_ring_lives_until_it_expires_or_its_key_is_withdrawn() -> None:
    for ring in ([], [NEW, IDENTITY]):
        opened = links(*ring).opened(before_rings(), NOW)
        assert opened == Download(CERTIFICATE, 0, "", NOW.replace(microsecond=0))
        with pytest.raises(Expired):
            links(*ring).opened(before_rings(), NOW + timedelta(days=DOWNLOAD_DAYS))
    with pytest.raises(NotOurs):
        links(NEW).opened(before_rings(), NOW)


@pytest.mark.parametrize(("since", "opens"), [(None, True), (-1, True), (0, True), (1, False)])
def test_a_link_that_names_no_address_ends_when_the_address_changes(since: int | None, opens: bool) -> None:
    opened = links().opened(before_rings(), NOW)
    changed = None if since is None else NOW.replace(microsecond=0) + timedelta(seconds=since)
    assert links().goes_to(opened, RINA, since=changed) is opens
