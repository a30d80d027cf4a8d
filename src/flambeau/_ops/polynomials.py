"""Orthogonal polynomials of a whole degree, by their recurrences.

The degree is an operand like the argument: each element has its own. All go through the recurrence together,
up to the
highest degree, and each keeps the value of its own. A negative degree gives 0.

Source: Abramowitz and Stegun 1964, Handbook of Mathematical Functions, 22.7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from flambeau._core.declare import FLOATING, Array, Operand, broadcast
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._ops.pointwise import as_operand
from flambeau._ops.supported import supports

Step = Callable[[Any, Any, Any, Any], Any]


def _evaluate(x: Any, n: Any, first: Callable[[Any], Any], step: Step) -> Any:
    """The polynomial of degree `n` at `x`.

    Args:
        first: the polynomial of degree 1.
        step: `step(k, x, current, previous)` is the one of degree k + 1 from those of degrees k and k - 1.
    """
    x, n = jnp.broadcast_arrays(x, n)
    n = jnp.trunc(n)
    highest = jnp.max(jnp.where(jnp.isfinite(n), n, 0), initial=1).astype(int)

    def advance(k: Any, state: Any) -> Any:
        current, previous = state
        following = step(k.astype(x.dtype), x, current, previous)
        going_on = k < n
        return jnp.where(going_on, following, current), jnp.where(going_on, current, previous)

    one = jnp.ones_like(x)
    found, _ = lax.fori_loop(1, highest, advance, (first(x), one))
    return jnp.where(n < 0, 0, jnp.where(n == 0, one, found))


def _declare(name: str, doc: str, first: Callable[[Any], Any], step: Step, shift: bool = False) -> None:
    def body(input: Array, n: Operand) -> Array:
        return _evaluate(2 * input - 1 if shift else input, n, first, step)

    def public(input: Any, n: Any) -> Tensor:
        return apply(declared, (as_operand(input, n), n))

    body.__name__, body.__doc__ = name, doc
    public.__name__, public.__qualname__, public.__doc__ = name, name, doc
    declared = op(
        promote=FLOATING, shape=broadcast, differentiable=False, dtypes=supports("bif", f"{name}_cpu")
    )(body)  # fmt: skip
    function(f"special.{name}", out=True)(public)


def _chebyshev(k: Any, x: Any, current: Any, previous: Any) -> Any:
    return 2 * x * current - previous


_CHEBYSHEV: dict[str, Callable[[Any], Any]] = {
    "t": lambda x: x, "u": lambda x: 2 * x, "v": lambda x: 2 * x - 1, "w": lambda x: 2 * x + 1,
}  # fmt: skip
for _kind, _first in _CHEBYSHEV.items():
    _title = f"Chebyshev polynomial {_kind.upper()} of degree `n`"
    _declare(f"chebyshev_polynomial_{_kind}", f"The {_title}.", _first, _chebyshev)
    _declare(
        f"shifted_chebyshev_polynomial_{_kind}",
        f"The {_title}, at `2 * input - 1`.",
        _first,
        _chebyshev,
        shift=True,
    )

_declare(
    "hermite_polynomial_h", "The physicist's Hermite polynomial of degree `n`.", lambda x: 2 * x,
    lambda k, x, current, previous: 2 * x * current - 2 * k * previous,
)  # fmt: skip
_declare(
    "hermite_polynomial_he", "The probabilist's Hermite polynomial of degree `n`.", lambda x: x,
    lambda k, x, current, previous: x * current - k * previous,
)  # fmt: skip
_declare(
    "laguerre_polynomial_l", "The Laguerre polynomial of degree `n`.", lambda x: 1 - x,
    lambda k, x, current, previous: ((2 * k + 1 - x) * current - k * previous) / (k + 1),
)  # fmt: skip
_declare(
    "legendre_polynomial_p", "The Legendre polynomial of degree `n`.", lambda x: x,
    lambda k, x, current, previous: ((2 * k + 1) * x * current - k * previous) / (k + 1),
)  # fmt: skip
