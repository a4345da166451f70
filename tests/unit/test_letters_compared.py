"""What notification's letters say of a certificate, held against what enrollment lists: by those letters that say it."""

import msgspec
import pytest

from services.notification.letters.documents import LETTERS
from services.notification.reconciliation.snapshot import entry_of
from shared.contracts.enrollment import CompletionsListed
from shared.contracts.lists import Claim, grouped
from shared.pipeline.pipeline_collections import DISCREPANCIES
from tests.property.harness import NOTIFICATION
from tests.unit.given import Given
from tests.unit.test_handlers_notification import COMPLETION, CONTACT, issued, points, revoked


def listed(version: int, standing: bool) -> CompletionsListed:
    return CompletionsListed(completions=grouped([Claim(COMPLETION, version, standing)]))


def lacks(city: Given[object]) -> list[str]:
    return [lack for one in city.all(DISCREPANCIES) for lack in one.lacks]


def with_a_letter_of_another_kind(city: Given[object]) -> Given[object]:
    """Later than all others, as a reminder would be, and about the same completion."""
    last = city.all(LETTERS)[-1]
    other = msgspec.structs.replace(
        last, id="reminder", template="reminder", state="dropped", completion_version=9
    )
    city.stored[LETTERS, other.id] = other
    return city


@pytest.mark.parametrize(
    ("revoked_at", "version", "standing", "missing"),
    [(None, 1, True, []), (None, 2, False, ["letter"]), (2, 2, False, []), (2, 1, True, []), (2, 3, True, ["letter"])],
)  # fmt: skip
def test_a_letter_of_another_kind_says_nothing_of_how_a_certificate_stands(
    revoked_at: int | None, version: int, standing: bool, missing: list[str]
) -> None:
    def heard() -> Given[object]:
        return Given(
            NOTIFICATION, CONTACT, points(), issued(), *([] if revoked_at is None else [revoked(revoked_at)])
        )

    for city in (heard(), with_a_letter_of_another_kind(heard())):
        stored = [
            {
                "_id": one.id,
                **{name: getattr(one, name) for name in ("template", "state", "completion_version")},
            }
            for one in city.all(LETTERS)
        ]
        entry = entry_of(COMPLETION, stored, {one.id for one in city.all(LETTERS)})
        assert (entry.version, entry.standing) == (revoked_at or 1, revoked_at is None)
        city.when(listed(version, standing))
        assert lacks(city) == missing


def test_letters_of_other_kinds_alone_are_no_letter_about_the_certificate() -> None:
    city = with_a_letter_of_another_kind(Given(NOTIFICATION, CONTACT, points(), issued()))
    for letter in city.all(LETTERS):
        if letter.template != "reminder":
            del city.stored[LETTERS, letter.id]
    city.when(listed(1, True))
    assert lacks(city) == ["letter"]
