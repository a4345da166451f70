from enum import StrEnum

import pytest

from shared.contracts.vocabulary import EmploymentType, Form, Level, Pathway


@pytest.mark.parametrize("words", [Form, Level, Pathway, EmploymentType])
def test_every_word_has_a_label_in_both_languages(words: type[StrEnum]) -> None:
    for word in words:
        assert word.label.id.strip()
        assert word.label.en.strip()


def test_every_form_but_formal_education_has_a_siasn_number_and_a_pathway_of_training() -> None:
    for form in set(Form) - {Form.FORMAL_EDUCATION}:
        assert 1 <= form.siasn_id <= 25
        assert form.pathway in (Pathway.CLASSICAL, Pathway.NON_CLASSICAL)
    assert Form.FORMAL_EDUCATION.siasn_id is None
    assert Form.FORMAL_EDUCATION.pathway is Pathway.EDUCATION


def test_only_a_webinar_shares_its_siasn_number() -> None:
    numbers = [form.siasn_id for form in Form if form is not Form.WEBINAR]
    assert len(numbers) == len(set(numbers))
    assert Form.WEBINAR.siasn_id == Form.SEMINAR.siasn_id


@pytest.mark.parametrize(
    ("form", "siasn_id", "label"),
    [
        ("seminar", 9, "Seminar"),
        ("e_learning", 16, "E-learning"),
        ("workplace_guidance", 24, "Bimbingan di tempat kerja"),
        ("mentoring", 15, "Mentoring"),
    ],
)
def test_a_form_is_known_by_its_word(form: str, siasn_id: int, label: str) -> None:
    assert Form(form).siasn_id == siasn_id
    assert Form(form).label.id == label
