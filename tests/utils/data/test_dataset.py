"""Datasets, against PyTorch's."""

import pytest
import torch
import torch.utils.data as expected

import flambeau
import flambeau.utils.data as actual

BOTH = [(flambeau, actual), (torch, expected)]


def same(action, *exceptions):
    """What `action(library, data)` gives with both libraries; for an exception its type and first words."""
    return [outcome(action, *libraries) for libraries in BOTH]


def outcome(action, library, data):
    try:
        return action(library, data)
    except Exception as error:
        return type(error), str(error)


def stream(data, *samples, length=None):
    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(samples)

    if length is not None:
        Stream.__len__ = lambda self: length
    return Stream()


VALUES = [
    lambda t, d: [
        tuple(x.tolist() for x in d.TensorDataset(t.arange(3), t.arange(6).view(3, 2))[i]) for i in range(3)
    ],
    lambda t, d: len(d.TensorDataset(t.arange(3))),
    lambda t, d: d.StackDataset(range(3), range(5, 8))[1],
    lambda t, d: d.StackDataset(a=range(3), b=range(5, 8))[1],
    lambda t, d: d.StackDataset(range(3), range(5, 8)).__getitems__([0, 2]),
    lambda t, d: d.StackDataset(a=range(3), b=range(5, 8)).__getitems__([0, 2]),
    lambda t, d: len(d.StackDataset(range(3))),
    lambda t, d: [d.ConcatDataset([range(3), range(2)])[i] for i in (-5, -1, 0, 2, 3, 4)],
    lambda t, d: d.ConcatDataset(iter([range(3), range(2)])).cumulative_sizes,
    lambda t, d: list(d.ChainDataset([stream(d, 1, 2), stream(d, 3)])),
    lambda t, d: len(d.ChainDataset([stream(d, 1, length=2), stream(d, 3, length=5)])),
    lambda t, d: list(stream(d, 1, 2) + stream(d, 3)),
    lambda t, d: type(stream(d) + stream(d)).__name__,
    lambda t, d: type(d.TensorDataset(t.zeros(1)) + d.TensorDataset(t.zeros(2))).__name__,
    lambda t, d: len(d.TensorDataset(t.zeros(1)) + d.TensorDataset(t.zeros(2))),
    lambda t, d: d.Subset(list("abcd"), [3, 1])[0],
    lambda t, d: d.Subset(list("abcd"), [3, 1]).__getitems__([1, 0, 1]),
    lambda t, d: d.Subset(t.arange(5), [3, 1])[[1, 0]].tolist(),
    lambda t, d: len(d.Subset(list("abcd"), [3, 1])),
]

ERRORS = [
    lambda t, d: d.Dataset()[0],
    lambda t, d: d.IterableDataset(),
    lambda t, d: len(d.Dataset()),
    lambda t, d: d.StackDataset(),
    lambda t, d: d.StackDataset(range(3), a=range(3)),
    lambda t, d: d.ConcatDataset([]),
    lambda t, d: d.ConcatDataset([stream(d, 1)]),
    lambda t, d: d.ConcatDataset([range(3)])[-4],
    lambda t, d: list(d.ChainDataset([range(3)])),
    lambda t, d: len(d.ChainDataset([stream(d, 1)])),
    lambda t, d: d.random_split(range(5), [-0.5, 1.5]),
]


@pytest.mark.parametrize("action", VALUES)
def test_value(action):
    actual_value, expected_value = same(action)
    assert actual_value == expected_value


@pytest.mark.parametrize("action", ERRORS)
def test_error(action):
    actual_error, expected_error = same(action)
    assert actual_error == expected_error


@pytest.mark.parametrize(
    "action",
    [
        lambda t, d: d.TensorDataset(t.zeros(3), t.zeros(4)),
        lambda t, d: d.StackDataset(range(3), range(4)),
        lambda t, d: d.random_split(range(5), [2, 2]),
        lambda t, d: d.random_split(range(5), [0.5, 0.4]),
    ],
)
def test_error_begins_as_pytorch_says_and_goes_on_with_the_values(action):
    (kind, message), (expected_kind, expected_message) = same(action)
    assert kind is expected_kind
    assert message.startswith(expected_message)
    assert len(message) > len(expected_message)


@pytest.mark.parametrize("lengths", [[3, 8], [0.3, 0.3, 0.4], [0.5, 0.5], [11, 0], [1, 1, 9]])
def test_random_split_is_pytorchs(lengths):
    def split(library, data):
        library.manual_seed(5)
        parts = data.random_split(range(11), lengths)
        own = data.random_split(range(11), lengths, library.Generator().manual_seed(7))
        return [part.indices for part in parts + own], int(library.randint(1 << 30, ()))

    actual_parts, expected_parts = same(split)
    assert actual_parts == expected_parts


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        assert [len(part) for part in actual.random_split(range(1), [0.5, 0.5])] == [1, 0]


def test_stack_dataset_names_a_nested_dataset_that_gives_too_few_samples():
    class Short(actual.Dataset):
        def __len__(self):
            return 3

        def __getitems__(self, indices):
            return indices[:1]

    with pytest.raises(ValueError, match=r"Nested dataset's output size mismatch\. Expected 2, got 1"):
        actual.StackDataset(Short(), range(3)).__getitems__([0, 1])


def test_old_spelling_of_cumulative_sizes_warns():
    with pytest.warns(FutureWarning, match="renamed to `cumulative_sizes`"):
        assert actual.ConcatDataset([range(3)]).cummulative_sizes == [3]
