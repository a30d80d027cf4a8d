"""KL divergences between two distributions of one family."""

from __future__ import annotations

import math
from typing import Any

from flambeau._core.declare import broadcast_shapes
from flambeau._core.tensor import Tensor
from flambeau._core.walk import grad
from flambeau._ops.activation import softplus
from flambeau._ops.factory import full_like
from flambeau._ops.linalg import solve_triangular
from flambeau._ops.rearrange import diag_embed
from flambeau._ops.special import digamma, lgamma
from flambeau.distributions.bernoulli import Bernoulli
from flambeau.distributions.beta import Beta
from flambeau.distributions.binomial import Binomial
from flambeau.distributions.categorical import Categorical
from flambeau.distributions.cauchy import Cauchy
from flambeau.distributions.continuous_bernoulli import ContinuousBernoulli
from flambeau.distributions.dirichlet import Dirichlet
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.exponential import Exponential
from flambeau.distributions.gamma import Gamma
from flambeau.distributions.geometric import Geometric
from flambeau.distributions.gumbel import Gumbel
from flambeau.distributions.half_normal import HalfNormal
from flambeau.distributions.independent import Independent
from flambeau.distributions.kl import kl_divergence, register_kl
from flambeau.distributions.laplace import Laplace
from flambeau.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_mahalanobis,
)
from flambeau.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis
from flambeau.distributions.normal import Normal
from flambeau.distributions.one_hot_categorical import OneHotCategorical
from flambeau.distributions.pareto import Pareto
from flambeau.distributions.poisson import Poisson
from flambeau.distributions.transformed_distribution import TransformedDistribution
from flambeau.distributions.uniform import Uniform
from flambeau.distributions.utils import _sum_rightmost, euler_constant


def infinite_like(like: Tensor) -> Tensor:
    found: Tensor = full_like(like, math.inf)
    return found


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    # log(p / q) and log((1 - p) / (1 - q)) from logits; probabilities of 0 and 1 on their own, where those are infinite.
    hit = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    hit[q.probs == 0] = math.inf
    hit[p.probs == 0] = 0
    miss = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    miss[q.probs == 1] = math.inf
    miss[p.probs == 1] = 0
    return hit + miss


@register_kl(Beta, Beta)
def _kl_beta_beta(p: Beta, q: Beta) -> Tensor:
    total_p = p.concentration1 + p.concentration0
    total_q = q.concentration1 + q.concentration0
    return (
        lgamma(q.concentration1)
        + lgamma(q.concentration0)
        + lgamma(total_p)
        - (lgamma(p.concentration1) + lgamma(p.concentration0) + lgamma(total_q))
        + (p.concentration1 - q.concentration1) * digamma(p.concentration1)
        + (p.concentration0 - q.concentration0) * digamma(p.concentration0)
        + (total_q - total_p) * digamma(total_p)
    )


@register_kl(Binomial, Binomial)
def _kl_binomial_binomial(p: Binomial, q: Binomial) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    kl = p.total_count * each
    more = p.total_count > q.total_count
    kl[more] = infinite_like(kl[more])
    return kl


@register_kl(Cauchy, Cauchy)
def _kl_cauchy_cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    # Source: Chyzak and Nielsen 2019, arXiv:1905.10965.
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _kl_continuous_bernoulli_continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    moved = p.mean * (p.logits - q.logits)
    normalizer_p = p._cont_bern_log_norm() + (-p.probs).log1p()
    return moved + normalizer_p - q._cont_bern_log_norm() - (-q.probs).log1p()


@register_kl(Categorical, Categorical)
def _kl_categorical_categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms[(q.probs == 0).expand_as(terms)] = math.inf
    terms[(p.probs == 0).expand_as(terms)] = 0
    return terms.sum(-1)


@register_kl(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    total_p = p.concentration.sum(-1)
    total_q = q.concentration.sum(-1)
    normalizers = (lgamma(q.concentration) - lgamma(p.concentration)).sum(-1)
    means = digamma(p.concentration) - digamma(total_p).unsqueeze(-1)
    moved = ((p.concentration - q.concentration) * means).sum(-1)
    return lgamma(total_p) - lgamma(total_q) + normalizers + moved


@register_kl(Exponential, Exponential)
def _kl_exponential_exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _kl_expfamily_expfamily(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """The Bregman divergence of the log normalizer, for families without a formula of their own."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot "
            "be computed using Bregman divergences"
        )
    natural_p = [each.detach().requires_grad_() for each in p._natural_params]
    natural_q = q._natural_params
    normalizer = p._log_normalizer(*natural_p)
    gradients = grad(normalizer.sum(), natural_p, create_graph=True)
    result = q._log_normalizer(*natural_q) - normalizer
    for of_p, of_q, gradient in zip(natural_p, natural_q, gradients, strict=True):
        result = result - _sum_rightmost((of_q - of_p) * gradient, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _kl_gamma_gamma(p: Gamma, q: Gamma) -> Tensor:
    return (
        q.concentration * (p.rate / q.rate).log()
        + lgamma(q.concentration)
        - lgamma(p.concentration)
        + (p.concentration - q.concentration) * digamma(p.concentration)
        + (q.rate - p.rate) * (p.concentration / p.rate)
    )


@register_kl(Geometric, Geometric)
def _kl_geometric_geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _kl_gumbel_gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio = p.scale / q.scale
    distance = (p.loc - q.loc) / q.scale
    return (
        distance
        - ratio.log()
        + ratio * euler_constant
        + (lgamma(1 + ratio) - distance).exp()
        - (1 + euler_constant)
    )


@register_kl(HalfNormal, HalfNormal)
def _kl_halfnormal_halfnormal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _kl_normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _kl_laplace_laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio = p.scale / q.scale
    distance = (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


# Normal vectors: the two logarithms of determinants, the trace of one covariance over the other, and the distance.


def _kl_of_vectors(p: Any, q: Any, log_dets: Tensor, trace: Tensor, distance: Tensor) -> Tensor:
    return 0.5 * (log_dets + trace + distance - p.event_shape[0])


def _refuse_unequal(p: Any, q: Any, which: str) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two {which}Multivariate Normals with different event shapes cannot be computed"
        )


def _log_det(d: Any) -> Tensor:
    if isinstance(d, LowRankMultivariateNormal):
        return d._log_det()
    return 2 * d._half_log_det()


def _batch_trace_XXT(matrices: Tensor) -> Tensor:
    """The trace of each matrix times itself transposed."""
    return matrices.pow(2).sum((-2, -1))


def _trace_over_lowrank(q: LowRankMultivariateNormal, columns: Tensor) -> Tensor:
    """The trace of `columns @ columns.mT` over the covariance of `q`."""
    diagonal = q._unbroadcasted_cov_diag
    inner = solve_triangular(
        q._capacitance_tril, (q._unbroadcasted_cov_factor.mT / diagonal.unsqueeze(-2)) @ columns, upper=False
    )
    return _batch_trace_XXT(columns * diagonal.rsqrt().unsqueeze(-1)) - _batch_trace_XXT(inner)


def _trace_over_full(q: MultivariateNormal, columns: Tensor) -> Tensor:
    """The same for `q` with a Cholesky factor."""
    factor, n = q._unbroadcasted_scale_tril, q.event_shape[0]
    batch = broadcast_shapes(factor.shape[:-2], columns.shape[:-2])
    solved = solve_triangular(
        factor.expand((*batch, n, n)), columns.expand((*batch, *columns.shape[-2:])), upper=False
    )
    return _batch_trace_XXT(solved)


def _lowrank_distance(q: LowRankMultivariateNormal, difference: Tensor) -> Tensor:
    return _batch_lowrank_mahalanobis(
        q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag, difference, q._capacitance_tril
    )


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _kl_lowrank_lowrank(p: LowRankMultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    _refuse_unequal(p, q, "Low Rank ")
    trace = _trace_over_lowrank(q, p._unbroadcasted_cov_factor)
    trace = trace + _trace_over_lowrank(q, diag_embed(p._unbroadcasted_cov_diag.sqrt()))
    distance = _lowrank_distance(q, q.loc - p.loc)
    return _kl_of_vectors(p, q, _log_det(q) - _log_det(p), trace, distance)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _kl_full_lowrank(p: MultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    _refuse_unequal(p, q, "(Low Rank) ")
    trace = _trace_over_lowrank(q, p._unbroadcasted_scale_tril)
    return _kl_of_vectors(p, q, _log_det(q) - _log_det(p), trace, _lowrank_distance(q, q.loc - p.loc))


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _kl_lowrank_full(p: LowRankMultivariateNormal, q: MultivariateNormal) -> Tensor:
    _refuse_unequal(p, q, "(Low Rank) ")
    trace = _trace_over_full(q, p._unbroadcasted_cov_factor)
    trace = trace + _trace_over_full(q, diag_embed(p._unbroadcasted_cov_diag.sqrt()))
    distance = _batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return _kl_of_vectors(p, q, _log_det(q) - _log_det(p), trace, distance)


@register_kl(MultivariateNormal, MultivariateNormal)
def _kl_full_full(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    _refuse_unequal(p, q, "")
    trace = _trace_over_full(q, p._unbroadcasted_scale_tril)
    distance = _batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return _kl_of_vectors(p, q, _log_det(q) - _log_det(p), trace, distance)


@register_kl(Normal, Normal)
def _kl_normal_normal(p: Normal, q: Normal) -> Tensor:
    spread = (p.scale / q.scale).pow(2)
    distance = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (spread + distance - 1 - spread.log())


@register_kl(OneHotCategorical, OneHotCategorical)
def _kl_onehotcategorical_onehotcategorical(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _kl_categorical_categorical(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _kl_pareto_pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    result[p.scale < q.scale] = math.inf
    return result


@register_kl(Poisson, Poisson)
def _kl_poisson_poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _kl_transformed_transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _kl_uniform_uniform(p: Uniform, q: Uniform) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    result[(q.low > p.low) | (q.high < p.high)] = math.inf
    return result


@register_kl(Independent, Independent)
def _kl_independent_independent(p: Independent[Any], q: Independent[Any]) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
