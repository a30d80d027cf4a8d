"""Small programs that learn with distributions: the same losses as PyTorch's, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import pytest
import torch

import flambeau
import flambeau.jax


def reinforce(t: Any) -> list[float]:
    """A policy that learns which action is paid for, with a bonus for staying undecided."""
    policy = t.nn.Sequential(t.nn.Linear(4, 16), t.nn.Tanh(), t.nn.Linear(16, 3))
    optimizer = t.optim.Adam(policy.parameters(), 0.02)
    states, losses = t.randn(16, 4), []
    paid = states[:, :3].argmax(-1)
    for _ in range(30):
        actions = t.distributions.Categorical(logits=policy(states))
        chosen = actions.sample()
        reward = (chosen == paid).float()
        advantage = reward - reward.mean()
        loss = -(actions.log_prob(chosen) * advantage).mean() - 0.01 * actions.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(reward.mean().item())
    assert sum(losses[-5:]) > sum(losses[:5])
    return losses


def autoencoder(t: Any) -> list[float]:
    """A variational autoencoder of random pictures."""
    D = t.distributions
    encode, decode = t.nn.Linear(12, 8), t.nn.Linear(4, 12)
    optimizer = t.optim.Adam([*encode.parameters(), *decode.parameters()], 0.02)
    pictures, losses = t.bernoulli(t.full((32, 12), 0.3)), []
    for _ in range(30):
        loc, width = encode(pictures).chunk(2, -1)
        code = D.Independent(D.Normal(loc, t.nn.functional.softplus(width) + 1e-3), 1)
        prior = D.Independent(D.Normal(t.zeros(4), t.ones(4)), 1)
        drawn = D.Independent(D.Bernoulli(logits=decode(code.rsample())), 1)
        loss = (D.kl_divergence(code, prior) - drawn.log_prob(pictures)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    return losses


def gaussian_actor(t: Any) -> list[float]:
    """A squashed normal policy with gradients through its samples, as in soft actor-critic."""
    D = t.distributions
    actor = t.nn.Linear(3, 4)
    optimizer = t.optim.SGD(actor.parameters(), 0.1)
    states, losses = t.randn(16, 3), []
    for _ in range(20):
        loc, log_scale = actor(states).chunk(2, -1)
        policy = D.TransformedDistribution(
            D.Normal(loc, log_scale.clamp(-5, 2).exp()), D.TanhTransform(cache_size=1)
        )
        action = policy.rsample()
        loss = (0.05 * policy.log_prob(action).sum(-1) + (action - 0.5).pow(2).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def beta_actor(t: Any) -> list[float]:
    """Fits a beta and a Dirichlet distribution by gradients through their samples."""
    D = t.distributions
    weights = t.nn.Parameter(t.ones(3))
    optimizer = t.optim.Adam([weights], 0.05)
    losses = []
    for _ in range(20):
        positive = D.transform_to(D.constraints.positive)(weights)
        first = D.Beta(positive[0], positive[1]).rsample((8,))
        second = D.Dirichlet(positive).rsample((8,))
        loss = (first - 0.8).pow(2).mean() + (second[:, 2] - 0.1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def mixture(t: Any) -> list[float]:
    """Fits a mixture of normal distributions by its likelihood."""
    D = t.distributions
    logits, loc, scale = t.zeros(3), t.tensor([-1.0, 0.0, 1.0]), t.zeros(3)
    for each in (logits, loc, scale):
        each.requires_grad_()
    optimizer = t.optim.Adam([logits, loc, scale], 0.05)
    data = t.cat([t.randn(20) * 0.3 - 2, t.randn(20) * 0.5 + 1])
    losses = []
    for _ in range(20):
        model = D.MixtureSameFamily(D.Categorical(logits=logits), D.Normal(loc, scale.exp()))
        loss = -model.log_prob(data).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def relaxed(t: Any) -> list[float]:
    """Learns categories through Gumbel-softmax samples, straight through and not."""
    D = t.distributions
    logits = t.nn.Parameter(t.zeros(4))
    optimizer = t.optim.SGD([logits], 0.5)
    value, losses = t.tensor([0.0, 1.0, 3.0, 2.0]), []
    for _ in range(20):
        soft = D.RelaxedOneHotCategorical(t.tensor(0.5), logits=logits).rsample((8,))
        hard = t.nn.functional.gumbel_softmax(logits.expand(8, 4), tau=0.5, hard=True)
        through = D.OneHotCategoricalStraightThrough(logits=logits).rsample((8,))
        loss = -((soft + hard + through) @ value).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    "program",
    [reinforce, autoencoder, gaussian_actor, beta_actor, mixture, relaxed],
    ids=lambda p: p.__name__,
)
def test_losses_agree(program: Callable[[Any], list[float]]) -> None:
    found = []
    for library in (flambeau, torch):
        library.manual_seed(1)
        found.append(program(library))
    # PyTorch approximates the gradients of beta and Dirichlet samples.
    tolerance = 2e-3 if program is beta_actor else 2e-4
    assert found[0] == pytest.approx(found[1], rel=tolerance, abs=tolerance / 10)


def test_a_checked_distribution_inside_a_function_that_jax_runs() -> None:
    def log_prob(x: Any) -> Any:
        return flambeau.distributions.Normal(x, x.exp()).log_prob(x + 1).sum()

    x = flambeau.tensor([0.1, 0.2])
    inside = jax.jit(flambeau.jax.function(log_prob))(x.jax())
    assert float(inside) == pytest.approx(log_prob(x).item(), rel=1e-6)
