"""The names by which PyTorch's pickles call types and functions, and what stands for them here."""

import codecs
from collections import Counter, OrderedDict
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.device import device
from flambeau._core.dtype import DTYPES, dtype_named
from flambeau._core.dtype import dtype as DType
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau._serialization.tensors import LoadedStorage, meta_tensor, tensor_at
from flambeau.nn.parameter import Parameter

_TYPED_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}


class StorageType:
    """What a pickle names before a storage: its element type, None for one counted in bytes."""

    def __init__(self, name: str, dtype: DType | None) -> None:
        self.name = name
        self.dtype = dtype


STORAGE_TYPES = {name: StorageType(f"torch.{name}", dtype_named(of)) for name, of in _TYPED_STORAGES.items()}
UNTYPED = StorageType("torch.storage.UntypedStorage", None)
STORAGE_TYPE_OF = {kind.dtype: kind for kind in STORAGE_TYPES.values()}


def rebuild_tensor_v2(
    storage: LoadedStorage,
    storage_offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    result = tensor_at(storage, storage_offset, tuple(size), tuple(stride), storage.dtype)
    return result.requires_grad_() if requires_grad else result


def rebuild_tensor(
    storage: LoadedStorage, storage_offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> Tensor:
    return tensor_at(storage, storage_offset, tuple(size), tuple(stride), storage.dtype)


def rebuild_tensor_v3(
    storage: LoadedStorage,
    storage_offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    backward_hooks: Any,
    dtype: DType,
    metadata: Any = None,
) -> Tensor:
    if storage.dtype is not dtype:  # counted in bytes until a tensor tells what they are
        storage.numel = storage.numel * storage.dtype.itemsize // dtype.itemsize
        storage.array = None if storage.array is None else storage.array.view(dtype.np)
        storage.dtype = dtype
    return rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks)


def rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    return Parameter(data, requires_grad)


def rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    parameter = Parameter(data, requires_grad)
    set_state(parameter, state)
    return parameter


def rebuild_meta_tensor(
    dtype: DType, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool
) -> Tensor:
    result = meta_tensor(dtype, tuple(size), tuple(stride))
    return result.requires_grad_() if requires_grad else result


def rebuild_from_type(function: Any, kind: type, args: tuple[Any, ...], state: Any) -> Tensor:
    result: Tensor = function(*args)
    if type(result) is not kind:
        result = result.as_subclass(kind)  # type: ignore[attr-defined]
    set_state(result, state)
    return result


def set_state(tensor: Tensor, state: Any) -> None:
    """Sets the attributes that a user had set; a pair is of a dict and of slots."""
    for attributes in state if isinstance(state, tuple) else (state,):
        for name, value in (attributes or {}).items():
            setattr(tensor, name, value)


def encode(text: str, encoding: str) -> bytes:
    """How protocol 2 spells bytes; no other codec is called on a file's behalf."""
    if encoding.replace("-", "").replace("_", "").lower() not in ("latin1", "utf8", "ascii"):
        raise ValueError(f"the pickle asks for the codec {encoding!r}, but bytes come as latin1")
    return codecs.encode(text, encoding)


def named_layout(name: str) -> Any:
    """A layout by its full name, as `torch.strided`."""
    return getattr(dtypes, name.removeprefix("torch."))


# (module, name) in a pickle -> what it stands for. With `weights_only` there is nothing else.
KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
    ("builtins", "complex"): complex,
    ("builtins", "bytearray"): bytearray,
    ("_codecs", "encode"): encode,
    ("torch", "Size"): Size,
    ("torch", "Tensor"): Tensor,
    ("torch", "device"): device,
    ("torch.nn.parameter", "Parameter"): Parameter,
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor_v2,
    ("torch._utils", "_rebuild_tensor_v3"): rebuild_tensor_v3,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter_with_state,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): rebuild_meta_tensor,
    ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
    ("torch.serialization", "_get_layout"): named_layout,
    ("torch.storage", "UntypedStorage"): UNTYPED,
    **{("torch", name): kind for name, kind in STORAGE_TYPES.items()},
    **{("torch", name): dtype for name, dtype in DTYPES.items() if dtype.np is not None},
}

# The way back, for saving. Types and functions hash by identity, so a dict will do.
NAME_OF: dict[int, tuple[str, str]] = {
    id(value): name for name, value in KNOWN.items() if name[0].startswith("torch")
}


def public_module(module: str) -> str:
    """A module's name in a file: flambeau's public modules go by PyTorch's paths."""
    root, _, rest = module.partition(".")
    if root != _OWN or rest.startswith("_"):
        return module
    return f"torch.{rest}" if rest else "torch"


def own_place(module: str, name: str) -> tuple[str, str]:
    """The module and name here that stand for those in a file."""
    if module == "torch._C._nn":
        module = "torch.nn.functional"
    elif (module, name) == ("torch._C", "_VariableFunctionsClass"):
        # What pickles fetch functions in C from, as `torch.tanh`; here they are the package's own.
        return _OWN, ""
    root, dot, rest = module.partition(".")
    return (f"{_OWN}{dot}{rest}" if root == "torch" else module), name


_OWN = __name__.partition(".")[0]
