"""When a process is started again, and when it is held for dead."""

from chengnao.app.runner import PATIENCE_READY, PATIENCE_STARTING, Watch
from chengnao.app.spec import Check
from chengnao.kernel.child import LONGEST_PAUSE, STEADY_SECONDS, Backoff

READY = Check(alive=True, ready=True, beat=1.0)


def test_pauses_grow_from_short_to_the_longest() -> None:
    backoff = Backoff()
    pauses = [backoff.pause(0.0) for _ in range(12)]
    assert pauses[0] <= 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_repeated_crashes_leave_room_within_thirty_seconds() -> None:
    assert LONGEST_PAUSE < 30


def test_a_steady_run_makes_the_next_pause_short_again() -> None:
    backoff = Backoff()
    for _ in range(12):
        backoff.pause(0.0)
    assert backoff.pause(STEADY_SECONDS) <= 0.1


def test_the_same_heartbeat_again_is_no_sign_of_life() -> None:
    watch = Watch(0.0)
    assert not watch.silent(READY, 1.0)
    assert not watch.silent(READY, PATIENCE_READY)
    assert watch.silent(READY, 1.0 + PATIENCE_READY + 0.1)


def test_a_new_heartbeat_is_a_sign_of_life_even_after_a_long_look_away() -> None:
    watch = Watch(0.0)
    watch.silent(READY, 1.0)
    assert not watch.silent(Check(alive=True, ready=True, beat=2.0), 1_000.0)


def test_a_heartbeat_that_went_back_in_time_is_a_sign_of_life() -> None:
    watch = Watch(0.0)
    watch.silent(READY, 1.0)
    assert not watch.silent(Check(alive=True, ready=True, beat=-5_000.0), PATIENCE_READY + 5)


def test_a_start_is_given_more_time_than_a_pause() -> None:
    silent = Check(alive=False, ready=False)
    watch = Watch(0.0)
    assert not watch.silent(silent, PATIENCE_STARTING - 1)
    assert watch.silent(silent, PATIENCE_STARTING + 1)


def test_an_engine_that_answers_but_recovers_is_left_alone() -> None:
    watch = Watch(0.0)
    assert not watch.silent(Check(alive=True, ready=False, detail="starting up"), 10 * PATIENCE_STARTING)
