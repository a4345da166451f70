"""Why a completion has fewer points than its rules give, and why an entry stands in a ledger: for people. Pure."""

from datetime import date
from typing import Final

from services.incentive.points.documents import EarnedCompletion
from services.incentive.rules.awards import Award, lines_of
from services.incentive.rules.point_rules import PointRules
from shared.contracts.enrollment import NOT_VALID
from shared.contracts.vocabulary import Bilingual
from shared.wording import MONTHS, month_named

LIFTED: Final = Bilingual("pencabutan dibatalkan", "the revocation was lifted")
COUNTS_AGAIN: Final = Bilingual("pelatihan ini dihitung lagi", "this training counts again")
SAME_TRAINING: Final = Bilingual(
    "pelatihan yang sama sudah dihitung dari laporan dengan nomor pegawai lain",
    "the same training counts already, by a report under another employee number of yours",
)
NOT_COUNTED: Final = "this training does not count at present"
"""Where enrollment said why in Indonesian alone."""
NO_RULE: Final = Bilingual(
    "aturan poin tidak memberi poin untuk bentuk pelatihan ini pada tanggal selesainya",
    "the rules for points give none for this form of training on its day of completion",
)
CORRECTED: Final = Bilingual("koreksi data pelatihan", "the training's data were corrected")
COUNTED_ANEW: Final = Bilingual("dihitung ulang", "counted anew")
OTHER_RULES: Final = Bilingual("aturan poin berubah", "the rules for points were changed")
MOVED_AWAY: Final = Bilingual(
    "pindah ke data pegawai lain: data pegawai digabung atau dipisah",
    "moved to another employee's record: records were merged or separated",
)
MOVED_HERE: Final = Bilingual(
    "pindah dari data pegawai lain: data pegawai digabung atau dipisah",
    "moved from another employee's record: records were merged or separated",
)


def fewer(completion: EarnedCompletion, award: Award) -> Bilingual | None:
    """Why it has fewer points than its rules give, or none at all."""
    if not completion.month:
        if completion.is_twin:
            return SAME_TRAINING
        why_not, in_english = completion.why_not, completion.why_not_en or NOT_COUNTED
        return Bilingual(why_not, in_english) if why_not else NOT_VALID
    if (capped := award.capped) is None:
        return None if award.points else NO_RULE
    month = month_named(completion.completed_on)
    return Bilingual(
        f"{capped.asked} poin menurut aturan, {award.points} diberikan: batas {capped.limit} poin untuk {month.id} "
        "tercapai",
        f"{capped.asked} points by the rules, {award.points} given: the limit of {capped.limit} points for {month.en} "
        "was reached",
    )


def moved_in_time(month: str, to: date) -> Bilingual:
    """`month`: YYYY-MM that its points were entered in."""
    left, come = date.fromisoformat(f"{month}-01"), month_named(to)
    since = month_named(left)
    if left.year == to.year:
        since = MONTHS[left.month - 1]
    return Bilingual(
        f"dipindahkan dari {since.id} ke {come.id}: tanggal selesai diperbaiki",
        f"moved from {since.en} to {come.en}: its day of completion was corrected",
    )


def counted_again(before: EarnedCompletion) -> Bilingual:
    """`before`: as it stood for nothing."""
    was_revoked = not before.is_twin and before.why_not in ("", NOT_VALID.id)
    return LIFTED if was_revoked else COUNTS_AGAIN


def recounted(before: EarnedCompletion, award: Award, difference: int) -> Bilingual:
    """Of one that was not corrected in what its points follow from; `before`: as it was settled last."""
    by_rules = sum(line.points for line in award.lines)
    # Those from before that was kept have 0.
    if before.points <= before.points_by_rule != by_rules:
        return OTHER_RULES
    month = month_named(before.completed_on)
    if difference < 0:
        return Bilingual(
            f"batas poin {month.id} dipakai pelatihan lain lebih dulu",
            f"another training used up the limit of points for {month.en} first",
        )
    return Bilingual(
        f"batas poin {month.id} longgar lagi: pelatihan lain bulan itu dicabut, dipindahkan, atau diperbaiki",
        f"the limit of points for {month.en} has room again: another training of that month was revoked, moved or "
        "corrected",
    )


def is_corrected(before: EarnedCompletion, after: EarnedCompletion, rules: PointRules) -> bool:
    """In what its points follow from."""
    return lines_of(before.achievement(), rules) != lines_of(after.achievement(), rules)
