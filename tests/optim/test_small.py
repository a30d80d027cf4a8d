"""The packed state of small parameters, and all the ways in which somebody may meet it."""

import copy
import pickle

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.pack import PackedStorage

OPTIMIZERS = [
    ("Adam", dict(amsgrad=True)),
    ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=0.1)),
    ("NAdam", {}),
    ("ASGD", {}),
    ("RMSprop", dict(centered=True, momentum=0.5)),
]


def training(library, name, options, disturb=None, steps=6):
    """Six steps of a network of small parameters; `disturb(library, optimizer, model, step)` comes before each."""
    library.manual_seed(0)
    model = library.nn.Sequential(
        library.nn.Linear(4, 5), library.nn.Tanh(), library.nn.Linear(5, 3), library.nn.Linear(3, 1)
    )
    optimizer = getattr(library.optim, name)(model.parameters(), **options)
    x = library.linspace(-1, 1, 12).reshape(3, 4)
    for step in range(steps):
        if disturb is not None:
            optimizer = disturb(library, optimizer, model, step) or optimizer
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
    return model, optimizer


def numbers(model, optimizer):
    found = [parameter.detach().numpy() for parameter in model.parameters()]
    for parameter in model.parameters():
        state = optimizer.state[parameter]
        found += [np.asarray(state[key]) for key in sorted(state) if state[key] is not None]
    return found


def compare(name, options, disturb=None):
    ours = numbers(*training(flambeau, name, options, disturb))
    theirs = numbers(*training(torch, name, options, disturb))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def first_entry(optimizer, model):
    """The first tensor with dimensions in the state of the first parameter, and its key."""
    state = optimizer.state[next(model.parameters())]
    return next((state, key) for key in state if getattr(state[key], "ndim", 0))


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_training_equals_pytorchs(name, options):
    compare(name, options)


@pytest.mark.parametrize(("name", "options"), [("Adam", {}), ("SGD", dict(lr=0.1, momentum=0.9))])
def test_state_is_packed_while_nobody_writes_to_it(name, options):
    model, optimizer = training(flambeau, name, options)
    assert all(
        isinstance(value._storage, PackedStorage)
        for state in optimizer.state.values()
        for value in state.values()
    )
    entry = next(reversed(optimizer.state[next(model.parameters())]))
    assert [tuple(state[entry].shape) for state in optimizer.state.values()] == [
        tuple(parameter.shape) for parameter in model.parameters()
    ]


def write_to_one(library, optimizer, model, step):
    if step in (2, 4):
        state, key = first_entry(optimizer, model)
        state[key].mul_(0.5)


def write_through_a_view(library, optimizer, model, step):
    if step == 3:
        state, key = first_entry(optimizer, model)
        row = state[key][0]
        row.zero_()


def hold_a_view(library, optimizer, model, step):
    if step == 2:
        state, key = first_entry(optimizer, model)
        model.held = state[key][0]
    if step == 4:
        state, key = first_entry(optimizer, model)
        assert library.equal(model.held, state[key][0])


def put_another_in(library, optimizer, model, step):
    if step == 3:
        state, key = first_entry(optimizer, model)
        state[key] = library.ones_like(state[key])


def leave_one_without_gradient(library, optimizer, model, step):
    model[0].requires_grad_(step % 3 != 2)
    model[0].zero_grad()


def share_with_numpy(library, optimizer, model, step):
    if step == 3:
        state, key = first_entry(optimizer, model)
        state[key].numpy()[...] = 0.25


def save_and_load(library, optimizer, model, step):
    if step == 3:
        saved = copy.deepcopy(optimizer.state_dict())
        optimizer.load_state_dict(saved)


def through_pickle(library, optimizer, model, step):
    if step == 3:
        fresh = type(optimizer)(model.parameters(), lr=0.1)
        fresh.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
        return fresh


def another_group(library, optimizer, model, step):
    if step == 2:
        model.extra = library.nn.Parameter(library.ones(2))
        optimizer.add_param_group({"params": [model.extra], "lr": 0.5})


def momentum_changes(library, optimizer, model, step):
    optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)


@pytest.mark.parametrize(
    "disturb",
    [
        write_to_one, write_through_a_view, hold_a_view, put_another_in, leave_one_without_gradient, share_with_numpy,
        save_and_load, through_pickle, another_group, momentum_changes,
    ],
)  # fmt: skip
@pytest.mark.parametrize(("name", "options"), [("Adam", dict(lr=0.1)), ("SGD", dict(lr=0.1, momentum=0.9))])
def test_training_goes_on_as_pytorchs_when_somebody_meddles(name, options, disturb):
    compare(name, options, disturb)


def test_a_copy_of_the_optimizer_is_its_own():
    model, optimizer = training(flambeau, "Adam", {})
    before = numbers(model, optimizer)
    twin_model, twin = copy.deepcopy((model, optimizer))
    (twin_model(flambeau.ones(2, 4)) ** 2).sum().backward()
    twin.step()
    for a, b in zip(before, numbers(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_parameters_on_one_storage_are_updated_in_turn():
    found = []
    for library in (flambeau, torch):
        weights = [library.nn.Parameter(library.ones(2)) for _ in range(4)]
        twin = library.nn.Parameter(weights[0].data)
        optimizer = library.optim.SGD([*weights, twin], lr=0.1, foreach=False)
        sum((w.sum() for w in [*weights, twin]), start=library.zeros(())).backward()
        optimizer.step()
        found.append(weights[0].tolist())
    np.testing.assert_allclose(*found)
