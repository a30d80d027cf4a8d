"""The base of all distributions: shapes, validation, `expand`, `repr`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

from flambeau._core.modes import no_grad
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau._ops.bounds import require, shown
from flambeau._ops.elementary import exp
from flambeau._ops.factory import full
from flambeau.distributions import constraints
from flambeau.distributions.constraints import Constraint
from flambeau.distributions.utils import lazy_property

__all__ = ["Distribution"]


class Distribution:
    """Independent random variables, each of them an event.

    Args:
        batch_shape: the shape over which there are several variables.
        event_shape: the shape of one variable.
        validate_args: check parameters and, in `log_prob`, values; None takes the default.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments unless told otherwise; at first they do, except under `-O`."""
        if value not in [True, False]:
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = Size(()),
        event_shape: Sequence[int] = Size(()),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self) -> None:
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` "
                "or initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        checks = []
        for param, constraint in arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            if param not in vars(self) and isinstance(getattr(type(self), param), lazy_property):
                continue  # only what was given is checked, not what follows from it
            value = getattr(self, param)
            checks.append((param, value, constraint, constraint.check(value).all()))
        # Looked at after all were recorded: that runs them together.
        for param, value, constraint, valid in checks:
            require(valid, functools.partial(self._told_of_parameter, param, value, constraint))

    def _told_of_parameter(self, param: str, value: Tensor, constraint: Constraint) -> str:
        return (
            f"Expected parameter {param} "
            f"({type(value).__name__} of shape {tuple(value.shape)}) "
            f"of distribution {self!r} "
            f"to satisfy the constraint {constraint!r}, "
            f"but found invalid values:\n{shown(value)}"
        )

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded to `batch_shape`, sharing their memory."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> Size:
        """The shape over which there are several variables."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one variable."""
        return self._event_shape

    @property
    def arg_constraints(self) -> Mapping[str, Constraint]:
        """What each argument has to satisfy, by its name."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that values satisfy."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, the root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Samples, `sample_shape` of them for each variable, that no gradient flows through."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Samples through which gradients flow to the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """`n` samples of each variable; deprecated for `sample((n,))`."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at each value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of being at most `value`."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The number below which a sample is with the probability `value`; the inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along a new first dimension.

        Args:
            expand: for each variable of the batch, rather than sizes of one that broadcast to it.
        """
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy of each variable, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        found: Tensor = exp(self.entropy())
        return found

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def _validate_sample(self, value: Tensor) -> None:
        """Raises ValueError, unless `value` can be a sample: its shape first, then where it lies."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        event_dim_start = len(value.size()) - len(self._event_shape)
        if value.size()[event_dim_start:] != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.size()} vs {self._event_shape}."
            )
        found, expected = value.size(), self._batch_shape + self._event_shape
        for i, j in zip(reversed(found), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {found} vs {expected}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize "
                "the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        assert support is not None
        require(support.check(value).all(), functools.partial(self._told_of_value, value, support))

    def _told_of_value(self, value: Tensor, support: Constraint) -> str:
        return (
            "Expected value argument "
            f"({type(value).__name__} of shape {tuple(value.shape)}) "
            f"to be within the support ({support!r}) "
            f"of the distribution {self!r}, "
            f"but found invalid values:\n{shown(value)}"
        )

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Self:
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom __init__ method "
                "must also define a custom .expand() method."
            )
        found: Self = self.__new__(type(self)) if _instance is None else _instance
        return found

    def _expanded(
        self,
        cls: type[Any],
        instance: Any,
        batch_shape: Sequence[int],
        parts: Mapping[str, Any],
        event_shape: Sequence[int] = (),
    ) -> Any:
        """What `expand` of `cls` returns: a copy with these attributes, unchecked since nothing about them is new."""
        new = self._get_checked_instance(cls, instance)
        vars(new).update(parts)
        Distribution.__init__(new, Size(batch_shape), event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _with_batch(self, cls: type[Any], instance: Any, batch_shape: Sequence[int], *names: str) -> Any:
        """The same where these attributes have the shape of the batch, and there are no others."""
        parts = {name: vars(self)[name].expand(batch_shape) for name in names}
        return self._expanded(cls, instance, batch_shape, parts)

    def _full(self, value: float, like: Tensor) -> Tensor:
        """The same number for each variable."""
        return full(self._extended_shape(), value, dtype=like.dtype, device=like.device)

    def __repr__(self) -> str:
        given = [name for name in self.arg_constraints if name in vars(self)]
        values = [vars(self)[name] for name in given]
        shown = [
            f"{name}: {value if value.numel() == 1 else value.size()}"
            for name, value in zip(given, values, strict=True)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"
