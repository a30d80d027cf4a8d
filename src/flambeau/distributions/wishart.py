"""The Wishart distribution."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from flambeau._core.declare import broadcast_shapes
from flambeau._core.dtype import finfo
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau._ops.construct import tensor
from flambeau._ops.linalg import cholesky, cholesky_solve, torch_slogdet
from flambeau._ops.random_new import randn
from flambeau._ops.ranges import arange, eye, tril_indices
from flambeau._ops.special import digamma, mvlgamma
from flambeau.distributions import constraints
from flambeau.distributions.chi2 import Chi2
from flambeau.distributions.constraints import Constraint
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.multivariate_normal import _precision_to_scale_tril
from flambeau.distributions.utils import Number, lazy_property

__all__ = ["Wishart"]

_log_2 = math.log(2)


def _mvdigamma(x: Tensor, p: int) -> Tensor:
    """The derivative of the multivariate log-gamma function."""
    assert x.gt((p - 1) / 2).all(), "Wrong domain for multivariate digamma function."
    halves = arange(p, dtype=x.dtype, device=x.device).div(2)
    return digamma(x.unsqueeze(-1) - halves).sum(-1)


class Wishart(ExponentialFamily):
    """The sum of the outer products of `df` normal vectors with themselves.

    Args:
        df: how many; above the size of a vector less one, and need not be whole.
        covariance_matrix: that of the vectors.
        precision_matrix: its inverse, in place of it.
        scale_tril: its lower Cholesky factor, in place of it.

    Raises:
        AssertionError: unless exactly one matrix is given.
        ValueError: for a `df` that is too low.

    >>> import flambeau
    >>> Wishart(4.0, flambeau.eye(2)).mean.tolist()
    [[4.0, 0.0], [0.0, 4.0]]
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, Constraint]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Tensor | float,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, param),) = given
        if param.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        if isinstance(df, Number):
            batch_shape = Size(param.shape[:-2])
            self.df = tensor(df, dtype=param.dtype, device=param.device)
        else:
            batch_shape = Size(broadcast_shapes(param.shape[:-2], df.shape))
            self.df = df.expand(batch_shape)
        event_shape = param.shape[-2:]
        if self.df.le(event_shape[-1] - 1).any():
            raise ValueError(
                f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}."
            )
        setattr(self, name, param.expand((*batch_shape, -1, -1)))
        if self.df.lt(event_shape[-1]).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        self._unbroadcasted_scale_tril: Tensor
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = param
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = cholesky(param)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale_tril(param)
        self._dist_chi2 = self._diagonal_squares(self.df)

    def _diagonal_squares(self, df: Tensor) -> Chi2:
        """What the diagonal of Bartlett's factor has as squares."""
        factor = self._unbroadcasted_scale_tril
        rows = arange(self._event_shape[-1], dtype=factor.dtype, device=factor.device)
        return Chi2(df=df.unsqueeze(-1) - rows)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        shape = Size(batch_shape) + self.event_shape
        matrices = ("covariance_matrix", "scale_tril", "precision_matrix", "_unbroadcasted_scale_tril")
        parts = {name: vars(self)[name].expand(shape) for name in matrices if name in vars(self)}
        parts["df"] = self.df.expand(batch_shape)
        parts["_dist_chi2"] = self._diagonal_squares(parts["df"])
        return self._expanded(Wishart, _instance, batch_shape, parts, self.event_shape)

    def _matrix(self, unbroadcasted: Tensor) -> Tensor:
        return unbroadcasted.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance of the vectors."""
        return self._matrix(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        factor = self._unbroadcasted_scale_tril
        identity = eye(self._event_shape[-1], device=factor.device, dtype=factor.dtype)
        return self._matrix(cholesky_solve(identity, factor))

    def _over_matrices(self, values: Tensor) -> Tensor:
        return values.view((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        return self._over_matrices(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = factor.masked_fill(factor <= 0, math.nan)
        return self._over_matrices(factor) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        diagonal = self.covariance_matrix.diagonal(dim1=-2, dim2=-1)
        squares = self.covariance_matrix.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._over_matrices(self.df) * squares

    def _bartlett_sampling(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Samples by their Cholesky factors, which are the covariance's times a random triangle."""
        p = self._event_shape[-1]
        roots = self._dist_chi2.rsample(sample_shape).sqrt()
        triangle = roots.clamp(min=finfo(roots.dtype).eps).diag_embed(dim1=-2, dim2=-1)
        i, j = tril_indices(p, p, offset=-1)
        shape = (*sample_shape, *self._batch_shape, p * (p - 1) // 2)
        triangle[..., i, j] = randn(shape, dtype=triangle.dtype, device=triangle.device)
        factor = self._unbroadcasted_scale_tril @ triangle
        return factor @ factor.mT

    def _over_batch(self, found: Tensor) -> Tensor:
        """Whether any matrix of the batch is marked."""
        dims = tuple(-(i + 1) for i in range(len(self._batch_shape)))
        return found.amax(dims) if dims else found

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """Samples through which gradients flow to the parameters.

        Args:
            max_try_correction: how often what came out singular is drawn anew; None means 10.
        """
        tries = 10 if max_try_correction is None else max_try_correction
        sample = self._bartlett_sampling(sample_shape)
        # PyTorch's first check takes what is regular for singular, so all of that is drawn anew, once, with its
        # warning. The numbers of a seed come from there.
        again = self._over_batch(self.support.check(sample))
        if again.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
            for _ in range(tries):
                anew = self._bartlett_sampling(again[again].shape)
                sample[again] = anew
                still = again.clone()
                still[again] = self._over_batch(~self.support.check(anew))
                again = still
                if not again.any():
                    break
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        solved = cholesky_solve(value, self._unbroadcasted_scale_tril)
        return (
            -nu * (p * _log_2 / 2 + self._half_log_det())
            - mvlgamma(nu / 2, p)
            + (nu - p - 1) / 2 * torch_slogdet(value).logabsdet
            - solved.diagonal(dim1=-2, dim2=-1).sum(-1) / 2
        )

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * _log_2 / 2 + self._half_log_det())
            + mvlgamma(nu / 2, p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p)
            + nu * p / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        p = self._event_shape[-1]
        return -self.precision_matrix / 2, (self.df - p - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        p = self._event_shape[-1]
        half_df = y + (p + 1) / 2
        return half_df * (-torch_slogdet(-2 * x).logabsdet + _log_2 * p) + mvlgamma(half_df, p)
