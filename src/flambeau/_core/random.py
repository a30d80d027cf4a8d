"""PyTorch's random numbers of the CPU: the same seed gives the same numbers, in NumPy arrays.

A raw is one 32-bit output of MT19937. `docs/random.md` says which raws each draw takes, and what becomes of
them.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Container, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from flambeau._core.device import DeviceLike, device
from flambeau._core.fused import fused_multiply_add, normals_of_sixteen, sixteen_doubles

Array = np.ndarray[Any, np.dtype[Any]]
Shape = int | Sequence[int]

DEFAULT_SEED = 67280421310721
STATE_BYTES = 5056

_WORDS = 624
_SMALL = (
    1500  # up to here NumPy's `random_raw` is quicker than its `integers`, which costs 5 microseconds to call
)
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

# What `get_state()` returns. `left` counts the words before the next twist, and one more.
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", (_WORDS,)),
        ("normal_x", "<f8"),
        ("cached_normal", "<f8"),
        ("normal_rho", "<f8"),
        ("has_cached_normal", "<i4"),
        ("padding", "<i4"),
        ("cached_float", "<f4"),
        ("has_cached_float", "<i4"),
    ]
)


class Generator:
    """A stream of random numbers, PyTorch's own on the CPU, with a seed and a state.

    A lock around each draw lets threads share it.

    Args:
        device: the device for whose tensors it draws.

    >>> Generator().manual_seed(0).uniform(2)
    array([0.49625659, 0.7682218 ], dtype=float32)
    """

    def __init__(self, device: DeviceLike = "cpu") -> None:
        self.device = _device_of(device)
        self._lock = threading.RLock()
        self._bits = np.random.MT19937(0)
        self._integers = np.random.Generator(self._bits).integers
        self._seeder = np.random.RandomState(self._bits)  # its `seed` is the classic seeding, PyTorch's too
        self._restart(DEFAULT_SEED)

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Generator, (self.device,), self.state_bytes()

    def __setstate__(self, state: Array) -> None:
        self.set_state_bytes(state)

    # Seeds

    def manual_seed(self, seed: int, /) -> Generator:
        """Starts the stream of `seed`, from -2**63 to 2**64 - 1; negative ones count from 2**64.

        Only the lowest 32 bits choose the stream, as in PyTorch.

        Raises:
            RuntimeError: if `seed` is no int.
            ValueError: if it needs more than 64 bits.
        """
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long long: a seed has 64 bits, and {seed} needs more")
        with self._lock:
            self._restart(seed % 2**64)
        return self

    def _restart(self, seed: int) -> None:
        self._seed = seed
        self._seeder.seed(seed % 2**32)
        self._cached_normal: float | None = None

    def seed(self) -> int:
        """Takes a seed from the operating system, and returns it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self._seed

    # State

    def state_bytes(self) -> Array:
        """The state in PyTorch's layout, 5,056 bytes, which PyTorch's `set_state` takes."""
        state = np.zeros(1, _STATE)
        with self._lock:
            inner: Any = self._bits.state["state"]
            words, position = inner["key"], int(inner["pos"])
            state["seed"], state["cached_normal"] = self._seed, self._cached_normal or 0.0
            state["has_cached_normal"] = self._cached_normal is not None
        # Seeding leaves the seed as first word. A state that has never been drawn from starts at 0, not 624.
        untouched = position == _WORDS and words[0] == self._seed % 2**32
        state["left"], state["next"] = _WORDS + 1 - position, 0 if untouched else position
        state["seeded"], state["words"] = 1, words
        return state.view(np.uint8)

    def set_state_bytes(self, state: Array) -> Generator:
        """Goes on from a state that `state_bytes` or PyTorch's `get_state` returned.

        Raises: RuntimeError, if the bytes are not such a state.
        """
        if state.dtype != np.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor, and got an array of {state.dtype}")
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} "
                f"but found the input RNG state size to be {state.size}"
            )
        read = np.ascontiguousarray(state).reshape(-1).view(_STATE)[0]
        left, following = int(read["left"]), int(read["next"])
        if read["seeded"] != 1 or not 1 <= left <= _WORDS or following > _WORDS:
            raise RuntimeError("Invalid mt19937 state: these bytes did not come from Generator.get_state()")
        inner = {"key": read["words"].astype(np.uint32), "pos": _WORDS if left == 1 else following}
        with self._lock:
            self._bits.state = {"bit_generator": "MT19937", "state": inner}
            self._seed = int(read["seed"])
            self._cached_normal = float(read["cached_normal"]) if read["has_cached_normal"] else None
        return self

    def clone_state(self) -> Generator:
        """A second Generator that goes on from the same state."""
        return Generator(self.device).set_state_bytes(self.state_bytes())

    # Raws

    def raws(self, count: int) -> Array:
        """The next `count` raws, uint32."""
        with self._lock:
            if count <= _SMALL:
                return self._bits.random_raw(count).astype(np.uint32)
            return self._integers(0, 2**32, size=count, dtype=np.uint32)

    def double_raws(self, count: int) -> Array:
        """`count` pairs of raws, uint64: the first raw of a pair is the high word."""
        with self._lock:
            if count <= _SMALL // 2:
                raws = self._bits.random_raw(2 * count)
                return raws[::2] << np.uint64(32) | raws[1::2]
            return self._integers(0, 2**64, size=count, dtype=np.uint64)

    def base_seed(self) -> int:
        """The seed that `RandomSampler`, and each iterator of a `DataLoader`, takes for itself."""
        return int(self.double_raws(1)[0]) & (2**63 - 1)

    def unit_floats(self, count: int) -> Array:
        """float32 in [0, 1) in steps of 2**-24, one raw each."""
        return (self.raws(count) & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)

    def unit_doubles(self, count: int) -> Array:
        """float64 in [0, 1) in steps of 2**-53, two raws each."""
        return (self.double_raws(count) & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53

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
        return unit.astype(dtype, copy=False).reshape(shape)

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
            # Half of the variance goes to each part.
            pairs = self.normal((*shape, 2), 0.0, std * math.sqrt(0.5), _part(dtype), contiguous)
            return _as_complex(pairs, dtype) + dtype.type(mean)
        _check_known("normal_kernel_cpu", dtype, _DIGITS)
        count = math.prod(shape)
        if count < 16 or not contiguous:
            with self._lock:
                values = self._normal_pairs(count)
            return (values * std + mean).astype(dtype).reshape(shape)
        of_sixteen = sixteen_doubles if dtype == np.float64 else normals_of_sixteen
        unit = self.unit_doubles if dtype == np.float64 else self.unit_floats
        with self._lock:
            uniforms = unit(count)
            last = unit(16) if count % 16 else None
        whole = count - count % 16
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
                radius, turn = np.sqrt(-2.0 * np.log1p(-both[:, 1])), 2.0 * math.pi * both[:, 0]
                values += np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1).ravel().tolist()
        if count:
            self._cached_normal = values.pop() if len(values) > count else None
        return np.array(values, np.float64)

    def random(self, shape: Shape, low: int = 0, high: int | None = None, dtype: Any = np.int64) -> Array:
        """`random_(low, high)`: whole numbers in `[low, high)`, up to the dtype's largest if `high` is None.

        A floating dtype's largest is the last whole number before they have gaps.

        Raises: RuntimeError, if the bounds are out of order or out of the dtype's range.
        """
        dtype = np.dtype(dtype)
        _check_known("random_kernel_cpu", dtype, _WHOLE if high is None else _RANGED)
        if high is None:
            high = 1 + _largest_whole(dtype)
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
        # A list swaps ten times as fast as an array.
        partners = (self.raws(max(n - 1, 0)) % np.arange(n, 1, -1, dtype=np.uint32)).astype(np.int64)
        partners += np.arange(len(partners))
        order = list(range(n))
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


def _device_of(value: DeviceLike) -> device:
    found = value if isinstance(value, device) else device("cpu" if value is None else value)
    if found.type == "meta":
        raise RuntimeError("META device type not an accelerator.")
    return device("cpu") if found.type == "cpu" else found


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
    largest = float(ml_dtypes.finfo(dtype).max)
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
        largest = int(ml_dtypes.finfo(dtype).max)
        smallest = -largest
    else:
        smallest, largest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    for name, value in (("from", low), ("to - 1", high - 1)):
        if not smallest <= value <= largest:
            raise RuntimeError(f"{name} is out of bounds for {_NAMES[dtype.name][1]}")


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
