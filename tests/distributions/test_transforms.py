"""Transforms beside PyTorch's: values, inverses, stretches, shapes, caches, errors; and the registries."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from oracle import check

import flambeau

REALS = np.array([[-1.5, 0.3, 0.7], [2.0, -0.2, 0.1]])
POSITIVES = np.array([[1.5, 0.3, 0.7], [2.0, 0.2, 0.1]])
MATRICES = np.array([[[1.0, 0.3], [-0.5, 0.2]], [[-1.0, 2.0], [0.1, 0.4]]])

# name: how it is made, and inputs.
TRANSFORMS: dict[str, tuple[Callable[[Any, Any], Any], np.ndarray[Any, Any]]] = {
    "abs": (lambda D, t: D.AbsTransform(), REALS),
    "affine": (lambda D, t: D.AffineTransform(1.0, -2.0), REALS),
    "affine of vectors": (lambda D, t: D.AffineTransform(t.tensor([1.0, 0.0, 2.0]), 3, event_dim=1), REALS),
    "affine of a tensor": (lambda D, t: D.AffineTransform(0, t.tensor([1.0, -0.5, 2.0])), REALS),
    "affine of tensors": (lambda D, t: D.AffineTransform(0, t.tensor([1.0, -0.5, 2.0]), event_dim=1), REALS),
    "cat": (
        lambda D, t: D.CatTransform([D.ExpTransform(), D.TanhTransform()], dim=-1, lengths=[1, 2]),
        REALS,
    ),
    "cat of rows": (lambda D, t: D.CatTransform([D.ExpTransform(), D.SigmoidTransform()]), REALS),
    "compose": (lambda D, t: D.ComposeTransform([D.ExpTransform(), D.AffineTransform(0, -2.0)]), REALS),
    "compose nothing": (lambda D, t: D.identity_transform, REALS),
    "compose to vectors": (
        lambda D, t: D.ComposeTransform([D.AffineTransform(0.0, 2.0), D.StickBreakingTransform()]),
        REALS,
    ),
    "correlations": (lambda D, t: D.CorrCholeskyTransform(), REALS),
    "distribution": (lambda D, t: D.CumulativeDistributionTransform(D.Normal(0.5, 2.0)), REALS),
    "exp": (lambda D, t: D.ExpTransform(), REALS),
    "independent": (lambda D, t: D.IndependentTransform(D.ExpTransform(), 1), REALS),
    "inverse": (lambda D, t: D.ExpTransform().inv, POSITIVES),
    "lower cholesky": (lambda D, t: D.LowerCholeskyTransform(), MATRICES),
    "positive definite": (lambda D, t: D.PositiveDefiniteTransform(), MATRICES),
    "power": (lambda D, t: D.PowerTransform(t.tensor(-1.5)), POSITIVES),
    "powers": (lambda D, t: D.PowerTransform(t.tensor([2.0, 0.5, -1.0])), POSITIVES),
    "reshape": (lambda D, t: D.ReshapeTransform((3,), (1, 3)), REALS),
    "sigmoid": (lambda D, t: D.SigmoidTransform(), REALS),
    "softmax": (lambda D, t: D.SoftmaxTransform(), REALS),
    "softplus": (lambda D, t: D.SoftplusTransform(), REALS),
    "stack": (lambda D, t: D.StackTransform([D.ExpTransform(), D.TanhTransform()], dim=0), REALS),
    "stick breaking": (lambda D, t: D.StickBreakingTransform(), REALS),
    "tanh": (lambda D, t: D.TanhTransform(), REALS),
}
each_transform = pytest.mark.parametrize("name", TRANSFORMS)


def made(t: Any, name: str, cache: int = 0) -> Any:
    found = TRANSFORMS[name][0](t.distributions, t)
    return found.with_cache(cache) if cache else found


def outcome(call: Callable[[], Any]) -> Any:
    """What the call returns, or the error it raises, in a form both libraries share."""
    try:
        found = call()
    except (NotImplementedError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
        return type(error).__name__, str(error)
    return found.tolist() if hasattr(found, "tolist") else found


@each_transform
@pytest.mark.parametrize("cache", [0, 1])
def test_values_inverses_and_stretches_agree_with_gradients(name: str, cache: int) -> None:
    def scenario(t: Any, x: Any) -> Any:
        transform = made(t, name, cache)
        y = transform(x)
        results = [y, transform.inv(y.detach())]
        if transform.bijective:
            results.append(transform.log_abs_det_jacobian(x, y))
        return results

    check(scenario, TRANSFORMS[name][1], tolerance=1e-6)


@each_transform
def test_the_inverse_undoes_it(name: str) -> None:
    transform = made(flambeau, name)
    x = flambeau.tensor(TRANSFORMS[name][1])
    y = transform(x)
    np.testing.assert_allclose(transform(transform.inv(y)).numpy(), y.numpy(), rtol=1e-6, atol=1e-9)
    if transform.bijective:
        np.testing.assert_allclose(transform.inv(y).numpy(), x.numpy(), rtol=1e-6, atol=1e-9)
        undone = transform.inv.log_abs_det_jacobian(y, x)
        np.testing.assert_allclose(undone.numpy(), -transform.log_abs_det_jacobian(x, y).numpy(), atol=1e-12)


ATTRIBUTES = {
    "repr": repr,
    "repr of the inverse": lambda transform: repr(transform.inv),
    "domain": lambda transform: repr(transform.domain),
    "codomain": lambda transform: repr(transform.codomain),
    "event_dim": lambda transform: transform.event_dim,
    "bijective": lambda transform: transform.bijective,
    "sign": lambda transform: transform.sign,
    "forward_shape": lambda transform: tuple(transform.forward_shape((4, 3))),
    "forward_shape of nothing": lambda transform: tuple(transform.forward_shape(())),
    "inverse_shape": lambda transform: tuple(transform.inverse_shape((4, 3, 3))),
    "inverse_shape of nothing": lambda transform: tuple(transform.inverse_shape(())),
    "inverse twice": lambda transform: transform.inv.inv is transform,
    "with_cache": lambda transform: transform.with_cache(1)._cache_size,
    "cache of the inverse": lambda transform: transform.inv.with_cache(1).inv._cache_size,
    "equal to a copy": lambda transform: transform == copy.copy(transform),
    "other than exp": lambda transform: transform != type(transform).__mro__[-2](),
}


@each_transform
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_attributes_agree(name: str, attribute: str) -> None:
    if (name, attribute) == ("inverse", "equal to a copy"):
        return  # PyTorch's copy of an inverse has forgotten what it inverts
    read = ATTRIBUTES[attribute]
    assert outcome(lambda: read(made(flambeau, name))) == outcome(lambda: read(made(torch, name)))


def test_equality_of_all_agrees() -> None:
    def table(t: Any) -> list[list[bool]]:
        ones, others = ([made(t, name) for name in TRANSFORMS if name != "distribution"] for _ in range(2))
        same = [
            [one == other for other in others]
            for one in ones
            if one is not t.distributions.identity_transform
        ]
        return same

    plain = {"affine of a tensor", "affine of tensors", "affine of vectors", "powers"}
    assert plain <= set(TRANSFORMS)
    assert outcome(lambda: table(flambeau)) == outcome(lambda: table(torch))


def test_a_cached_output_is_inverted_to_its_very_input() -> None:
    transform = flambeau.distributions.ExpTransform(cache_size=1)
    x = flambeau.tensor([0.5])
    y = transform(x)
    assert transform(x) is y
    assert transform.inv(y) is x
    assert transform.inv(flambeau.tensor([2.0])) is not x


def test_pickles_and_copies() -> None:
    transform = made(flambeau, "compose")
    transform.inv  # noqa: B018
    for again in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        assert again == transform


MISTAKES: dict[str, Callable[[Any, Any], Any]] = {
    "cache": lambda D, t: D.ExpTransform(cache_size=2),
    "reshape": lambda D, t: D.ReshapeTransform((2,), (1, 3)),
    "reshape's input": lambda D, t: D.ReshapeTransform((2,), (1, 2)).forward_shape((3,)),
    "independent's input": lambda D, t: D.IndependentTransform(D.ExpTransform(), 2)(t.zeros(3)),
    "no triangle": lambda D, t: D.CorrCholeskyTransform().forward_shape((2,)),
    "not square": lambda D, t: D.CorrCholeskyTransform().inverse_shape((2, 3)),
    "no such matrix": lambda D, t: D.CorrCholeskyTransform()(t.zeros(2)),
    "no such diagonal": lambda D, t: D.utils.tril_matrix_to_vec(t.zeros(2, 2), 2),
    "transforms": lambda D, t: D.TransformedDistribution(D.Normal(0, 1), 3),
    "list of transforms": lambda D, t: D.TransformedDistribution(D.Normal(0, 1), [3]),
    "too few dimensions": lambda D, t: D.TransformedDistribution(D.Normal(0, 1), D.SoftmaxTransform()),
    "hash": lambda D, t: hash(D.ExpTransform()),
    "no domain": lambda D, t: D.Transform()._call(t.zeros(2)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_in_the_same_words(name: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        MISTAKES[name](torch.distributions, torch)
    with pytest.raises(type(theirs.value)) as ours:
        MISTAKES[name](flambeau.distributions, flambeau)
    assert str(ours.value) == str(theirs.value)


CONSTRAINTS: dict[str, Callable[[Any, Any], Any]] = {
    "real": lambda C, t: C.real,
    "real_vector": lambda C, t: C.real_vector,
    "positive": lambda C, t: C.positive,
    "nonnegative": lambda C, t: C.nonnegative,
    "greater_than": lambda C, t: C.greater_than(t.tensor([1.0, -2.0, 0.0])),
    "greater_than_eq": lambda C, t: C.greater_than_eq(1.0),
    "less_than": lambda C, t: C.less_than(-1.0),
    "unit_interval": lambda C, t: C.unit_interval,
    "interval": lambda C, t: C.interval(-1.0, 2.0),
    "half_open_interval": lambda C, t: C.half_open_interval(-1.0, 2.0),
    "simplex": lambda C, t: C.simplex,
    "corr_cholesky": lambda C, t: C.corr_cholesky,
    "lower_cholesky": lambda C, t: C.lower_cholesky,
    "lower_triangular": lambda C, t: C.lower_triangular,
    "positive_definite": lambda C, t: C.positive_definite,
    "positive_semidefinite": lambda C, t: C.positive_semidefinite,
    "square": lambda C, t: C.square,
    "symmetric": lambda C, t: C.symmetric,
    "boolean": lambda C, t: C.boolean,
    "one_hot": lambda C, t: C.one_hot,
    "nonnegative_integer": lambda C, t: C.nonnegative_integer,
    "positive_integer": lambda C, t: C.positive_integer,
    "integer_interval": lambda C, t: C.integer_interval(0, 2),
    "integer_less_than": lambda C, t: C._IntegerLessThan(1),
    "multinomial": lambda C, t: C.multinomial(2),
    "independent": lambda C, t: C.independent(C.positive, 1),
    "too independent": lambda C, t: C.independent(C.positive, 3),
    "mixture": lambda C, t: C.MixtureSameFamilyConstraint(C.real_vector),
    "cat": lambda C, t: C.cat([C.positive, C.real], dim=-1, lengths=[1, 2]),
    "stack": lambda C, t: C.stack([C.positive, C.real], dim=0),
    "dependent": lambda C, t: C.dependent,
    "dependent on more": lambda C, t: C.dependent(is_discrete=True, event_dim=1),
}
each_constraint = pytest.mark.parametrize("name", CONSTRAINTS)

VALUES = [
    REALS,
    POSITIVES,
    np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]),
    np.array([[0.0, 1.0, 2.0], [np.nan, 1.5, np.inf]]),
    np.eye(3),
    np.array([[[1.0, 0.0], [0.6, 0.8]], [[2.0, 0.5], [0.5, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]),
    np.array([[[-1.0, 0.0], [0.6, 0.8]], [[2.0, 0.5], [-0.5, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]),
]


@each_constraint
@pytest.mark.parametrize("value", range(len(VALUES)))
def test_checks_agree(name: str, value: int) -> None:
    def checked(t: Any) -> Any:
        return CONSTRAINTS[name](t.distributions.constraints, t).check(t.tensor(VALUES[value]))

    expected = outcome(lambda: checked(torch))
    if isinstance(expected, tuple) and expected[0] in ("RuntimeError", "AssertionError"):
        assert outcome(lambda: checked(flambeau))[0] == expected[0]
    else:
        assert outcome(lambda: checked(flambeau)) == expected


@each_constraint
@pytest.mark.parametrize("attribute", ["__repr__", "event_dim", "is_discrete"])
def test_attributes_of_constraints_agree(name: str, attribute: str) -> None:
    def read(t: Any) -> Any:
        found = getattr(CONSTRAINTS[name](t.distributions.constraints, t), attribute)
        return found() if callable(found) else found

    assert outcome(lambda: read(flambeau)) == outcome(lambda: read(torch))


@each_constraint
@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_registries_agree(name: str, registry: str) -> None:
    def mapped(t: Any) -> Any:
        transform = getattr(t.distributions, registry)(CONSTRAINTS[name](t.distributions.constraints, t))
        x = t.tensor(
            MATRICES if name in ("lower_cholesky", "positive_definite", "positive_semidefinite") else REALS
        )
        return repr(transform), [round(each, 5) for each in transform(x).flatten().tolist()]

    assert outcome(lambda: mapped(flambeau)) == outcome(lambda: mapped(torch))


@each_constraint
def test_what_a_registry_makes_satisfies_the_constraint(name: str) -> None:
    constraint = CONSTRAINTS[name](flambeau.distributions.constraints, flambeau)
    registry = flambeau.distributions.transform_to
    if type(constraint) not in registry._registry:
        with pytest.raises(NotImplementedError):
            registry(constraint)
        return
    x = MATRICES if constraint.event_dim == 2 and name != "corr_cholesky" else REALS
    if name != "too independent":
        assert constraint.check(registry(constraint)(flambeau.tensor(x))).all()


def test_a_registered_constraint_of_ones_own() -> None:
    def scenario(t: Any) -> list[str]:
        D = t.distributions

        class Even(D.constraints.Constraint):  # type: ignore[name-defined]
            pass

        registry = D.constraint_registry.ConstraintRegistry()
        registry.register(Even)(lambda constraint: D.ExpTransform())
        found = [repr(registry(Even()))]
        for wrong in (3, int):
            with pytest.raises(TypeError) as error:
                registry.register(wrong, lambda constraint: None)
            found.append(str(error.value))
        return found

    assert scenario(flambeau) == scenario(torch)
