"""Processes that are started together; they are forked here where they need no JAX, to be quick."""

import multiprocessing
import os
import pickle
import signal
import time

import pytest
import torch.multiprocessing as theirs

import flambeau
from flambeau import multiprocessing as ours

# JAX warns of it; what runs here uses no JAX.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork")


def fine(i, *args):
    pass


def raises(i, text):
    if i == 1:
        raise ValueError(text)
    time.sleep(20)


def leaves(i):
    os._exit(3)


def killed(i):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(20)


def failure(library, fn, args=()):
    with pytest.raises((library.ProcessRaisedException, library.ProcessExitedException)) as found:
        library.start_processes(fn, args, 2, start_method="fork")
    return found.value


def test_an_error_comes_with_its_traceback():
    error = failure(ours, raises, ("oh",))
    expected = failure(theirs, raises, ("oh",))
    assert type(error).__name__ == type(expected).__name__
    assert error.error_index == expected.error_index == 1
    first, last = str(error).splitlines()[2], str(error).splitlines()[-1]
    assert [first, last] == [str(expected).splitlines()[2], str(expected).splitlines()[-1]]
    assert last == "ValueError: oh"


@pytest.mark.parametrize("fn", [leaves, killed])
def test_an_end_without_an_error(fn):
    error, expected = failure(ours, fn), failure(theirs, fn)
    assert (str(error), error.exit_code, error.signal_name) == (
        str(expected), expected.exit_code, expected.signal_name,
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(error)).exit_code == error.exit_code


def test_all_end_well():
    assert ours.start_processes(fine, ("x",), 2, start_method="fork") is None
    context = ours.start_processes(fine, (), 2, join=False, start_method="fork")
    assert len(context.pids()) == 2
    while not context.join():
        pass
    assert context.join()


def test_tensors_go_to_other_processes_by_value():
    queue = ours.SimpleQueue()
    queue.put(flambeau.arange(3))
    assert queue.get().tolist() == [0, 1, 2]


def test_it_is_pythons_own():
    assert set(theirs.__all__) <= set(ours.__all__)
    assert ours.cpu_count() == multiprocessing.cpu_count()


def test_sharing_strategies():
    assert ours.get_all_sharing_strategies() == theirs.get_all_sharing_strategies()
    ours.set_sharing_strategy("file_system")
    assert ours.get_sharing_strategy() == "file_system"
    with pytest.raises(AssertionError, match="invalid sharing strategy 'x', expected one of"):
        ours.set_sharing_strategy("x")


@pytest.mark.slow
def test_spawned_processes_import_anew():
    with pytest.warns(FutureWarning, match="only supports start_method=spawn"):
        context = ours.spawn(fine, nprocs=1, join=False, start_method="fork")
    assert isinstance(context, ours.SpawnContext)
    while not context.join():
        pass
