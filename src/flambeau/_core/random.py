"""PyTorch's random numbers of the CPU: the same seed gives the same numbers, in NumPy arrays.

`docs/random.md` says which raws of the stream each draw takes, and what becomes of them.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.binomial import binomial_counts
from flambeau._core.fused import fused_multiply_add, normals_of_sixteen, sixteen_doubles
from flambeau._core.gamma import gamma_values
from flambeau._core.poisson import poisson_count
from flambeau._core.stream import STATE_BYTES, Stream
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import CPU, meta_of

Array = np.ndarray[Any, np.dtype[Any]]
Shape = int | Sequence[int]

_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
# PyTorch's words for the dtypes in messages: its scalar type, and the C++ type.
_NAMES = {
    "bool": ("Bool", "bool"),
    "uint8": ("Byte", "unsigned char"),
    "int8": ("Char", "signed char"),
    "int16": ("Short", "short"),
    "int32": ("Int", "int"),
    "int64": ("Long", "int64_t"),
    "uint16": ("UInt16", "unsigned short"),
    "uint32": ("UInt32", "unsigned int"),
    "uint64": ("UInt64", "uint64_t"),
    "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"),
    "float32": ("Float", "float"),
    "float64": ("Double", "double"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
}
_RANGED = frozenset(_NAMES) - {"complex64", "complex128"}
_WHOLE = _RANGED - {"uint16", "uint32", "uint64"}


class Generator(Stream):
    """A stream of random numbers, PyTorch's own on the CPU, with a seed and a state.

    Args:
        device: the device for whose tensors it draws.

    >>> Generator().manual_seed(0).uniform(2)
    array([0.4962566, 0.7682218], dtype=float32)
    """

    # The state as a tensor

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes, which `set_state` and PyTorch take."""
        return from_array(self.state_bytes(), meta_of((STATE_BYTES,), dtypes.uint8, CPU))

    def set_state(self, new_state: Tensor) -> Generator:
        """Goes on from a state that `get_state` returned, here or in PyTorch.

        Raises: TypeError for what is no tensor of bytes, RuntimeError for bytes that are no state.
        """
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype is not dtypes.uint8 or new_state.device is not CPU:
            raise TypeError(
                f"RNG state must be a torch.ByteTensor, and got {new_state.dtype} on {new_state.device}"
            )
        return self.set_state_bytes(new_state._host_array())

    def graphsafe_get_state(self) -> Generator:
        """Raises, as PyTorch's generators of the CPU do: a state shared with CUDA graphs is for GPUs."""
        raise NotImplementedError("graphsafe_get_state is not supported in this Generator")

    def graphsafe_set_state(self, state: Generator) -> Generator:
        """Raises, as `graphsafe_get_state` does."""
        raise NotImplementedError("graphsafe_set_state is not supported in this Generator")

    def get_offset(self) -> int:
        """Raises: offsets belong to the counters of GPUs' generators."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> Generator:
        """Raises, as `get_offset` does."""
        raise RuntimeError("CPU Generator does not use offset")

    # Draws

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32) -> Array:
        """Numbers spread evenly over `[low, high)`; `uniform_`, and `rand` with the bounds left out.

        Raises: RuntimeError, if the bounds are out of order or out of the dtype's range.
        """
        shape, dtype = _sizes(shape), np.dtype(dtype)
        if dtype.kind == "c":
            return _as_complex(self.uniform((*shape, 2), low, high, _part(dtype)), dtype)
        if low != 0 or high != 1 or dtype.name not in _DIGITS:
            _check_bounds(low, high, dtype)
        count = math.prod(shape)
        wide = np.float64 if dtype == np.float64 else np.float32
        unit = self.unit_doubles(count) if wide is np.float64 else self.unit_floats(count)
        if low != 0 or high != 1:
            start = wide(low)
            unit = fused_multiply_add(unit, wide(high) - start, start)
        unit = unit.astype(dtype, copy=False)
        if low != 0 or high != 1 or dtype.itemsize == 2:
            # Rounding can reach the upper bound, which is outside; the lower one stands in for it.
            unit[unit == dtype.type(high)] = dtype.type(low)
        return unit.reshape(shape)

    def normal(
        self,
        shape: Shape,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: Any = np.float32,
        contiguous: bool = True,
    ) -> Array:
        """Normally distributed numbers; `normal_`, and `randn` with `mean` and `std` left out.

        Args:
            contiguous: whether the tensor to be filled is; PyTorch draws another way where it is not.

        Raises: RuntimeError, if `std` is negative.
        """
        shape, dtype = _sizes(shape), np.dtype(dtype)
        if not std >= 0 and not math.isnan(std):
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
        if dtype.kind == "c":
            # Half of the variance goes to each part; the mean is both parts'.
            pairs = self.normal((*shape, 2), mean, std * math.sqrt(0.5), _part(dtype), contiguous)
            return _as_complex(pairs, dtype)
        _check_known("normal_kernel_cpu", dtype, _DIGITS)
        count = math.prod(shape)
        if count < 16 or not contiguous:
            with self._lock:
                values = self._normal_pairs(count)
            return fused_multiply_add(values, std, mean).astype(dtype).reshape(shape)
        of_sixteen = sixteen_doubles if dtype == np.float64 else normals_of_sixteen
        unit = self.unit_doubles if dtype == np.float64 else self.unit_floats
        whole = count - count % 16
        in_blocks = dtype.itemsize == 2  # half precision never draws for a last block that is not full
        with self._lock:
            uniforms = unit(whole if in_blocks else count)
            last = unit(16) if count % 16 else None
        values = np.empty(count, uniforms.dtype)
        values[:whole] = of_sixteen(uniforms[:whole], mean, std)
        if last is not None:  # the last sixteen are drawn anew, those that had been filled among them
            values[-16:] = of_sixteen(last, mean, std)
        return values.astype(dtype, copy=False).reshape(shape)

    def _normal_pairs(self, count: int) -> Array:
        """Standard normals two by two, float64; one that is left over waits for the next call."""
        values = [] if self._cached_normal is None or count == 0 else [self._cached_normal]
        missing = count - len(values)
        if missing > 0:
            pairs = (missing + 1) // 2
            if pairs <= 64:  # Python's own functions are the C library's, which PyTorch calls here
                uniforms = self.unit_doubles(2 * pairs).tolist()
                for angle, u in zip(uniforms[::2], uniforms[1::2], strict=True):
                    radius, turn = math.sqrt(-2.0 * math.log1p(-u)), 2.0 * math.pi * angle
                    values += (radius * math.cos(turn), radius * math.sin(turn))
            else:
                both = self.unit_doubles(2 * pairs).reshape(pairs, 2)
                radii, turns = np.sqrt(-2.0 * np.log1p(-both[:, 1])), 2.0 * math.pi * both[:, 0]
                values += np.stack([radii * np.cos(turns), radii * np.sin(turns)], 1).ravel().tolist()
        if count:
            self._cached_normal = values.pop() if len(values) > count else None
        return np.array(values, np.float64)

    def random(self, shape: Shape, low: int = 0, high: int | None = None, dtype: Any = np.int64) -> Array:
        """`random_(low, high)`: whole numbers in `[low, high)`, up to the dtype's largest if `high` is None.

        A floating dtype's largest is the last whole number before they have gaps.

        Raises: RuntimeError, if the bounds are out of order or out of the dtype's range.
        """
        dtype = np.dtype(dtype)
        if dtype.kind == "c" and (high is not None or low != 0):
            who = "random_from_to_impl" if high is None else "check_random_bounds"
            raise RuntimeError(f"{who} handles only integral, floating-point and boolean types")
        _check_known("random_kernel_cpu", dtype, _WHOLE if high is None else _RANGED)
        if high is None:
            high = 1 + _largest_whole(dtype)
            if low >= high:
                raise RuntimeError(f"from is out of bounds for {_NAMES[dtype.name][1]}")
            if low == 0 and dtype.kind != "f" and dtype != ml_dtypes.bfloat16:
                # The plain `random_()` looks at the dtype's size alone, never at the range.
                return self._whole(shape, 0, high, dtype, pairs=dtype.itemsize == 8)
            if low == 0:
                return self._whole(shape, 0, high, dtype, pairs=dtype == np.float64)
        _check_whole_bounds(low, high, dtype)
        return self._whole(shape, low, high, dtype, pairs=high - low >= 2**28)

    def randint(self, low: int, high: int, shape: Shape, dtype: Any = np.int64) -> Array:
        """Whole numbers in `[low, high)`; the same draw as `random`."""
        return self.random(shape, low, high, dtype)

    def _whole(self, shape: Shape, low: int, high: int, dtype: np.dtype[Any], pairs: bool) -> Array:
        shape = _sizes(shape)
        count, extent = math.prod(shape), high - low
        raws = self.double_raws(count) if pairs else self.raws(count)
        if extent < 2 ** (64 if pairs else 32):
            raws = raws % raws.dtype.type(extent)
        if pairs:
            return (raws.view(np.int64) + np.int64(low)).astype(dtype).reshape(shape)
        return (raws.astype(np.int64) + low).astype(dtype).reshape(shape)

    def randperm(self, n: int, dtype: Any = np.int64) -> Array:
        """The whole numbers from 0 to n-1 in random order.

        Raises: RuntimeError, if `n` is negative or the dtype cannot hold n-1.
        """
        dtype = np.dtype(dtype)
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
        _check_permutation(n, dtype)
        steps = np.arange(max(n - 1, 0))
        partners = (self.raws(len(steps)) % np.arange(n, 1, -1, dtype=np.uint32)).astype(np.int64) + steps
        if n > 1000:
            return _swapped_at_once(partners).astype(dtype, copy=False)
        order = list(range(n))  # a list swaps ten times as fast as an array
        for i, j in enumerate(partners.tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, dtype)

    def bernoulli_scalar(self, p: float, shape: Shape) -> Array:
        """True with probability `p`; `bernoulli_(p)` and the masks of dropout.

        Raises: RuntimeError, if `p` is not between 0 and 1.
        """
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        shape = _sizes(shape)
        # A uniform is a multiple of 2**-53, so the whole numbers compare as the quotients would.
        bound = np.uint64(math.ceil(p * 2.0**53))
        return ((self.double_raws(math.prod(shape)) & np.uint64(2**53 - 1)) < bound).reshape(shape)

    def dropout_mask(self, p: float, shape: Shape) -> Array:
        """Which elements dropout keeps when it drops with probability `p`; the others become zero.

        The alpha and feature dropouts draw so too; the latter's noise has the shape `(N, C, 1, ...)`.
        """
        return self.bernoulli_scalar(1.0 - p, shape)

    def bernoulli_probs(self, probs: Array) -> Array:
        """True with the probability that stands at the same place of `probs`.

        Raises: RuntimeError, if one of them is not between 0 and 1.
        """
        _check_known("bernoulli_tensor_cpu_p_", probs.dtype, _DIGITS)
        if not bool(((probs >= 0) & (probs <= 1)).all()):
            raise RuntimeError(
                "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  "
                "(Each probability must lie between 0 and 1.)"
            )
        if probs.dtype == np.float64:
            return self.unit_doubles(probs.size).reshape(probs.shape) < probs
        return self.unit_floats(probs.size).reshape(probs.shape) < probs.astype(np.float32)

    # Distributions that take two raws an element, whatever the dtype

    def exponential(self, shape: Shape, rate: float = 1.0, dtype: Any = np.float32) -> Array:
        """Waiting times between events that come `rate` times in a unit; `exponential_`.

        Raises: RuntimeError, if `rate` is not positive.
        """
        if not rate > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
        shape, dtype = _floating(shape, dtype, "Exponential")
        return (np.log1p(-self.unit_doubles(math.prod(shape))) * (-1.0 / rate)).astype(dtype).reshape(shape)

    def geometric(self, shape: Shape, p: float, dtype: Any = np.float32) -> Array:
        """How many trials of chance `p` it takes to succeed; `geometric_`.

        Raises: RuntimeError, if `p` is not between 0 and 1.
        """
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        shape, dtype = _sizes(shape), np.dtype(dtype)
        _check_known("geometric_cpu", dtype, _WHOLE - {"bool"})
        with np.errstate(divide="ignore"):
            trials = np.ceil(np.log(self.unit_doubles(math.prod(shape))) / math.log1p(-p))
        return trials.astype(dtype).reshape(shape)

    def log_normal(self, shape: Shape, mean: float = 1.0, std: float = 2.0, dtype: Any = np.float32) -> Array:
        """The exponential of normals with that mean and deviation; `log_normal_`.

        Raises: RuntimeError, if `std` is not positive.
        """
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
        shape, dtype = _sizes(shape), np.dtype(dtype)
        _check_known("log_normal_cpu", dtype, _DIGITS)
        with self._lock:
            values = self._normal_pairs(math.prod(shape))
        with np.errstate(over="ignore"):
            return np.exp(fused_multiply_add(values, std, mean)).astype(dtype).reshape(shape)

    def cauchy(self, shape: Shape, median: float = 0.0, sigma: float = 1.0, dtype: Any = np.float32) -> Array:
        """Cauchy's distribution about `median`; `cauchy_`.

        Raises: RuntimeError, if `sigma` is not positive.
        """
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        shape, dtype = _floating(shape, dtype, "Cauchy")
        turns = np.tan(math.pi * (self.unit_doubles(math.prod(shape)) - 0.5))
        with np.errstate(over="ignore"):
            return fused_multiply_add(turns, sigma, median).astype(dtype).reshape(shape)

    def gumbel(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """Gumbel's distribution as `gumbel_softmax` draws it: minus the logarithm of exponential draws."""
        values: Array = -np.log(self.exponential(shape, 1.0, dtype))
        return values

    def rrelu_slopes(self, inputs: Array, lower: float, upper: float) -> Array:
        """What `rrelu` multiplies `inputs` by in training: a draw up to zero, and else one, for NaN too."""
        # The half types have float32 slopes; bounds have the slopes' dtype.
        wide = np.float64 if inputs.dtype == np.float64 else np.float32
        lower, upper = float(wide(lower)), float(wide(upper))
        slopes = np.ones(inputs.shape, wide)
        low = inputs <= 0
        slopes[low] = fused_multiply_add(self.unit_doubles(int(low.sum())), upper - lower, lower)
        return slopes

    def multinomial(
        self, weights: Array, count: int, replacement: bool = False, by_columns: bool = False
    ) -> Array:
        """Indices drawn in proportion to `weights`, `(*, count)` int64; `multinomial`.

        Args:
            weights: one row, or rows, of floating numbers that are not negative.
            replacement: whether an index may come more than once.
            by_columns: whether the rows lie in memory column by column, which is the order of drawing then.

        Raises: RuntimeError, if a row cannot be drawn from.
        """
        _check_weights(weights, count, replacement)
        if not replacement or count == 1:
            with np.errstate(divide="ignore"):
                waiting: Any = self.exponential(
                    weights.T.shape if by_columns else weights.shape, 1.0, weights.dtype
                )
                if by_columns:
                    waiting = waiting.T
                races: Array = weights / waiting
            if count == 1:
                first: Array = races.argmax(-1, keepdims=True)
                return first
            order: Array = np.argsort(-races, axis=-1, kind="stable")[..., :count]
            return order
        rows = weights.reshape(-1, weights.shape[-1])
        wide = np.float64 if rows.dtype == np.float64 else np.float32
        totals: Any = np.cumsum(rows, axis=-1, dtype=wide)
        totals = (totals / totals[:, -1:]).astype(np.float64)
        totals[:, -1] = 1.0
        uniforms = self.unit_doubles(len(rows) * count).reshape(len(rows), count)
        found = [np.searchsorted(*row) for row in zip(totals, uniforms, strict=True)]
        return np.array(found, np.int64).reshape(*weights.shape[:-1], count)

    def poisson(self, rates: Array) -> Array:
        """How many events come in a unit of time, if `rates` come on average; `poisson`.

        How many raws an element takes depends on its values, so they are drawn one after the other.

        Raises: RuntimeError, if a rate is negative.
        """
        _check_known("poisson_cpu", rates.dtype, _DIGITS)
        if not bool((rates >= 0).all()):
            raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
        with self.doubles_in_turn() as uniform:
            counts = [poisson_count(rate, uniform) for rate in rates.astype(np.float64).ravel().tolist()]
        return np.array(counts, np.float64).astype(rates.dtype).reshape(rates.shape)

    def binomial(self, counts: Array, probs: Array) -> Array:
        """How many of `counts` trials succeed with the probabilities at the same places; `binomial`."""
        _check_known("binomial_cpu", counts.dtype, ("float32", "float64"))
        with self.doubles_in_turn() as uniform:
            return binomial_counts(counts, probs, uniform).astype(counts.dtype)

    def gamma(self, shapes: Array) -> Array:
        """Gamma distributed numbers of rate one and of these shapes, float64.

        How many raws an element takes depends on its values, so they are drawn one after the other.
        """
        _check_known("gamma_cpu", shapes.dtype, ("float32", "float64"))
        with self.doubles_in_turn() as uniform:

            def normal() -> float:
                kept = self._cached_normal
                if kept is not None:
                    self._cached_normal = None
                    return kept
                turn, u = 2.0 * math.pi * uniform(), uniform()
                radius = math.sqrt(-2.0 * math.log1p(-u))
                self._cached_normal = radius * math.sin(turn)
                return radius * math.cos(turn)

            return gamma_values(shapes, uniform, normal)


def _floating(shape: Shape, dtype: Any, law: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    dtype = np.dtype(dtype)
    if dtype.name not in _DIGITS:
        # PyTorch names the dtype in a way of its own for each of the two.
        name = _NAMES.get(dtype.name, (dtype.name, dtype.name))[law == "Cauchy"]
        name = {"int64_t": "long int", "uint64_t": "long unsigned int"}.get(name, name)
        raise RuntimeError(
            f"{law} distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {name}"
        )
    return _sizes(shape), dtype


def _check_weights(weights: Array, count: int, replacement: bool) -> None:
    if not 1 <= weights.ndim <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if weights.dtype.name not in _DIGITS:
        name = _NAMES.get(weights.dtype.name, (weights.dtype.name,))[0]
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {name}")
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if weights.shape[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    if not bool(((weights >= 0) & (weights < np.inf)).all()):
        if count == 1 or not replacement:
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        wrong = "< 0" if bool((weights < 0).any()) else "= infinity or NaN"
        raise RuntimeError(f"invalid multinomial distribution (encountering probability entry {wrong})")
    if not bool((weights.astype(np.float64).sum(-1) > 0).all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _sizes(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _part(dtype: np.dtype[Any]) -> Any:
    return np.float64 if dtype.itemsize == 16 else np.float32


def _as_complex(pairs: Array, dtype: np.dtype[Any]) -> Array:
    return pairs.view(dtype)[..., 0]


def _check_known(kernel: str, dtype: np.dtype[Any], known: Container[str]) -> None:
    if dtype.name not in known:
        name = _NAMES.get(dtype.name, (dtype.name,))[0]
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")


def _check_bounds(low: float, high: float, dtype: np.dtype[Any]) -> None:
    _check_known("check_uniform_bounds", dtype, _DIGITS)
    largest = _largest_float(dtype)
    for name, value in (("from", low), ("to", high)):
        if not -largest <= value <= largest:
            raise RuntimeError(f"{name} is out of bounds for {_NAMES[dtype.name][1]}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > largest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{_NAMES[dtype.name][0]}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )


def _largest_float(dtype: np.dtype[Any]) -> float:
    limits: Any = ml_dtypes.finfo
    return float(limits(dtype).max)


def _largest_whole(dtype: np.dtype[Any]) -> int:
    if dtype == np.bool_:
        return 1
    return 2 ** _DIGITS[dtype.name] if dtype.name in _DIGITS else int(np.iinfo(dtype).max)


def _check_whole_bounds(low: int, high: int, dtype: np.dtype[Any]) -> None:
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype == np.bool_:
        smallest, largest = 0, 1
    elif dtype.name in _DIGITS:
        largest = int(_largest_float(dtype))
        smallest = -largest
    else:
        smallest, largest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    for name, value in (("from", low), ("to - 1", high - 1)):
        if not smallest <= value <= largest:
            raise RuntimeError(f"{name} is out of bounds for {_NAMES[dtype.name][1]}")


def _swapped_at_once(partners: Array) -> Array:
    """0, 1, ..., len(partners) after place i and place `partners[i] >= i` were swapped, for each i in turn.

    What lies in a place changes only when it is the partner of a swap, and then becomes what lay in place i
    at step i. So each value is found by following such steps backwards, all of them together.
    """
    n = len(partners) + 1
    partners = np.append(partners, n - 1)
    steps = np.arange(n)
    moving = steps[partners != steps]
    # What lies in place i at step i: what the last swap with it brought, or i itself.
    source = steps.copy()
    source[partners[moving]] = moving  # of several the last one stays
    while True:
        further = source[source]
        if np.array_equal(further, source):
            break
        source = further
    # Place i ends with what lay in its partner: what the swap before this one brought there, or the partner.
    by_partner, step = np.divmod(np.sort(partners[moving] * n + moving), n)
    again = by_partner[1:] == by_partner[:-1]
    order = partners
    order[step] = by_partner
    order[step[1:][again]] = source[step[:-1][again]]
    still = np.ones(n, np.bool_)
    still[moving] = False
    order[still] = source[still]
    return order


def _check_permutation(n: int, dtype: np.dtype[Any]) -> None:
    name = dtype.name
    if dtype == np.bool_ or name not in _RANGED:
        raise NotImplementedError(f"\"randperm\" not implemented for '{_NAMES.get(name, (name,))[0]}'")
    if name in _DIGITS:
        if n > 2 ** _DIGITS[name] + 1:
            raise RuntimeError(
                f"n cannot be greater than {2 ** _DIGITS[name] + 1} for {_NAMES[name][0]} type."
            )
    elif n > np.iinfo(dtype).max and not (name == "uint8" and n == 256):
        kind = _NAMES[name][1] if dtype.itemsize == 8 else f"{name}_t"
        raise RuntimeError(f"value cannot be converted to type {kind} without overflow")


default_generator = Generator()
