"""What all random operations share: numbers are drawn on the host at once, in the order of PyTorch.

The draws themselves are in `_core/random.py`. A draw is made when the call is made, so that `get_rng_state`
is right after it; recorded is only the finished array. Tensors on other devices take their numbers from the
same stream.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index
from flambeau._core.device import device as Device
from flambeau._core.dispatch import op
from flambeau._core.modes import modes
from flambeau._core.random import Generator, default_generator
from flambeau._core.strides import is_contiguous
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._core.value import META, Meta, Value
from flambeau._ops.construct import as_dtype

Values = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]
# draw(generator, shape, dtype, contiguous) -> the numbers for a tensor that lies in memory in this order
Draw = Callable[[Generator, Shape, np.dtype[Any], bool], Values]

# Options of factories as PyTorch's messages list them.
OPTIONS = (
    "torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, "
    "bool pin_memory = False, bool requires_grad = False"
)


def generator_for(generator: Any, device: Device, name: str) -> Generator:
    """The generator to draw from: the one given, or the default one.

    Raises: TypeError for what is none, RuntimeError for one of another device.
    """
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(
            f"{name}(): argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        )
    if generator.device.type != device.type and device is not META:
        raise RuntimeError(
            f"Expected a '{device.type}' device type for generator but found '{generator.device.type}'"
        )
    return generator


def memory_order(shape: Shape, stride: Shape) -> list[int]:
    """Dimensions from slowest to fastest in memory; it does not matter where those of size 1 stand."""
    return sorted(range(len(shape)), key=lambda dim: -stride[dim] if shape[dim] != 1 else 0)


def draw_in_order(
    draw: Draw, generator: Generator, shape: Shape, dtype: np.dtype[Any], stride: Shape | None = None
) -> Values:
    """Numbers for a tensor with these strides (None: the usual ones), drawn in the order of its memory."""
    if stride is None or is_contiguous(shape, stride):
        return draw(generator, shape, dtype, True)
    order = memory_order(shape, stride)
    values = draw(generator, tuple([shape[dim] for dim in order]), dtype, False)
    return np.ascontiguousarray(values.transpose(np.argsort(order)))


def drawn(draw: Callable[[Shape], Values], meta: Meta) -> Tensor:
    """Random numbers as a tensor: the door through which every draw goes.

    `draw(batch)` makes them for a tensor like `meta` with the dimensions `batch` in front; a recorded function may be asked
    for more of them than one, or for others later. On the meta device nothing is drawn.
    """
    return Tensor._of(Value(meta) if meta.device is META else local.trace.draw(draw, meta))


def drawn_in_order(draw: Draw, generator: Generator, meta: Meta, stride: Shape | None = None) -> Tensor:
    """The same for numbers that fill a tensor with these strides in the order of its memory."""

    def again(batch: Shape) -> Values:
        strides = stride and (*[(1 + max(stride)) * meta.numel] * len(batch), *stride)
        return draw_in_order(draw, generator, (*batch, *meta.shape), meta.np, strides)

    return drawn(again, meta)


def in_batch(values: Values, batch: Shape) -> Values:
    """Parameters of a draw, the same for everything in the batch."""
    return np.broadcast_to(values, (*batch, *values.shape)) if batch else values


@functools.cache
def replacing(node: str) -> Any:
    """The operation that puts numbers in the place of a tensor; its node has PyTorch's name for the draw."""

    @op(promote=RAW, shape=lambda input, values: values, node=node)
    def replaced(xp: Any, input: Array, values: Index) -> Array:
        return values

    @replaced.gradient("input")
    def _(xp: Any, g: Array) -> Array:
        return xp.zeros_like(g)

    return replaced


def with_history(node: str, input: Tensor, result: Tensor) -> Tensor:
    """Drawn numbers as a tensor that comes from `input`, to which no gradient flows back."""
    if modes.grad and input.requires_grad:
        return replacing(node)(input, result)
    if modes.inference:
        result._inference = True
    return result


def number(value: Any, name: str, argument: str, position: int) -> float:
    if isinstance(value, Tensor) and value._meta.numel == 1:
        value = value.item()
    if isinstance(value, (int, float, np.floating, np.integer)):
        return value  # type: ignore[return-value]
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be float, not {type(value).__name__}"
    )


def is_float(value: Any) -> bool:
    return isinstance(value, (int, float, np.floating, np.integer))


def mismatch(name: str, given: tuple[Any, ...], named: dict[str, Any], options: str) -> TypeError:
    """PyTorch's complaint about arguments that fit none of a function's forms."""
    got = ", ".join(
        [type(value).__name__ for value in given] + [f"{k}={type(v).__name__}" for k, v in named.items()]
    )
    if named and not given:
        got += ", "  # as PyTorch has it
    forms = "".join(f"\n * ({option})" for option in options.split("; "))
    return TypeError(
        f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:{forms}\n"
    )


def trials(p: float) -> Draw:
    def draw(generator: Generator, shape: Shape, dtype: np.dtype[Any], contiguous: bool) -> Values:
        if dtype.kind == "c":
            raise NotImplementedError(
                f"\"bernoulli_scalar_cpu_\" not implemented for '{_scalar_type(dtype)}'"
            )
        return generator.bernoulli_scalar(p, shape).astype(dtype)

    return draw


def _scalar_type(dtype: np.dtype[Any]) -> str:
    return dtypes.from_numpy_dtype(dtype).scalar_type


def check_probabilities(dtype: dtypes.dtype, target: dtypes.dtype) -> None:
    if target.is_complex:
        raise NotImplementedError(
            f"\"bernoulli_tensor_cpu_self_\" not implemented for '{target.scalar_type}'"
        )
    if not dtype.is_floating_point:
        raise NotImplementedError(f"\"bernoulli_tensor_cpu_p_\" not implemented for '{dtype.scalar_type}'")


def of_out(name: str, out: Tensor, dtype: Any, shape: Shape) -> tuple[Any, Device, Shape | None]:
    """The dtype and device that `out` asks for, and its strides if it has the shape."""
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if dtype is not None and as_dtype(dtype, name) is not out._meta.dtype:
        raise RuntimeError(
            f"dtype {as_dtype(dtype, name).scalar_type} does not match dtype of out parameter "
            f"({out._meta.dtype.scalar_type})"
        )
    if modes.grad and out.requires_grad:
        raise RuntimeError(
            f"aten::{name}(): functions with out=... arguments don't support automatic differentiation, but "
            "one of the arguments requires grad."
        )
    return out._meta.dtype, out._meta.device, out._stride if out._meta.shape == shape else None
