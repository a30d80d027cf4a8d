"""KL divergences between distributions, by the pair of their classes.

`_kl_pairs.py` holds the formulas.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from flambeau._core.tensor import Tensor
from flambeau.distributions.distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Any]
F = TypeVar("F", bound=Formula)
Pair = tuple[type[Any], type[Any]]

_KL_REGISTRY: dict[Pair, Formula] = {}
_KL_MEMOIZE: dict[Pair, Formula | None] = {}


def register_kl(type_p: type[Any], type_q: type[Any]) -> Callable[[F], F]:
    """Decorates the function that gives the divergence of `type_q` from `type_p`, and of their subclasses.

    The pair that stands nearest to two given classes is taken; of two equally near ones, that of the nearer
    `type_p`, with a warning.

    >>> from flambeau.distributions import Normal
    >>> class Mine(Normal):
    ...     pass
    >>> @register_kl(Mine, Mine)
    ... def mine(p, q):
    ...     return p.loc * 0 + 7
    >>> kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)).item()
    7.0
    """
    for place, given in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(given, type) and issubclass(given, Distribution):
            raise TypeError(f"Expected {place} to be a Distribution subclass but got {given}")

    def register(formula: F) -> F:
        _KL_REGISTRY[type_p, type_q] = formula
        _KL_MEMOIZE.clear()
        return formula

    return register


def _dispatch_kl(type_p: type[Any], type_q: type[Any]) -> Formula | None:
    """The formula registered for the pair of classes nearest to these two; None, if there is none."""
    fitting = [pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not fitting:
        return None
    left = min(fitting, key=lambda pair: _distances(pair, type_p, type_q))
    right = min(fitting, key=lambda pair: _distances(pair, type_p, type_q)[::-1])
    found = _KL_REGISTRY[left]
    if found is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return found


def _distances(pair: Pair, type_p: type[Any], type_q: type[Any]) -> tuple[int, int]:
    return type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1])


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence, the mean under `p` of `p.log_prob(x) - q.log_prob(x)`, over the batch.

    Raises: NotImplementedError, if no formula is registered for the two.

    >>> from flambeau.distributions import Normal
    >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0)).item()
    0.5
    """
    pair = (type(p), type(q))
    if pair not in _KL_MEMOIZE:
        _KL_MEMOIZE[pair] = _dispatch_kl(*pair)
    formula = _KL_MEMOIZE[pair]
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} "
            f"and q type {q.__class__.__name__}"
        )
    return formula(p, q)
