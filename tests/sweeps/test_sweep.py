"""`sweep`: every point once, in grid order, wherever it runs; failures are named; little is in flight."""

import os
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

import splinegeo as sg


def test_every_point_of_the_grid_in_order():
    found = sg.sweep(lambda a, b, c: (a, b, c), a=["xy", "z"], b=range(3), c=[None])
    assert found.names == ("a", "b", "c")
    assert found.shape == (2, 3, 1)
    assert list(found.results.flat) == list(product(["xy", "z"], range(3), [None]))


@pytest.mark.parametrize("pool", ["processes", "threads"])
def test_the_executor_changes_nothing(pool, request):
    axes = {"base": range(7), "exp": [2, 3, 5]}
    here = sg.sweep(pow, **axes)
    there = sg.sweep(pow, executor=request.getfixturevalue(pool), in_flight=4, **axes)
    np.testing.assert_array_equal(here.results, there.results)


def test_results_do_not_depend_on_the_order_in_which_calls_end(threads):
    def late_first(i):
        time.sleep(0.02 * (5 - i))
        return i

    assert sg.sweep(late_first, executor=threads, i=range(5)).results.tolist() == [0, 1, 2, 3, 4]


class Counting(Executor):
    """Runs nothing until asked; knows how many calls were ever unfinished at once."""

    def __init__(self):
        self.unfinished, self.most = [], 0

    def submit(self, measure, /, **values):
        future = Future()
        self.unfinished.append((future, measure, values))
        self.most = max(self.most, len(self.unfinished))
        # The oldest call but one ends only when a window of five is full.
        if len(self.unfinished) == 5:
            self.finish()
        return future

    def finish(self):
        for future, measure, values in self.unfinished:
            future.set_result(measure(**values))
        self.unfinished.clear()


def test_a_generator_is_drawn_no_further_than_the_calls_in_flight():
    drawn, executor = [], Counting()

    def checkpoints():
        for i in range(100):
            assert len(drawn) - len(done) <= 5
            drawn.append(i)
            yield i

    done = []
    found = sg.sweep(lambda i: done.append(i) or i, executor=executor, in_flight=5, i=checkpoints())
    assert found.results.tolist() == list(range(100))
    assert executor.most == 5


def test_a_long_generator_is_not_drawn_at_once():
    """Calls are slower than the generator: the pool's own queue would swallow it whole."""
    ahead, done, lock = [], [0], threading.Lock()

    def slow(i):
        time.sleep(0.001)
        with lock:
            done[0] += 1
        return i

    def source():
        for i in range(200):
            with lock:
                ahead.append(i - done[0])
            yield i

    with ThreadPoolExecutor(2) as pool:
        assert len(sg.sweep(slow, executor=pool, in_flight=6, i=source()).results) == 200
    assert max(ahead) <= 6


@pytest.mark.parametrize("pool", [None, "processes", "threads"])
def test_a_failure_names_its_point_and_its_cause(pool, request):
    executor = request.getfixturevalue(pool) if pool else None
    with pytest.raises(sg.SweepError, match=r"at x=0, seed=7: ZeroDivisionError: ") as failure:
        sg.sweep(power_of_inverse, executor=executor, x=[1, 2, 0], seed=[7])
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def power_of_inverse(x, seed):
    return (1 / x) ** seed


def test_long_values_are_named_by_their_position():
    with pytest.raises(sg.SweepError, match=r"at weights\[1\], name='b': \w*TypeError"):
        sg.sweep(lambda weights, name: weights + name, weights=["a", np.zeros(99)], name=["b"])


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, ValueError])
def test_whatever_stops_the_sweep_cancels_what_is_pending(interrupt):
    started, release = [], threading.Event()

    def measure(i):
        started.append(i)
        release.wait(10)

    def source():
        yield from range(5)
        raise interrupt

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(interrupt):
            sg.sweep(measure, executor=pool, i=source())
        release.set()
    assert started == [0]


def test_an_interrupt_of_a_call_here_stops_the_sweep():
    called = []

    def measure(i):
        called.append(i)
        if i == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sg.sweep(measure, i=range(9))
    assert called == [0, 1, 2]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "needs an axis"),
        ({"seed": 3}, "axis 'seed' is one int"),
        ({"state": {"weight": 1}}, r"axis 'state' is one dict.*state=\[\.\.\.\]"),
        ({"name": "abc"}, "axis 'name' is one str"),
        ({"seed": []}, "axis 'seed' is empty"),
        ({"seed": range(2), "x": iter(())}, "axis 'x' is empty"),
        ({"seed": iter(())}, "axis 'seed' is empty"),
    ],
)
def test_what_is_no_grid_is_refused(axes, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.sweep(dict, **axes)


def test_nothing_in_flight_is_refused():
    with pytest.raises(sg.InvalidInputError, match="in_flight must be at least 1, not 0"):
        sg.sweep(dict, in_flight=0, x=[1])


def test_arrays_stack_behind_the_axes_of_the_sweep():
    found = sg.sweep(lambda a, b: np.array([a, b, a + b]), a=range(2), b=range(4))
    assert found.results.shape == (2, 4)
    assert found.stack().shape == (2, 4, 3)
    np.testing.assert_array_equal(found.stack()[1, 3], [1, 3, 4])


@pytest.mark.parametrize("measure", [lambda n: np.zeros(n), lambda n: object(), lambda n: {"n": n}])
def test_what_is_no_number_does_not_stack(measure):
    found = sg.sweep(measure, n=[1, 2])
    with pytest.raises(sg.InvalidInputError, match="stack"):
        found.stack()


def test_processes_are_others(processes):
    assert os.getpid() not in set(sg.sweep(process_id, executor=processes, i=range(8)).results)


def process_id(i):
    return os.getpid()
