"""Working time: amounts, holidays and make-up days, and the laws that all of it obeys."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.calendar import Amount, TimeUnit, WorkingCalendar, national_days, parse_amount, working_hours
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid

CALENDAR = WorkingCalendar()
HOURS_A_DAY = 7 * 3600


def at(text: str) -> datetime:
    """A moment of Chongqing's time."""
    return datetime.fromisoformat(text).replace(tzinfo=CST)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("90 s", Amount(90, TimeUnit.SECOND)),
        ("15 min", Amount(15, TimeUnit.MINUTE)),
        ("2 h", Amount(2, TimeUnit.HOUR)),
        ("1.5h", Amount(1.5, TimeUnit.HOUR)),
        (" 3 d ", Amount(3, TimeUnit.DAY)),
        ("8 wh", Amount(8, TimeUnit.WORKING_HOUR)),
        ("3 wd", Amount(3, TimeUnit.WORKING_DAY)),
    ],
)
def test_amounts_are_read_and_written(text: str, amount: Amount) -> None:
    assert parse_amount(text) == amount
    assert parse_amount(str(amount)) == amount
    assert amount.working is text.strip().endswith(("wh", "wd"))


def test_amounts_are_told_to_people() -> None:
    assert (Amount(3, TimeUnit.WORKING_DAY).zh, Amount(1.5, TimeUnit.HOUR).en) == ("3 个工作日", "1.5 h")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "a number and a unit"),
        ("three days", "a number and a unit"),
        ("-3 d", "a number and a unit"),
        ("1e9 s", "a number and a unit"),
        ("3 weeks", "a number and a unit"),
        ("3 y", "'y' is none of s, min, h, d, wh, wd"),
        ("1.5 wd", "must be whole"),
        ("9999 wd", "the most is 2500 wd"),
    ],
)
def test_what_is_wrong_with_an_amount_is_named(text: str, wrong: str) -> None:
    with pytest.raises(Invalid) as error:
        parse_amount(text)
    assert wrong in error.value.text("en")
    assert error.value.params["value"] == text


@pytest.mark.parametrize(
    ("received", "amount", "due"),
    [
        # Natural time minds neither nights nor holidays.
        ("2026-02-14 23:00", "2 h", "2026-02-15 01:00"),
        ("2026-09-30 17:00", "3 d", "2026-10-03 17:00"),
        # The day of receipt does not count, however early it came.
        ("2026-11-25 08:00", "1 wd", "2026-11-26 18:00"),
        ("2026-11-25 23:59", "1 wd", "2026-11-26 18:00"),
        ("2026-11-27 10:00", "1 wd", "2026-11-30 18:00"),
        ("2026-11-28 10:00", "1 wd", "2026-11-30 18:00"),
        # Midnight in Chongqing is 16:00 UTC of the day before: the day is Chongqing's.
        ("2026-11-26 00:30", "1 wd", "2026-11-27 18:00"),
        # National Day: seven days of rest, then Saturday the 10th is worked.
        ("2026-09-30 09:00", "1 wd", "2026-10-08 18:00"),
        ("2026-09-30 09:00", "3 wd", "2026-10-10 18:00"),
        ("2026-09-30 09:00", "4 wd", "2026-10-12 18:00"),
        # Spring Festival: the Saturday before it is worked.
        ("2026-02-13 17:30", "1 wd", "2026-02-14 18:00"),
        ("2026-02-13 17:30", "1 wh", "2026-02-14 09:30"),
        # Over the turn of the year.
        ("2025-12-31 17:00", "2 wh", "2026-01-04 10:00"),
        ("2026-11-25 10:00", "0 wd", "2026-11-25 18:00"),
        ("2026-11-25 18:00", "0 wd", "2026-11-25 18:00"),
        ("2026-11-25 18:01", "0 wd", "2026-11-26 18:00"),
        # Working hours pause at noon and at night; an end of hours is not the next beginning.
        ("2026-11-25 11:00", "1 wh", "2026-11-25 12:00"),
        ("2026-11-25 11:00", "2 wh", "2026-11-25 15:00"),
        ("2026-11-25 17:00", "8 wh", "2026-11-26 18:00"),
        ("2026-11-25 03:00", "0.5 wh", "2026-11-25 09:30"),
        ("2026-11-28 12:00", "7 wh", "2026-11-30 18:00"),
        ("2026-11-25 13:00", "0 wh", "2026-11-25 14:00"),
    ],
)
def test_when_time_is_over(received: str, amount: str, due: str) -> None:
    assert CALENDAR.after(at(received), parse_amount(amount)) == at(due)
    assert CALENDAR.after(at(received).astimezone(UTC), parse_amount(amount)).tzinfo is UTC


def test_the_citys_own_days_come_first() -> None:
    own = WorkingCalendar({date(2026, 11, 26): False, date(2026, 11, 28): True, date(2026, 10, 1): True})
    assert own.after(at("2026-11-25 10:00"), parse_amount("1 wd")) == at("2026-11-27 18:00")
    assert own.after(at("2026-11-27 10:00"), parse_amount("1 wd")) == at("2026-11-28 18:00")
    assert own.is_working_day(date(2026, 10, 1))
    assert not CALENDAR.is_working_day(date(2026, 10, 1))


def test_beyond_the_data_weekends_decide_and_it_says_so() -> None:
    last = CALENDAR.known_until()
    assert (last.month, last.day) == (12, 31)
    assert max(national_days(last.year)) <= last
    assert national_days(last.year + 1) == {}
    feasts = [date(last.year + 1, month, 1) for month in (1, 5, 10)]
    assert all(CALENDAR.is_working_day(day) is (day.weekday() < 5) for day in feasts)
    entered = WorkingCalendar(dict.fromkeys(feasts, False))
    assert entered.known_until() == date(last.year + 1, 12, 31)
    assert WorkingCalendar(dict.fromkeys(feasts[:2], False)).known_until() == last


def test_national_days_have_names() -> None:
    assert national_days(2026)[date(2026, 10, 1)] == (False, "国庆节")
    assert national_days(2026)[date(2026, 10, 10)] == (True, "国庆节")


moments = st.datetimes(datetime(2019, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - it wants them so
amounts = st.one_of(
    st.builds(Amount, st.integers(0, 60), st.sampled_from(list(TimeUnit))),
    st.builds(Amount, st.floats(0, 300), st.just(TimeUnit.WORKING_HOUR)),
)
seconds = st.integers(0, 90 * HOURS_A_DAY)
calendars = st.builds(
    WorkingCalendar, st.dictionaries(st.dates(date(2019, 1, 1), date(2028, 1, 1)), st.booleans(), max_size=40)
)


def in_hours(calendar: WorkingCalendar, moment: datetime) -> bool:
    local = moment.astimezone(CST)
    return calendar.is_working_day(local.date()) and any(
        opens <= local.time() <= closes for opens, closes in working_hours()
    )


@given(calendars, moments, moments, amounts)
def test_who_comes_later_is_due_no_earlier(
    calendar: WorkingCalendar, one: datetime, other: datetime, amount: Amount
) -> None:
    early, late = sorted((one, other))
    assert early <= calendar.after(early, amount) <= calendar.after(late, amount)


@given(calendars, moments, amounts, amounts)
def test_more_time_is_over_no_earlier(calendar: WorkingCalendar, moment: datetime, one: Amount, other: Amount) -> None:
    if one.unit is other.unit:
        less, more = sorted((one, other), key=lambda each: each.number)
        assert calendar.after(moment, less) <= calendar.after(moment, more)


@given(calendars, moments, amounts)
def test_working_time_ends_in_the_hours_of_work(calendar: WorkingCalendar, moment: datetime, amount: Amount) -> None:
    due = calendar.after(moment, amount)
    if amount.working:
        assert in_hours(calendar, due)
    else:
        assert (due - moment).total_seconds() == pytest.approx(
            amount.number * {"s": 1, "min": 60, "h": 3600, "d": 86400}[amount.unit]
        )


@given(calendars, moments, seconds)
def test_counting_takes_back_adding(calendar: WorkingCalendar, moment: datetime, added: int) -> None:
    due = calendar.add_working_seconds(moment, added)
    assert in_hours(calendar, due)
    assert calendar.working_seconds(moment, due) == pytest.approx(added, abs=1e-3)


@given(calendars, moments, seconds, seconds)
def test_adding_in_two_steps_is_adding_at_once(
    calendar: WorkingCalendar, moment: datetime, first: int, second: int
) -> None:
    by_steps = calendar.add_working_seconds(calendar.add_working_seconds(moment, first), second)
    at_once = calendar.add_working_seconds(moment, first + second)
    # Where the first step ends with the hours of work and nothing is added, the next hours are the same moment.
    assert by_steps == at_once or calendar.working_seconds(*sorted((by_steps, at_once))) == 0


@given(calendars, st.lists(moments, min_size=3, max_size=3))
def test_counts_add_up(calendar: WorkingCalendar, three: list[datetime]) -> None:
    first, second, third = sorted(three)
    whole = calendar.working_seconds(first, third)
    assert whole == pytest.approx(
        calendar.working_seconds(first, second) + calendar.working_seconds(second, third), abs=1e-3
    )
    assert 0 <= whole <= (third - first).total_seconds()
    assert calendar.working_seconds(third, first) in (0, whole if first == third else 0)


@given(calendars, st.dates(date(2019, 1, 1), date(2027, 12, 1)), st.integers(1, 60))
def test_days_counted_one_by_one(calendar: WorkingCalendar, day: date, number: int) -> None:
    """The n-th working day by the plainest way there is: count the days that follow."""
    following = [day + timedelta(days=each) for each in range(1, 400)]
    nth = [each for each in following if calendar.is_working_day(each)][number - 1]
    received = datetime(day.year, day.month, day.day, 15, 30, tzinfo=CST)
    due = calendar.after(received, Amount(number, TimeUnit.WORKING_DAY))
    assert due == datetime(nth.year, nth.month, nth.day, 18, tzinfo=CST)
