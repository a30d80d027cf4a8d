"""Tensors from data that is there already: numbers, nested sequences, NumPy arrays, buffers, DLPack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.device import device as Device
from flambeau._core.device import resolve
from flambeau._core.dispatch import function
from flambeau._core.modes import modes
from flambeau._core.storage import Storage
from flambeau._core.strides import contiguous_strides
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import CPU, Meta, meta_of
from flambeau._core.warn import warn, warn_once

_HEAP_TYPE = 1 << 9  # a class made by a `class` statement, which PyTorch names without its module
_SIMPLE = frozenset({bool, int, float, complex})
_PYTHON_DTYPES: dict[Any, dtypes.dtype] = {
    bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128,
}  # fmt: skip


# -- arguments that all factories share ------------------------------------------------------------


def as_dtype(dtype: Any, name: str) -> dtypes.dtype:
    """The dtype that `dtype=` names; Python's own types stand for their widest."""
    if isinstance(dtype, dtypes.dtype):
        return dtype
    if isinstance(dtype, type) and dtype in _PYTHON_DTYPES:
        return _PYTHON_DTYPES[dtype]
    raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")


def as_device(device: Any, name: str) -> Device:
    """The device that `device=` names; the default one for None."""
    if device is None or isinstance(device, (Device, str, int)):
        return resolve(device)
    raise TypeError(f"{name}(): argument 'device' must be torch.device, not {type(device).__name__}")


def finish(array: Any, meta: Meta, requires_grad: bool = False) -> Tensor:
    """A new leaf with these values, which nobody else may write to.

    Raises: RuntimeError, if a dtype without gradients is to require one.
    """
    return finished(from_array(array, meta), requires_grad)


def finished(result: Tensor, requires_grad: bool = False) -> Tensor:
    """A tensor that was just made, as a leaf."""
    if modes.inference:
        result._inference = True
    if requires_grad:
        if not result._meta.tracked:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        result._rg = True
    return result


# -- reading nested Python data --------------------------------------------------------------------


def _type_name(value: Any) -> str:
    cls = type(value)
    if cls.__flags__ & _HEAP_TYPE or cls.__module__ == "builtins":
        return cls.__name__
    return f"{cls.__module__}.{cls.__name__}"


def _leaf_types(data: Sequence[Any]) -> set[type]:
    types = set(map(type, data))
    if not types <= _SIMPLE:
        for item in data:
            if type(item) is list or type(item) is tuple:
                types |= _leaf_types(item)
        types -= {list, tuple}
    return types


def _dtype_of_types(types: set[type]) -> dtypes.dtype:
    if complex in types:
        return dtypes.default_complex_dtype()
    if float in types or not types:
        return dtypes.get_default_dtype()
    return dtypes.int64 if int in types else dtypes.bool_


def _is_sequence(value: Any) -> bool:
    return (
        hasattr(value, "__len__")
        and hasattr(value, "__getitem__")
        and not isinstance(value, (dict, str, set))
    )


def _infer_dtype(data: Any) -> dtypes.dtype:
    """The dtype of data of mixed origin: the promotion of its leaves."""
    if isinstance(data, Tensor):
        return data._meta.dtype
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, (str, bytes)):
        return dtypes.from_numpy_dtype(data.dtype)
    if isinstance(data, (bool, int, float, complex)):
        return dtypes.scalar_dtype(data)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{_type_name(data)}'")
    if not _is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {_type_name(data)}")
    found: dtypes.dtype | None = None
    for i in range(len(data)):
        item = _infer_dtype(data[i])
        found = item if found is None else dtypes.promote_types(found, item)
    return found if found is not None else dtypes.get_default_dtype()


def _shape_of(data: Any) -> tuple[int, ...]:
    """The shape that the first elements have; a tensor among them counts as one number."""
    shape: tuple[int, ...] = ()
    while not isinstance(data, Tensor) and _is_sequence(data):
        if isinstance(data, np.ndarray):
            return shape + data.shape
        shape += (len(data),)
        if not len(data):
            break
        data = data[0]
    if isinstance(data, (str, bytes)) and shape:
        raise ValueError(f"too many dimensions '{_type_name(data)}'")
    return shape


def _gather(data: Any, shape: tuple[int, ...], dim: int, kind: str, into: list[Any]) -> None:
    """Appends the leaves of `data` in order, checking that it has the shape throughout."""
    if dim == len(shape):
        into.append(_as_number(data, kind))
        return
    if not (data.ndim if isinstance(data, Tensor) else _is_sequence(data)):
        raise TypeError("not a sequence")
    if len(data) != shape[dim]:
        raise ValueError(f"expected sequence of length {shape[dim]} at dim {dim} (got {len(data)})")
    if isinstance(data, Tensor):
        data = data.tolist()
    for i in range(len(data)):
        _gather(data[i], shape, dim + 1, kind, into)


def _as_number(value: Any, kind: str) -> Any:
    if isinstance(value, Tensor):
        if value.numel() != 1:
            if kind in "iu":
                raise TypeError("only integer tensors of a single element can be converted to an index")
            raise ValueError("only one element tensors can be converted to Python scalars")
        return value.item()
    if isinstance(value, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{_type_name(value)}'")
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.item()
    if isinstance(value, np.generic) or type(value) in _SIMPLE:
        return value
    if kind in "iu":
        return (
            value.__index__()
            if hasattr(value, "__index__")
            else _refuse(value, "cannot be interpreted as an integer")
        )
    if hasattr(value, "__float__") or hasattr(value, "__complex__"):
        return complex(value) if kind == "c" else float(value)
    raise TypeError(f"must be real number, not {_type_name(value)}")


def _refuse(value: Any, why: str) -> Any:
    raise TypeError(f"'{_type_name(value)}' object {why}")


def read_data(data: Any, dtype: dtypes.dtype | None) -> tuple[np.ndarray[Any, Any], dtypes.dtype]:
    """Nested data as an array of its dtype.

    Args:
        dtype: None finds it from the numbers, as PyTorch does.

    Raises: ValueError for rows of different lengths and integers beyond 64 bits, TypeError or RuntimeError
    for what
        is no number, RuntimeError for a number that `dtype` cannot hold.
    """
    kind = type(data)
    if kind in _SIMPLE:
        types = {kind}
    elif kind is list or kind is tuple:
        types = _leaf_types(data)
    else:
        types = {kind}
    if types <= _SIMPLE:
        found = _dtype_of_types(types) if dtype is None else dtype
        try:
            array = np.array(data)
        except ValueError:
            _check_shape(data, found)
            raise
        return cast_numbers(array, found), found
    shape = _shape_of(data)
    found = dtype if dtype is not None else _infer_dtype(data)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{_type_name(data)}'")
    leaves: list[Any] = []
    _gather(data, shape, 0, found.np.kind, leaves)
    return cast_numbers(np.array(leaves) if leaves else np.zeros(0), found).reshape(shape), found


def _check_shape(data: Any, dtype: dtypes.dtype) -> None:
    """Raises what PyTorch says of rows that do not match."""
    _gather(data, _shape_of(data), 0, dtype.np.kind, [])


def cast_numbers(array: np.ndarray[Any, Any], dtype: dtypes.dtype) -> np.ndarray[Any, Any]:
    """Python numbers, as NumPy took them, in a dtype; what does not fit into an integer is refused."""
    target, kind = dtype.np, dtype.np.kind
    if array.dtype.kind == "O":
        raise ValueError("Overflow when unpacking long long")
    if array.dtype.kind == "c" and kind != "c" and kind != "b":
        wanted = "'complex' object cannot be interpreted as an integer" if kind in "iu" else None
        raise TypeError(wanted or "must be real number, not complex")
    if array.dtype == target:
        return array
    if kind in "iu" and array.size:
        low, high = np.iinfo(target).min, np.iinfo(target).max
        if array.dtype.kind == "u" and array.dtype.itemsize == 8 and dtype is dtypes.int64:
            raise ValueError("Overflow when unpacking long long")
        smallest, largest = array.min(), array.max()
        # A negative number may wrap around once into an unsigned dtype.
        low = -high if kind == "u" else low
        if (
            not (int(smallest) >= low and int(largest) <= high)
            if np.isfinite([smallest, largest]).all()
            else True
        ):
            raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
        if array.dtype.kind == "f" and kind == "u":
            array = array.astype(np.int64) if dtype is not dtypes.uint64 else array
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(target)


# -- the public constructors -----------------------------------------------------------------------


def _copy_of_array(array: np.ndarray[Any, Any], dtype: dtypes.dtype | None) -> tuple[Any, dtypes.dtype, Any]:
    """A private copy of a NumPy array, its dtype, and its strides where they are not the usual ones."""
    own = dtypes.from_numpy_dtype(array.dtype)
    _check_strides(array)
    wanted = dtype or own
    stride = _strides_of(array)
    with np.errstate(all="ignore"):
        copy = np.array(array, wanted.np, copy=True, order="C", subok=False)
    return copy, wanted, stride


def _check_strides(array: np.ndarray[Any, Any]) -> None:
    if any(step < 0 for step in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides "
            "are not "
            "currently supported. (You can probably work around this by making a copy of your array  with "
            "array.copy().) "
        )
    if any(step % array.itemsize for step in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to "
            "reallocate the "
            "memory."
        )


def _strides_of(array: np.ndarray[Any, Any]) -> tuple[int, ...] | None:
    if array.flags.c_contiguous:
        return None
    stride = tuple([step // array.itemsize for step in array.strides])
    return None if stride == contiguous_strides(array.shape) else stride


@function("tensor")
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new leaf with a copy of `data`: a number, nested sequences of numbers, a NumPy array or a tensor.

    Without `dtype`, Python floats get the default dtype, ints int64; NumPy's numbers keep theirs.

    Raises: ValueError, if rows differ in length; RuntimeError, if `data` holds anything but numbers.

    >>> import flambeau
    >>> flambeau.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        dtype = as_dtype(dtype, "tensor")
    stride = None
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
        )  # fmt: skip
        return copy_of_tensor(data, dtype, device, requires_grad)
    where = as_device(device, "tensor")
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, (str, bytes)):
        array, dtype, stride = _copy_of_array(np.asarray(data), dtype)
    else:
        if type(data) is list and data and type(data[0]) is np.ndarray:
            _warn_slow_arrays()
        array, dtype = read_data(data, dtype)
    result = finish(array, meta_of(array.shape, dtype, where), requires_grad)
    if stride is not None:
        result._stride = stride
    return result


def _warn_slow_arrays() -> None:
    warn(
        "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the "
        "list to a "
        "single numpy.ndarray with numpy.array() before converting to a tensor.",
    )  # fmt: skip


def copy_of_tensor(source: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A leaf with the values of a tensor; values never change, so they are shared until one side is written
    to.
    """
    result = Tensor._of(source._read())
    if dtype is not None and dtype is not result._meta.dtype:
        result = result.to(dtype)  # type: ignore[attr-defined]
    if device is not None and as_device(device, "tensor") is not result._meta.device:
        result = result.to(as_device(device, "tensor"))  # type: ignore[attr-defined]
    if modes.inference:
        result._inference = True
    if requires_grad:
        if not result._meta.tracked:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        result._rg = True
    return result


@function("from_numpy")
def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the memory of a NumPy array: writes to either are seen by both.

    Raises: TypeError for what is no array or has elements that tensors cannot have; ValueError for negative
    strides.

    >>> import flambeau, numpy
    >>> flambeau.from_numpy(numpy.array([1.0, 2.0]))
    tensor([1., 2.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {_type_name(ndarray)})")
    dtype = dtypes.from_numpy_dtype(ndarray.dtype)
    _check_strides(ndarray)
    meta = meta_of(ndarray.shape, dtype, CPU)
    if type(ndarray) is not np.ndarray:
        ndarray = ndarray.view(np.ndarray)
    if not ndarray.flags.writeable:
        _warn_not_writable()
        result = finish(ndarray, meta)
    else:
        result = object.__new__(Tensor)
        result._storage = Storage(None, host=ndarray, meta=meta)
        result._meta = meta
        if modes.inference:
            result._inference = True
    stride = _strides_of(ndarray)
    if stride is not None:
        result._stride = stride
    return result


def _warn_not_writable() -> None:
    warn_once(
        "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This "
        "means writing to "
        "this tensor will result in undefined behavior. You may want to copy the array to protect its data "
        "or make it "
        "writable before converting it to a tensor. This type of warning will be suppressed for the rest of "
        "this program.",
    )  # fmt: skip


@function("as_tensor")
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor that shares its memory where possible: a tensor itself, a NumPy array's memory."""
    if dtype is not None:
        dtype = as_dtype(dtype, "as_tensor")
    if isinstance(data, Tensor):
        if device is not None and as_device(device, "as_tensor") is not data._meta.device:
            data = data.to(as_device(device, "as_tensor"))  # type: ignore[attr-defined]
        return data if dtype is None or dtype is data._meta.dtype else data.to(dtype)  # type: ignore[attr-defined]
    where = as_device(device, "as_tensor")
    if isinstance(data, np.ndarray):
        result = from_numpy(data)
        if dtype is not None and dtype is not result._meta.dtype:
            result = finish(*_cast_copy(data, dtype))
        return result if where is CPU else result.to(where)  # type: ignore[attr-defined]
    return tensor(data, dtype=dtype, device=where)


def _cast_copy(array: np.ndarray[Any, Any], dtype: dtypes.dtype) -> tuple[np.ndarray[Any, Any], Meta]:
    with np.errstate(all="ignore"):
        return np.array(array, dtype.np, copy=True, order="C", subok=False), meta_of(array.shape, dtype, CPU)


@function("asarray")
def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`obj` as a tensor: tensors, NumPy arrays, DLPack capsules and buffers share their memory unless
    `copy=True`.

    Args:
        copy: True always copies, False raises where a copy is unavoidable, None copies where needed.
    """
    wanted = None if dtype is None else as_dtype(dtype, "asarray")
    where = None if device is None else as_device(device, "asarray")
    shared: Tensor | None = None
    if isinstance(obj, Tensor):
        shared = obj
    elif isinstance(obj, np.ndarray):
        shared = from_numpy(obj)
    elif isinstance(obj, np.generic):
        shared = from_numpy(np.array(obj))
    elif hasattr(obj, "__dlpack__") or type(obj).__name__ == "PyCapsule":
        shared = from_dlpack(obj)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        shared = frombuffer(obj, dtype=wanted or dtypes.get_default_dtype())
    if shared is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return tensor(obj, dtype=wanted, device=device, requires_grad=requires_grad)
    changes = (wanted is not None and wanted is not shared._meta.dtype) or (
        where is not None and where is not shared._meta.device
    )
    if changes and copy is False:
        if where is not None and where is not shared._meta.device:
            raise ValueError(f"can't alias tensor from device '{shared._meta.device}' to '{where}'.")
        raise ValueError(
            f"can't alias tensor with dtype '{shared._meta.dtype.scalar_type}' into dtype "
            f"'{(wanted or shared._meta.dtype).scalar_type}'."
        )
    result = shared
    if changes:
        result = shared.to(device=where or shared._meta.device, dtype=wanted or shared._meta.dtype)  # type: ignore[attr-defined]
    elif copy:
        result = shared.clone()  # type: ignore[attr-defined]
    if not requires_grad and result._rg:
        return result.detach()
    if requires_grad and not result._rg:
        result = result.detach() if result is obj else result
        result.requires_grad_(True)
    return result


@function("frombuffer")
def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor on the memory of an object with the buffer protocol.

    Raises: ValueError, if the buffer is empty or too short for `count` elements from byte `offset` on.
    """
    wanted = as_dtype(dtype, "frombuffer")
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = view.nbytes, wanted.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} "
            "bytes) minus 1"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of "
            "element size "
            f"({size})"
        )
    actual = (length - offset) // size if count < 0 else count
    if offset + actual * size > length:
        raise ValueError(
            f"requested buffer length ({actual} * {size} bytes) after offset ({offset} bytes) must not be "
            "greater than "
            f"actual buffer length ({length} bytes)"
        )
    array = np.frombuffer(view.cast("B"), wanted.np, actual, offset)
    if not array.flags.writeable:
        warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This "
            "means you can "
            "write to the underlying (supposedly non-writable) buffer using the tensor. You may want to "
            "copy the buffer "
            "to protect its data or make it writable before converting it to a tensor. This type of warning "
            "will be "
            "suppressed for the rest of this program.",
        )  # fmt: skip
        result = finish(array, meta_of(array.shape, wanted, CPU))
    else:
        result = from_numpy(array)
    return result.requires_grad_(True) if requires_grad else result


# -- DLPack ----------------------------------------------------------------------------------------


class _Capsule:
    """A bare DLPack capsule in the form that NumPy takes."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@function("from_dlpack", "utils.dlpack.from_dlpack")
def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of an object that speaks DLPack, such as a NumPy or JAX array."""
    source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
    array = np.from_dlpack(source)
    if copy:
        array = array.copy()
    result = from_numpy(array) if array.flags.writeable else finish(array, _meta_of_array(array))
    return result if device is None else result.to(as_device(device, "from_dlpack"))  # type: ignore[attr-defined]


def _meta_of_array(array: np.ndarray[Any, Any]) -> Meta:
    return meta_of(array.shape, dtypes.from_numpy_dtype(array.dtype), CPU)


@function("Tensor.__dlpack__")
def _to_dlpack_method(
    self: Tensor, *, stream: Any = -1, max_version: Any = None, dl_device: Any = None, copy: Any = None
) -> Any:
    """A capsule on this tensor's memory, for `from_dlpack` of another library."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    array = self.numpy()
    return (array.copy() if copy else array).__dlpack__(max_version=max_version)


@function("Tensor.__dlpack_device__")
def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's numbers for this tensor's device."""
    kinds = {"cpu": 1, "cuda": 2}
    if self._meta.device.type not in kinds:
        raise ValueError(f"Unknown device type {self._meta.device.type} for Dlpack")
    return kinds[self._meta.device.type], self._meta.device.index or 0


@function("to_dlpack", "utils.dlpack.to_dlpack")
def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule on a tensor's memory."""
    # NumPy takes memory from the older form of capsule for reading only.
    return tensor.__dlpack__(max_version=(1, 0))
