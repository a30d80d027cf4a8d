"""Samplers: the order in which a `DataLoader` visits a dataset."""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from flambeau._core.dtype import float64
from flambeau._core.random import Generator, default_generator
from flambeau._ops.construct import as_tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

_T_co = TypeVar("_T_co", covariant=True)

# How many indices are drawn at a time with replacement. The stream of random numbers depends on it.
_CHUNK = 32


def draw_seed(generator: Generator | None = None) -> int:
    """A seed from the generator (the default one for None): one draw of a 63-bit number."""
    return (generator or default_generator).base_seed()


class Sampler(Generic[_T_co]):
    """An iterable over indices or lists of indices. Subclasses give `__iter__`, and `__len__` if known."""

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError(
            f"{type(self).__name__} has to define __iter__, giving the indices in order"
        )


class SequentialSampler(Sampler[int]):
    """Indices in order."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices at random.

    Args:
        data_source: what is sampled from; its length counts.
        replacement: draw each index from all of them, rather than going through permutations.
        num_samples: how many to draw; None takes the length of `data_source`.
        generator: where random numbers come from; None makes one, seeded from the default generator.

    Raises: TypeError or ValueError, if `replacement` is no bool or `num_samples` no positive integer.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        # Read anew each time: the data source may have grown since the last epoch.
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator = self.generator
        if generator is None:
            generator = Generator().manual_seed(draw_seed())
        if self.replacement:
            yield from self._with_replacement(generator)
        else:
            yield from self._by_permutations(generator)

    def _with_replacement(self, generator: Generator) -> Iterator[int]:
        limit, count = len(self.data_source), self.num_samples
        for start in range(0, count, _CHUNK):
            yield from generator.randint(0, limit, min(_CHUNK, count - start)).tolist()

    def _by_permutations(self, generator: Generator) -> Iterator[int]:
        limit, count = len(self.data_source), self.num_samples
        for _ in range(count // limit):
            yield from generator.randperm(limit).tolist()
        # Drawn even when nothing is left over, as PyTorch does: later draws from the generator depend on it.
        yield from generator.randperm(limit).tolist()[: count % limit]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order, without replacement."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in (self.generator or default_generator).randperm(len(self.indices)).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices `0..len(weights)-1` at random, each as likely as its weight says.

    Args:
        weights: one per index, not necessarily summing to one.
        num_samples: how many to draw.
        replacement: whether an index may come again.
        generator: where random numbers come from; None is the default one.

    Raises: ValueError, for a wrong `num_samples`, `replacement` or weights that are no flat sequence.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        _check_positive_int("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        weights_tensor = as_tensor(weights, dtype=float64)
        if len(weights_tensor.shape) != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(weights_tensor.shape)}"
            )
        self.weights = weights_tensor
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        generator = self.generator or default_generator
        weights = self.weights._host_array()
        yield from generator.multinomial(weights, self.num_samples, self.replacement).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Another sampler's indices, in lists of `batch_size`.

    Args:
        sampler: any iterable over indices.
        batch_size: how many make a batch.
        drop_last: leave out a last batch that is shorter.

    Raises: ValueError, if `batch_size` is no positive integer or `drop_last` no bool.
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_positive_int("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def _check_positive_int(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")
