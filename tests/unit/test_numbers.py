"""Whose a number is while only one side of a merge or a separation has been heard of."""

from services.incentive.points.documents import Person
from shared.contracts.payload import EmployeeId
from shared.http.numbers import own_of

OWN = Person(EmployeeId("emp_own"), 3, ["2"])
OTHER = Person(EmployeeId("emp_other"), 9, ["1", "2"])


def test_the_number_s_own_record_goes_before_the_one_that_has_others_too() -> None:
    assert own_of([OTHER, OWN]) == own_of([OWN, OTHER]) == own_of([OWN]) == OWN
    assert own_of([OTHER]) == OTHER
    assert own_of([]) is None
