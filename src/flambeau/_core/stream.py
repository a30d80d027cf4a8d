"""The stream of raws behind `Generator`: MT19937 with PyTorch's seeding and PyTorch's layout of the state."""

from __future__ import annotations

import itertools
import operator
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from flambeau._core.device import DeviceLike, device, is_available
from flambeau._core.modes import modes
from flambeau._core.trace import local

Array = np.ndarray[Any, np.dtype[Any]]

DEFAULT_SEED = 67280421310721
STATE_BYTES = 5056

_WORDS = 624
_SMALL = (
    1500  # up to here NumPy's `random_raw` is quicker than its `integers`, which costs 5 microseconds to call
)

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


class Stream:
    """Raws one after the other, with a seed and a state. A lock around each draw lets threads share it."""

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
        return type(self), (self.device,), self.state_bytes()

    def __setstate__(self, state: Array) -> None:
        self.set_state_bytes(state)

    # Seeds

    def manual_seed(self, seed: int, /) -> Self:
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
        if modes.recording:
            local.trace.note_state(self, self._packed_state(), put=True)
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
        state = self._packed_state()
        if modes.recording:
            local.trace.note_state(self, state, put=False)
        return state

    def _packed_state(self) -> Array:
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

    def set_state_bytes(self, state: Array) -> Self:
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
        inner: Any = {"key": read["words"].astype(np.uint32), "pos": _WORDS if left == 1 else following}
        with self._lock:
            self._bits.state = {"bit_generator": "MT19937", "state": inner}
            self._seed = int(read["seed"])
            self._cached_normal = float(read["cached_normal"]) if read["has_cached_normal"] else None
        if modes.recording:
            local.trace.note_state(self, state, put=True)
        return self

    def clone_state(self) -> Self:
        """A second Generator that goes on from the same state."""
        return type(self)(self.device).set_state_bytes(self.state_bytes())

    @contextmanager
    def diverted(self, seed: int) -> Iterator[None]:
        """What is drawn inside comes from the stream of `seed`; afterwards this one goes on where it was."""
        with self._lock:
            state = self.state_bytes()
            self.manual_seed(seed)
            try:
                yield
            finally:
                self.set_state_bytes(state)

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

    @contextmanager
    def doubles_in_turn(self) -> Iterator[Callable[[], float]]:
        """A function that gives the next unit double; for draws that take as many as their values ask for.

        They are drawn in blocks ahead, and what is left over goes back at the end.
        """
        drawn, block = 0, iter(())

        def blocks() -> Iterator[float]:
            nonlocal drawn, block
            for size in itertools.chain((16, 64, 256), itertools.repeat(1024)):
                block = iter(self.unit_doubles(size).tolist())
                drawn += size
                yield from block

        with self._lock:
            before = self._bits.state
            try:
                yield blocks().__next__
            finally:
                used = drawn - operator.length_hint(block)
                if used != drawn:
                    self._bits.state = before
                    self.double_raws(used)


def _device_of(value: DeviceLike) -> device:
    found = value if isinstance(value, device) else device("cpu" if value is None else value)
    if found.type == "meta":
        raise RuntimeError("META device type not an accelerator.")
    if found.type != "cpu" and not is_available(found.type):
        raise RuntimeError(f"Cannot get {found.type.upper()} generator: JAX finds no such device here.")
    return device("cpu") if found.type == "cpu" else found
