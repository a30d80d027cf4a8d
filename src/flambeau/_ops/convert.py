"""Other dtypes, other devices, other memory layouts: `Tensor.to` and its relatives, `clone`, `copy_`."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import device as devices
from flambeau._core import dtype as dtypes
from flambeau._core import xla
from flambeau._core.declare import RAW, Array, Sizes, broadcast_shapes
from flambeau._core.device import device as Device
from flambeau._core.dispatch import apply, constant, function, op
from flambeau._core.dtype import dtype as DType
from flambeau._core.function import Function
from flambeau._core.strides import channels_last_strides, is_contiguous, preserved
from flambeau._core.tensor import Tensor
from flambeau._core.value import CPU, META, Meta, Value, meta_of
from flambeau._core.warn import warn

PRESERVE = dtypes.preserve_format
CONTIGUOUS = dtypes.contiguous_format


# -- dtypes ----------------------------------------------------------------------------------------


def cast(xp: Any, array: Any, dtype: np.dtype[Any]) -> Any:
    """`array` as `dtype`, the way C converts: small integers wrap around, complex numbers lose their
    imaginary part.
    """
    if array.dtype == dtype:
        return array
    if array.dtype.kind == "c" and dtype.kind not in "cb":
        array = xp.real(array)
    if array.dtype.kind in "fV" and (dtype.kind == "u" or (dtype.kind == "i" and dtype.itemsize < 4)):
        array = array.astype(np.int64)
    return array.astype(dtype)


@op(promote=RAW, pointwise=True, shape=lambda input, dtype: input.with_dtype(dtype))
def to_copy(xp: Any, input: Array, dtype: Any) -> Array:
    """The same values in another dtype."""
    return cast(xp, input, dtype.np)


@to_copy.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta) -> Array:
    return cast(xp, g, input_meta.np)


def to_dtype(input: Tensor, dtype: DType) -> Tensor:
    """`input` itself if it has this dtype already, a converted copy otherwise."""
    if input._meta.dtype is dtype:
        return input
    if input._meta.dtype.is_complex and not dtype.is_complex and dtype is not dtypes.bool_:
        warn("Casting complex values to real discards the imaginary part")
    return apply(to_copy, (input, dtype))


# -- devices ---------------------------------------------------------------------------------------


def moved(value: Value, device: Device) -> Value:
    """The value on another device.

    Raises: NotImplementedError, from the meta device, where there are no values.
    """
    meta = meta_of(value.meta.shape, value.meta.dtype, device)
    if device is META:
        return Value(meta)
    if value.meta.device is META:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    return Value(meta, xla.transfer(value.array(), device))


class ToCopyBackward0(Function):
    """A move between devices; the gradient moves back. Named as the node that PyTorch prints."""

    of_operations = True

    @staticmethod
    def forward(ctx: Any, input: Tensor, device: Device) -> Tensor:
        ctx.origin = input.device
        return Tensor._of(moved(input._read(), device))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return to_device(g, ctx.origin), None


def to_device(input: Tensor, device: Device) -> Tensor:
    """`input` itself if it is on this device already, a copy there otherwise."""
    if input._meta.device is device:
        return input
    result = ToCopyBackward0.apply(input, device)
    if input._stride is not None:
        result._stride = preserved([input], input._meta.shape)
    return result


# -- memory formats --------------------------------------------------------------------------------


@op(promote=RAW, shape=lambda input: input, node="CloneBackward0")
def clone_values(xp: Any, input: Array) -> Array:
    """The same values for another storage."""
    return input


@clone_values.gradient("input")
def _(g: Array) -> Array:
    return g


def with_format(result: Tensor, source: Tensor, memory_format: Any) -> Tensor:
    """Gives a fresh tensor the strides that a memory format asks for; `source` is what it was made from."""
    shape = result._meta.shape
    if memory_format is PRESERVE:
        result._stride = None if source._stride is None else preserved([source], shape)
    elif memory_format is CONTIGUOUS:
        result._stride = None
    else:
        rank = 4 if memory_format is dtypes.channels_last else 5
        if len(shape) != rank:
            raise RuntimeError(f"required rank {rank} tensor to use {memory_format.name} format")
        stride = channels_last_strides(shape)
        result._stride = None if is_contiguous(shape, stride) else stride
    return result


@function("clone", "Tensor.clone")
def clone(input: Tensor, *, memory_format: Any = PRESERVE) -> Tensor:
    """A copy with a storage of its own; gradients flow through it.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).clone()
    tensor([1., 2.])
    """
    result = apply(clone_values, (input,))
    if input._stride is not None or (memory_format is not PRESERVE and memory_format is not None):
        with_format(result, input, PRESERVE if memory_format is None else memory_format)
    return result


@function("Tensor.contiguous")
def contiguous(input: Tensor, memory_format: Any = CONTIGUOUS) -> Tensor:
    """The tensor itself if its strides follow `memory_format`, a copy that does otherwise."""
    if memory_format is PRESERVE:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if input._stride is None and memory_format is CONTIGUOUS:
        return input
    if is_contiguous(input._meta.shape, input._stride, memory_format):
        return input
    return clone(input, memory_format=memory_format)


# -- to --------------------------------------------------------------------------------------------

_TO_FORMS = (
    "to() received an invalid combination of arguments - got ({got}), but expected one of:\n"
    " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool "
    "copy = False, *, "
    "torch.memory_format memory_format = None)\n"
    " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format "
    "memory_format = None)\n"
    " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format "
    "memory_format = None)\n"
)


def parse_to(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Device | None, DType | None, bool, bool, Any]:
    """(device, dtype, non_blocking, copy, memory_format) from any of the forms in which `to` is called.

    Raises: TypeError, for arguments of no form.
    """
    options = dict(kwargs)
    memory_format = options.pop("memory_format", None)
    other = options.pop("other", options.pop("tensor", None))
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
    if other is not None:
        names = ["non_blocking", "copy"]
        options |= {"device": other.device, "dtype": other.dtype}
    elif rest and isinstance(rest[0], DType):
        names = ["dtype", "non_blocking", "copy"]
    else:
        names = ["device", "dtype", "non_blocking", "copy"]
    for name, value in zip(names, rest, strict=False):
        options.setdefault(name, value)
    device, dtype = options.pop("device", None), options.pop("dtype", None)
    non_blocking, copy = options.pop("non_blocking", False), options.pop("copy", False)
    flags = all(isinstance(flag, bool) for flag in (non_blocking, copy))
    is_known = dtype is None or isinstance(dtype, DType)
    if (
        len(rest) > len(names)
        or options
        or not flags
        or not is_known
        or not isinstance(device, (Device, str, int, type(None)))
    ):
        got = ", ".join(
            [type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
        )
        raise TypeError(_TO_FORMS.format(got=got))
    return None if device is None else devices.resolve(device), dtype, non_blocking, copy, memory_format


@function("Tensor.to")
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor in another dtype, on another device or both; itself where nothing changes and `copy` is
    false.

    Forms: `to(dtype)`, `to(device, dtype)`, `to(other)`, each with `non_blocking`, `copy` and
    `memory_format`.

    >>> import flambeau
    >>> flambeau.tensor([1, 2]).to(flambeau.float64)
    tensor([1., 2.], dtype=torch.float64)
    """
    if len(args) == 1 and not kwargs and type(args[0]) is DType:
        return to_dtype(input, args[0])
    device, dtype, _, copy, memory_format = parse_to(args, kwargs)
    result = input
    if device is not None and device is not input._meta.device:
        result = to_device(result, device)
    if dtype is not None:
        result = to_dtype(result, dtype)
    if memory_format is not None and memory_format is not PRESERVE:
        if result is not input:
            return with_format(result, input, memory_format)
        if copy or not is_contiguous(input._meta.shape, input._stride, memory_format):
            return clone(input, memory_format=memory_format)
    return clone(result) if copy and result is input else result


def _declare_casts() -> None:
    """`Tensor.float()` and the other methods named after dtypes."""
    names = {
        "float": "float32",
        "double": "float64",
        "half": "float16",
        "bfloat16": "bfloat16",
        "int": "int32",
        "long": "int64",
        "short": "int16",
        "byte": "uint8",
        "char": "int8",
        "bool": "bool",
        "cfloat": "complex64",
        "cdouble": "complex128",
        "chalf": "complex32",
    }

    def declare(name: str, dtype: DType) -> None:
        def method(input: Tensor, memory_format: Any = PRESERVE) -> Tensor:
            if input._meta.dtype is dtype and memory_format is PRESERVE:
                return input
            return (
                to_dtype(input, dtype)
                if memory_format is PRESERVE
                else to(input, dtype, memory_format=memory_format)
            )

        method.__name__, method.__qualname__ = name, f"Tensor.{name}"
        method.__doc__ = f"The tensor as {dtype}; itself if it is that already."
        function(f"Tensor.{name}")(method)

    for name, dtype_name in names.items():
        found = dtypes.DTYPES.get(dtype_name) or dtypes.DTYPES.get(dtype_name + "_")
        if found is not None:
            declare(name, found)


_declare_casts()


@function("Tensor.cpu")
def cpu(input: Tensor, memory_format: Any = PRESERVE) -> Tensor:
    """The tensor in host memory; itself if it is there already."""
    return to(input, CPU) if memory_format is PRESERVE else to(input, CPU, memory_format=memory_format)


@function("Tensor.cuda")
def cuda(
    input: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = PRESERVE
) -> Tensor:
    """The tensor on a GPU (the first by default); itself if it is there already.

    Raises: RuntimeError, if JAX sees no GPU here.
    """
    where = devices.resolve(
        "cuda" if device is None else device if not isinstance(device, int) else f"cuda:{device}"
    )
    return to(input, where, memory_format=memory_format)


def _moving(type: str) -> Any:
    def move(
        input: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = PRESERVE
    ) -> Tensor:
        where = type if device is None else f"{type}:{device}" if isinstance(device, int) else device
        return to(input, devices.resolve(where), memory_format=memory_format)

    move.__name__ = move.__qualname__ = type
    move.__doc__ = f"""The tensor on a device of type {type}.

    Raises: what `device` raises, if there is none.
    """
    return move


for _type in ("ipu", "mtia", "xpu"):
    function(f"Tensor.{_type}")(_moving(_type))


@function("Tensor.type_as")
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype and on the device of `other`."""
    return to(input, other)


@function("Tensor.type")
def type_(
    input: Tensor, dtype: DType | str | type[Any] | None = None, non_blocking: bool = False, **kwargs: Any
) -> Any:
    """Without arguments the name of the tensor's type, as 'torch.FloatTensor'; else the tensor converted.

    Args:
        dtype: a dtype, a type's name, or a type such as `flambeau.FloatTensor`.
    """
    if dtype is None:
        where = "" if input.device.type == "cpu" else f"{input.device.type}."
        return f"torch.{where}{input.dtype.scalar_type}Tensor"
    wanted: Any = dtype
    if isinstance(wanted, DType):
        return to_dtype(input, wanted)
    name = wanted if isinstance(wanted, str) else f"{wanted.__module__}.{wanted.__name__}"
    device, found = _parse_type(name)
    return to_dtype(to_device(input, device), found)


def _parse_type(name: str) -> tuple[Device, DType]:
    *path, last = name.split(".")
    for dtype in dtypes.DTYPES.values():
        if f"{dtype.scalar_type}Tensor" == last:
            return devices.resolve("cuda" if "cuda" in path else "cpu"), dtype
    raise ValueError(f"invalid type: '{name}'")


# -- copy_ -----------------------------------------------------------------------------------------


def _copied_shape(input: Meta, src: Meta) -> Meta:
    _check_copy(input.shape, src.shape)
    return input


def _check_copy(shape: tuple[int, ...], source: tuple[int, ...]) -> None:
    found = broadcast_shapes(shape, source)
    if found != shape:
        raise RuntimeError(f"output with shape {list(shape)} doesn't match the broadcast shape {list(found)}")


@op(promote=RAW, node="CopyBackwards", shape=lambda src, size, dtype: meta_of(size, dtype, src.device))
def copy_of(xp: Any, src: Array, size: Sizes, dtype: Any) -> Array:
    """The values of `src`, broadcast and converted: what a copy into a tensor writes."""
    return xp.broadcast_to(cast(xp, src, dtype.np), size)


@copy_of.gradient("src")
def _(xp: Any, g: Array, src_meta: Meta) -> Array:
    return g


@op(promote=RAW, node="CopyBackwards", shape=_copied_shape)
def copy_over(xp: Any, input: Array, src: Array) -> Array:
    """The same for a tensor that has a history: what it held before gets a gradient of zero."""
    return xp.broadcast_to(cast(xp, src, input.dtype), input.shape)


@copy_over.gradient("input")
def _() -> None:
    return None


@copy_over.gradient("src")
def _(g: Array) -> Array:
    return g


@function("Tensor.copy_")
def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Writes the values of `src`, broadcast and converted, into the tensor.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).copy_(flambeau.tensor(3))
    tensor([3., 3.])
    """
    if not isinstance(src, Tensor):
        if not isinstance(src, (bool, int, float, complex, np.generic)):
            raise TypeError(
                f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}"
            )
        src = _number_tensor(src, input)
    _check_copy(input._meta.shape, src._meta.shape)
    if src._meta.device is not input._meta.device:
        src = to_device(src, input._meta.device)
    if input.requires_grad or (input._base is not None and input._base.requires_grad):
        return apply(copy_over, (input, src))
    return apply(copy_of, (src, input._meta.shape, input._meta.dtype))


def _number_tensor(number: Any, like: Tensor) -> Tensor:
    return constant(np.asarray(number), dtypes.scalar_dtype(number), like._meta)


# -- questions about dtypes and shapes -------------------------------------------------------------


@function("is_tensor")
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


@function("is_floating_point")
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


@function("is_complex")
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return input.is_complex()


@function("is_signed")
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.is_signed()


@function("is_inference")
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return input.is_inference()


@function("is_nonzero", "Tensor.is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero.

    Raises: RuntimeError, if there are more or fewer elements.
    """
    return bool(input)


@function("is_neg", "Tensor.is_neg")
def is_neg(input: Tensor) -> bool:
    """Whether values are stored negated: never, here."""
    return False


@function("resolve_neg", "Tensor.resolve_neg")
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation is never put off."""
    return input


@function("numel")
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input._meta.numel


@function("detach_")
def detach_(input: Tensor) -> Tensor:
    """Takes a tensor out of the graph; see `Tensor.detach_`."""
    return input.detach_()


@function("detach")
def detach(input: Tensor) -> Tensor:
    """The same values on the same storage, outside the graph."""
    return input.detach()


@function("get_device")
def get_device(input: Tensor) -> int:
    """The number of the tensor's GPU; -1 in host memory."""
    return input.get_device()


@function("is_same_size", "Tensor.is_same_size")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input._meta.shape == other._meta.shape


@function("result_type")
def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype in which PyTorch computes with two tensors or numbers.

    >>> import flambeau
    >>> flambeau.result_type(flambeau.tensor([1, 2]), 1.0)
    torch.float32
    """
    entries = []
    for each in (tensor1, tensor2):
        if isinstance(each, Tensor):
            entries.append((each._meta.dtype, dtypes.TENSOR if each._meta.shape else dtypes.ZERO_DIM))
        else:
            entries.append((dtypes.scalar_dtype(each), dtypes.SCALAR))
    return dtypes.result_dtype(tuple(entries))
