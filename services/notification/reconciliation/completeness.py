"""Does notification have what belongs to a completion: a letter that tells how its certificate stands, and the mail of
it? Of one that has none of ours a letter is not asked for: who was recorded before such letters were has none."""

from collections.abc import Sequence
from typing import Final

from services.notification.letters.documents import LETTERS, MAIL_NOTES, MAILS, RELEASED, STANDS
from shared.contracts.lists import Claim
from shared.contracts.payload import CompletionId
from shared.pipeline.documents import LOAD, Doc, Docs, Needs, State
from shared.pipeline.operations.discrepancies import CompletenessCheck

LETTER, MAIL = "letter", "mail"


def _needs(ids: Sequence[CompletionId], state: State, terms: object) -> Needs:
    for id in ids:
        yield Docs(LETTERS, "completion_id", id)
    yield LOAD
    for id in ids:
        for letter in state.all(LETTERS, "completion_id", id):
            if letter.state == RELEASED:
                yield Doc(MAILS, letter.id)
                yield Doc(MAIL_NOTES, letter.id)


def _lacks(claim: Claim, state: State) -> list[str]:
    """A letter that was dropped or waits is one too: its state and reason say why nothing went out."""
    letters = state.all(LETTERS, "completion_id", claim.completion_id)
    of_it = [letter for letter in letters if letter.template in STANDS]
    if of_it:
        newest = max(of_it, key=lambda letter: letter.newest_version)
        missed = claim.told.is_missed_at(newest.newest_version, STANDS[newest.template])
    else:
        missed = claim.certified
    lacks = [LETTER] if missed else []
    gone = [
        letter
        for letter in letters
        if letter.state == RELEASED
        and state.get(MAILS, letter.id) is None
        and state.get(MAIL_NOTES, letter.id) is None  # then it is known that it went
    ]
    return lacks + [MAIL] * bool(gone)


COMPLETENESS_CHECK: Final = CompletenessCheck(_needs, _lacks)
