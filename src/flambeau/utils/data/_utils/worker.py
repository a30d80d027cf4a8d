"""Workers: a copy of the dataset and a random state of its own, in the main process.

PyTorch starts a process for each worker. JAX's threads do not survive a fork, and a fresh process would
import everything again, so here a worker is a state and not a process: samples are read in the main process,
one batch when it is asked for, while the worker's random numbers (flambeau's, Python's and NumPy's) stand in
for the main ones. Order, splitting by `get_worker_info()` and random numbers are those of PyTorch's workers.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from flambeau._core.random import default_generator
from flambeau.utils.data.dataset import Dataset

__all__ = ["Worker", "WorkerInfo", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info()` tells inside a worker: which it is, of how many, its seed and its dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_current: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The worker that is reading just now, or None outside of one.

    Datasets use it to take their share: `range(info.id, total, info.num_workers)`.
    """
    return _current


class Worker:
    """One worker of a loader: its dataset, its random state, and how it reads.

    Args:
        info: id, seed and dataset; the dataset is the worker's own shallow copy, since `worker_init_fn` often
            writes the worker's share into it.
        make_fetcher: called with the dataset, inside the worker, at each epoch.
        worker_init_fn: called once with the worker's id, inside the worker, after seeding.
    """

    def __init__(
        self,
        info: WorkerInfo,
        base_seed: int,
        make_fetcher: Callable[[Any], Any],
        worker_init_fn: Callable[[int], Any] | None,
    ) -> None:
        self.info = info
        self.active = True
        self._make_fetcher = make_fetcher
        self._states = _states_for(info.seed, base_seed, info.id)
        with self.running():
            if worker_init_fn is not None:
                worker_init_fn(info.id)
        self.restart()

    def restart(self) -> None:
        """Starts an epoch: a stream is opened anew; the random state goes on."""
        self.active = True
        with self.running():
            self._fetcher = self._make_fetcher(self.info.dataset)

    def fetch(self, index: Any) -> Any:
        """The batch at `index`. StopIteration, from a stream, says that the worker has no more."""
        with self.running():
            return self._fetcher.fetch(index)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Puts this worker's random state and info in place of the main ones for the block."""
        global _current
        outer, outer_states = _current, _get_states()
        _set_states(self._states)
        _current = self.info
        try:
            yield
        except Exception as error:
            if not isinstance(error, StopIteration):
                error.add_note(f"in DataLoader worker {self.info.id} of {self.info.num_workers}")
            raise
        finally:
            self._states = _get_states()
            _set_states(outer_states)
            _current = outer


def copy_dataset(dataset: Any) -> Any:
    """A shallow copy of a Dataset: its attributes are shared until set anew. Other objects are shared."""
    if not isinstance(dataset, Dataset) or not hasattr(dataset, "__dict__"):
        return dataset
    # Not copy.copy: `__getstate__` may leave out what only a process boundary forbids.
    clone = object.__new__(type(dataset))
    clone.__dict__.update(dataset.__dict__)
    return clone


def _get_states() -> tuple[Any, Any, Any]:
    return default_generator.state_bytes(), random.getstate(), np.random.get_state(legacy=False)


def _set_states(states: tuple[Any, Any, Any]) -> None:
    default_generator.set_state_bytes(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])


def _states_for(seed: int, base_seed: int, worker_id: int) -> tuple[Any, Any, Any]:
    """The three random states with which PyTorch starts a worker."""
    outer = _get_states()
    default_generator.manual_seed(seed)
    random.seed(seed)
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    states = _get_states()
    _set_states(outer)
    return states
