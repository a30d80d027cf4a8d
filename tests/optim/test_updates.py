"""The update rules, against PyTorch's over twenty steps."""

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import local

STEPS = 20

CASES = [
    ("SGD", {}),
    ("SGD", dict(lr=0.1, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, maximize=True)),
    ("SGD", dict(lr=0.1, maximize=True, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.3)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, maximize=True, dampening=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, foreach=True)),
    ("SGD", dict(lr="tensor", momentum=0.9, weight_decay="tensor")),
    *[
        (name, options)
        for name in ("Adam", "AdamW")
        for options in [
            {},
            dict(lr=0.1),
            dict(lr=0.1, betas=(0.3, 0.6)),
            dict(lr=0.1, eps=0.1),
            dict(lr=0.1, weight_decay=0.1),
            dict(lr=0.1, weight_decay=0),
            dict(lr=0.1, maximize=True, weight_decay=0.1),
            dict(lr=0.1, amsgrad=True),
            dict(lr=0.1, amsgrad=True, weight_decay=0.1, maximize=True),
            dict(lr=0.1, foreach=True),
            dict(lr="tensor"),
        ]
    ],
    ("Adam", dict(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)),
    ("Adam", dict(lr=0.1, betas="tensors")),
    *[
        (name, options)
        for name in ("RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop")
        for options in [
            {},
            dict(lr="tensor", maximize=True),
            *([] if name == "Rprop" else [dict(lr=0.1, weight_decay=0.1, maximize=True)]),
        ]
    ],
    ("RMSprop", dict(alpha=0.5, eps=0.1)),
    ("RMSprop", dict(momentum=0.9)),
    ("RMSprop", dict(centered=True)),
    ("RMSprop", dict(momentum=0.9, centered=True, weight_decay=0.1, maximize=True)),
    ("Adagrad", dict(lr=0.1, lr_decay=0.5, initial_accumulator_value=0.3, eps=0.1)),
    ("Adadelta", dict(rho=0.5, eps=0.1)),
    ("Adamax", dict(betas=(0.3, 0.6), eps=0.1)),
    ("NAdam", dict(betas=(0.3, 0.6), eps=0.1, momentum_decay=0.1)),
    ("NAdam", dict(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)),
    ("RAdam", dict(betas=(0.3, 0.6), eps=0.1)),
    ("RAdam", dict(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)),
    ("ASGD", dict(lr=0.1, lambd=0.1, alpha=0.5, t0=5)),
    ("Rprop", dict(lr=0.1, etas=(0.3, 1.9), step_sizes=(0.05, 0.3))),
]


def options_for(library, options):
    tensors = {
        "tensor": lambda: library.tensor(0.1),
        "tensors": lambda: (library.tensor(0.9), library.tensor(0.99)),
    }
    return {name: tensors[value]() if value in tensors else value for name, value in options.items()}


def train(library, name, options, dtype, shapes=((4, 3), (3,), ())):
    """Three parameters after twenty steps of given gradients, and their state."""
    noise = np.random.default_rng(0)

    def draw(shape):
        values = noise.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            values = values + 1j * noise.standard_normal(shape)
        return library.from_numpy(np.array(values, dtype))

    params = [draw(shape).requires_grad_() for shape in shapes]
    optimizer = getattr(library.optim, name)(params, **options_for(library, options))
    for step in range(STEPS):
        for number, (param, shape) in enumerate(zip(params, shapes, strict=True)):
            # The last parameter has no gradient every other step: it stays, and its state as well.
            param.grad = None if number == 2 and step % 2 else draw(shape)
        optimizer.step()
    return params, optimizer.state_dict()["state"]


WHOLE = [
    *[
        ("Adafactor", options)
        for options in [
            {},
            dict(lr=0.1, weight_decay=0.1, maximize=True),
            dict(lr="tensor", beta2_decay=-0.3, d=2.0),
            dict(lr=0.1, eps=(1e-2, 0.5)),
            dict(eps=(None, 1e-1)),
        ]
    ],
    *[
        ("Muon", options)
        for options in [
            {},
            dict(lr=0.1, weight_decay=0.0, momentum=0.5, nesterov=False),
            dict(lr="tensor", adjust_lr_fn="match_rms_adamw"),
            dict(lr=0.1, ns_steps=3, ns_coefficients=(2.0, -1.5, 0.5), eps=0.5),
        ]
    ],
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_twenty_steps(name, options, dtype):
    tolerance = 1e-12 if dtype == "float64" and "tensor" not in str(options) else 2e-6
    assert_agrees(train(flambeau, name, options, dtype), train(torch, name, options, dtype), tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), WHOLE, ids=str)
def test_twenty_steps_of_whole_matrices(name, options, dtype):
    shapes = [(4, 3), (3, 4), (1, 2)] if name == "Muon" else [(4, 3), (2, 3, 4), (3,), ()]
    found = [train(library, name, options, dtype, shapes) for library in (flambeau, torch)]
    # Muon works in bfloat16, and Adafactor takes norms as float32 numbers.
    assert_agrees(*found, 2e-2 if name == "Muon" else 2e-6)


def test_many_small_matrices_are_not_joined():
    for name in ("Adafactor", "Muon"):
        found = [train(library, name, {}, "float32", [(3, 2)] * 6) for library in (flambeau, torch)]
        assert_agrees(*found, 2e-3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adafactor", dict(lr=-1)),
        ("Adafactor", dict(beta2_decay=1)),
        ("Adafactor", dict(eps=(-1, 1))),
        ("Adafactor", dict(eps=(1, -1))),
        ("Adafactor", dict(d=0.5)),
        ("Adafactor", dict(weight_decay=-1)),
        ("Muon", dict(lr=-1)),
        ("Muon", dict(momentum=-1)),
        ("Muon", dict(weight_decay=-1)),
        ("Muon", dict(adjust_lr_fn="other")),
        ("Muon", dict(ns_steps=100)),
        ("Muon", dict(ns_coefficients=(1.0, 2.0))),
    ],
    ids=str,
)
def test_options_out_of_range(name, options):
    messages = []
    for library in (flambeau, torch):
        weight = library.ones(2, 2).requires_grad_()
        weight.grad = library.ones(2, 2)
        with pytest.raises(ValueError, match=r"\w") as error:
            getattr(library.optim, name)([weight], **options).step()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_what_muon_and_adafactor_refuse():
    with pytest.raises(ValueError, match=r"only supports 2D parameters .* with size: torch.Size\(\[3\]\)"):
        flambeau.optim.Muon([flambeau.ones(3, requires_grad=True)])
    for name in ("Adafactor", "Muon"):
        weight = flambeau.ones(2, 2, dtype=flambeau.complex64).requires_grad_()
        weight.grad = flambeau.ones_like(weight)
        with pytest.raises(RuntimeError, match=f"{name} does not support complex parameters"):
            getattr(flambeau.optim, name)([weight]).step()


def assert_agrees(ours, theirs, tolerance):
    ours, our_state = ours
    theirs, their_state = theirs
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            mine.detach().numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance
        )
    assert our_state.keys() == their_state.keys()
    for number, entries in their_state.items():
        assert our_state[number].keys() == entries.keys()
        for key, value in entries.items():
            mine = our_state[number][key]
            assert str(mine.dtype) == str(value.dtype), key
            assert tuple(mine.shape) == tuple(value.shape), key
            np.testing.assert_allclose(
                mine.numpy(), value.numpy(), rtol=tolerance, atol=tolerance, err_msg=key
            )


def test_one_step_of_float32_is_equal_to_the_last_bits():
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"):
        results = []
        for library in (flambeau, torch):
            weight = library.from_numpy(np.linspace(-3, 3, 1000, dtype=np.float32)).requires_grad_()
            weight.grad = library.from_numpy(np.cos(np.linspace(-3, 3, 1000, dtype=np.float32)))
            getattr(library.optim, name)([weight], lr=0.1).step()
            results.append(weight.detach().numpy())
        np.testing.assert_allclose(*results, rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adafactor", "Adagrad", "NAdam", "RAdam", "Rprop"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_parameters_keep_their_dtype(name, dtype):
    results = []
    for library in (flambeau, torch):
        weight = library.ones(4, dtype=getattr(library, dtype)).requires_grad_()
        optimizer = getattr(library.optim, name)([weight], lr=0.1)
        for _ in range(5):
            weight.grad = library.full((4,), 0.5, dtype=getattr(library, dtype))
            optimizer.step()
        assert weight.dtype is getattr(library, dtype)
        results.append(weight.detach().float().numpy())
    np.testing.assert_allclose(*results, rtol=2e-2)


def test_a_changed_option_counts_from_the_next_step_on():
    results = []
    for library in (flambeau, torch):
        weight = library.ones(3).requires_grad_()
        optimizer = library.optim.SGD([weight], lr=0.1)
        for step in range(4):
            weight.grad = library.full((3,), 0.5)
            optimizer.step()
            optimizer.param_groups[0].update(lr=0.1 / (step + 1), momentum=0.9 if step < 2 else 0)
        results.append((weight.tolist(), optimizer.state_dict()["state"][0]["momentum_buffer"].tolist()))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_a_parameter_that_is_a_view_is_written_through():
    whole = flambeau.zeros(4)
    part = whole[1:3]
    part.requires_grad_()
    part.grad = flambeau.ones(2)
    flambeau.optim.SGD([part], lr=0.5).step()
    assert whole.tolist() == [0.0, -0.5, -0.5, 0.0]


def test_all_updates_of_a_step_are_recorded_as_one_call():
    model = flambeau.nn.Sequential(flambeau.nn.Linear(2, 3), flambeau.nn.Linear(3, 1))
    optimizer = flambeau.optim.Adam(model.parameters())
    for _ in range(3):
        model(flambeau.ones(1, 2)).sum().backward()
        before = len(local.trace.nodes)
        optimizer.step()
    assert [call.name for call in local.trace.nodes[before:]] == ["adam_step of 4 small"]


def test_parameters_that_missed_steps_count_their_own():
    first, second = (flambeau.ones(2, requires_grad=True) for _ in range(2))
    optimizer = flambeau.optim.Adam([first, second])
    (first.sum() + second.sum()).backward()
    optimizer.step()
    second.grad = None
    optimizer.step()
    (first.sum() + second.sum()).backward()
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (first, second)] == [3.0, 2.0]


def test_counts_of_steps_can_be_written_to_apart():
    first, second = (flambeau.ones(2, requires_grad=True) for _ in range(2))
    optimizer = flambeau.optim.Adam([first, second])
    (first.sum() + second.sum()).backward()
    optimizer.step()
    optimizer.state[first]["step"].fill_(10)
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (first, second)] == [11.0, 2.0]
