"""The demo's day: the same each time, and made of events that the contracts know or must refuse."""

from collections import Counter

import pytest

from demo.city import City, build_city, is_http
from demo.expectations import expectations
from demo.wire import Message
from shared.contracts.agency import EmployeeChanged, EmployeeRegistered, TrainingCompleted
from shared.contracts.cloudevents import Undecodable, decode, peek
from shared.contracts.employee_number import check_employee_number
from shared.contracts.payload import Payload
from shared.contracts.vocabulary import Form

TYPES: dict[str, type[Payload]] = {
    payload.TYPE: payload for payload in (EmployeeRegistered, EmployeeChanged, TrainingCompleted)
}


@pytest.fixture(scope="module")
def city() -> City:
    return build_city()


def read(message: Message) -> Payload:
    type, structured = peek(message.value, message.headers)
    if type not in TYPES:
        raise Undecodable("its type is unknown")
    return decode(message.value, message.headers, structured, TYPES[type]).data


def test_the_same_seed_makes_the_same_day() -> None:
    one, two = build_city(60, 7), build_city(60, 7)
    assert one.messages == two.messages
    assert one.expected == two.expected
    assert build_city(60, 8).messages != one.messages


def test_a_day_of_another_size_is_refused_with_the_limits() -> None:
    with pytest.raises(ValueError, match="40 to 990"):
        build_city(39)


def test_every_good_event_decodes(city: City) -> None:
    good = [message for message in city.messages if not message.dead_because]
    assert len(good) > 1000
    for message in good:
        read(message)


def test_every_malformed_event_is_undecodable_for_its_reason(city: City) -> None:
    bad = [message for message in city.messages if message.kind in ("malformed", "refused by HTTP")]
    assert len(bad) == 10
    for message in bad:
        with pytest.raises(Undecodable) as caught:
            read(message)
        assert message.dead_because in str(caught.value)


def test_what_the_rules_refuse_can_be_read(city: City) -> None:
    (message,) = (message for message in city.messages if message.kind == "refused by rule")
    assert isinstance(read(message), TrainingCompleted)


def test_employees_have_valid_numbers_of_their_own(city: City) -> None:
    assert [check_employee_number(number) for number in city.employees] == [None] * 350
    assert {one.employment_type for one in city.employees.values()} == {"pns", "cpns", "pppk"}
    assert any(one.email is None for one in city.employees.values())
    assert {one.language for one in city.employees.values()} == {"id", "en"}


def test_the_day_has_all_that_a_day_has(city: City) -> None:
    kinds = Counter(message.kind for message in city.messages)
    assert kinds.keys() >= {
        "registration", "completion", "new contract", "copy, same batch", "copy, later", "copy, second agency",
        "copy, new number", "correction", "correction, early", "correction, by revision", "never registered",
        "malformed", "refused by rule", "refused by HTTP",
    }  # fmt: skip
    assert {is_http(message) for message in city.messages} == {True, False}
    assert any(dict(message.headers).get("ce_specversion") for message in city.messages)


def test_caps_cut_jp_and_points(city: City) -> None:
    expected = expectations(city)
    coached = {
        one.occasion.employee_number
        for one in expected.completions
        if one.completed.training.form in (Form.COACHING, Form.MENTORING)
    }
    assert coached
    assert max(expected.points.values()) == 100


def test_expectations_count_each_completion_once(city: City) -> None:
    completed = {
        (data.training.organizer.code, data.training.code, data.training.batch, data.employee_number)
        for message in city.messages
        if message.kind == "completion" and isinstance(data := read(message), TrainingCompleted)
    }
    assert len(completed) == len(city.expected)
    assert sum(one.revoked for one in city.expected.values()) == 2
