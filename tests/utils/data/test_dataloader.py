"""The loader, against PyTorch's: batches, order, random numbers, arguments."""

import gc
import random
import weakref

import numpy as np
import pytest
import torch
import torch.utils.data as expected

import flambeau
import flambeau.utils.data as actual

BOTH = [(flambeau, actual), (torch, expected)]


def plain(value):
    if isinstance(value, (flambeau.Tensor, torch.Tensor)):
        return str(value.dtype), tuple(value.shape), value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value), [plain(item) for item in value]
    return value


class Recorder:
    """Samples that tell which worker read them and draw from all three sources of random numbers."""

    def __init__(self, library, data):
        self.library, self.data = library, data

    def __len__(self):
        return 7

    def __getitem__(self, index):
        info = self.data.get_worker_info()
        worker = (-1, 0, 0) if info is None else (info.id, info.num_workers, info.seed)
        return [index, *worker, float(self.library.rand(())), random.random(), float(np.random.rand())]


def stream(data, *samples, length=None):
    """A stream that every worker reads from a place of its own."""

    class Stream(data.IterableDataset):
        def __iter__(self):
            info = data.get_worker_info()
            return iter(samples if info is None else samples[info.id :: info.num_workers])

    if length is not None:
        Stream.__len__ = lambda self: length
    return Stream()


def epochs(library, data, make, count=2):
    library.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    loader = make(library, data, library.Generator().manual_seed(11))
    batches = [[plain(batch) for batch in loader] for _ in range(count)]
    return batches, int(library.randint(1 << 30, ())), random.random(), np.random.rand()


ONE_PROCESS = [
    lambda t, d, g: d.DataLoader(range(5)),
    lambda t, d, g: d.DataLoader(range(5), 2),
    lambda t, d, g: d.DataLoader(range(5), 2, drop_last=True),
    lambda t, d, g: d.DataLoader(range(5), 2, shuffle=True),
    lambda t, d, g: d.DataLoader(range(5), 2, shuffle=True, generator=g),
    lambda t, d, g: d.DataLoader(range(5), None, shuffle=True),
    lambda t, d, g: d.DataLoader(range(5), 2, sampler=[4, 0, 2]),
    lambda t, d, g: d.DataLoader(range(5), batch_sampler=[[4, 0], [2]]),
    lambda t, d, g: d.DataLoader(range(5), 2, collate_fn=sum),
    lambda t, d, g: d.DataLoader([1.5, np.float32(3), np.zeros(2), "a"], batch_size=None),
    lambda t, d, g: d.DataLoader(d.TensorDataset(t.arange(4), t.ones(4, 2)), 3, shuffle=True),
    lambda t, d, g: d.DataLoader(d.Subset(range(9), [8, 3, 5]), 2, shuffle=True),
    lambda t, d, g: d.DataLoader(Recorder(t, d), 2, shuffle=True),
    lambda t, d, g: d.DataLoader(stream(d, 1, 2, 3), 2),
    lambda t, d, g: d.DataLoader(stream(d, 1, 2, 3), 2, drop_last=True),
    lambda t, d, g: d.DataLoader(stream(d, 1, 2, 3), None),
    lambda t, d, g: d.DataLoader(stream(d), 2),
    lambda t, d, g: d.DataLoader(
        range(9), 2, sampler=d.RandomSampler(range(9), replacement=True, num_samples=5)
    ),
]

WITH_WORKERS = [
    lambda t, d, g: d.DataLoader(Recorder(t, d), 2, shuffle=True, num_workers=2),
    lambda t, d, g: d.DataLoader(Recorder(t, d), 2, shuffle=True, num_workers=2, generator=g),
    lambda t, d, g: d.DataLoader(Recorder(t, d), None, num_workers=1),
    lambda t, d, g: d.DataLoader(Recorder(t, d), 1, shuffle=True, num_workers=2, persistent_workers=True),
    lambda t, d, g: d.DataLoader(range(3), 2, num_workers=2, prefetch_factor=1),
    lambda t, d, g: d.DataLoader(stream(d, 1, 2, 3, 4, 5), 2, num_workers=2),
    lambda t, d, g: d.DataLoader(stream(d, 1, 2, 3), None, num_workers=2, persistent_workers=True),
]


@pytest.mark.parametrize("make", ONE_PROCESS)
def test_batches_order_and_random_numbers(make):
    assert epochs(flambeau, actual, make) == epochs(torch, expected, make)


# PyTorch's workers are processes: forking them beside JAX's threads warns.
@pytest.mark.filterwarnings("ignore:.*fork.*")
@pytest.mark.parametrize("make", WITH_WORKERS)
def test_workers_give_the_batches_and_random_numbers_of_pytorchs(make):
    assert epochs(flambeau, actual, make) == epochs(torch, expected, make)


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_worker_init_fn_may_write_the_workers_share_into_its_dataset():
    def run(data):
        class Range(data.IterableDataset):
            start, end = 0, 8

            def __iter__(self):
                return iter(range(self.start, self.end))

        def share(worker_id):
            info = data.get_worker_info()
            info.dataset.start, info.dataset.end = 4 * worker_id, 4 * worker_id + 4

        dataset = Range()
        loader = data.DataLoader(dataset, batch_size=2, num_workers=2, worker_init_fn=share)
        return [batch.tolist() for batch in loader], dataset.start, dataset.end

    assert run(actual) == run(expected)


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_making_an_iterator_draws_one_seed_and_workers_draw_the_order_as_well():
    for workers in (0, 2):
        numbers = []
        for library, data in BOTH:
            library.manual_seed(0)
            iterator = iter(data.DataLoader(range(5), shuffle=True, num_workers=workers))
            numbers.append(int(library.randint(1 << 30, ())))
            del iterator
        assert numbers[0] == numbers[1]


def test_persistent_workers_keep_the_iterator():
    loader = actual.DataLoader(range(3), num_workers=1, persistent_workers=True)
    assert iter(loader) is iter(loader)
    assert iter(actual.DataLoader(range(3))) is not iter(actual.DataLoader(range(3)))


@pytest.mark.parametrize("length", [1, 4, 5])
@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_length(length, batch_size, drop_last):
    if batch_size is None and drop_last:
        pytest.skip("PyTorch refuses this combination")
    for make in (lambda d: range(length), lambda d: stream(d, length=length)):
        lengths = [len(d.DataLoader(make(d), batch_size, drop_last=drop_last)) for _, d in BOTH]
        assert lengths[0] == lengths[1]


BAD_ARGUMENTS = [
    dict(num_workers=-1),
    dict(timeout=-1),
    dict(prefetch_factor=2),
    dict(num_workers=1, prefetch_factor=-2),
    dict(persistent_workers=True),
    dict(sampler=range(3), shuffle=True),
    dict(batch_sampler=[[1]], shuffle=True),
    dict(batch_sampler=[[1]], batch_size=2),
    dict(batch_sampler=[[1]], sampler=range(3)),
    dict(batch_sampler=[[1]], drop_last=True),
    dict(batch_size=None, drop_last=True),
    dict(batch_size=0),
    dict(batch_size=2.0),
    dict(multiprocessing_context="spawn"),
    dict(num_workers=1, multiprocessing_context="spown"),
    dict(num_workers=1, multiprocessing_context=3),
    dict(dataset=[], shuffle=True),
    dict(dataset="stream", shuffle=True),
    dict(dataset="stream", shuffle=3),
    dict(dataset="stream", sampler=range(3)),
    dict(dataset="stream", batch_sampler=range(3)),
]


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS, ids=str)
def test_argument_error(arguments):
    def make(data):
        dataset = arguments.get("dataset", range(3))
        return data.DataLoader(**arguments | {"dataset": stream(data, 1) if dataset == "stream" else dataset})

    with pytest.raises(Exception) as expected_error:  # noqa: PT011
        make(expected)
    with pytest.raises(expected_error.type) as error:
        make(actual)
    assert str(error.value) == str(expected_error.value)


@pytest.mark.parametrize(
    "action",
    [
        lambda d: setattr(d.DataLoader(range(3)), "batch_size", 2),
        lambda d: setattr(d.DataLoader(range(3)), "dataset", range(4)),
        lambda d: list(d.DataLoader(range(3), timeout=3)),
        lambda d: len(d.DataLoader(stream(d, 1))),
        lambda d: list(d.DataLoader(d.Dataset(), sampler=[0])),
    ],
)
def test_error(action):
    with pytest.raises(Exception) as expected_error:  # noqa: PT011
        action(expected)
    with pytest.raises(expected_error.type) as error:
        action(actual)
    assert str(error.value) == str(expected_error.value)


def test_signature_is_pytorchs():
    import inspect

    for name in expected.__all__:
        theirs = getattr(expected, name)
        if not hasattr(actual, name) or name == "_DatasetKind":
            continue
        ours = getattr(actual, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name
        for mine, other in zip(
            inspect.signature(ours).parameters.values(),
            inspect.signature(theirs).parameters.values(),
            strict=True,
        ):
            assert mine.kind == other.kind, (name, mine)
            assert mine.name == "generator" or mine.default == other.default, (name, mine)


def test_public_attributes_are_pytorchs():
    arguments = dict(batch_size=2, shuffle=True)
    ours, theirs = (vars(d.DataLoader(range(3), **arguments)) for d in (actual, expected))
    assert ours.keys() == theirs.keys()


def test_an_error_in_a_worker_names_the_worker():
    class Broken(actual.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise KeyError(index)

    with pytest.raises(KeyError) as error:
        list(actual.DataLoader(Broken(), num_workers=2))
    assert error.value.__notes__ == ["in DataLoader worker 0 of 2"]
    assert actual.get_worker_info() is None


def test_a_stream_longer_than_it_said_warns():
    loader = actual.DataLoader(stream(actual, 1, 2, 3, length=2))
    assert len(loader) == 2
    with pytest.warns(UserWarning, match=r"was reported to be 2\(when accessing len\(dataloader\)\), but 3"):
        list(loader)


def test_pin_memory_without_an_accelerator_warns_as_pytorch_does():
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert len(list(actual.DataLoader(range(3), pin_memory=True))) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_an_iterator_goes_away_without_the_garbage_collector(workers):
    gc.disable()
    try:
        iterator = iter(actual.DataLoader(range(5), num_workers=workers))
        next(iterator)
        gone = weakref.ref(iterator)
        del iterator
        assert gone() is None
    finally:
        gc.enable()
