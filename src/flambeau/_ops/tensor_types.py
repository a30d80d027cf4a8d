"""The types of tensors by dtype that older programs name: `FloatTensor`, `LongTensor`, `cuda.FloatTensor`.

They make tensors when called and answer `isinstance`; no tensor is of them.
"""

from __future__ import annotations

from typing import Any

from flambeau._core import device as devices
from flambeau._core import dtype as dtypes
from flambeau._core.declare import register, registry
from flambeau._core.device import device as Device
from flambeau._core.dispatch import function
from flambeau._core.dtype import dtype as DType
from flambeau._core.legacy import legacy_tensor
from flambeau._core.tensor import Tensor


class tensortype(type):
    """The class of `FloatTensor` and the others."""

    dtype: DType
    is_cuda: bool
    layout = dtypes.strided

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        device: Device | None = kwargs.pop("device", None)
        if device is None and cls.is_cuda:
            device = devices.resolve("cuda")
        return legacy_tensor(Tensor, args, {**kwargs, "dtype": cls.dtype, "device": device})

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, Tensor) and instance.dtype is cls.dtype and instance.is_cuda == cls.is_cuda
        )


def _declare(name: str, dtype: DType) -> None:
    for where in ("torch", "torch.cuda"):
        members = {"dtype": dtype, "is_cuda": where == "torch.cuda", "__module__": where}
        path = f"{where}.{name}".removeprefix("torch.")
        register(path, tensortype(name, (), members))


for _dtype_name in [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
]:
    _dtype = next(each for each in dtypes.DTYPES.values() if str(each) == f"torch.{_dtype_name}")
    _declare(f"{_dtype.scalar_type}Tensor", _dtype)


@function("set_default_tensor_type")
def set_default_tensor_type(t: Any) -> None:
    """Makes the dtype of a tensor type the default one, and its device too if that is a GPU.

    Args:
        t: a type such as `flambeau.DoubleTensor`, or its name.
    """
    found = registry[t.removeprefix("torch.")] if isinstance(t, str) else t
    if not isinstance(found, tensortype):
        raise TypeError("invalid type object")
    if not found.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    dtypes.set_default_dtype(found.dtype)
    devices.set_default_device("cuda" if found.is_cuda else "cpu")


@function("typename")
def typename(obj: Any, /) -> str:
    """The name of an object's type with its module, as PyTorch has it; of a tensor, the legacy type.

    >>> import flambeau
    >>> flambeau.typename(flambeau.ones(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[attr-defined]
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None) or ""
    package = __name__.partition(".")[0]
    if module in ("", "builtins"):
        return named.__qualname__
    if module.partition(".")[0] == package:
        module = "torch" + module.removeprefix(package)
    return f"{module}.{named.__qualname__}"
