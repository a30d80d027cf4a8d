"""The sampler that gives each process of a group its own share of a dataset."""

import math
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

from flambeau._core.random import Generator
from flambeau.utils.data.dataset import Dataset
from flambeau.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]

_T_co = TypeVar("_T_co", covariant=True)


class DistributedSampler(Sampler[_T_co]):
    """Every `num_replicas`-th index, starting at `rank`.

    Args:
        dataset: the whole dataset, of which each process reads its share; its length must not change.
        num_replicas: how many processes share it; None asks the process group.
        rank: which one this is; None asks the process group.
        shuffle: permute the indices, in the same way in all processes, before dealing them out.
        seed: seeds the permutation, together with the epoch; the same in all processes.
        drop_last: leave out the last indices that cannot be dealt out evenly; otherwise some come twice.

    Call `set_epoch(epoch)` before each epoch, or each one sees the same order.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        num_replicas = _ask_process_group("get_world_size") if num_replicas is None else num_replicas
        rank = _ask_process_group("get_rank") if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)  # type: ignore[arg-type]
        # Dropping rounds down, unless the division comes out even; PyTorch writes it as a ceiling.
        left_out = num_replicas if drop_last and count % num_replicas else 0
        self.num_samples = math.ceil((count - left_out) / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[_T_co]:
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            indices = generator.randperm(count).tolist()
        else:
            indices = list(range(count))
        if not self.drop_last and indices:
            indices *= -(-self.total_size // count)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, which together with `seed` decides the permutation."""
        self.epoch = epoch


def _ask_process_group(question: str) -> int:
    # Not imported: it lies in a layer above, and whoever has set up a process group has loaded it.
    distributed = sys.modules.get(f"{__name__.partition('.')[0]}.distributed")
    if distributed is None or not distributed.is_initialized():
        raise ValueError(
            "Default process group has not been initialized, please make sure to call init_process_group. "
            "Or give DistributedSampler both num_replicas and rank."
        )
    answer: int = getattr(distributed, question)()
    return answer
