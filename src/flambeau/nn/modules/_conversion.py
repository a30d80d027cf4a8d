"""What `Module.to` and its relatives do: read their arguments, convert every tensor, keep identities."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from flambeau._core.device import device as Device
from flambeau._core.dtype import dtype as DType
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau.nn.parameter import Parameter

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

_REST = "bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
TO_FORMS = (
    f"\n * (torch.device device = None, torch.dtype dtype = None, {_REST}"
    f" * (torch.dtype dtype, {_REST}"
    f" * (Tensor tensor, {_REST}"
)
FORMS = {
    "device": ("device", "dtype", "non_blocking", "copy"),
    "dtype": ("dtype", "non_blocking", "copy"),
    "tensor": ("tensor", "non_blocking", "copy"),
}


class Target(NamedTuple):
    """Where tensors are to go; None leaves that property alone."""

    device: Any
    dtype: Any
    non_blocking: bool
    memory_format: Any


def parse_to(*args: Any, **kwargs: Any) -> Target:
    """Read the arguments of `Module.to` in any of their three forms."""
    form = _form(args, kwargs)
    names = FORMS[form]
    given = dict(zip(names, args, strict=False)) | kwargs
    known = {*names, "memory_format"}
    if len(args) > len(names) or not known.issuperset(given) or set(names[: len(args)]) & set(kwargs):
        raise _wrong_arguments(args, kwargs)
    if not isinstance(given.get("dtype"), DType | None) or not isinstance(
        given.get("non_blocking", False), bool | None
    ):
        raise _wrong_arguments(args, kwargs)
    if given.get("copy"):
        raise RuntimeError(".to() does not accept copy argument")
    device, dtype = given.get("device"), given.get("dtype")
    if form == "tensor":
        device, dtype = given["tensor"].device, given["tensor"].dtype
    elif device is not None:
        device = device if isinstance(device, Device) else Device(device)
    return Target(device, dtype, bool(given.get("non_blocking", False)), given.get("memory_format"))


def _form(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    first = args[0] if args else kwargs.get("tensor")
    if isinstance(first, Tensor):
        return "tensor"
    return "dtype" if args and isinstance(first, DType) else "device"


def _wrong_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    given = [_type_name(arg) for arg in args] + [
        f"{name}={_type_name(value)}" for name, value in kwargs.items()
    ]
    listed = ", ".join(given) + ("" if args else ", ")
    return TypeError(
        f"to() received an invalid combination of arguments - got ({listed}), but expected one of:{TO_FORMS}"
    )


def _type_name(value: Any) -> str:
    name = type(value).__name__
    return f"torch.{name}" if isinstance(value, DType | Device) else name


def converter(target: Target) -> Callable[[Tensor], Any]:
    """The function that takes one tensor to `target`; raise TypeError if its dtype cannot hold parameters."""
    dtype = target.dtype
    if dtype is not None:
        if not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        if dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may change, and "
                "some "
                "modules might not work as expected when using complex tensors as parameters or buffers. "
                "Please "
                "file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a "
                "complex module does not work as expected.",
                stacklevel=3,
            )

    def convert(tensor: Tensor) -> Any:
        # Integer buffers, such as a count of batches, keep their dtype.
        new_dtype = dtype if tensor.is_floating_point() or tensor.is_complex() else None
        layout = {}
        if target.memory_format is not None and tensor.dim() in (4, 5):
            layout["memory_format"] = target.memory_format
        try:
            return tensor.to(target.device, new_dtype, target.non_blocking, **layout)
        except NotImplementedError as error:
            if str(error) != "Cannot copy out of meta tensor; no data!":
                raise
            raise NotImplementedError(
                f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when "
                "moving module "
                "from meta to a different device."
            ) from None

    return convert


def apply_to_own(module: Module, convert: Callable[[Tensor], Tensor]) -> None:
    """Convert the module's own parameters, their gradients and its buffers.

    A parameter stays the object it was, so that optimizers and weight sharing go on working.
    """
    for name, param in module._parameters.items():
        if param is None:
            continue
        with no_grad():
            converted = convert(param)
        gradient = param.grad
        if _fits_in_place(param, converted):
            param.data = converted
        else:
            param = Parameter(converted, param.requires_grad)
            module._parameters[name] = param
        if gradient is not None:
            with no_grad():
                converted = convert(gradient)
            if _fits_in_place(gradient, converted):
                gradient.data = converted
                param.grad = gradient
            else:
                param.grad = converted.requires_grad_(gradient.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = convert(buffer)


def _fits_in_place(tensor: Tensor, converted: Tensor) -> bool:
    """A tensor without data cannot take over data, nor the other way round."""
    return bool(tensor.is_meta == converted.is_meta)
