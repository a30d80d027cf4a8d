"""L-BFGS against PyTorch's: every evaluated loss, the parameters, and the state."""

import pytest
import torch

import flambeau

OPTIONS = [
    dict(),
    dict(lr=0.1, max_iter=4),
    dict(line_search_fn="strong_wolfe"),
    dict(line_search_fn="strong_wolfe", max_iter=5, history_size=2),
    dict(line_search_fn="strong_wolfe", lr=30.0, max_iter=8),
    dict(line_search_fn="strong_wolfe", lr=1e-3, max_iter=6, max_eval=4),
    dict(lr=0.02, max_iter=30, history_size=3, tolerance_change=1e-5),
]


def rosenbrock(x, y):
    return (1 - x).pow(2).sum() + 10 * (y - x.pow(2)).pow(2).sum()


def train(library, loss_of, starts, steps=3, **options):
    params = [library.tensor(start, dtype=library.float64, requires_grad=True) for start in starts]
    optimizer = library.optim.LBFGS(params, **options)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = loss_of(*params)
        loss.backward()
        losses.append(loss.item())
        return loss

    returned = [optimizer.step(closure).item() for _ in range(steps)]
    return losses, returned, [param.tolist() for param in params], optimizer


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_steps_are_pytorchs(options):
    starts = [[-0.5, 0.3], [1.0, -0.8]]
    options = {"lr": 0.05, **options}
    ours = train(flambeau, rosenbrock, starts, **options)
    theirs = train(torch, rosenbrock, starts, **options)
    assert len(ours[0]) == len(theirs[0])
    for own, reference in zip(ours[:2], theirs[:2], strict=True):
        assert own == pytest.approx(reference, rel=1e-6, abs=1e-9)
    for own, reference in zip(ours[2], theirs[2], strict=True):
        assert own == pytest.approx(reference, rel=1e-6, abs=1e-9)
    own_state, state = (next(iter(found[3].state.values())) for found in (ours, theirs))
    assert set(own_state) == set(state)
    assert (own_state["func_evals"], own_state["n_iter"]) == (state["func_evals"], state["n_iter"])
    assert len(own_state["old_dirs"]) == len(state["old_dirs"])
    assert repr(ours[3]) == repr(theirs[3])


def test_a_line_search_meets_hills_and_walls():
    def loss(x):
        return (3 * x).sin().sum() + (0.1 * x**4).sum() + (x**2 + 0.1).sqrt().sum()

    for lr in (0.01, 1.0, 50.0):
        options = dict(line_search_fn="strong_wolfe", lr=lr, max_iter=6)
        ours = train(flambeau, loss, [[0.7, -2.0, 3.1]], steps=1, **options)
        theirs = train(torch, loss, [[0.7, -2.0, 3.1]], steps=1, **options)
        assert ours[0] == pytest.approx(theirs[0], rel=1e-5)


def test_missing_gradients_count_as_zeros():
    ours = train(flambeau, lambda x, y: x.pow(2).sum(), [[3.0], [5.0]], steps=1)
    theirs = train(torch, lambda x, y: x.pow(2).sum(), [[3.0], [5.0]], steps=1)
    assert ours[2] == theirs[2]


def test_complex_parameters_move_as_pairs_of_numbers():
    found = []
    for library in (flambeau, torch):
        param = library.tensor([1 + 2j, -0.5j], dtype=library.complex128, requires_grad=True)
        optimizer = library.optim.LBFGS([param], lr=0.3, max_iter=5)

        def closure(library=library, param=param, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (param - (2 - 1j)).abs().pow(2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append(library.view_as_real(param.detach()).flatten().tolist())
    assert found[0] == pytest.approx(found[1])


def test_training_resumes_from_a_state_dict():
    starts = [[-0.5, 0.3], [1.0, -0.8]]
    *_, params, optimizer = train(flambeau, rosenbrock, starts, lr=0.05, max_iter=3)
    resumed = [flambeau.tensor(param, dtype=flambeau.float64, requires_grad=True) for param in params]
    other = flambeau.optim.LBFGS(resumed, lr=0.05, max_iter=3)
    other.load_state_dict(optimizer.state_dict())

    def closure(chosen, params):
        chosen.zero_grad()
        loss = rosenbrock(*params)
        loss.backward()
        return loss

    originals = optimizer.param_groups[0]["params"]
    optimizer.step(lambda: closure(optimizer, originals))
    other.step(lambda: closure(other, resumed))
    assert [param.tolist() for param in resumed] == [param.tolist() for param in originals]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t: t.optim.LBFGS([t.ones(1, requires_grad=True)], lr=-1),
        lambda t: t.optim.LBFGS([t.ones(1, requires_grad=True)], lr=t.tensor([1.0, 2.0])),
        lambda t: t.optim.LBFGS([{"params": [t.ones(1, requires_grad=True)]} for _ in range(2)]),
    ],
)
def test_errors_are_pytorchs(wrong):
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        wrong(torch)
    with pytest.raises(ValueError) as ours:  # noqa: PT011
        wrong(flambeau)
    assert str(ours.value) == str(theirs.value)


def test_only_one_line_search_is_known():
    param = flambeau.ones(1, requires_grad=True)
    optimizer = flambeau.optim.LBFGS([param], line_search_fn="other")

    def closure():
        loss = (param * 2).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(closure)
