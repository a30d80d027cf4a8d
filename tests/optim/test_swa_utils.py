"""Averaged models and their schedule, against PyTorch's."""

import copy

import numpy as np
import pytest
import torch

import flambeau

BOTH = (flambeau, torch)


def model_of(library, seed=0):
    library.manual_seed(seed)
    return library.nn.Sequential(
        library.nn.Linear(3, 4), library.nn.BatchNorm1d(4), library.nn.ReLU(), library.nn.Linear(4, 2)
    )


def numbers(module):
    return {name: value.tolist() for name, value in module.state_dict().items()}


AVERAGES = {
    "plain": lambda swa: {},
    "buffers": lambda swa: {"use_buffers": True},
    "ema": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
    "ema of one": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)},
    "ema with buffers": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.7), "use_buffers": True},
    "swa of many": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "swa of one": lambda swa: {"avg_fn": swa.get_swa_avg_fn()},
    "own": lambda swa: {"avg_fn": lambda average, current, count: average * 0.5 + current * count},
}


def averaged(library, options):
    swa = library.optim.swa_utils
    model = model_of(library)
    average = swa.AveragedModel(model, **options(swa))
    optimizer = library.optim.SGD(model.parameters(), lr=0.1)
    inputs = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
    for step in range(4):
        optimizer.zero_grad()
        model(library.tensor(inputs * (step + 1))).pow(2).mean().backward()
        optimizer.step()
        average.update_parameters(model)
    return average


@pytest.mark.parametrize("options", AVERAGES.values(), ids=AVERAGES)
def test_averages_are_pytorchs(options):
    ours, theirs = (averaged(library, options) for library in BOTH)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in numbers(theirs).items():
        np.testing.assert_allclose(numbers(ours)[name], value, rtol=2e-5, atol=1e-6, err_msg=name)
    assert repr(ours) == repr(theirs)


def test_batch_norms_are_estimated_anew():
    found = []
    for library in BOTH:
        model = model_of(library)
        data = [
            library.tensor(np.full((4, 3), i, np.float32) * np.arange(3, dtype=np.float32)) for i in range(3)
        ]
        library.optim.swa_utils.update_bn([(batch, None) for batch in data], model.eval())
        assert not model.training
        assert model[1].momentum == 0.1
        found.append(numbers(model))
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def schedule(library, **options):
    param = library.nn.Parameter(library.ones(1))
    optimizer = library.optim.SGD(
        [{"params": [param]}, {"params": [library.nn.Parameter(library.ones(1))], "lr": 1.0}], lr=0.5
    )
    scheduler = library.optim.swa_utils.SWALR(optimizer, **options)
    rates = []
    for _ in range(6):
        optimizer.step()
        scheduler.step()
        rates.append(copy.copy(scheduler.get_last_lr()))
    return rates, {name: value for name, value in scheduler.state_dict().items() if name != "_is_initial"}


@pytest.mark.parametrize(
    "options",
    [
        dict(swa_lr=0.05),
        dict(swa_lr=0.05, anneal_epochs=3),
        dict(swa_lr=[0.05, 0.2], anneal_epochs=4, anneal_strategy="linear"),
        dict(swa_lr=0.05, anneal_epochs=0),
    ],
    ids=str,
)
def test_rates_are_pytorchs(options):
    ours, theirs = (schedule(library, **options) for library in BOTH)
    for own, reference in zip(ours[0], theirs[0], strict=True):
        assert own == pytest.approx(reference)
    assert set(ours[1]) == set(theirs[1]) - {"_is_initial"}


def test_a_schedule_resumes_from_its_state():
    options = dict(swa_lr=0.05, anneal_epochs=5, anneal_strategy="linear")
    _, state = schedule(flambeau, **options)
    optimizer = flambeau.optim.SGD([flambeau.nn.Parameter(flambeau.ones(1))], lr=0.5)
    scheduler = flambeau.optim.swa_utils.SWALR(optimizer, 0.05)
    scheduler.load_state_dict(state)
    assert scheduler.anneal_func(0.25) == 0.25


ERRORS = [
    lambda t, s: s.get_ema_avg_fn(1.5),
    lambda t, s: s.get_ema_multi_avg_fn(-0.1),
    lambda t, s: s.AveragedModel(t.nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max),
    lambda t, s: s.SWALR(t.optim.SGD([t.nn.Parameter(t.ones(1))]), 0.1, anneal_strategy="other"),
    lambda t, s: s.SWALR(t.optim.SGD([t.nn.Parameter(t.ones(1))]), 0.1, anneal_epochs=-1),
    lambda t, s: s.SWALR(t.optim.SGD([t.nn.Parameter(t.ones(1))]), [0.1, 0.2]),
    lambda t, s: s.SWALR(None, 0.1),
    # Integers have no mean: PyTorch says so for the count of batches.
    lambda t, s: averaged(t, lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn(), "use_buffers": True}),
]


@pytest.mark.parametrize("wrong", ERRORS)
def test_errors_are_pytorchs(wrong):
    raised = []
    for library in BOTH:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            wrong(library, library.optim.swa_utils)
        raised.append((caught.type.__name__, str(caught.value)))
    assert raised[0] == raised[1]
