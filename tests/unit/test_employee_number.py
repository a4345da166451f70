import pytest

from shared.contracts.employee_number import check_employee_number, mask

NIP = "200002292024011001"
PPPK = "199001012023212001"


@pytest.mark.parametrize(
    "number",
    [
        NIP,
        PPPK,
        "198501012010122999",
        "198501012010211001",  # the first contract counter
        "198501012010991001",
        "198501012010012000",
    ],
)
def test_numbers_of_both_kinds_are_valid(number: str) -> None:
    assert check_employee_number(number) is None


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("", "has 0 characters"),
        ("19850101201001100", "has 17 characters"),
        ("1985010120100110012", "has 19 characters"),
        ("19850101 201001 1 001", "has 21 characters"),
        ("19850101201001100A", "other than the digits"),
        ("-98501012010011001", "other than the digits"),
        ("１９８５０１０１２０１００１１００１", "other than the digits"),
        ("٠٩٨٥٠١٠١٢٠١٠٠١١٠٠١", "other than the digits"),
        ("19850101201001100\n", "other than the digits"),
        ("198502302010011001", "date of birth"),
        ("198513012010011001", "date of birth"),
        ("199902292010011001", "date of birth"),
        ("000001012010011001", "date of birth"),
        ("198501012010001001", "digits 13-14"),
        ("198501012010131001", "digits 13-14"),
        ("198501012010201001", "digits 13-14"),
        ("198501012010010001", "digit 15"),
        ("198501012010013001", "digit 15"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_the_place_of_its_fault(number: str, said: str) -> None:
    fault = check_employee_number(number)
    assert fault is not None
    assert said in fault


@pytest.mark.parametrize("number", ["19850101201001100", "198502302010011001", "198501012010201001"])
def test_a_refusal_repeats_no_part_of_the_number(number: str) -> None:
    fault = check_employee_number(number)
    assert fault is not None
    assert not any(number[at : at + 4] in fault for at in range(len(number) - 3))


def test_a_mask_keeps_the_first_and_the_last_four() -> None:
    assert mask("198501012010011001") == "1985******1001"


@pytest.mark.parametrize(
    "text", ["", "1985", "1985010120100110011", "Siti Aminah, S.Kom", "19850101201001100A"]
)
def test_what_is_no_number_is_masked_whole(text: str) -> None:
    assert mask(text) == "******"
