"""Distributions and transforms as third-party packages write them, run with both libraries."""

from __future__ import annotations

import math
from typing import Any

from side_by_side import compared


@compared
def test_a_squashed_normal_with_a_transform_of_its_own(torch: Any, log: Any) -> None:
    D = torch.distributions

    class Tanh(D.transforms.Transform):  # type: ignore[name-defined]
        domain = D.constraints.real
        codomain = D.constraints.interval(-1.0, 1.0)
        bijective = True
        sign = +1

        def __init__(self, cache_size: int = 1) -> None:
            super().__init__(cache_size=cache_size)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Tanh)

        def _call(self, x: Any) -> Any:
            return x.tanh()

        def _inverse(self, y: Any) -> Any:
            return 0.5 * (y.log1p() - (-y).log1p())

        def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
            return 2.0 * (math.log(2.0) - x - torch.nn.functional.softplus(-2.0 * x))

    class SquashedNormal(D.transformed_distribution.TransformedDistribution):  # type: ignore[name-defined]
        def __init__(self, loc: Any, scale: Any) -> None:
            self.loc, self.scale = loc, scale
            self.base_dist = D.Normal(loc, scale)
            super().__init__(self.base_dist, [Tanh()])

        @property
        def mean(self) -> Any:
            mean = self.loc
            for transform in self.transforms:
                mean = transform(mean)
            return mean

    loc = torch.tensor([0.5, -2.0], requires_grad=True)
    policy = SquashedNormal(loc, torch.ones(2))
    action = policy.rsample((3,))
    policy.log_prob(action).sum().backward()
    log(action, policy.mean, loc.grad, repr(policy), repr(policy.support))
    log.result(lambda: policy.entropy())
    log.result(lambda: policy.expand((3, 2)))


@compared
def test_a_truncated_normal_that_samples_by_itself(torch: Any, log: Any) -> None:
    D = torch.distributions

    class TruncatedNormal(D.Normal):  # type: ignore[name-defined]
        def __init__(self, loc: Any, scale: Any, low: float = -1.0, high: float = 1.0) -> None:
            super().__init__(loc, scale, validate_args=False)
            self.low, self.high = low, high

        def sample(self, clip: float | None = None, sample_shape: Any = torch.Size()) -> Any:  # noqa: B008
            shape = self._extended_shape(sample_shape)
            eps = D.utils._standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device) * self.scale
            if clip is not None:
                eps = torch.clamp(eps, -clip, clip)
            x = self.loc + eps
            clamped = torch.clamp(x, self.low, self.high)
            return x - x.detach() + clamped.detach()

    loc = torch.tensor([0.5, -2.0], requires_grad=True)
    sample = TruncatedNormal(loc, 0.2).sample(clip=0.3, sample_shape=torch.Size([2]))
    sample.sum().backward()
    log(sample, loc.grad)


@compared
def test_a_categorical_with_other_shapes(torch: Any, log: Any) -> None:
    class FixedCategorical(torch.distributions.Categorical):  # type: ignore[name-defined]
        def sample(self) -> Any:
            return super().sample().unsqueeze(-1)

        def log_probs(self, actions: Any) -> Any:
            found = super().log_prob(actions.squeeze(-1)).view(actions.size(0), -1)
            return found.sum(-1).unsqueeze(-1)

        def mode(self) -> Any:
            return self.probs.argmax(dim=-1, keepdim=True)

    categorical = FixedCategorical(logits=torch.randn(4, 3))
    action = categorical.sample()
    log(action, categorical.log_probs(action), categorical.mode(), categorical.entropy().mean())


@compared
def test_a_distribution_from_scratch(torch: Any, log: Any) -> None:
    D = torch.distributions

    class Logistic(D.Distribution):  # type: ignore[name-defined]
        arg_constraints = {"loc": D.constraints.real, "scale": D.constraints.positive}  # noqa: RUF012
        support = D.constraints.real
        has_rsample = True

        def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
            self.loc, self.scale = D.utils.broadcast_all(loc, scale)
            super().__init__(self.loc.size(), validate_args=validate_args)

        def rsample(self, sample_shape: Any = torch.Size()) -> Any:  # noqa: B008
            unit = self.loc.new(self._extended_shape(sample_shape)).uniform_()
            return self.loc + self.scale * (unit.log() - (-unit).log1p())

        def log_prob(self, value: Any) -> Any:
            if self._validate_args:
                self._validate_sample(value)
            z = (value - self.loc) / self.scale
            return -z - self.scale.log() - 2 * torch.nn.functional.softplus(-z)

        @D.utils.lazy_property
        def width(self) -> Any:
            return self.scale * 2

    logistic = Logistic(torch.zeros(2), 1.5)
    log(logistic.sample((3,)), logistic.log_prob(torch.ones(2)), logistic.width, repr(logistic))
    log.result(lambda: Logistic(0.0, -1.0))
    log.result(lambda: logistic.log_prob(torch.tensor([math.nan, 0.0])))
    log.result(lambda: logistic.mean)
    log.result(lambda: logistic.mode)
    log.result(lambda: logistic.entropy())
    log.result(lambda: D.kl_divergence(logistic, logistic))


@compared
def test_methods_set_from_outside(torch: Any, log: Any) -> None:
    normal = torch.distributions.Normal
    kept = normal.log_prob
    normal.log_prob_of_all = lambda self, actions: kept(self, actions).sum(-1, keepdim=True)
    try:
        log(normal(torch.zeros(2), torch.ones(2)).log_prob_of_all(torch.ones(3, 2)))
    finally:
        del normal.log_prob_of_all


@compared
def test_a_flow_of_transforms(torch: Any, log: Any) -> None:
    D = torch.distributions
    shift = torch.tensor([0.1, -0.2], requires_grad=True)
    flow = D.TransformedDistribution(
        D.Independent(D.Normal(torch.zeros(2), torch.ones(2)), 1),
        [
            D.AffineTransform(shift, torch.tensor([2.0, 0.5]), event_dim=1),
            D.ComposeTransform([D.SigmoidTransform(), D.AffineTransform(-1.0, 2.0)]),
        ],
    )
    value = torch.tensor([[0.3, -0.4], [0.9, 0.0]])
    flow.log_prob(value).sum().backward()
    log(flow.log_prob(value), shift.grad, flow.sample((3,)), flow.event_shape, flow.batch_shape)
