"""`autograd.Function`: operations whose backward the user writes."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core.autograd import FREED, Node, attach, edge_of, rewritten, zeros_value
from flambeau._core.inplace import rebase
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._core.value import Value


class FunctionCtx:
    """What `forward` and `backward` share: saved tensors, marks, and any attribute the user sets."""

    _to_save: tuple[Any, ...] = ()
    _non_differentiable: tuple[Any, ...] = ()
    _dirty: tuple[Any, ...] = ()
    _materialize = True
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps input or output tensors for `backward`, where they are `ctx.saved_tensors`."""
        for number, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {number} is of type {type(tensor).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Accepted for code that also defines `jvp`; forward mode reads `saved_tensors`, too."""
        self._to_save = self._to_save or tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs `forward` wrote to in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients of outputs reach `backward` as zeros (the default) or as None."""
        self._materialize = value


class _Saved:
    """A tensor kept for backward: inputs themselves, outputs as value and place in the graph."""

    def __init__(self, tensor: Tensor, node: FunctionNode, outputs: Sequence[Tensor]) -> None:
        self.storage: Any = tensor._storage
        self.version = tensor._storage.version
        self.output = next((i for i, output in enumerate(outputs) if output is tensor), None)
        self.packed: Any = None
        self.unpack: Callable[[Any], Tensor] | None = None
        self.tensor = tensor if self.output is None else None
        # Where it came from when it was saved: a write in place gives it another history.
        self.made_by = edge_of(tensor) if tensor.requires_grad and self.output is None else None
        self.value: Value | None = tensor._read()
        if modes.saved_hooks:
            pack, self.unpack = modes.saved_hooks[-1]
            self.packed, self.tensor, self.value = pack(tensor.detach()), None, None
            self.storage = None  # it is theirs to keep

    def restore(self, node: FunctionNode) -> Tensor:
        if self.unpack is not None:
            # What hooks hand back is data: its history is that of the tensor that was saved.
            return self._with_history(node, self.unpack(self.packed)._read())
        if self.storage.version != self.version and modes.mutation_allowed:
            return self._as_it_was(node)
        if self.storage.version != self.version:
            meta = self.tensor._meta if self.tensor is not None else self.value.meta  # type: ignore[union-attr]
            made_by = (node, self.output) if self.output is not None else self.made_by
            raise rewritten(meta, made_by, self.storage.version, self.version)
        return self.tensor if self.tensor is not None else self._as_it_was(node)

    def _as_it_was(self, node: FunctionNode) -> Tensor:
        return self._with_history(node, self.value)  # type: ignore[arg-type]

    def _with_history(self, node: FunctionNode, value: Value) -> Tensor:
        result = Tensor._of(value)
        place = (node, self.output) if self.output is not None else self.made_by
        if place is not None and result._meta.tracked:
            attach(result, place)
        return result


class FunctionNode(Node, FunctionCtx):
    """The node of a custom function; at the same time the `ctx` that its methods receive."""

    runs_without_gradients = False
    _finished = False  # forward has run
    _goes_forwards = False  # the gradient is to be that of the function's `jvp`
    _function: type[Function]
    _saved: list[_Saved | None] | None = None
    _tensor_args: Sequence[tuple[int, Any]] = ()  # places and metas of the tensors among the arguments

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors given to `save_for_backward`."""
        if self._saved is None:
            if not self._finished:
                return self._to_save
            raise RuntimeError(FREED)
        return tuple(None if saved is None else saved.restore(self) for saved in self._saved)

    saved_variables = saved_tensors

    def pull(self, cotangents: list[Any], work: Any) -> Sequence[Any]:
        grads: list[Any] = []
        for cotangent, meta in zip(cotangents, self.results, strict=True):
            if cotangent is not None:
                grads.append(work.wrap(cotangent))
            else:
                grads.append(
                    Tensor._of(zeros_value(meta)) if self._materialize and meta is not None else None
                )
        found = _transposed(self, grads) if self._goes_forwards else self._function.backward(self, *grads)
        found = found if isinstance(found, tuple) else (found,)
        count = len(self.needs_input_grad)
        if len(found) > count and all(item is None for item in found[count:]):
            found = found[:count]
        if len(found) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got {len(found)})"
            )
        gradients: list[Any] = []
        for place, (number, meta) in enumerate(self._tensor_args):
            gradient = found[number]
            if gradient is None or self.edges[place] is None:
                gradients.append(None)
                continue
            if not isinstance(gradient, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
            if gradient._meta.shape != meta.shape:
                gradient = _reduced(gradient, meta.shape, self.name(), number)
            if gradient._meta.dtype is not meta.dtype:
                gradient = gradient.to(meta.dtype)  # type: ignore[attr-defined]
            gradients.append(work.unwrap(gradient))
        return gradients

    def _finish(self, args: tuple[Any, ...], output: Any) -> Any:
        """What `forward` gave for these arguments, as results of this node."""
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        tracked = modes.grad and any(self.needs_input_grad)
        edges = tuple(edge_of(t) if t.requires_grad else None for t in tensors) if tracked else ()
        single = not isinstance(output, tuple)
        finished = _with_history(self, tensors, [output] if single else list(output), edges, tracked)
        return finished[0] if single else tuple(finished)

    def release(self) -> None:
        if self._saved:
            self._saved = None


def _transposed(node: FunctionNode, cotangents: Sequence[Any]) -> tuple[Any, ...]:
    """The gradients of the inputs, from the function's `jvp`: it is linear, so its own gradient is the same everywhere."""
    from flambeau._core.walk import grad

    tangents: list[Any] = [None] * len(node.needs_input_grad)
    for place, meta in node._tensor_args:
        tangents[place] = Tensor._of(zeros_value(meta))
        tangents[place]._rg = node.needs_input_grad[place]
    previous, modes.grad = modes.grad, True
    try:
        found = node._function.jvp(node, *tangents)
    finally:
        modes.grad = previous
    found = found if isinstance(found, tuple) else (found,)
    pairs = [
        (change, g)
        for change, g in zip(found, cotangents, strict=True)
        if isinstance(change, Tensor) and change.requires_grad and g is not None
    ]
    wanted = [place for place, need in enumerate(node.needs_input_grad) if need]
    gradients: list[Any] = [None] * len(tangents)
    if pairs:
        pulled = grad(
            [change for change, _ in pairs], [tangents[i] for i in wanted], [g for _, g in pairs],
            create_graph=previous, allow_unused=True,
        )  # fmt: skip
        for place, gradient in zip(wanted, pulled, strict=True):
            gradients[place] = gradient
    return tuple(gradients)


def _reduced(gradient: Tensor, shape: tuple[int, ...], name: str, number: int) -> Tensor:
    """The gradient summed over what broadcasting added to `shape`.

    Raises: RuntimeError, if `shape` does not broadcast to the gradient's.
    """
    sizes = gradient._meta.shape
    extra = len(sizes) - len(shape)
    if extra < 0 or any(own not in (1, size) for own, size in zip(shape, sizes[extra:], strict=True)):
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {number} - got {list(sizes)} but expected shape "
            f"compatible with {list(shape)}"
        )
    dims = [i for i, size in enumerate(sizes) if i < extra or (shape[i - extra] == 1 and size != 1)]
    return gradient.sum(dims, True).reshape(shape)  # type: ignore[attr-defined]


class Function:
    """Base of operations with a backward of their own: define `forward` and `backward`, call `apply`.

    >>> import flambeau
    >>> class Double(flambeau.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         return grad * 2
    >>> x = flambeau.ones(1, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor([2.])
    """

    generate_vmap_rule = False
    # One of flambeau's own, whose forward is operations: inside `vmap` those are recorded for one element.
    of_operations = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke "
            "them on the class itself. Instantiating an autograd function will raise an error in a future version of "
            "PyTorch.",
            DeprecationWarning, stacklevel=2,
        )  # fmt: skip

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function "
            "with static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation: `forward(ctx, *args)`, or `forward(*args)` beside `setup_context`."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Saves what backward needs, where `forward` takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the inputs (None for those without) from the gradients of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """How the outputs change along changes of the inputs; only `func.jvp` and what follows from it asks."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        """The function on a batch: from arguments of which each has it where `in_dims` says, `(output, out_dims)`."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True."
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "vjp" in cls.__dict__ and "backward" not in cls.__dict__:
            cls.backward = staticmethod(cls.vjp)  # type: ignore[attr-defined,method-assign]
        cls._node_class = type(f"{cls.__name__}Backward", (FunctionNode,), {"_function": cls})  # type: ignore[attr-defined]

    @classmethod
    def _bound(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with those given by name in their places."""
        context = () if cls.setup_context is not Function.setup_context else (None,)
        bound = inspect.signature(cls.forward).bind(*context, *args, **kwargs)
        return bound.args[len(context) :], bound.kwargs

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs the function and records it for backward."""
        if kwargs:
            args, kwargs = cls._bound(args, kwargs)
        trace = local.trace
        return trace.apply_function(cls, args, kwargs) if trace.records else cls._apply(*args, **kwargs)

    @classmethod
    def _apply(cls, *args: Any, **kwargs: Any) -> Any:
        node = cls._node_for(args)
        previous = modes.grad
        modes.grad = False
        try:
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args, **kwargs)
        finally:
            modes.grad = previous
        return node._finish(args, output)

    @classmethod
    def _node_for(cls, args: tuple[Any, ...]) -> Any:
        """The node, at the same time the `ctx`, of a call with these arguments."""
        node = cls._node_class()  # type: ignore[attr-defined]
        node.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        node._tensor_args = [(i, arg._meta) for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        node._goes_forwards = modes.forwards and cls.jvp is not Function.jvp
        return node


def _with_history(
    node: FunctionNode, inputs: list[Tensor], outputs: list[Any], edges: tuple[Any, ...], tracked: bool
) -> list[Any]:
    """The outputs as results of `node`: never the inputs themselves, unless those were marked as written to."""
    finished: list[Any] = []
    for output in outputs:
        if (
            isinstance(output, Tensor)
            and any(output is t for t in inputs)
            and not any(output is t for t in node._dirty)
        ):
            given, output = output, output._alias()
            output._base = given if given._base is None else given._base
            output._from_base = given._from_base
        finished.append(output)
    node._finished = True
    if not tracked:
        for tensor in node._dirty:
            tensor._storage.version += 1
        return finished
    for tensor in node._dirty:
        if tensor._base is None and tensor.is_leaf and tensor.requires_grad:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    saved = [next((f for f, o in zip(finished, outputs, strict=True) if o is s), s) for s in node._to_save]
    node.edges = edges
    node.results = tuple(f._meta if isinstance(f, Tensor) else None for f in finished)  # type: ignore[misc]
    silent = {
        id(f) for f, o in zip(finished, outputs, strict=True) if any(o is t for t in node._non_differentiable)
    }
    for index, tensor in enumerate(finished):
        if not isinstance(tensor, Tensor):
            continue
        differentiable = tensor.is_floating_point() or tensor.is_complex()
        if not differentiable or id(tensor) in silent:
            if not any(tensor is t for t in inputs):
                tensor._set_history(None, 0)
            continue
        if any(tensor is t for t in node._dirty):
            made = Tensor._of(tensor._read())
            made._set_history(node, index)
            rebase(tensor, made)
        else:
            if tensor._base is not None:
                # Following a write to the base, or to this view, would bypass the function's own backward.
                tensor._made_in, tensor._rebased_seen = "function", tensor._base._rebased
            tensor._set_history(node, index)
    node._saved = [None if tensor is None else _Saved(tensor, node, finished) for tensor in saved]
    node._to_save = node._non_differentiable = node._dirty = ()
    return finished


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a `backward` that cannot itself be differentiated: doing so raises."""

    @functools.wraps(function)
    def wrapper(ctx: Any, *args: Any) -> Any:
        previous = modes.grad
        modes.grad = False
        try:
            outputs = function(ctx, *args)
        finally:
            modes.grad = previous
        if not modes.grad or not any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):
            return outputs
        single = not isinstance(outputs, tuple)
        results = []
        for output in (outputs,) if single else outputs:
            if isinstance(output, Tensor) and (output.is_floating_point() or output.is_complex()):
                output = output.detach()
                output._set_history(_Refusing(output._meta), 0)
            results.append(output)
        return results[0] if single else tuple(results)

    return wrapper


class _Refusing(Node):
    """Stands behind gradients that must not be differentiated again."""

    def __init__(self, meta: Any) -> None:
        super().__init__()
        self.results = (meta,)

    def name(self) -> str:
        return "DelayedError"

    def pull(self, cotangents: list[Any], work: Any) -> Sequence[Any]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


class InplaceFunction(Function):
    """Kept for old code: a Function with an `inplace` flag."""


class NestedIOFunction(Function):
    """Kept for old code that names it."""
