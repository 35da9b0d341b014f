"""Numbers of events that are committed in another order than they were given."""

from app.job_streams.positions import GIVEN_UP_AFTER_S, MAX_MISSING, Positions


def positions(*numbers: int) -> Positions:
    read = Positions(10)
    for number in numbers:
        read.read(number, now_s=0.0)
    return read


def test_numbers_in_order_leave_nothing_missing() -> None:
    read = positions(11, 12, 13)
    assert (read.highest, read.settled, list(read.missing)) == (13, 13, [])


def test_a_missing_number_holds_back_what_is_settled() -> None:
    read = positions(11, 14, 16)
    assert (read.highest, read.settled, list(read.missing)) == (16, 11, [12, 13, 15])
    read.read(12, now_s=1.0)
    assert read.settled == 12
    read.read(13, now_s=1.0)
    assert read.settled == 14


def test_a_number_that_was_rolled_back_is_given_up() -> None:
    read = positions(12)
    read.give_up(GIVEN_UP_AFTER_S - 1)
    assert read.settled == 10
    read.give_up(GIVEN_UP_AFTER_S)
    assert read.settled == 12


def test_a_leap_of_numbers_is_not_searched_in_full() -> None:
    read = positions(10**9)
    assert len(read.missing) == MAX_MISSING
    assert min(read.missing) == 10**9 - MAX_MISSING
