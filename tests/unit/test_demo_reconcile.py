"""The demo's verdict can turn out bad: each kind of loss and doubling is found."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from demo.city import Expected, occasion_of
from demo.expectations import Expectations
from demo.reconcile import Account, Caught, Certified, Comparison, Letter, Points, count, reconcile
from demo.report import came_out, summary
from shared.contracts.agency import Organizer, Result, Training, TrainingCompleted
from shared.contracts.vocabulary import Form, Pathway

NUMBER = "198501012010011001"
DAY = date(2025, 11, 27)
TRAINING = Training(
    code="TIK", batch="1", title="Keamanan Siber", form=Form.COURSE, pathway=Pathway.CLASSICAL,
    organizer=Organizer(code="DISKOMINFO", name="Dinas Komunikasi dan Informatika"),
    start_date=DAY, end_date=DAY, programme_jp=Decimal(24),
)  # fmt: skip
COMPLETED = TrainingCompleted(
    employee_number=NUMBER, training=TRAINING, completed_on=DAY, result=Result(score=Decimal(90))
)
OCCASION = occasion_of(NUMBER, TRAINING)
WANTED = Expectations(
    completions=(Expected(OCCASION, COMPLETED, mailed=True),),
    jp={(NUMBER, 2025): Decimal(24)},
    points={(NUMBER, "2025-11"): 20},
    dead_letters={"not JSON": 1},
    waiting=1,
    records=4,
)
ROW = Certified(
    completion_id="cmp_1", numbers=(NUMBER,), occasion=OCCASION, title="Keamanan Siber", score=Decimal(90),
    year=2025, certificate_id="crt_1", number="0001", revision=1, revoked=False, jp=Decimal(24),
    jp_rule="course/2020-01-01", has_pdf=True,
)  # fmt: skip
SETTLED = Points("cmp_1", "2025-11", points=20, settlements=1, ledger=20)
LETTER = Letter("let_1", "cmp_1", "certificate_issued", 1, "let_1@bandung.example")
MAIL = Caught("let_1@bandung.example", "a@bandung.example", "Sertifikat Anda", "http://x/v/a")
COMPARISON = Comparison(
    certified=(ROW,), points=(SETTLED,), accounts=(Account("emp_1", 20, 20),), letters=(LETTER,), caught=(MAIL,),
    dead_letters=("the value is not JSON in UTF-8",), point_entries=1, waiting=1, decided=4,
)  # fmt: skip


def test_nothing_is_lost_or_doubled_when_all_came_out_once() -> None:
    assert reconcile(WANTED, COMPARISON) == []


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ({"certified": ()}, "no completion"),
        ({"certified": (ROW._replace(number=None),)}, "no certificate"),
        ({"certified": (ROW._replace(has_pdf=False),)}, "no PDF"),
        ({"certified": (ROW._replace(jp_rule="", jp=Decimal(24)),)}, "no JP credit"),
        ({"certified": (ROW._replace(title="Keamanan"),)}, "its correction does not stand"),
        ({"certified": (ROW._replace(score=None),)}, "its correction does not stand"),
        ({"certified": (ROW._replace(revoked=True),)}, "revoked, though nobody did"),
        ({"certified": (ROW._replace(jp=Decimal(20)),)}, "20 JP, 24 expected"),
        ({"points": ()}, "no settlement of points"),
        ({"points": (SETTLED._replace(settlements=0),)}, "no settlement of points"),
        ({"points": (SETTLED._replace(ledger=10),)}, "10 points in the ledger, 20 expected"),
        ({"accounts": (Account("emp_1", 30, 20),)}, "20 points in the ledger, 30 expected"),
        ({"caught": ()}, "no mail"),
        ({"letters": (LETTER._replace(message_id=""),)}, "no mail"),
        ({"letters": (LETTER._replace(revision=2),)}, "no mail"),
        ({"dead_letters": ()}, "no dead letter"),
        ({"dead_letters": (*COMPARISON.dead_letters, "a bug")}, "a good event was refused: a bug"),
        ({"waiting": 0}, "0 wait, 1 should"),
        ({"waiting": 2}, "2 wait, 1 should"),
        ({"decided": 3}, "3 of 4 records have a verdict"),
    ],
)
def test_what_is_missing_is_lost(broken: dict[str, Any], what: str) -> None:
    findings = reconcile(WANTED, replace(COMPARISON, **broken))
    assert what in {finding.what for finding in findings if finding.kind == "lost"}
    assert count(findings, "lost") >= 1


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ({"certified": (ROW, ROW._replace(completion_id="cmp_2", certificate_id="crt_2", number="0002"))},
         "2 completions"),
        ({"certified": (ROW, ROW._replace(completion_id="cmp_2"))}, "given 2 times"),
        ({"certified": (ROW, ROW._replace(occasion=OCCASION._replace(code="X"), completion_id="cmp_2"))},
         "nobody reported it: cmp_2"),
        ({"certified": (ROW._replace(jp=Decimal(48)),)}, "48 JP, 24 expected"),
        ({"points": (SETTLED._replace(ledger=40),)}, "40 points in the ledger, 20 expected"),
        ({"points": (SETTLED._replace(points=40, ledger=40),)}, "40 points, 20 expected"),
        ({"accounts": (Account("emp_1", 20, 40),)}, "40 points in the ledger, 20 expected"),
        ({"caught": (MAIL, MAIL)}, "arrived 2 times"),
        ({"caught": (MAIL, MAIL._replace(message_id="let_2@bandung.example"))}, "2 mails say: Sertifikat Anda"),
        ({"caught": (MAIL, MAIL._replace(message_id="z@x", subject="Lain"))},
         "arrived, but no letter says that it was sent"),
        ({"letters": (LETTER, LETTER._replace(id="let_2"))}, "2 letters certificate_issued of revision 1"),
        ({"dead_letters": (*COMPARISON.dead_letters, *COMPARISON.dead_letters)}, "a dead letter too many"),
        ({"decided": 5}, "5 verdicts on 4 records"),
    ],
)  # fmt: skip
def test_what_is_there_twice_is_doubled(broken: dict[str, Any], what: str) -> None:
    findings = reconcile(WANTED, replace(COMPARISON, **broken))
    assert what in {finding.what for finding in findings if finding.kind == "doubled"}


def test_a_revocation_must_stand_and_be_mailed() -> None:
    revoked = replace(WANTED, completions=(replace(WANTED.completions[0], revoked=True),), jp={}, points={})
    taken_back = replace(
        COMPARISON,
        certified=(ROW._replace(revoked=True, jp=Decimal(0), jp_rule="revoked"),),
        points=(Points("cmp_1", "", points=0, settlements=2, ledger=0),),
        accounts=(Account("emp_1", 0, 0),),
    )
    assert {one.what for one in reconcile(revoked, taken_back)} == {"no mail about the revocation"}
    told = replace(
        taken_back,
        letters=(LETTER, Letter("let_2", "cmp_1", "certificate_revoked", 1, "let_2@bandung.example")),
        caught=(MAIL, MAIL._replace(message_id="let_2@bandung.example", subject="Dicabut")),
    )
    assert reconcile(revoked, told) == []


def test_what_is_recorded_without_a_certificate_lacks_none_and_no_mail() -> None:
    bare = ROW._replace(certified=False, certificate_id=None, number=None, revision=0, has_pdf=False)
    comparison = replace(COMPARISON, certified=(bare,), letters=(), caught=())
    assert reconcile(WANTED, comparison) == []
    assert {one.what for one in reconcile(WANTED, replace(comparison, points=()))} >= {
        "no settlement of points"
    }
    shown = came_out(comparison, summary(comparison, []), pdfs=0, refused=0)
    assert ("recorded, without a certificate of ours", "1") in shown


def test_somebody_without_an_address_gets_no_mail() -> None:
    silent = replace(WANTED, completions=(replace(WANTED.completions[0], mailed=False),))
    assert reconcile(silent, replace(COMPARISON, caught=(), letters=(LETTER._replace(message_id=""),))) == []
    assert count(reconcile(silent, COMPARISON), "doubled") == 1


def test_a_completion_that_lacks_much_is_lost_once() -> None:
    bare = replace(COMPARISON, certified=(ROW._replace(number=None, has_pdf=False),), caught=())
    assert count(reconcile(WANTED, bare), "lost") == 1


def test_findings_show_no_employee_number() -> None:
    findings = reconcile(WANTED, Comparison())
    assert findings
    assert not any(NUMBER in text for finding in findings for text in finding)
