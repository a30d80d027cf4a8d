"""The Tensor: a storage, a chain of views into it, and its autograd state.

Operations are attached to the class by their declarations (`dispatch.py`); here stands what is not an operation: reading
and writing through views, what PyTorch reports about a tensor, and the ways out to Python and NumPy.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from flambeau._core import declare, xla
from flambeau._core import dtype as dtypes
from flambeau._core import format as formatting
from flambeau._core.call import Call
from flambeau._core.device import device as Device
from flambeau._core.modes import modes
from flambeau._core.overrides import default_torch_function
from flambeau._core.size import Size
from flambeau._core.storage import Storage
from flambeau._core.trace import concrete, local, record
from flambeau._core.value import META, Meta, Value, meta_of

if TYPE_CHECKING:
    from flambeau._core.autograd import Node

    # The operations attach themselves to the class; a stub tells checkers and editors of them.
    from flambeau._core.methods import TensorMethods
else:
    TensorMethods = object

ViewStep = tuple[Call, tuple[Any, ...]]

_new = object.__new__


class Tensor(TensorMethods):
    """An n-dimensional array of one dtype on one device, that can require gradients.

    Made by `flambeau.tensor`, `zeros`, `randn` and so on; `Tensor(2, 3)` is PyTorch's legacy constructor.
    """

    # Defaults of what most tensors never set; an instance's dictionary holds the rest.
    _views: tuple[ViewStep, ...] = ()
    _value: Value | None = None  # of a view: what it was at epoch `_seen`
    _seen = -1
    _stride: tuple[int, ...] | None = None  # None: contiguous
    _rg = False  # requires grad
    _node: Node | None = None
    _index = 0
    _grad: Tensor | None = None
    _base: Tensor | None = None  # the tensor this one is a differentiable view of
    _rebased = 0  # of a base: how often an in-place write through autograd gave it a new history
    _rebased_seen = 0  # of a view: the base's count when its own history was made
    _from_base: tuple[ViewStep, ...] = ()  # of a view: the steps from `_base`
    _made_in = (
        ""  # of a view: "no_grad", "multi", "function" or "inference", where in-place writes are restricted
    )
    _made_at = -1  # of a multi-output view: the storage's version when it was made
    _untracked = False  # made by `.data`: writes do not count for autograd
    _inference = False
    _accumulator: Any = None  # weak reference to the AccumulateGrad node of a leaf
    _hooks: dict[int, Any] | None = None
    _post_hooks: dict[int, Any] | None = None
    _retains = False
    _plain = True  # False in subclasses whose type results keep
    _storage: Storage
    _meta: Meta

    __hash__ = object.__hash__

    # -- making ----------------------------------------------------------------------------------

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        from flambeau._core.legacy import legacy_tensor

        return legacy_tensor(cls, args, kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __init_subclass__(cls, plain: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._plain = plain
        if plain:
            from flambeau._core.fastpath import add_plain_type

            add_plain_type(cls)

    @staticmethod
    def _make_subclass(cls: type, data: Tensor, require_grad: bool = False, **_: Any) -> Any:
        """A tensor of class `cls` on the storage of `data`, without its history."""
        result = data._alias(cls)
        result._untracked = False
        if require_grad and not result._meta.tracked:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        if require_grad:
            result.requires_grad_(True)
        return result

    @staticmethod
    def _of(value: Value) -> Tensor:
        """A new tensor with a storage of its own."""
        result = _new(Tensor)
        result._storage = Storage(value)
        result._meta = value.meta
        return result

    def _alias(self, cls: type | None = None) -> Any:
        """Another tensor on the same storage through the same views, without history."""
        result: Any = _new(cls or Tensor)
        result._storage = self._storage
        result._meta = self._meta
        if self._views:
            result._views, result._value, result._seen = self._views, self._value, self._seen
        if self._stride is not None:
            result._stride = self._stride
        if self._untracked:
            result._untracked = True
        if self._inference:
            result._inference = True
        return result

    # -- values ----------------------------------------------------------------------------------

    def _read(self) -> Value:
        """The current value, pending or concrete."""
        storage = self._storage
        if not self._views:
            return storage.value if storage.direct else storage.read()  # type: ignore[return-value]
        value = storage.read()
        if not Storage.direct:
            return local.trace.read_view(self, value)
        if self._seen == storage.epoch and self._value is not None and self._value.failure is None:
            return self._value
        return self._derived(value)

    def _derived(self, base: Value) -> Value:
        """The value of a view of a storage that holds `base`."""
        if self._seen != self._storage.epoch or self._value is None or self._value.failure is not None:
            value = base
            for call, numbers in self._views:
                (value,) = record(call, (value,), numbers)
            self._value, self._seen = value, self._storage.epoch
        return self._value

    def _write(self, value: Value) -> None:
        """Replaces the values in place; the base and all other views of it see the change."""
        storage = self._storage
        if not self._views:
            storage.write(value)
        else:
            storage.write(scatter_through(self._write_steps(self._views), storage.read(), value))
            self._value, self._seen = value, storage.epoch
        if self._untracked:
            storage.hidden += 1
        else:
            storage.version += 1

    @staticmethod
    def _write_all(tensors: Sequence[Tensor], values: Sequence[Value]) -> None:
        """`_write` for many; written out because an optimizer does this for all that it updates."""
        if values and values[0].trace is not None:
            owners = [tensor._storage for tensor in tensors]
            values[0].trace.note_replaced([storage for storage in owners if type(storage) is Storage])
        for tensor, value in zip(tensors, values, strict=True):
            storage = tensor._storage
            if tensor._views or tensor._untracked or not storage.direct:
                tensor._write(value)
            else:
                storage.value = value
                storage.epoch += 1
                storage.version += 1

    def _write_steps(self, views: tuple[ViewStep, ...]) -> tuple[ViewStep, ...]:
        """The steps through which a write reaches the storage.

        Where an element of a step is several of the next (a part of an expanded tensor), only strides tell which.
        """
        by_strides = declare.Op.by_strides
        if by_strides is None or not any(call.op.overlaps for call, _ in views[:-1]):
            return views
        offset = self.storage_offset()
        call = by_strides.call_of(views[0][0].inputs[0], self._meta.shape, self.stride(), offset)
        return ((call, (offset,)),)

    def _host_array(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array (ml_dtypes' types included) that must not be written to."""
        return self._read().numpy()

    # -- what PyTorch reports --------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of all dimensions."""
        return Size(self._meta.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return self._meta.dtype

    @property
    def device(self) -> Device:
        return self._meta.device

    @property
    def ndim(self) -> int:
        return len(self._meta.shape)

    @property
    def layout(self) -> Any:
        return dtypes.strided

    def size(self, dim: int | None = None) -> Any:
        """All sizes, or that of one dimension."""
        if dim is None:
            return Size(self._meta.shape)
        from flambeau._core.declare import canonical_dim

        shape = self._meta.shape
        if not shape:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return shape[canonical_dim(dim, len(shape))]

    def dim(self) -> int:
        return len(self._meta.shape)

    ndimension = dim

    def numel(self) -> int:
        return self._meta.numel

    nelement = numel

    @property
    def itemsize(self) -> int:
        return self._meta.dtype.itemsize

    def element_size(self) -> int:
        return self._meta.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._meta.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Elements to step for each dimension, as PyTorch would report them."""
        strides = self._stride if self._stride is not None else contiguous_strides(self._meta.shape)
        if dim is None:
            return strides
        from flambeau._core.declare import canonical_dim

        return strides[canonical_dim(dim, len(strides))]

    def storage_offset(self) -> int:
        """Elements between the storage's first and this tensor's."""
        if not self._views:
            return 0
        from flambeau._core.dispatch import stride_of_view

        base = self._base
        stride = base._stride if base is not None and not base._views else None
        offset = 0
        for call, numbers in self._views:
            if call.op.offset_rule is not None:
                actual = stride if stride is not None else contiguous_strides(call.inputs[0].shape)
                _, *arguments = call.source.arguments(np, [None], numbers)
                offset = call.op.offset_rule(offset, actual, *arguments)
            stride = stride_of_view(call, stride)
        return offset

    def _root_meta(self) -> Meta:
        return self._views[0][0].inputs[0] if self._views else self._meta

    def is_contiguous(self, memory_format: Any = dtypes.contiguous_format) -> bool:
        from flambeau._core.strides import is_contiguous

        return is_contiguous(self._meta.shape, self._stride, memory_format)

    @property
    def is_sparse(self) -> bool:
        return False

    is_quantized = is_nested = is_mkldnn = is_sparse_csr = is_mps = is_sparse

    @property
    def is_cuda(self) -> bool:
        return self._meta.device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        return self._meta.device.type == "cpu"

    @property
    def is_meta(self) -> bool:
        return self._meta.device.type == "meta"

    def get_device(self) -> int:
        return -1 if self._meta.device.type == "cpu" else self._meta.device.index or 0

    def is_floating_point(self) -> bool:
        return self._meta.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self._meta.dtype.is_complex

    def is_signed(self) -> bool:
        return self._meta.dtype.is_signed

    def is_inference(self) -> bool:
        return self._inference

    def is_pinned(self, device: Any = None) -> bool:
        return False

    def is_shared(self) -> bool:
        return False

    def share_memory_(self) -> Tensor:
        return self

    def module_load(self, other: Tensor, assign: bool = False) -> Tensor:
        """What takes this tensor's place in a module that loads `other`; a class of tensors may have its own."""
        return other.detach() if assign else self.copy_(other).detach()  # type: ignore[attr-defined, no-any-return]

    def is_set_to(self, tensor: Tensor) -> bool:
        same = self._storage is tensor._storage and self._meta is tensor._meta
        return same and self.stride() == tensor.stride() and self.storage_offset() == tensor.storage_offset()

    def data_ptr(self) -> int:
        """A number that is the same for tensors at the same place in the same storage; no address."""
        if not self._meta.numel:
            return 0
        return id(self._storage) + self.storage_offset() * self.itemsize

    # -- autograd state --------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded for `backward`."""
        base = self._base
        if base is None:
            return self._rg
        if self._made_in and (base._rebased != self._rebased_seen or self._made_in == "multi"):
            return self._rg or base._rg  # its history is lost; asking is not refused all the same
        self._refresh()
        # Views made under no_grad() have no history, but say so only when used.
        return self._rg or base._rg

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if value and not self._meta.tracked:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets `requires_grad` of a leaf, in place."""
        if not isinstance(requires_grad, bool):
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
                f"{type(requires_grad).__name__}"
            )
        if not requires_grad and self.grad_fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable "
                "in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if requires_grad and not (self.is_floating_point() or self.is_complex()):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if requires_grad and self._inference and not modes.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        self._rg = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def grad_fn(self) -> Any:
        """The node of the graph that made this tensor; None for leaves."""
        if self._base is not None:
            self._refresh()
        return self._node

    @property
    def name(self) -> None:
        """None: PyTorch keeps the attribute, and no tensor has a name."""

    @property
    def output_nr(self) -> int:
        return self._index

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._storage.version

    def _refresh(self) -> None:
        """Makes this view's history anew when its base was written to in place."""
        base = self._base
        if base is None:
            return
        if base._rebased != self._rebased_seen or (
            # Views that come in several cannot be made anew: any write to the base ends their history.
            self._made_in == "multi"
            and base._rg
            and self._made_at >= 0
            and self._made_at != self._storage.version
        ):
            from flambeau._core.views import rederive

            rederive(self)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated; None before."""
        if self._grad is None and self._node is not None and not self._retains and self._rg:
            import warnings

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
                "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
                "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, "
                "make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more "
                "information.",
                UserWarning, stacklevel=2,
            )  # fmt: skip
        if not Storage.direct:
            local.trace.note_gradient(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if not Storage.direct:
            local.trace.note_gradient(self)
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value._meta.dtype is not self._meta.dtype:
                given = dtypes.cpp_name(value.dtype)
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{given}' to a tensor with grad_dtype "
                    f"'{self.dtype.scalar_type}'. The gradient must match the tensor's dtype."
                )
            if value._meta.device.type != self._meta.device.type:
                raise RuntimeError(
                    f"attempting to assign a gradient with device type '{value.device.type}' to a tensor with device type "
                    f"'{self.device.type}'. Please ensure that the gradient and the tensor are on the same device"
                )
            if value._meta.shape != self._meta.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        if not Storage.direct:
            local.trace.note_gradient(self)
        self._grad = None

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulates the gradients of this tensor into the leaves' `.grad`.

        Raises: RuntimeError, if this tensor is not a scalar and no `gradient` is given, or needs no gradient.

        >>> import flambeau
        >>> x = flambeau.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        from flambeau._core.walk import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Any:
        """Calls `hook(grad)` whenever the gradient of this tensor is computed; what it returns replaces it."""
        from flambeau._core.autograd import register_tensor_hook

        return register_tensor_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Any:
        """Calls `hook(param)` after `backward` accumulated into this leaf's `.grad`."""
        from flambeau._core.autograd import register_post_hook

        return register_post_hook(self, hook)

    def retain_grad(self) -> None:
        """Makes `backward` fill in `.grad` of this tensor although it is no leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf:
            if not Storage.direct and not self._retains:
                local.trace.note_retained(self)
            self._retains = True
            assert self._node is not None
            self._node.retain(self._index, weakref.ref(self))

    @property
    def retains_grad(self) -> bool:
        return self._retains

    @property
    def _backward_hooks(self) -> Any:
        return self._hooks

    def detach(self) -> Tensor:
        """The same values on the same storage, outside the graph."""
        result: Tensor = self._alias(type(self) if not self._plain else None)
        return result

    def detach_(self) -> Tensor:
        """Takes this tensor out of the graph."""
        if self._base is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
                "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
                "detach_() cannot be called on these gradients. To fix this error, please refer to the "
                "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
            )
        self._node, self._index, self._rg = None, 0, False
        return self

    @property
    def data(self) -> Tensor:
        """This tensor's values without autograd: writes to it go unnoticed by the graph."""
        result = self._alias(type(self) if not self._plain else None)
        result._untracked = True
        return result

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._rg and self._node is None and not (value.is_floating_point() or value.is_complex()):
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        version = self._storage.version
        self._storage, self._meta = value._storage, value._meta
        self._views, self._value, self._seen = value._views, value._value, value._seen
        self._stride = value._stride
        self._storage.version = max(version, self._storage.version)

    def _is_view(self) -> bool:
        return self._base is not None

    def _set_history(self, node: Node | None, index: int) -> None:
        self._node, self._index, self._rg = node, index, node is not None

    # -- out to Python ---------------------------------------------------------------------------

    def item(self) -> Any:
        """The value of a tensor with one element as a Python number.

        Raises: RuntimeError, if there are more or fewer elements.
        """
        if self._meta.numel != 1:
            raise RuntimeError(f"a Tensor with {self._meta.numel} elements cannot be converted to Scalar")
        if self._meta.device is META:
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        value = self._read().numpy().reshape(())[()]
        kind = self._meta.np.kind
        return float(value) if kind in "fV" else value.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        array = self._host_array()
        return (array.astype(np.float32) if array.dtype.kind == "V" else array).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The values as a NumPy array that shares this tensor's memory, both ways.

        Raises: RuntimeError for a tensor that requires grad, TypeError for one on another device or of a dtype that
        NumPy lacks; `force=True` detaches and copies instead.
        """
        if force:
            return self.detach().cpu().numpy()  # type: ignore[attr-defined]
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        if self._meta.device.type != "cpu":
            raise TypeError(
                f"can't convert {self._meta.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                "host memory first."
            )
        if self._meta.dtype in (dtypes.bfloat16,) or self._meta.np.kind == "V":
            raise TypeError(f"Got unsupported ScalarType {self._meta.dtype.scalar_type}")
        host = self._storage.share_with_numpy()
        array = host
        for call, numbers in self._views:
            array = call.run(np, [array], numbers)[0]
        if array.size and not np.shares_memory(array, host):
            raise RuntimeError(
                "numpy() cannot share memory with this view: take .clone().numpy() for a copy."
            )
        return array if array is not host else host.view()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if copy:
            return np.array(array, dtype)
        return array if dtype is None else array.astype(dtype, copy=False)

    def jax(self) -> Any:
        """The values as a `jax.Array`, outside the graph."""
        value = self._read()
        data = value.array()
        if type(data) is np.ndarray:
            value.data = data = xla.share(data, self._meta.device)
        value.exposed = True
        return data

    def __bool__(self) -> bool:
        if self._meta.numel != 1:
            what = "no values" if not self._meta.numel else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.item())

    def _scalar(self) -> Any:
        if self._meta.numel != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def __index__(self) -> int:
        if self._meta.numel != 1 or self._meta.np.kind not in "biu":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._meta.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._meta.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._meta.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # type: ignore[attr-defined]

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, int, float, complex)):
            return bool((self == element).any())  # type: ignore[attr-defined]
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            + str(type(element))
            + "."
        )

    def __format__(self, spec: str) -> str:
        if not self._meta.shape and self._meta.device is not META and type(self) is Tensor:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        held = self._storage.value
        if held is not None and held.stands_for is not None:
            return f"Tensor({held.stands_for[0]!r})"
        array = None if self._meta.device is META else self._host_array()
        device = self._meta.device
        node = self.grad_fn
        text = formatting.format_tensor(
            array, self._meta.dtype, prefix=f"{'tensor' if type(self)._prints_as_tensor() else type(self).__name__}(",
            device=None if device.type == "cpu" else str(device),
            grad_fn=None if node is None else type(node).__name__, requires_grad=self._rg, size=self._meta.shape,
        )  # fmt: skip
        return text

    @classmethod
    def _prints_as_tensor(cls) -> bool:
        return cls._plain

    __torch_function__: Any = classmethod(default_torch_function)

    def as_subclass(self, cls: type) -> Any:
        """The same tensor as an instance of `cls`, a subclass of Tensor, with its history.

        Raises: TypeError for another class.
        """
        if not (isinstance(cls, type) and issubclass(cls, Tensor)):
            raise TypeError(
                "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure your "
                "class inherits from Tensor."
            )
        result = self.view_as(self)  # type: ignore[attr-defined]
        result.__class__ = cls
        return result

    def _user_attributes(self) -> dict[str, Any]:
        return {
            name: value for name, value in self.__dict__.items()
            if not hasattr(Tensor, name) and name not in ("_storage", "_meta")
        }  # fmt: skip

    def __copy__(self) -> Tensor:
        result = self._alias(type(self))
        result._rg = self.requires_grad
        result.__dict__.update(self._user_attributes())
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
                "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
                "see https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            return memo[id(self)]
        import copy

        # Tensors that share a storage share one after the copy, too.
        storage = memo.get(("storage", id(self._storage)))  # type: ignore[call-overload]
        if storage is None:
            storage = Storage(self._storage.read())
            memo[("storage", id(self._storage))] = storage  # type: ignore[index]
        result = self._alias(type(self))
        result._storage, result._seen, result._value = storage, -1, None
        result._untracked = False
        memo[id(self)] = result
        if self._rg:
            result._rg = True
        if self._grad is not None:
            result._grad = copy.deepcopy(self._grad, memo)
        for name, value in self._user_attributes().items():
            result.__dict__[name] = copy.deepcopy(value, memo)
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        user = self._user_attributes()
        array = None if self._meta.device is META else np.ascontiguousarray(self._host_array())
        data = None if array is None else array.tobytes()
        return (
            _rebuild,
            (
                type(self),
                data,
                self._meta.shape,
                self._meta.dtype,
                str(self._meta.device),
                self._stride,
                self.requires_grad,
                user,
            ),
        )

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__()})


def _rebuild(
    cls: type, data: bytes | None, shape: tuple[int, ...], dtype: dtypes.dtype, device: str,
    stride: tuple[int, ...] | None, requires_grad: bool, user: dict[str, Any],
) -> Any:  # fmt: skip
    """A pickled tensor again."""
    where = Device(device)
    array = None if data is None else np.frombuffer(data, dtype.np).reshape(shape).copy()
    result = from_array(array, meta_of(shape, dtype, where))._alias(cls)
    result._stride = stride
    result.__dict__.update(user)
    if requires_grad:
        result._rg = True
    return result


def from_array(array: Any, meta: Meta) -> Tensor:
    """A tensor of these values, which nobody may write to afterwards."""
    if meta.device is META:
        return Tensor._of(Value(meta))
    return Tensor._of(concrete(array, meta))


def scatter_through(views: tuple[ViewStep, ...], base: Value, value: Value) -> Value:
    """The value of the base after `value` is written through the chain of views."""
    below = [base]
    for call, numbers in views[:-1]:
        below.append(record(call, (below[-1],), numbers)[0])
    for (call, numbers), under in zip(reversed(views), reversed(below), strict=True):
        (value,) = record(scatter_call(call), (under, value), numbers)
    return value


def scatter_call(call: Call) -> Call:
    """The call that writes a value through the view `call`: (base, value) to the new base."""
    found = call.values.get("scatter")
    if found is None:
        op, source = call.op, call.source

        def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
            _, *arguments = source.arguments(xp, [arrays[0]], numbers)
            return (op.scatter_rule(xp, arrays[0], arrays[1], *arguments),)

        def transpose(xp: Any, g: Any, numbers: Any) -> tuple[Any, Any]:
            """The gradients of base and value: what was overwritten gets none."""
            _, *arguments = source.arguments(xp, [None], numbers)
            zero = xp.zeros(view.shape, view.np)
            return op.scatter_rule(xp, g, zero, *arguments), call.run(xp, [g], numbers)[0]

        base, view = call.inputs[0], call.results[0]
        found = Call(
            f"{call.name}.scatter",
            run,
            (base, view),
            (base,),
            call.device,
            numbers=call.numbers,
            dual=call.dual,
        )
        found.values["linear"] = transpose
        found.values["of"] = call
        parent = call.stable_name()
        found.stable = None if parent is None else repr(("scatter", parent))
        # When it is complete; where several threads make it, the first.
        found = call.values.setdefault("scatter", found)
    return found


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides; a size of 0 counts as 1, as in PyTorch."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
