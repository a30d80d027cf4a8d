"""Every distribution beside PyTorch's: densities, moments, samples from the same seed, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from distribution_cases import CASES, Case
from oracle import check

import flambeau

pytestmark = pytest.mark.filterwarnings("ignore:Singular sample detected")

each_case = pytest.mark.parametrize("case", CASES, ids=str)

PROPERTIES = ["mean", "mode", "variance"]
METHODS = ["entropy", "enumerate_support"]


def agree(scenario: Callable[..., Any], *arrays: np.ndarray[Any, Any], tolerance: float = 1e-6) -> None:
    """The same results and gradients in both libraries, or the same error."""
    expected = error_of(torch, scenario, arrays)
    if expected is None:
        check(scenario, *arrays, tolerance=max(tolerance, 20 * np.finfo(arrays[-1].dtype).eps))
    else:
        assert error_of(flambeau, scenario, arrays) == expected


def error_of(library: Any, scenario: Callable[..., Any], arrays: Any) -> tuple[str, str] | None:
    """The error's type and words."""
    try:
        scenario(library, *map(library.tensor, arrays))
    except (NotImplementedError, ValueError, RuntimeError, AssertionError, TypeError) as error:
        return type(error).__name__, str(error).replace("flambeau", "torch")
    return None


@each_case
def test_log_prob_agrees_with_gradients(case: Case) -> None:
    agree(lambda t, value, *params: case.build(t, list(params)).log_prob(value), case.values, *case.arrays)


@each_case
@pytest.mark.parametrize("name", ["cdf", "icdf"])
def test_cdf_agrees_with_its_slope(case: Case, name: str) -> None:
    # Not with gradients to the parameters: PyTorch lacks some.
    values = case.values if name == "cdf" else np.full(case.values.shape, 0.3)

    def scenario(t: Any, value: Any) -> Any:
        return getattr(case.build(t, [t.tensor(array) for array in case.arrays]), name)(value)

    agree(scenario, values)


@each_case
@pytest.mark.parametrize("name", PROPERTIES)
def test_property_agrees(case: Case, name: str) -> None:
    agree(lambda t, *params: getattr(case.build(t, list(params)), name), *case.arrays)


@each_case
@pytest.mark.parametrize("name", METHODS)
def test_method_agrees(case: Case, name: str) -> None:
    agree(lambda t, *params: getattr(case.build(t, list(params)), name)(), *case.arrays)


def drawn(library: Any, case: Case, method: str, dtype: str) -> Any:
    tensors = [library.tensor(array).to(getattr(library, dtype)) for array in case.arrays]
    library.manual_seed(7)
    try:
        samples = getattr(case.build(library, tensors), method)((5, 4))
    except NotImplementedError as error:
        return str(error)
    return np.array(samples.detach().numpy()), library.get_rng_state().numpy()


@each_case
@pytest.mark.parametrize(("method", "dtype"), [("sample", "float32"), ("rsample", "float64")])
def test_samples_of_the_same_seed_are_the_same(case: Case, method: str, dtype: str) -> None:
    ours, theirs = (drawn(library, case, method, dtype) for library in (flambeau, torch))
    if isinstance(theirs, str):
        assert ours == theirs
        return
    assert ours[0].dtype == theirs[0].dtype
    np.testing.assert_allclose(ours[0], theirs[0], rtol=3e-6, atol=3e-6)
    np.testing.assert_array_equal(ours[1], theirs[1])


def moved(library: Any, case: Case) -> list[np.ndarray[Any, Any]]:
    tensors = [library.tensor(array).requires_grad_() for array in case.arrays]
    library.manual_seed(7)
    samples = case.build(library, tensors).rsample((3,))
    weights = library.linspace(1, 2, samples.numel(), dtype=library.float64).reshape(samples.shape)
    (samples * weights).sum().backward()
    return [tensor.grad.numpy() for tensor in tensors if tensor.grad is not None]


# PyTorch's Wishart samples cannot be differentiated: it writes over what its backward needs.
MOVING = [case for case in CASES if case.build(torch).has_rsample and case.cls != "Wishart"]


@pytest.mark.parametrize("case", MOVING, ids=str)
def test_samples_carry_the_same_gradients(case: Case) -> None:
    for ours, theirs in zip(moved(flambeau, case), moved(torch, case), strict=True):
        # PyTorch's gradients of gamma and Dirichlet samples are approximations, good to three digits.
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-6)


@each_case
def test_expanded_distribution_agrees(case: Case) -> None:
    def scenario(t: Any, value: Any, *params: Any) -> Any:
        built = case.build(t, list(params))
        wide = built.expand((2, *([2] * (1 - len(built.batch_shape))), *built.batch_shape))
        assert type(wide) is type(built)
        return wide.log_prob(value), t.tensor(wide.batch_shape), t.tensor(wide.event_shape)

    agree(scenario, case.values, *case.arrays)


@each_case
def test_repr_agrees(case: Case) -> None:
    assert repr(case.build(flambeau)) == repr(case.build(torch))


@each_case
def test_class_attributes_agree(case: Case) -> None:
    ours, theirs = case.build(flambeau), case.build(torch)
    for name in ("arg_constraints", "support", "has_rsample", "has_enumerate_support"):
        assert repr(getattr(ours, name)) == repr(getattr(theirs, name)), name


@each_case
def test_values_outside_the_support_raise(case: Case) -> None:
    agree(
        lambda t, value, *params: case.build(t, list(params)).log_prob(value * float("nan")),
        case.values,
        *case.arrays,
    )


@each_case
def test_values_of_a_wrong_shape_raise(case: Case) -> None:
    agree(lambda t, *params: case.build(t, list(params)).log_prob(t.zeros(7, 5)), *case.arrays)


def test_wishart_samples_carry_gradients() -> None:
    factor = np.array([[1.2, 0.0], [0.4, 0.9]])

    def drawn(tensor: Any) -> Any:
        flambeau.manual_seed(3)
        return (flambeau.distributions.Wishart(5.0, scale_tril=tensor).rsample((2,)) ** 2).sum()

    tensor = flambeau.tensor(factor, requires_grad=True)
    drawn(tensor).backward()
    for place in ((0, 0), (1, 0), (1, 1)):
        step = np.zeros((2, 2))
        step[place] = 1e-6
        slope = (drawn(flambeau.tensor(factor + step)) - drawn(flambeau.tensor(factor - step))) / 2e-6
        assert tensor.grad[place].item() == pytest.approx(slope.item(), rel=1e-5)


PARAMETER_MISTAKES: dict[str, Callable[[Any, Any], Any]] = {
    "negative scale": lambda D, t: D.Normal(t.zeros(2), -1),
    "nan": lambda D, t: D.Normal(t.tensor([0.0, float("nan")]), 1.0),
    "no number": lambda D, t: D.Normal(0, "a"),
    "shapes": lambda D, t: D.Normal(t.zeros(2), t.ones(3)),
    "ends": lambda D, t: D.Uniform(1, 0),
    "probability": lambda D, t: D.Bernoulli(1.5),
    "probabilities": lambda D, t: D.Categorical(t.tensor([-1.0, 2.0])),
    "neither": lambda D, t: D.Bernoulli(),
    "both": lambda D, t: D.Categorical(t.ones(2), t.ones(2)),
    "both of a geometric": lambda D, t: D.Geometric(0.2, 0.3),
    "never": lambda D, t: D.Geometric(t.tensor([0.5, 0.0])),
    "no categories": lambda D, t: D.Categorical(t.tensor(1.0)),
    "no logits": lambda D, t: D.Categorical(logits=t.tensor(1.0)),
    "no concentration": lambda D, t: D.Dirichlet(t.tensor(1.0)),
    "no vector": lambda D, t: D.MultivariateNormal(t.tensor(1.0), t.eye(3)),
    "no matrix": lambda D, t: D.MultivariateNormal(t.zeros(3)),
    "two matrices": lambda D, t: D.MultivariateNormal(t.zeros(3), t.eye(3), t.eye(3)),
    "covariance": lambda D, t: D.MultivariateNormal(t.zeros(3), t.ones(3)),
    "precision": lambda D, t: D.MultivariateNormal(t.zeros(3), precision_matrix=t.ones(3)),
    "factor": lambda D, t: D.MultivariateNormal(t.zeros(3), scale_tril=t.ones(3)),
    "indefinite": lambda D, t: D.MultivariateNormal(t.zeros(2), t.tensor([[1.0, 2.0], [2.0, 1.0]])),
    "asymmetric": lambda D, t: D.MultivariateNormal(t.zeros(2), t.tensor([[1.0, 0.2], [0.1, 1.0]])),
    "rank": lambda D, t: D.LowRankMultivariateNormal(t.zeros(2), t.ones(2), t.ones(2)),
    "rank's rows": lambda D, t: D.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2)),
    "diagonal": lambda D, t: D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(3)),
    "batches": lambda D, t: D.LowRankMultivariateNormal(t.zeros(4, 2), t.ones(3, 2, 1), t.ones(2)),
    "count": lambda D, t: D.Multinomial(t.tensor(3), t.ones(2)),
    "trials": lambda D, t: D.Binomial(-1, t.tensor(0.5)),
    "different trials": lambda D, t: D.Binomial(t.tensor([1.0, 2.0]), t.tensor(0.5)).entropy(),
    "different supports": lambda D, t: D.Binomial(t.tensor([1.0, 2.0]), t.tensor(0.5)).enumerate_support(),
    "reinterpreted": lambda D, t: D.Independent(D.Normal(0, 1), 1),
    "product of supports": lambda D, t: D.Independent(D.Bernoulli(t.ones(2) / 2), 1).enumerate_support(),
    "correlation of one": lambda D, t: D.LKJCholesky(1),
    "mixture": lambda D, t: D.MixtureSameFamily(D.Normal(0, 1), D.Normal(0, 1)),
    "components": lambda D, t: D.MixtureSameFamily(D.Categorical(t.ones(2)), 3),
    "components' number": lambda D, t: D.MixtureSameFamily(D.Categorical(t.ones(2)), D.Normal(t.zeros(3), 1)),
    "components' batch": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t.ones(2, 3)), D.Normal(t.zeros(4, 3), 1)
    ),
    "freedom": lambda D, t: D.Wishart(1.0, t.eye(2)),
    "wishart's matrices": lambda D, t: D.Wishart(3.0),
    "wishart's dimensions": lambda D, t: D.Wishart(3.0, t.ones(2)),
    "continuous": lambda D, t: D.ContinuousBernoulli(1.5, validate_args=True),
    "value": lambda D, t: D.Normal(0, 1).log_prob(1),
    "rsample": lambda D, t: D.Bernoulli(0.3).rsample(),
    "default": lambda D, t: D.Distribution.set_default_validate_args(3),
    "abstract": lambda D, t: D.Distribution(validate_args=False).support,
    "abstract expand": lambda D, t: D.Distribution(validate_args=False).expand((2,)),
}


@pytest.mark.parametrize("name", PARAMETER_MISTAKES)
def test_mistakes_are_told_in_the_same_words(name: str) -> None:
    def told(library: Any) -> tuple[str, str]:
        with pytest.raises(Exception) as error:  # noqa: PT011
            PARAMETER_MISTAKES[name](library.distributions, library)
        return type(error.value).__name__, str(error.value).replace("flambeau", "torch")

    assert told(flambeau) == told(torch)


def test_unchecked_arguments_pass() -> None:
    normal = flambeau.distributions.Normal(0.0, -1.0, validate_args=False)
    assert normal.log_prob(flambeau.tensor(float("nan"))).isnan()
    assert normal.expand((2,))._validate_args is False


def test_the_default_of_checking_can_be_changed() -> None:
    D = flambeau.distributions
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="Expected parameter scale"):
        D.Normal(0.0, -1.0)


def test_subclasses_need_an_expand_of_their_own() -> None:
    def told(library: Any) -> str:
        class Mine(library.distributions.Normal):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__(0.0, 1.0)

        with pytest.raises(NotImplementedError) as error:
            Mine().expand((2,))
        return str(error.value)

    assert told(flambeau) == told(torch)


def test_a_distribution_without_constraints_warns() -> None:
    def warned(library: Any) -> list[str]:
        class Bare(library.distributions.Distribution):  # type: ignore[name-defined]
            def log_prob(self, value: Any) -> Any:
                self._validate_sample(value)

        with pytest.warns(UserWarning, match="does not define") as caught:
            Bare().log_prob(library.tensor(1.0))
        return [str(each.message).split(">")[1] for each in caught]

    assert warned(flambeau) == warned(torch)


def test_sample_n_is_deprecated() -> None:
    with pytest.warns(FutureWarning, match="will be deprecated"):
        assert flambeau.distributions.Normal(0.0, 1.0).sample_n(3).shape == (3,)


def test_a_lazy_property_keeps_gradients_even_where_they_are_off() -> None:
    logits = flambeau.zeros(3, requires_grad=True)
    bernoulli = flambeau.distributions.Bernoulli(logits=logits)
    with flambeau.no_grad():
        probs = bernoulli.probs
    assert probs.requires_grad
    assert bernoulli.probs is probs
    assert isinstance(flambeau.distributions.Bernoulli.probs, property)


def test_entropies_and_divergences_of_exponential_families_by_their_normalizers() -> None:
    D = flambeau.distributions
    from flambeau.distributions._kl_same import _kl_expfamily_expfamily

    pairs = [
        (D.Normal(flambeau.tensor([0.5, 1.0]), 2.0), D.Normal(flambeau.tensor([1.0, 0.0]), 0.5)),
        (D.Gamma(flambeau.tensor([0.5, 2.0]), 2.0), D.Gamma(1.5, flambeau.tensor([1.0, 3.0]))),
        (D.Beta(flambeau.tensor([0.5, 2.0]), 2.0), D.Beta(1.5, flambeau.tensor([1.0, 3.0]))),
        (D.Exponential(flambeau.tensor([0.5, 2.0])), D.Exponential(flambeau.tensor([1.0, 3.0]))),
        (D.Bernoulli(flambeau.tensor([0.5, 0.2])), D.Bernoulli(flambeau.tensor([0.1, 0.3]))),
        (D.Poisson(flambeau.tensor([0.5, 2.0])), D.Poisson(flambeau.tensor([1.0, 3.0]))),
        (D.Dirichlet(flambeau.tensor([0.5, 2.0])), D.Dirichlet(flambeau.tensor([1.0, 3.0]))),
    ]
    for p, q in pairs:
        np.testing.assert_allclose(
            _kl_expfamily_expfamily(p, q).detach().numpy(),
            D.kl_divergence(p, q).detach().numpy(),
            rtol=2e-5,
            atol=1e-5,
        )
    for p in (pairs[0][0], pairs[3][0], pairs[4][0], pairs[1][0]):
        by_normalizer = D.ExponentialFamily.entropy(p).detach().numpy()
        np.testing.assert_allclose(by_normalizer, p.entropy().detach().numpy(), rtol=2e-5, atol=1e-5)
