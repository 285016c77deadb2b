from chengnao.models.gateway.circuit import Circuit, RetryBudget


def test_five_failures_in_a_row_open_and_one_success_between_does_not() -> None:
    circuit = Circuit()
    for _ in range(4):
        circuit.fail(0.0)
    circuit.succeed()
    for _ in range(4):
        circuit.fail(1.0)
    assert circuit.allows(1.0)
    circuit.fail(1.0)
    assert not circuit.allows(1.0)
    assert circuit.wait(2.0) == 4.0


def test_after_a_rest_one_probe_goes_through_and_its_success_closes() -> None:
    circuit = _opened()
    assert not circuit.allows(4.9)
    assert circuit.allows(5.0)
    circuit.begin(5.0)
    assert not circuit.allows(5.1), "one probe at a time"
    circuit.succeed()
    assert circuit.allows(5.2)


def test_each_failed_probe_doubles_the_rest_up_to_a_minute() -> None:
    circuit, now, rests = _opened(), 0.0, []
    for _ in range(6):
        rests.append(circuit.wait(now))
        now += rests[-1]
        circuit.begin(now)
        circuit.fail(now)
    assert rests == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_probe_that_tells_nothing_leaves_room_for_the_next() -> None:
    circuit = _opened()
    circuit.begin(5.0)
    circuit.abandon()
    assert circuit.allows(5.1)
    circuit.begin(5.1)
    assert circuit.allows(66.0), "a probe whose end nobody told of is forgotten"


def test_late_failures_of_calls_that_began_before_do_not_move_the_opening() -> None:
    circuit = _opened()
    circuit.fail(4.0)
    assert circuit.allows(5.0)


def test_retries_are_a_share_of_calls_so_that_a_dead_vendor_makes_no_storm() -> None:
    budget, retries = RetryBudget(), 0
    for n in range(1000):
        budget.count_call(n / 1000)
        retries += budget.take(n / 1000)
    assert retries == 200


def test_a_quiet_route_may_always_try_again_a_few_times() -> None:
    budget = RetryBudget()
    budget.count_call(0.0)
    assert [budget.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert budget.take(10.5), "old retries are forgotten"


def _opened() -> Circuit:
    circuit = Circuit()
    for _ in range(5):
        circuit.fail(0.0)
    return circuit
