"""Parameter and Buffer: tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self

from flambeau._core.tensor import Tensor


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]
    """Makes `isinstance(t, Parameter)` true for tensors of custom classes that were made parameters."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False):
            return True
        return bool(super().__instancecheck__(instance))


class Parameter(Tensor, plain=True, metaclass=_ParameterMeta):
    """A tensor that is learned: assigned to a Module it is registered, so `parameters()` finds it.

    It shares the storage of `data`. Plain tensors, say a hidden state kept from the last call, are not
    registered; that is what tells them apart.

    Args:
        data: the tensor to be learned; without one the parameter is empty.
        requires_grad: whether gradients are computed for it.

    >>> weight = nn.Parameter(flambeau.zeros(2))
    >>> weight.requires_grad
    True
    """

    def __init_subclass__(cls, plain: bool = True, **kwargs: Any) -> None:
        # Results of operations on parameters, of whatever class, are ordinary tensors.
        super().__init_subclass__(plain=plain, **kwargs)

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Self:
        if data is None:
            data = Tensor()
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        # A class of its own, kept as it is: the mark alone makes it a parameter.
        tensor = data.detach().requires_grad_(requires_grad)
        if type(tensor) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that "
                "detach() returns "
                f"an instance of the same type, but return type {type(tensor).__name__} was found instead. "
                "To use "
                "the type as a Parameter, please correct the detach() semantics defined by its "
                "__torch_dispatch__() implementation."
            )
        tensor._is_param = True
        return tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto: Any) -> tuple[Any, ...]:
        # Hooks stay behind, as they do in PyTorch; its files, too, hold an empty dict here.
        arguments: tuple[Any, ...] = (self.data, self.requires_grad, OrderedDict())
        attributes = {
            name: value
            for name, value in self.__dict__.items()
            if not hasattr(Tensor, name) and name not in Tensor.__annotations__
        }
        if attributes:
            return _rebuild_parameter_with_state, (*arguments, attributes)
        return _rebuild_parameter, arguments


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    """What a pickled Parameter is built again with."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, backward_hooks: Any, state: dict[str, Any]
) -> Any:
    """What a pickled Parameter with attributes of its own is built again with."""
    parameter = _rebuild_parameter(data, requires_grad, backward_hooks)
    for name, value in state.items():
        setattr(parameter, name, value)
    return parameter


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    """Makes `isinstance(t, Buffer)` true for the tensors that `Buffer(...)` marked."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False):
            return True
        return bool(super().__instancecheck__(instance))


class Buffer(Tensor, plain=True, metaclass=_BufferMeta):
    """A tensor that belongs to a module's state without being learned, such as a running mean.

    Calling it marks a tensor and hands that back: assigned to a Module it becomes a buffer.

    Args:
        data: the tensor; without one the buffer is empty.
        persistent: whether the buffer is part of the module's `state_dict`.
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = Tensor()
        tensor: Any = data.detach().requires_grad_(data.requires_grad)
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


class UninitializedTensorMixin:
    """A tensor whose shape is not known yet; `materialize` gives it one, and its final class."""

    cls_to_become: Any
    data: Any

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give the tensor its shape, with values still to be filled in, and make it an ordinary tensor.

        Args:
            shape: the sizes.
            device: where it goes; by default where it is.
            dtype: what it holds; by default what it was made for.
        """
        data = self.data
        self.data = _empty(shape, device or data.device, dtype or data.dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
            "`forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
            "parameters before calling `module.share_memory()`."
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto: Any) -> tuple[Any, ...]:
        return type(self), (self.requires_grad,)  # type: ignore[attr-defined]

    def copy_(self, src: Any, non_blocking: bool = False) -> Any:
        self.data.copy_(src.data, non_blocking)
        return self

    def _read(self) -> Any:
        # Every operation begins by reading its inputs, so this is where all but the methods below end.
        raise ValueError(
            "Attempted to use an uninitialized parameter in an operation. This error happens when you are "
            "using a `LazyModule` or explicitly manipulating `torch.nn.parameter."
            f"{type(self).__name__}` objects. When using LazyModules Call `forward` with a dummy batch to "
            "initialize the parameters before calling torch functions"
        )


def _on_data(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        data = self._alias()  # of class Tensor: this one refuses to be computed with
        result = getattr(data, name)(*args, **kwargs)
        if not isinstance(self, UninitializedBuffer):
            return result
        # A buffer is replaced by the result, which therefore still waits for its shape.
        if result is data:
            return self
        return UninitializedBuffer(self.requires_grad, result.device, result.dtype, self.persistent)

    method.__name__ = name
    return method


# A module may be cast and moved before its parameters have shapes.
for _name in ("half", "float", "double", "bfloat16", "char", "short", "int", "long", "cuda", "cpu", "to"):
    setattr(UninitializedTensorMixin, _name, _on_data(_name))


def is_lazy(param: Any) -> bool:
    """Whether the tensor still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter, plain=False):  # type: ignore[misc]
    """A parameter whose shape follows from the first input; the Lazy modules hold them.

    Args:
        requires_grad: whether gradients are computed for it, once it has a shape.
        device, dtype: of the parameter to come.
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return Tensor._make_subclass(cls, _empty(0, device, dtype), requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer whose shape follows from the first input.

    Args:
        requires_grad: whether gradients are computed for it, once it has a shape.
        device, dtype: of the buffer to come.
        persistent: whether the buffer is part of the module's `state_dict`.
    """

    cls_to_become = Tensor
    persistent: bool

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        tensor = Tensor._make_subclass(cls, _empty(0, device, dtype), requires_grad)
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


def _empty(shape: Any, device: Any, dtype: Any) -> Any:
    empty = Tensor()
    return empty.new_empty(shape, device=device or empty.device, dtype=dtype or empty.dtype)
