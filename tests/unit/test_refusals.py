"""Whose matter a refusal is, and when the mail server refuses everybody."""

import pytest

from services.notification.delivery.refusals import IN_A_ROW, Refusals
from services.notification.delivery.replies import Reply
from services.notification.delivery.smtp import Barred, Refused, TryLater
from services.notification.delivery.witnesses import ASKED, MAX_DOMAINS, Witnesses

PERSON = [
    "550 5.1.1 <rina@example.org> User unknown",
    "550 5.1.2 Bad destination system address",
    "550 5.1.10 Recipient not found",
    "550 #5.1.0 Address rejected.",
    "552 5.2.2 Mailbox full",
    "550 5.2.1 Mailbox disabled",
    "550 no such user here",
    "550 Requested action not taken: mailbox unavailable or not found",
    "552 mailbox full",
    "553 unknown recipient",
    "556 Domain does not accept mail",
    "550-Refused.\n550 5.1.1 The account does not exist",
    "550 5.0.0 User unknown",
]
NOT_THE_PERSON = [
    "550 5.7.1 Relaying denied",
    "554 5.7.1 <rina@example.org>: Relay access denied",
    "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname",
    "550 5.4.5 Daily user sending limit exceeded",
    "550 5.1.7 Bad sender's mailbox address syntax",
    "553 5.1.8 Bad sender's system address",
    "550 5.1.0 <kompeten@bandung.example>: Sender address rejected: User unknown",
    "550 5.0.0 Command rejected",
    "554 5.3.0 Other mail system problem",
    "552 5.3.4 Message too big for system",
    "554 5.6.0 Media error",
    "550 relay denied",
    "550 Access denied",
    "554 Transaction failed",
    "530 5.7.0 Authentication required",
    "521 does not accept mail",
]


def reply(text: str) -> Reply:
    """As the library gives it: the code once, a line each."""
    return Reply(int(text[:3]), "\n".join(line[4:] for line in text.splitlines()))


@pytest.mark.parametrize(("text", "whose"), [
    *((text, True) for text in PERSON), *((text, False) for text in NOT_THE_PERSON),
])  # fmt: skip
def test_only_what_names_the_address_or_the_mailbox_is_the_persons(text: str, whose: bool) -> None:
    assert reply(text).about_recipient(at_rcpt=True) is whose


def test_after_the_content_only_an_enhanced_code_speaks_of_the_person() -> None:
    assert reply("552 5.2.2 Mailbox full").about_recipient(at_rcpt=False)
    assert not reply("552 mailbox full").about_recipient(at_rcpt=False)


def test_a_reason_has_the_words_of_all_lines_and_no_person() -> None:
    said = reply("550-5.1.1 <Rina@example.org> is\n550 5.1.1 not here; ask 198503122010011001")
    assert said.status == "550 5.1.1"
    words = said.reason("rina@example.org")
    assert words.startswith("550 5.1.1 <[address]> is not here")
    assert "198503122010011001" not in words


# When the server refuses everybody.

KINDS = [Barred("550 5.7.1 no"), Refused("550 5.1.1 no"), TryLater("451 4.3.0 later")]


@pytest.mark.parametrize("delivery", KINDS)
def test_all_mails_pause_after_so_many_people_in_a_row(delivery: Barred | Refused | TryLater) -> None:
    seen = Refusals()
    people = IN_A_ROW[type(delivery)]
    whys = [seen.refused(f"let_{n}", f"p{n}@d{n}.example", delivery, n) for n in range(people)]
    assert whys[:-1] == [None] * (people - 1)
    assert delivery.reason in (whys[-1] or "")


def test_one_person_is_no_row_however_often_refused() -> None:
    seen = Refusals()
    assert not any(seen.refused(f"let_{n}", "p@d.example", Refused("550 5.1.1"), n) for n in range(100))


def test_wrong_addresses_among_good_ones_pause_nothing() -> None:
    seen = Refusals()
    for n in range(100):
        assert seen.refused(f"bad_{n}", f"bad{n}@d.example", Refused("550 5.1.1"), n) is None
        seen.taken(f"good_{n}", f"good{n}@d.example", n + 0.5)


@pytest.mark.parametrize("delivery", KINDS)
def test_a_domain_that_was_refused_while_another_was_taken_pauses_nothing_again(
    delivery: Barred | Refused | TryLater,
) -> None:
    seen = Refusals()
    seen.refused("let_0", "p0@gone.example", delivery, 0)
    seen.taken("let_1", "p1@good.example", 1)
    assert not any(seen.refused(f"let_{n}", f"p{n}@gone.example", delivery, n) for n in range(2, 100))
    seen.taken("let_100", "p100@gone.example", 100)
    assert any(seen.refused(f"let_{n}", f"p{n}@gone.example", delivery, n) for n in range(101, 200))


def test_a_refusal_is_believed_once_a_mail_that_was_begun_later_was_taken() -> None:
    seen = Refusals()
    seen.refused("let_0", "p0@d.example", Refused("550 5.1.1"), 10)
    assert not seen.is_believed("let_0")
    seen.taken("let_1", "p1@d.example", began=9)
    assert not seen.is_believed("let_0")
    seen.taken("let_2", "p2@d.example", began=11)
    assert seen.is_believed("let_0")


# Of whom the server is asked before all mails pause.


def test_those_refused_for_who_they_are_begin_a_new_row_once_the_server_would_take_another() -> None:
    seen, person, content = Refusals(), Refused("550 5.1.2", at_rcpt=True), Refused("554 5.2.3")
    for n in range(4):
        seen.refused(f"let_{n}", f"p@d{n}.example", person, n)
    seen.refused("let_4", "p@content.example", content, 4)
    seen.would_be_taken("rina@good.example")
    assert list(seen.people) == ["p@content.example"]
    assert not any(seen.refused(f"let_{n}", f"p{n}@d0.example", person, n) for n in range(5, 15))
    assert not seen.is_believed("let_0")


def test_a_domain_whose_own_people_the_server_would_take_counts_further() -> None:
    seen, person = Refusals(), Refused("550 5.1.1", at_rcpt=True)
    seen.refused("let_0", "nobody@d.example", person, 0)
    seen.would_be_taken("rina@d.example")
    assert any(seen.refused(f"let_{n}", f"p{n}@d.example", person, n) for n in range(1, 6))


def test_the_server_is_asked_about_people_of_other_bodies_first_and_of_different_ones() -> None:
    seen = Witnesses()
    for n in range(50):
        seen.took(f"x@d{n}.example", "DISKOMINFO")
    seen.took("rina@a.example", "DINKES")
    seen.took("budi@b.example", "DINKES")
    seen.took("asep@b.example", "BKPSDM")
    seen.took("x@last.example", "DISKOMINFO")
    asked = seen.to_ask({"someone@a.example"}, {"DISKOMINFO"})
    assert asked == ["asep@b.example", "budi@b.example", "rina@a.example"]
    assert seen.to_ask({"asep@b.example", "budi@b.example", "rina@a.example"}, {"DISKOMINFO"}) == [
        "x@last.example", "x@d49.example", "x@d48.example",
    ]  # fmt: skip


def test_who_is_refused_when_asked_is_asked_last_again() -> None:
    seen = Witnesses()
    for n in range(MAX_DOMAINS):
        seen.took(f"p@d{n}.example", "DINKES")
    for _ in range(2):
        for one in seen.to_ask((), ()):
            seen.refused(one)
    assert seen.to_ask((), ()) == [f"p@d{MAX_DOMAINS - 1 - 2 * ASKED - n}.example" for n in range(ASKED)]


def test_nobody_who_was_refused_is_asked_about() -> None:
    seen = Witnesses()
    seen.took("rina@a.example", "DINKES")
    assert seen.to_ask({"rina@a.example"}, {"DINKES"}) == []
