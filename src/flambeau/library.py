"""`torch.library`: operators that programs define in Python, with kernels for devices and gradients of their own.

`custom_op` makes one from a function; `Library`, `define` and `impl` build them up from schemas. `flambeau.ops` finds them.
A kernel is called with tensors, as any Python function is.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from flambeau._library import operator as _operator
from flambeau._library import schema as _schema
from flambeau._library.operator import KEYS, OpOverload, OpOverloadPacket

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "fallthrough_kernel", "get_ctx", "impl", "impl_abstract", "infer_schema",
    "register_autocast", "register_autograd", "register_fake", "register_kernel", "register_torch_dispatch", "register_vmap",
]  # fmt: skip

Kernel = Callable[..., Any]
_BUILT_IN = ("aten", "prim", "prims")
_libraries: weakref.WeakValueDictionary[str, Library] = weakref.WeakValueDictionary()
_kept: list[Library] = []  # of the functions below, whose registrations stay


def fallthrough_kernel() -> None:
    """Given to `Library.impl`: no kernel under that key, the next one is asked.

    Raises: NotImplementedError, if it is called.
    """
    raise NotImplementedError("fallthrough_kernel() should never be called.")


class Library:
    """What one part of a program defines in a namespace. It is all taken back when the object goes away.

    Args:
        ns: the namespace.
        kind: "DEF" for the one that defines the namespace, "FRAGMENT" for further definitions, "IMPL" for kernels alone.
        dispatch_key: the key of kernels that `impl` is given none for.

    Raises: ValueError for another kind, RuntimeError for a second "DEF" of a namespace or one that is PyTorch's own.

    >>> library = flambeau.library.Library("doc_example", "DEF")
    >>> library.define("double(Tensor x) -> Tensor")
    'double'
    >>> library.impl("double", lambda x: x * 2, "CPU")
    >>> flambeau.ops.doc_example.double(flambeau.ones(1))
    tensor([2.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if (kind != "IMPL" and ns in _BUILT_IN) or (kind == "DEF" and ns in _libraries):
            raise RuntimeError(
                f"Only a single TORCH_LIBRARY can be used to register the namespace {ns}; please put all of your definitions "
                'in a single TORCH_LIBRARY block. Use Library(ns, "FRAGMENT") to define operators in several places.'
            )
        self.ns, self.kind, self.dispatch_key = ns, kind, _known_key(dispatch_key) if dispatch_key else ""
        self._undo: list[Callable[[], object]] = []
        self._finalizer = weakref.finalize(self, _undo_all, self._undo)
        self._finalizer.atexit = False
        if kind == "DEF":
            _libraries[ns] = self

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Defines the operator of a schema, `name(Tensor x, int n=1) -> Tensor`; returns its name.

        Raises: RuntimeError, if the schema is none or the operator exists.
        """
        if self.kind == "IMPL":
            raise RuntimeError(
                f"Library({self.ns!r}, 'IMPL') gives kernels: define operators in a 'DEF' or 'FRAGMENT'"
            )
        op = _operator.define(_schema.parse(schema, self.ns))
        op.tags = [*tags] if isinstance(tags, Iterable) else [tags]
        self._undo.append(lambda: _operator.undefine(op))
        return op._opname

    def impl(
        self,
        op_name: str | OpOverload,
        fn: Kernel,
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        allow_override: bool = True,
    ) -> None:
        """Gives an operator a kernel.

        Args:
            op_name: `name` or `name.overload`.
            fn: called with the operator's arguments.
            dispatch_key: "CPU", "CUDA", "Meta", "CompositeExplicitAutograd" (every device), "CompositeImplicitAutograd" (the
                same, and its gradient is that of what it does; the default), "Autograd", "AutocastCPU", ...

        Raises: RuntimeError for an unknown key, TypeError if `fn` cannot be called.
        """
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        if with_keyset:
            raise NotImplementedError("flambeau has no sets of dispatch keys to hand to a kernel")
        name = (
            op_name._schema.name
            if isinstance(op_name, OpOverload)
            else f"{self.ns}::{op_name.rpartition('::')[2]}"
        )
        if name.partition("::")[0] in _BUILT_IN:
            raise NotImplementedError(f"flambeau's own operations cannot be replaced: {name}")
        if isinstance(op_name, OpOverload) and op_name._schema.overload_name:
            name += f".{op_name._schema.overload_name}"
        if fn is fallthrough_kernel:
            return
        key = _known_key(dispatch_key) if dispatch_key else self.dispatch_key or "CompositeImplicitAutograd"
        op = _operator.find(name)
        kernels = op.kernels if op is not None else _operator.waiting.setdefault(name, {})
        if not allow_override and key in kernels:
            raise RuntimeError(
                f"This is not allowed since there's already a kernel registered from python overriding {name}"
            )
        kernels[key] = fn
        self._undo.append(lambda: kernels.pop(key, None) if kernels.get(key) is fn else None)

    def _register_fake(
        self, op_name: str, fn: Kernel, _stacklevel: int = 1, *, allow_override: bool = True
    ) -> None:
        self.impl(op_name, fn, "Meta", allow_override=allow_override)

    def fallback(self, fn: Kernel, dispatch_key: str = "", *, with_keyset: bool = False) -> NoReturn:
        """Raises NotImplementedError: operations of flambeau pass through no dispatcher."""
        raise NotImplementedError("flambeau has no fallback kernels for whole dispatch keys")

    def _destroy(self) -> None:
        """Takes back all that was defined."""
        self._finalizer()
        if _libraries.get(self.ns) is self:
            del _libraries[self.ns]


def _undo_all(undo: list[Callable[[], object]]) -> None:
    while undo:
        undo.pop()()


@contextlib.contextmanager
def _scoped_library(*args: Any, **kwargs: Any) -> Iterator[Library]:
    """A library for the time of a block."""
    library = Library(*args, **kwargs)
    try:
        yield library
    finally:
        library._destroy()


def _known_key(key: Any) -> str:
    name = str(key).rpartition(".")[2]
    if name not in KEYS:
        raise RuntimeError(f"could not parse dispatch key '{key}'; flambeau knows {', '.join(KEYS)}")
    return name


def _library_for(namespace: str, library: Library | None) -> Library:
    if library is None:
        library = Library(namespace, "FRAGMENT")
        _kept.append(library)
    return library


def _keys(types: str | Sequence[str] | None) -> list[str]:
    """Dispatch keys of device types, which may be keys themselves; None and "default" stand for every device."""
    if types is None:
        types = "default"
    names = (types,) if isinstance(types, str) else types
    keys = {"default": "CompositeExplicitAutograd", "cpu": "CPU", "cuda": "CUDA", "meta": "Meta"}
    return [keys.get(str(name)) or _known_key(name) for name in names]


def _split_name(qualname: str) -> tuple[str, str]:
    namespace, separator, name = qualname.partition("::")
    if not separator or not namespace or not name:
        raise ValueError(f"Expected qualname to be of the form 'namespace::name', but got {qualname}")
    return namespace, name


def define(qualname: str, schema: str | Library, *, lib: Library | None = None, tags: Any = ()) -> Any:
    """Defines the operator `my::name` by the rest of its schema, `(Tensor x) -> Tensor`.

    With a Library, `define(library, "name(Tensor x) -> Tensor")` decorates the kernel for every device.
    """
    if isinstance(qualname, Library):
        library, text = qualname, str(schema)

        def wrap(fn: Kernel) -> Kernel:
            library.impl(library.define(text, tags=tags), fn)
            return fn

        return wrap
    namespace, name = _split_name(qualname)
    _library_for(namespace, lib).define(f"{name}{schema}", tags=tags)
    return None


def impl(qualname: Any, types: Any, func: Any = None, *, lib: Library | None = None) -> Any:
    """Gives the operator `my::name` a kernel for devices: `impl("my::name", "cpu", function)`, or as a decorator."""
    if isinstance(qualname, Library):
        library, name, key = qualname, types, func or ""
        return _decorating(lambda fn: library.impl(name, fn, key), None)
    namespace, name = _split_name(qualname)

    def give(fn: Kernel) -> None:
        library = _library_for(namespace, lib)
        for key in _keys(types):
            library.impl(name, fn, key)

    return _decorating(give, func)


def _op(op: Any) -> OpOverload:
    """The operator that is named or given.

    Raises: RuntimeError, if nobody has defined it.
    """
    if isinstance(op, CustomOpDef):
        return op._opoverload
    if isinstance(op, OpOverloadPacket):
        op = op._qualified_op_name
    if isinstance(op, OpOverload):
        return op
    _split_name(op)
    found = _operator.find(op)
    if found is None:
        raise RuntimeError(f"operator {op} does not exist")
    return found


def _decorating(function: Callable[[Kernel], object], given: Kernel | None) -> Any:
    """Applies `function` to a kernel now, or as a decorator that hands the kernel back."""

    def wrap(fn: Kernel) -> Kernel:
        function(fn)
        return fn

    return wrap if given is None else wrap(given)


def register_kernel(
    op: Any,
    device_types: str | Sequence[str] | None,
    func: Kernel | None = None,
    /,
    *,
    lib: Library | None = None,
) -> Any:
    """Gives an operator a kernel for these device types; None: for every one."""
    overload = _op(op)
    return _decorating(lambda fn: overload.kernels.update(dict.fromkeys(_keys(device_types), fn)), func)


def register_fake(
    op: Any,
    func: Kernel | None = None,
    /,
    *,
    lib: Library | None = None,
    _stacklevel: int = 1,
    allow_override: bool = True,
) -> Any:
    """Gives an operator the kernel for meta tensors, which makes results of the right shape.

    Unlike in PyTorch the operator need not be defined yet: packages register this for operators of C++ extensions, which
    flambeau cannot load.
    """
    if isinstance(op, str) and _operator.find(op) is None:
        namespace, name = _split_name(op)
        return _decorating(lambda fn: _library_for(namespace, lib).impl(name, fn, "Meta"), func)
    return _decorating(lambda fn: _op(op).kernels.update(Meta=fn), func)


def impl_abstract(
    qualname: str, func: Kernel | None = None, *, lib: Library | None = None, _stacklevel: int = 1
) -> Any:
    """The older name of `register_fake`."""
    return register_fake(qualname, func, lib=lib)


def register_autograd(
    op: Any, backward: Kernel, /, *, setup_context: Kernel | None = None, lib: Library | None = None
) -> None:
    """Gives an operator its gradient.

    Args:
        op: the operator or its name, `my::name`.
        backward: `backward(ctx, *gradients_of_results)` returns one gradient for each argument, None where there is none.
        setup_context: `setup_context(ctx, inputs, output)` keeps what `backward` needs.

    >>> @flambeau.library.custom_op("doc_example_grad::triple", mutates_args=())
    ... def triple(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return flambeau.from_numpy(x.detach().numpy() * 3)
    >>> flambeau.library.register_autograd(triple, lambda ctx, gradient: gradient * 3)
    >>> x = flambeau.ones(1, requires_grad=True)
    >>> triple(x).backward()
    >>> x.grad
    tensor([3.])
    """
    overload = _op(op)
    if overload._schema.is_mutable:
        raise RuntimeError(
            f"Cannot register autograd formula for non-functional operator {overload} with schema {overload._schema}. Please "
            "create a functional operator and register an autograd formula for that."
        )
    overload.backward, overload.setup_context = backward, setup_context


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Library | None = None) -> None:
    """Under autocast on this device type, the operator's floating arguments are cast to `cast_inputs` first."""
    if device_type not in ("cpu", "cuda"):
        raise ValueError(f"Unknown device type: {device_type}")
    _op(op).casts[device_type] = cast_inputs


def register_vmap(op: Any, func: Kernel | None = None, /, *, lib: Library | None = None) -> Any:
    """Gives an operator the rule by which `flambeau.func.vmap` batches it: `func(info, in_dims, *args)`."""
    return _decorating(lambda fn: setattr(_op(op), "vmap_rule", fn), func)


def register_torch_dispatch(
    op: Any, torch_dispatch_class: Any, func: Kernel | None = None, /, *, lib: Any = None
) -> NoReturn:
    """Raises NotImplementedError: there is no `__torch_dispatch__` here."""
    raise NotImplementedError("flambeau has no __torch_dispatch__; classes may define __torch_function__")


def get_ctx() -> NoReturn:
    """Raises RuntimeError: shapes are always known when a fake kernel runs here."""
    raise RuntimeError(
        "get_ctx() is for sizes that depend on data, which fake kernels do not meet in flambeau"
    )


def infer_schema(
    prototype_function: Kernel,
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
    tags: Any = (),
) -> str:
    """The schema that a function's annotations say.

    Raises: ValueError, if an annotation is missing or unknown to schemas.

    >>> def clip(x: flambeau.Tensor, low: float = 0.0) -> flambeau.Tensor: ...
    >>> flambeau.library.infer_schema(clip, mutates_args=())
    '(Tensor x, float low=0.0) -> Tensor'
    """
    return (op_name or "") + _schema.infer(prototype_function, mutates_args)


class CustomOpDef:
    """An operator that `custom_op` made. Calling it calls the operator."""

    def __init__(self, namespace: str, name: str, schema: str, fn: Kernel, tags: Any = None) -> None:
        self._namespace, self._name, self._init_fn = namespace, name, fn
        existing = _operator.find(f"{namespace}::{name}")
        if existing is not None:  # defining it again replaces it
            _operator.undefine(existing)
        self._opoverload = _operator.define(_schema.parse(f"{name}{schema}", namespace))
        self._opoverload.opaque = True
        self._disabled: dict[str, Kernel] = {}

    @property
    def _qualname(self) -> str:
        return f"{self._namespace}::{self._name}"

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._opoverload(*args, **kwargs)

    def register_kernel(self, device_types: str | Sequence[str] | None, fn: Kernel | None = None, /) -> Any:
        """The kernel for these device types, in place of the function; None: for every one."""
        return register_kernel(self, device_types, fn)

    def register_fake(self, fn: Kernel, /) -> Kernel:
        """The kernel for meta tensors."""
        self._opoverload.kernels["Meta"] = fn
        return fn

    def register_autograd(self, backward: Kernel, /, *, setup_context: Kernel | None = None) -> None:
        """The gradient; see `flambeau.library.register_autograd`."""
        register_autograd(self, backward, setup_context=setup_context)

    def register_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """What autocast does with the arguments; see `flambeau.library.register_autocast`."""
        register_autocast(self, device_type, cast_inputs)

    def register_vmap(self, func: Kernel | None = None) -> Any:
        """The rule for `vmap`."""
        return register_vmap(self, func)

    def register_torch_dispatch(self, torch_dispatch_class: Any, fn: Kernel | None = None, /) -> NoReturn:
        """Raises NotImplementedError: there is no `__torch_dispatch__` here."""
        register_torch_dispatch(self, torch_dispatch_class, fn)

    @contextlib.contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Iterator[None]:
        """Whether the kernel of a device type is used in a block, or the function that the operator was made from."""
        (key,) = _keys(device_type)
        kernels = self._opoverload.kernels
        before = kernels.get(key)
        if not enabled:
            kernels.pop(key, None)
        try:
            yield
        finally:
            if before is not None:
                kernels[key] = before


def custom_op(
    name: str,
    fn: Kernel | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Makes a function an operator: one opaque step, whose gradient `register_autograd` gives.

    Args:
        name: `namespace::name`.
        fn: the function; without it this is a decorator.
        mutates_args: names of the arguments that it writes to; "unknown" for any.
        device_types: those that it runs on; None: all.
        schema: its arguments and results; None: what its annotations say.

    Raises: ValueError, if annotations are missing. When called, RuntimeError for results that share memory with arguments.

    >>> @flambeau.library.custom_op("doc_example_op::add_one", mutates_args=())
    ... def add_one(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return x + 1
    >>> flambeau.ops.doc_example_op.add_one(flambeau.zeros(2))
    tensor([1., 1.])
    """

    def wrap(function: Kernel) -> CustomOpDef:
        text = _schema.infer(function, mutates_args) if schema is None else schema
        definition = CustomOpDef(*_split_name(name), text, function, tags)
        _check_mutations(definition._opoverload, mutates_args)
        definition.register_kernel(device_types, function)
        return definition

    return wrap if fn is None else wrap(fn)


def _check_mutations(op: OpOverload, mutates_args: str | Iterable[str]) -> None:
    if isinstance(mutates_args, str):
        return
    written = {argument.name for argument in op._schema.arguments if argument.is_write}
    if written != set(mutates_args):
        raise ValueError(
            f"Attempted to create a custom op with `mutates_args={mutates_args}` and `schema={op._schema}`. The schema "
            f"suggests that the op mutates {written}, which is different from what was provided to us in `mutates_args`."
        )


def triton_op(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: kernels are XLA's."""
    raise NotImplementedError("flambeau runs on XLA and cannot launch Triton kernels")


wrap_triton = triton_op
