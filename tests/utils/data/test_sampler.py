"""Samplers, against PyTorch's: the same order for the same seed, and as many random numbers drawn."""

import pytest
import torch
import torch.utils.data as expected

import flambeau
import flambeau.utils.data as actual

ORDERS = [
    lambda d, g: d.SequentialSampler(range(5)),
    lambda d, g: d.RandomSampler(range(7)),
    lambda d, g: d.RandomSampler(range(7), generator=g),
    lambda d, g: d.RandomSampler(range(3), num_samples=8, generator=g),
    lambda d, g: d.RandomSampler(range(3), num_samples=6, generator=g),
    lambda d, g: d.RandomSampler(range(3), num_samples=2),
    lambda d, g: d.RandomSampler(range(70), replacement=True),
    lambda d, g: d.RandomSampler(range(9), replacement=True, num_samples=64, generator=g),
    lambda d, g: d.SubsetRandomSampler([5, 6, 9]),
    lambda d, g: d.SubsetRandomSampler([5, 6, 9], generator=g),
    lambda d, g: d.WeightedRandomSampler([1.0, 2.0, 3.0, 0.0], 6),
    lambda d, g: d.WeightedRandomSampler([1, 2, 3, 4], 3, replacement=False, generator=g),
    lambda d, g: d.BatchSampler(range(7), 3, False),
    lambda d, g: d.BatchSampler(range(7), 3, True),
    lambda d, g: d.BatchSampler(d.RandomSampler(range(7), generator=g), 2, True),
    lambda d, g: d.BatchSampler(range(0), 2, False),
    *[
        lambda d, g, n=n, rank=rank, shuffle=shuffle, drop=drop: d.DistributedSampler(
            range(n), 3, rank, shuffle=shuffle, seed=4, drop_last=drop
        )
        for n in (1, 2, 6, 8)
        for rank in (0, 2)
        for shuffle in (True, False)
        for drop in (True, False)
    ],
]


def run(library, data, make):
    library.manual_seed(3)
    generator = library.Generator().manual_seed(11)
    sampler = make(data, generator)
    epochs = [list(sampler), list(sampler)]
    numbers = [int(library.randint(1 << 30, ())), int(library.randint(1 << 30, (), generator=generator))]
    return epochs, len(sampler), numbers


@pytest.mark.parametrize("make", ORDERS)
def test_order_length_and_random_numbers_drawn(make):
    assert run(flambeau, actual, make) == run(torch, expected, make)


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.RandomSampler(range(3), replacement=1),
        lambda d: d.RandomSampler(range(3), num_samples=-1),
        lambda d: d.RandomSampler(range(3), num_samples=1.5),
        lambda d: d.RandomSampler(range(0)),
        lambda d: d.WeightedRandomSampler([1, 2], 0),
        lambda d: d.WeightedRandomSampler([1, 2], True),
        lambda d: d.WeightedRandomSampler([1, 2], 2, replacement=1),
        lambda d: d.WeightedRandomSampler([[1, 2]], 2),
        lambda d: d.BatchSampler(range(3), 0, False),
        lambda d: d.BatchSampler(range(3), True, False),
        lambda d: d.BatchSampler(range(3), 1.0, False),
        lambda d: d.BatchSampler(range(3), 1, 0),
        lambda d: d.DistributedSampler(range(5), 2, 2),
        lambda d: d.DistributedSampler(range(5), 2, -1),
        lambda d: d.Sampler(data_source=range(3)),
        lambda d: len(d.Sampler()),
    ],
)
def test_error(make):
    with pytest.raises(Exception) as expected_error:  # noqa: PT011
        make(expected)
    with pytest.raises(expected_error.type) as error:
        make(actual)
    assert str(error.value) == str(expected_error.value)


def test_distributed_sampler_without_a_process_group_says_what_to_do():
    with pytest.raises(ValueError, match=r"call init_process_group\. Or give .* num_replicas and rank"):
        actual.DistributedSampler(range(5))


def test_distributed_sampler_orders_differ_between_epochs_as_pytorchs_do():
    ours, theirs = (d.DistributedSampler(range(20), 2, 1, seed=4) for d in (actual, expected))
    orders = []
    for epoch in range(3):
        ours.set_epoch(epoch)
        theirs.set_epoch(epoch)
        assert list(ours) == list(theirs)
        orders.append(list(ours))
    assert orders[0] != orders[1] != orders[2]


def test_batches_are_drawn_one_by_one():
    drawn = []

    def indices():
        for index in range(5):
            drawn.append(index)
            yield index

    next(iter(actual.BatchSampler(indices(), 2, False)))
    assert drawn == [0, 1]
