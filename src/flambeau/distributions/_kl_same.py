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
from flambeau._ops.special import digamma, lgamma
from flambeau.distributions.bernoulli import Bernoulli
from flambeau.distributions.beta import Beta
from flambeau.distributions.categorical import Categorical
from flambeau.distributions.dirichlet import Dirichlet
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.gamma import Gamma
from flambeau.distributions.independent import Independent
from flambeau.distributions.kl import kl_divergence, register_kl
from flambeau.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis
from flambeau.distributions.normal import Normal
from flambeau.distributions.uniform import Uniform
from flambeau.distributions.utils import _sum_rightmost


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


@register_kl(MultivariateNormal, MultivariateNormal)
def _kl_multivariatenormal_multivariatenormal(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    factor_p, factor_q = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    half_log_dets = [each.diagonal(dim1=-2, dim2=-1).log().sum(-1) for each in (factor_q, factor_p)]
    batch = broadcast_shapes(factor_q.shape[:-2], factor_p.shape[:-2])
    n = p.event_shape[0]
    ratio = solve_triangular(factor_q.expand((*batch, n, n)), factor_p.expand((*batch, n, n)), upper=False)
    spread = ratio.pow(2).sum((-2, -1))
    distance = _batch_mahalanobis(factor_q, q.loc - p.loc)
    return half_log_dets[0] - half_log_dets[1] + 0.5 * (spread + distance - n)


@register_kl(Normal, Normal)
def _kl_normal_normal(p: Normal, q: Normal) -> Tensor:
    spread = (p.scale / q.scale).pow(2)
    distance = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (spread + distance - 1 - spread.log())


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
