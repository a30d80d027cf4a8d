"""Probability distributions: samples, densities, moments and divergences, with gradients to their parameters.

A policy network that chooses among actions learns from what they earned (REINFORCE):

>>> import flambeau
>>> probs = flambeau.tensor([0.25, 0.75], requires_grad=True)
>>> policy = Categorical(probs)
>>> action = flambeau.tensor(1)
>>> (-policy.log_prob(action) * 2.0).backward()

Samples of distributions with `has_rsample` carry gradients themselves:

>>> scale = flambeau.tensor(2.0, requires_grad=True)
>>> Normal(0.0, scale).rsample().backward()
>>> scale.grad is None
False
"""

from flambeau.distributions import _kl_same as _kl_same
from flambeau.distributions import constraints as constraints
from flambeau.distributions import kl as kl
from flambeau.distributions import utils as utils
from flambeau.distributions.bernoulli import Bernoulli
from flambeau.distributions.beta import Beta
from flambeau.distributions.categorical import Categorical
from flambeau.distributions.dirichlet import Dirichlet
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.gamma import Gamma
from flambeau.distributions.independent import Independent
from flambeau.distributions.kl import kl_divergence, register_kl
from flambeau.distributions.multivariate_normal import MultivariateNormal
from flambeau.distributions.normal import Normal
from flambeau.distributions.uniform import Uniform

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "ExponentialFamily",
    "Gamma",
    "Independent",
    "MultivariateNormal",
    "Normal",
    "Uniform",
    "kl_divergence",
    "register_kl",
]
