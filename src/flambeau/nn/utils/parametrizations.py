"""Ready parametrizations: orthogonal matrices, length and direction, spectral norm one."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import flambeau.nn.functional as F
from flambeau._core.dtype import finfo
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.comparison import allclose
from flambeau._ops.decompose import geqrf, householder_product
from flambeau._ops.factory import zeros_like
from flambeau._ops.join import cat
from flambeau._ops.linalg import solve
from flambeau._ops.matrix import matrix_exp
from flambeau._ops.random_new import randn
from flambeau._ops.ranges import eye
from flambeau._ops.weight_norm import norm_except_dim
from flambeau._ops.weight_norm import weight_norm as _weight_norm
from flambeau.nn.modules.module import Module
from flambeau.nn.utils import parametrize
from flambeau.nn.utils.spectral_norm import check_iterations, default_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


# -- orthogonal ------------------------------------------------------------------------------------


def _is_orthogonal(Q: Tensor) -> bool:
    rows, columns = Q.size(-2), Q.size(-1)
    identity = eye(columns, dtype=Q.dtype, device=Q.device)
    return bool(allclose(Q.mH @ Q, identity, atol=10.0 * rows * finfo(Q.dtype).eps))


def _make_orthogonal(A: Tensor) -> Tensor:
    """The orthogonal factor of A; A itself up to rounding if it is orthogonal."""
    X, tau = geqrf(A)
    return householder_product(X, tau) * X.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """Makes an orthogonal matrix, or one with orthonormal rows or columns, of any matrix.

    With a `base` the result is the base times what the matrix gives, so that every matrix can be reached.
    """

    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.size(-2) < X.size(-1)
        if wide:
            X = X.mT
        if self.orthogonal_map == _OrthMaps.householder:
            Q = self._of_reflections(X)
        else:
            Q = self._of_skew_part(X)
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    def _of_reflections(self, X: Tensor) -> Tensor:
        A = X.tril(diagonal=-1)
        Q: Tensor = householder_product(A, 2.0 / (1.0 + (A * A).sum(dim=-2)))
        # The diagonal holds signs, without which half of the matrices could not be reached.
        return Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    def _of_skew_part(self, X: Tensor) -> Tensor:
        rows, columns = X.size(-2), X.size(-1)
        X = X.tril()
        if rows != columns:
            X = cat([X, X.new_zeros(rows, rows - columns).expand(*X.shape[:-2], -1, -1)], dim=-1)
        A = X - X.mH
        if self.orthogonal_map == _OrthMaps.matrix_exp:
            Q: Tensor = matrix_exp(A)
        else:
            identity: Any = eye(rows, dtype=A.dtype, device=A.device)
            Q = solve(identity.add(A, alpha=-0.5), identity.add(A, alpha=0.5))
        return Q if rows == columns else Q[..., :columns]

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        """The matrix that gives `Q`, or with a base the orthogonal matrix closest at hand."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        given = Q
        wide = Q.size(-2) < Q.size(-1)
        if wide:
            Q = Q.mT
        if not hasattr(self, "base"):
            return self._reflections_of(Q, wide)
        rows, columns = Q.size(-2), Q.size(-1)
        if rows != columns:
            rest = randn(*Q.size()[:-2], rows, rows - columns, dtype=Q.dtype, device=Q.device)
            self.base = _make_orthogonal(cat([Q, rest], dim=-1))
        else:
            self.base = Q.clone() if _is_orthogonal(Q) else _make_orthogonal(Q)
        negative = zeros_like(given)
        negative.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return negative

    def _reflections_of(self, Q: Tensor, wide: bool) -> Tensor:
        if self.orthogonal_map != _OrthMaps.householder:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        A, tau = geqrf(Q)
        signs = A.diagonal(dim1=-2, dim2=-1)
        signs.sign_()
        signs[tau == 0.0] *= -1
        return A.mT if wide else A


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a matrix, or a batch of them, orthogonal (unitary if complex).

    Args:
        module: has the matrix; it is changed and returned.
        name: the matrix.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square and complex
            matrices, else the last.
        use_trivialization: multiply by a fixed orthogonal matrix, so that any can be assigned.

    Raises: ValueError, for anything but matrices, and another map.
    Source: Lezcano-Casado 2019, arXiv:1909.09501.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    parametrize.register_parametrization(module, name, made, unsafe=True)
    return module


# -- length and direction --------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return _weight_norm(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a weight as its length and its direction, `parametrizations.weight.original0` and `original1`.

    State dicts of the older `nn.utils.weight_norm` load as well.

    Args:
        module: has the weight; it is changed and returned.
        name: the weight.
        dim: lengths are taken over all dimensions but this one; over all of them for None.

    Source: Salimans and Kingma 2016, arXiv:1602.07868.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            values = [state_dict.pop(key) for key in old]
            for number, value in enumerate(values):
                state_dict[f"{prefix}parametrizations.{name}.original{number}"] = value

    module._register_load_state_dict_pre_hook(rename)
    return module


# -- spectral norm ---------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """Divides a matrix by its largest singular value, a vector by its length."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if dim >= ndim or dim < -ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})"
            )
        check_iterations(n_power_iterations)
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight)
            height, width = matrix.size()
            u = matrix.new_empty(height).normal_(0, 1)
            v = matrix.new_empty(width).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.dim()) if d != self.dim))
        return weight.flatten(1)

    @no_grad()
    def _power_method(self, weight_mat: Tensor, n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            self._u.copy_(F.normalize(weight_mat.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(weight_mat.mH.mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # The next forward writes into the buffers before this one's backward may have read them.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.vdot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Keep the largest singular value of a weight at one.

    Args:
        module: has the weight; it is changed and returned.
        name: the weight.
        n_power_iterations: how far the estimate of the value is improved at each use in training.
        eps: smallest length to divide by.
        dim: the dimension that counts outputs; by default 1 for transposed convolutions, else 0.

    Raises: ValueError, if the module has no such tensor; IndexError, for a dimension out of range.
    Source: Miyato and others 2018, arXiv:1802.05957.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    where = default_dim(module) if dim is None else dim
    made = _SpectralNorm(weight, n_power_iterations, where, eps)
    parametrize.register_parametrization(module, name, made)
    return module
