"""The normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core.declare import broadcast_shapes
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau._ops.linalg import cholesky, cholesky_inverse, solve_triangular
from flambeau._ops.matmul import matmul
from flambeau._ops.ranges import eye
from flambeau._ops.rearrange import flip
from flambeau.distributions import constraints
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mv(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Matrices times vectors, both with batch dimensions that broadcast."""
    found: Tensor = matmul(matrices, vectors.unsqueeze(-1)).squeeze(-1)
    return found


def _batch_mahalanobis(factor: Tensor, difference: Tensor) -> Tensor:
    """The squared length of the vectors `difference` measured by the covariance `factor @ factor.mT`."""
    # The batch of the factor, mostly the smaller one, is kept; what the vectors have beyond it become columns,
    # so that each factor is solved with once.
    n = difference.size(-1)
    batch = difference.shape[:-1]
    outer = len(batch) - (factor.dim() - 2)
    split: list[int] = list(batch[:outer])
    for size, own in zip(batch[outer:], factor.shape[:-2], strict=True):
        split += [size // own, own]
    split_vectors = difference.reshape([*split, n])
    columns = [*range(outer), *range(outer, len(split), 2)]
    kept = list(range(outer + 1, len(split), 2))
    ordered = split_vectors.permute([*columns, *kept, len(split)])
    flat_factor = factor.reshape(-1, n, n)
    flat = ordered.reshape(-1, flat_factor.size(0), n).permute(1, 2, 0)
    lengths = solve_triangular(flat_factor, flat, upper=False).pow(2).sum(-2).t()
    back = lengths.reshape(ordered.shape[:-1])
    places = [*columns, *kept]
    return back.permute([places.index(i) for i in range(len(split))]).reshape(batch)


def _precision_to_scale_tril(precision: Tensor) -> Tensor:
    """The Cholesky factor of the inverse: of the matrix turned by half, whose factor's inverse is turned back."""
    turned = cholesky(flip(precision, (-2, -1)))
    inverse_factor = flip(turned, (-2, -1)).mT
    identity = eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    found: Tensor = solve_triangular(inverse_factor, identity, upper=False)
    return found


class MultivariateNormal(Distribution):
    """Normally distributed vectors; one of the three matrices says how their parts go together.

    Args:
        loc: the mean.
        covariance_matrix: positive definite.
        precision_matrix: its inverse.
        scale_tril: its lower Cholesky factor, which is what is computed with.

    Raises: ValueError, unless exactly one matrix is given, or if the shapes are too short.

    >>> import flambeau
    >>> MultivariateNormal(flambeau.zeros(2), flambeau.eye(2)).variance.tolist()
    [1.0, 1.0]
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = {
            "covariance_matrix": covariance_matrix,
            "scale_tril": scale_tril,
            "precision_matrix": precision_matrix,
        }
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given
        if matrix.dim() < 2:
            what = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(
                f"{what} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch_shape = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        self.loc = loc.expand((*batch_shape, -1))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril: Tensor
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale_tril(matrix)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        vector = Size(batch_shape) + self.event_shape
        matrix = vector + self.event_shape
        parts: dict[str, Any] = {
            name: vars(self)[name].expand(matrix)
            for name in ("covariance_matrix", "scale_tril", "precision_matrix")
            if name in vars(self)
        }
        parts |= {
            "loc": self.loc.expand(vector),
            "_unbroadcasted_scale_tril": self._unbroadcasted_scale_tril,
        }
        return self._expanded(MultivariateNormal, _instance, batch_shape, parts, self.event_shape)

    def _matrix(self, unbroadcasted: Tensor) -> Tensor:
        return unbroadcasted.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._matrix(matmul(self._unbroadcasted_scale_tril, self._unbroadcasted_scale_tril.mT))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return self._matrix(cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - self._half_log_det()

    def entropy(self) -> Tensor:
        found = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return found if len(self._batch_shape) == 0 else found.expand(self._batch_shape)

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
