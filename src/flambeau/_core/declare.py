"""Declaring operations: one function says it all, and the rest is made from it.

    @op("logit", "special.logit", "Tensor.logit", "Tensor.logit_", out=True, promote=FLOATING, shape=broadcast)
    def logit(xp, input: Array, eps: Scalar | None = None):
        ...

The body is a pure function of arrays. A first parameter `xp` (numpy or jax.numpy) says that it runs on both; without it
the body is for JAX alone. Annotations give the roles: `Array` takes a tensor and part in promotion, `Operand` a tensor or
a number, `Index` a tensor that keeps its dtype, `Arrays` a sequence of tensors, `Scalar` a Python number that becomes a
leaf (a new number never recompiles); all else is static. The names are the public surface: `Tensor.x` a method, a trailing
`_` the in-place form.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import xla
from flambeau._core.autocast import rules_of
from flambeau._core.call import Call
from flambeau._core.device import device as Device
from flambeau._core.gradient import Rule
from flambeau._core.strides import by_columns
from flambeau._core.value import CPU, META, Meta, meta_of

Array = Annotated[Any, "array"]
Operand = Annotated[Any, "operand"]
Index = Annotated[Any, "index"]
Arrays = Annotated[Any, "arrays"]
Indices = Annotated[Any, "indices"]
Scalar = Annotated[Any, "scalar"]
Dims = Annotated[Any, "dims"]
Sizes = Annotated[Any, "sizes"]

# How the dtype that a body computes in follows from its arguments.
PROMOTE = "promote"  # PyTorch's result type of all Array and Operand arguments
FLOATING = "floating"  # the same, and integers become the default dtype
KEEP = "keep"  # no casts; float16 and bfloat16 are widened to float32 inside (rounded once, as PyTorch does)
RAW = "raw"  # nothing at all: the body sees the arrays as they are


class Out(NamedTuple):
    """What an operation asks of its `out=` tensors.

    Args:
        dtype: PyTorch's error for any dtype but the result's own, in which `{wanted}` and `{found}` name the two ("Float"),
            `{wanted_cpp}` and `{found_cpp}` as C++ does ("float"). Without it each is taken that the result can be cast to.
        apart: whether they may share no memory with an operand. For pointwise operations they may be one of them.
        uncastable: PyTorch's TypeError for a dtype that the result cannot be cast to, where it has one of its own.
        leads: whether the operation computes in their dtype, unless its argument `dtype` is given.
    """

    dtype: str | None = None
    apart: bool = False
    uncastable: str | None = None
    leads: bool = False


ANY = Out()
APART = Out(apart=True)
EXACT = Out("Expected out tensor to have dtype {wanted_cpp}, but got {found_cpp} instead")
LEADING = Out(EXACT.dtype, leads=True)
EXACT_APART = Out(EXACT.dtype, apart=True)
EXACT_UNARY = Out("Found dtype {found} but expected {wanted}")


def wanted_out(out: Out | bool) -> Out | None:
    """What a declaration's `out=` says; None: the operation has no `out=`."""
    return (ANY if out else None) if isinstance(out, bool) else out


registry: dict[str, Any] = {}
_named: set[int] = set()  # functions that stand in `registry`, by id
_PACKAGE = __name__.partition(".")[0]


def register(name: str, function: Any) -> None:
    """Makes `function` the public `name` (a dotted path below torch)."""
    if name in registry:
        raise ValueError(f"{name} is declared twice")
    registry[name] = function
    if type(function) is types.FunctionType and id(function) not in _named:
        # Where a pickle finds it again: under the first of its public names.
        _named.add(id(function))
        where, _, last = name.rpartition(".")
        method = where == "Tensor"
        function.__module__ = _PACKAGE if method or not where else f"{_PACKAGE}.{where}"
        function.__name__, function.__qualname__ = last, name if method else last


def public(namespace: str) -> dict[str, Any]:
    """What was declared for a namespace ("" is the top one): name to function."""
    found = {}
    for path, function in registry.items():
        where, _, name = path.rpartition(".")
        if where == namespace:
            found[name] = function
    return found


class Param:
    """One parameter of an operation with its role."""

    __slots__ = ("convert", "default", "keyword", "name", "optional", "role")

    def __init__(
        self, name: str, default: Any, keyword: bool, annotation: Any, scope: dict[str, Any]
    ) -> None:
        self.name = name
        self.default = default
        self.keyword = keyword
        if type(annotation) is str:
            known = _roles_of_text.get(annotation)
            if known is None:
                known = _roles_of_text[annotation] = _role(eval(annotation, scope))
            self.role, self.optional = known
        else:
            self.role, self.optional = _role(annotation)
        self.convert = _CONVERTERS.get(self.role, _as_static)


# Annotations are texts, and few different ones: each is evaluated once.
_roles_of_text: dict[str, tuple[str, bool]] = {}


def _params_of(body: Callable[..., Any]) -> list[Param]:
    """The parameters of a body. By hand: `inspect.signature` would make up half of the time to import flambeau."""
    code, defaults = body.__code__, body.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    first_default = code.co_argcount - len(defaults)
    params = []
    for i, name in enumerate(names):
        keyword = i >= code.co_argcount
        if keyword:
            default = (body.__kwdefaults__ or {}).get(name, inspect.Parameter.empty)
        else:
            default = defaults[i - first_default] if i >= first_default else inspect.Parameter.empty
        params.append(Param(name, default, keyword, body.__annotations__.get(name), body.__globals__))
    return params


def _role(annotation: Any) -> tuple[str, bool]:
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if typing.get_origin(annotation) is typing.Union:
        options = typing.get_args(annotation)
    optional = type(None) in options or annotation is None
    kinds = [option for option in options if option is not type(None)]
    for kind in kinds:
        if typing.get_origin(kind) is Annotated:
            return typing.get_args(kind)[1], optional
    if len(kinds) == 1 and kinds[0] in (int, float, bool, str):
        return kinds[0].__name__, optional
    return "static", optional


def _as_int(value: Any) -> int:
    if isinstance(value, (float, np.floating)) or not hasattr(value, "__index__"):
        raise TypeError(f"must be int, not {type(value).__name__}")
    return value.__index__()


def _as_dims(value: Any) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        return tuple([_as_int(item) for item in value])
    if hasattr(value, "__index__"):
        return (_as_int(value),)
    raise TypeError(f"must be tuple of ints, not {type(value).__name__}")


def _as_bool(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or type(value) is int:
        return bool(value)
    raise TypeError(f"must be bool, not {type(value).__name__}")


def _as_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"must be str, not {type(value).__name__}")


def _as_float(value: Any) -> float:
    if isinstance(value, str):
        raise TypeError("must be float, not str")
    return float(value)


def _as_static(value: Any) -> Any:
    """Lists as tuples; anything else must be hashable."""
    if isinstance(value, (list, tuple)):
        return tuple([_as_static(item) for item in value])
    return value


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int": _as_int, "dims": _as_dims, "sizes": _as_dims, "bool": _as_bool, "str": _as_str, "float": _as_float,
}  # fmt: skip


def typed(value: Any) -> Any:
    """A key under which equal values of different types differ: 2, 2.0 and True; 0.0 and -0.0; nan equals itself."""
    if type(value) is float:
        return (float, value.hex())
    if type(value) is tuple:
        return tuple([typed(item) for item in value])
    return (type(value), value)


class Source:
    """Where a call's arguments come from: how its body's parameters are filled from arrays and numbers."""

    __slots__ = ("casts", "compute", "entries", "input_names", "lists", "number_kinds", "params")

    def __init__(self, params: Sequence[Param]) -> None:
        self.params = params
        self.entries: list[tuple[str, Any]] = []
        self.input_names: list[str] = []
        self.casts: list[np.dtype[Any] | None] = []
        self.compute: np.dtype[Any] | None = None
        self.lists: set[str] = set()
        self.number_kinds: list[type] = []

    def is_list(self, name: str) -> bool:
        return name in self.lists

    def widen(self, xp: Any, value: Any) -> Any:
        """A cotangent or saved output in the dtype that the body computes in, if that is wider than the result's."""
        if self.compute is not None and value.dtype.kind in "fV" and self.compute.kind == "f":
            return value if value.dtype == self.compute else value.astype(self.compute)
        return value

    def arguments(self, xp: Any, arrays: Any, numbers: Sequence[Any]) -> list[Any]:
        """The body's arguments. `arrays` maps an input's number to its array; missing ones (not saved) come as None."""
        values = []
        # `argument` written out for the two usual kinds: in NumPy this runs once for each call of each step.
        for entry in self.entries:
            kind, what = entry
            if kind == "static":
                values.append(what)
            elif kind == "array":
                value, cast = arrays[what], self.casts[what]
                plain = value is None or cast is None or value.dtype == cast
                values.append(value if plain else value.astype(cast))
            else:
                values.append(self.argument(entry, xp, arrays, numbers))
        return values

    def argument(self, entry: tuple[str, Any], xp: Any, arrays: Any, numbers: Sequence[Any]) -> Any:
        """The argument that one of `entries` describes."""
        kind, what = entry
        if kind == "static":
            return what
        if kind == "array":
            return self._array(arrays, what)
        if kind == "list":
            return [None if i is None else self._array(arrays, i) for i in what]
        return self.number(xp, what, numbers)

    def _array(self, arrays: Any, i: int) -> Any:
        value, cast = arrays[i], self.casts[i]
        return value if value is None or cast is None or value.dtype == cast else value.astype(cast)

    def number(self, xp: Any, what: tuple[int, type], numbers: Sequence[Any]) -> Any:
        """One of the numbers as the body takes it, given its place and kind."""
        at, kind = what
        value = numbers[at]
        if kind is complex:
            value = value + 1j * numbers[at + 1]
        dtype = self.compute
        if dtype is None:
            dtype = _DTYPES[kind]
        if xp is not np:
            return xp.asarray(value).astype(dtype)
        if dtype.kind in "iu" and dtype != np.int64:
            # NumPy's types refuse an integer that they cannot hold; a cast wraps it.
            return np.asarray(value).astype(dtype)[()]
        return dtype.type(value)


# Python's kinds of number as an operation takes them that computes in no dtype of its own.
_DTYPES = {
    kind: np.dtype(dtype)
    for kind, dtype in {bool: np.bool_, int: np.int64, float: np.float64, complex: np.complex128}.items()
}


class Op:
    """One declared operation: its body, its rules, and the calls made of it so far."""

    def __init__(self, body: Callable[..., Any], names: tuple[str, ...], options: dict[str, Any]) -> None:
        self.name = body.__name__.rstrip("_") if names == () else names[0].rpartition(".")[2]
        self.names = names
        self.body = body
        # The same in every process. Operations that one function declares in turn have bodies of one name.
        place = f"{body.__module__}.{body.__qualname__}"
        self.identity = f"{place}#{_bodies.setdefault(place, 0)}"
        _bodies[place] += 1
        self.dual = body.__code__.co_varnames[:1] == ("xp",)
        self.promote: Any = options.pop("promote", KEEP)
        self.shape: Any = options.pop("shape", None)
        self.result: Any = options.pop("result", None)
        self.outputs: tuple[str, ...] | None = options.pop("outputs", None)
        self.output_names = self.outputs
        self.many_outputs: bool = options.pop("many_outputs", False)
        self.differentiable: bool = options.pop("differentiable", True)
        # Names of inputs and outputs that may not be written to before backward, if not simply all that it needs.
        self.guards: tuple[str, ...] | None = options.pop("guards", None)
        self.out: Out | None = wanted_out(options.pop("out", False))
        # Whether the first tensor may be a number, as in `torch.mul(2, x)`.
        self.accepts_numbers: bool = options.pop("numbers", False)
        self.view: bool = options.pop("view", False)
        # Whether several elements of the view may be one element of its input.
        self.overlaps: bool = options.pop("overlaps", False)
        # Which results are matrices that lie column by column, as LAPACK leaves them: their numbers, or a function of the
        # arguments (a `Meta` for each tensor) giving them.
        self.columns: Any = options.pop("columns", ())
        self.check: Any = options.pop("check", None)
        self.cost: Any = options.pop("cost", None)
        # Whether its kernels take images with their channels last, which whole programs then keep (`xla.channels_last`).
        self.channels_last: bool = options.pop("channels_last", False)
        self.dtypes: Any = options.pop("dtypes", None)
        # PyTorch's name for the node (without "0"), or a function of the input metas giving it.
        self.node: Any = options.pop("node", None)
        self.pointwise: bool = options.pop("pointwise", self.shape is broadcast)
        # What autocast does with the arguments, by type of device; `listed_as` is the name for operations without a public one.
        self.autocast = rules_of((*names, options.pop("listed_as", "")))
        if options:
            raise TypeError(f"{self.name}: unknown options {sorted(options)}")
        self.rules: list[Rule] = []
        self.stride_rule: Any = None
        self.scatter_rule: Any = None
        self.calls: dict[Any, Call] = {}
        self.offset_rule: Any = None
        # What `dispatch.op` makes: the public function, and one that takes every argument in order.
        self.function: Any = None
        self.positional: Any = None
        _ops.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The operation on tensors, as its public function has it."""
        return self.function(*args, **kwargs)

    # Worked out at the first call: few of the hundreds of operations are ever called in one program.
    @cached_property
    def params(self) -> list[Param]:
        params = _params_of(self.body)
        return params[1:] if self.dual else params

    @cached_property
    def roles(self) -> list[tuple[str, Param]]:
        return [(p.role, p) for p in self.params]

    @cached_property
    def _positional(self) -> int:
        return sum(not p.keyword for p in self.params)

    @cached_property
    def _keywords(self) -> list[str]:
        return [p.name for p in self.params if p.keyword]

    # The view operation by explicit strides: (whole storage, size, stride, offset). Set where it is declared.
    by_strides: Op | None = None

    def call_of(self, meta: Meta, *arguments: Any) -> Call:
        """The call of a view operation on an input like this, as recording it would make it."""
        kinds = [int if param.role == "scalar" else None for param in self.params[1:]]
        key = (meta, *[a if kind is None else kind for a, kind in zip(arguments, kinds, strict=True)])
        found = self.calls.get(key)
        if found is None:
            found = self.calls.setdefault(key, self.build((None, *arguments), (meta, *kinds)))
        return found

    def gradient(
        self, *targets: str, dual: bool | None = None, unless: Callable[..., bool] | None = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declares the gradient of the inputs called `targets`; see `gradient.Rule` for what the rule may ask for.

        A rule runs on NumPy, too, if the body does; `dual=False` says that it does not. Calls of whose arguments `unless`
        holds leave the gradient None.
        """

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
            runs_on_both = self.dual if dual is None else dual
            self.rules.append(Rule(targets, function, parameters, runs_on_both, unless))
            return function

        return add

    def strides(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Declares the view's strides: `function(shape, stride, *arguments after the input)`."""
        self.stride_rule = function
        return function

    def offset(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Declares the view's storage offset where it is not the input's: `function(offset, stride, *arguments
        after the input)`.
        """
        self.offset_rule = function
        return function

    def scatter(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Declares writing through the view: `function(xp, base, value, *arguments after the input)` -> new base."""
        self.scatter_rule = function
        return function

    # -- making calls ----------------------------------------------------------------------------

    def build(self, args: Sequence[Any], metas: Sequence[Any]) -> Call:
        """The call for these arguments; `metas` holds the `Meta` (or list of them) of each tensor argument."""
        source = Source(self.params)
        inputs: list[Meta] = []
        promoted: list[bool] = []
        for param, arg, meta in zip(self.params, args, metas, strict=True):
            if isinstance(meta, Meta):
                source.entries.append(("array", len(inputs)))
                inputs.append(meta)
                source.input_names.append(param.name)
                promoted.append(param.role in ("array", "operand"))
            elif type(meta) is list:
                source.lists.add(param.name)
                where = []
                for item in meta:
                    where.append(None if item is None else len(inputs))
                    if item is not None:
                        inputs.append(item)
                        source.input_names.append(param.name)
                        promoted.append(param.role == "arrays")
                source.entries.append(("list", where))
            elif meta in (bool, int, float, complex):
                at = sum(2 if kind is complex else 1 for kind in source.number_kinds)
                source.entries.append(("number", (at, meta)))
                source.number_kinds.append(meta)
            else:
                source.entries.append(("static", arg))
        device = _common_device(inputs)
        wanted = self._compute_dtype(source, inputs, promoted, args)
        self._set_casts(source, inputs, promoted, wanted)
        numbers = "".join({complex: "ff", float: "f"}.get(kind, "i") for kind in source.number_kinds)
        run = self._runner(source, inputs, lambda: results)
        results = self._results(source, inputs, device, wanted, numbers, run, args)
        cost = None if self.cost is None else self.cost(inputs, results)
        call = Call(
            self.name,
            run,
            tuple(inputs),
            results,
            device,
            numbers=numbers,
            dual=self.dual,
            cost=cost,
            op=self,
        )
        call.source = source
        if self.columns:
            columns = (
                self.columns(*self.shape_arguments(source, inputs))
                if callable(self.columns)
                else self.columns
            )
            call.strides = tuple([
                by_columns(meta.shape) if number in columns else None for number, meta in enumerate(results)
            ])  # fmt: skip
        return call

    def compute(self, xp: Any, arguments: Sequence[Any]) -> Any:
        """The body on its arguments, all in the order of the declaration."""
        first = (xp,) if self.dual else ()
        if not self._keywords:
            return self.body(*first, *arguments)
        keywords = dict(zip(self._keywords, arguments[self._positional :], strict=True))
        return self.body(*first, *arguments[: self._positional], **keywords)

    def _compute_dtype(
        self, source: Source, inputs: list[Meta], promoted: list[bool], args: Sequence[Any]
    ) -> Any:
        """The dtype of the result before `result=` has its say; None for RAW."""
        if self.promote is RAW:
            return None
        if callable(self.promote):
            return self.promote(*self.shape_arguments(source, inputs))
        if self.promote is KEEP:
            return next(
                (meta.dtype for meta, is_promoted in zip(inputs, promoted, strict=True) if is_promoted), None
            )
        entries = [
            (m.dtype, dtypes.TENSOR if m.shape else dtypes.ZERO_DIM)
            for m, is_promoted in zip(inputs, promoted, strict=True) if is_promoted
        ]  # fmt: skip
        for (entry, what), param in zip(source.entries, self.params, strict=True):
            if entry == "number" and param.role == "operand":
                entries.append((dtypes.scalar_dtype(what[1]()), dtypes.SCALAR))
        found = dtypes.result_dtype(tuple(entries))
        if self.promote is FLOATING and not (found.is_floating_point or found.is_complex):
            found = dtypes.get_default_dtype()
        return found

    def _set_casts(self, source: Source, inputs: list[Meta], promoted: list[bool], wanted: Any) -> None:
        if wanted is None:
            source.casts = [None] * len(inputs)
            return
        compute = np.dtype(np.float32) if wanted.is_floating_point and wanted.itemsize < 4 else wanted.np
        source.compute = compute
        for meta, is_promoted in zip(inputs, promoted, strict=True):
            narrow = meta.dtype.is_floating_point and meta.dtype.itemsize < 4
            if not is_promoted:
                source.casts.append(None)
            elif self.promote is KEEP:
                source.casts.append(np.dtype(np.float32) if narrow else None)
            else:
                source.casts.append(compute)

    def _runner(self, source: Source, inputs: Sequence[Meta], results: Callable[[], tuple[Meta, ...]]) -> Any:
        many = self.many_outputs
        compute = self._simple_body(source, inputs)
        if compute is None:
            compute = lambda xp, arrays, numbers: self.compute(xp, source.arguments(xp, arrays, numbers))  # noqa: E731

        def run(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
            found = compute(xp, arrays, numbers)
            if not many and not isinstance(found, (tuple, list)):
                wanted = results()[0].np
                return (found if found.dtype == wanted else found.astype(wanted),)
            return tuple([
                value if value.dtype == m.np else value.astype(m.np) for value, m in zip(found, results(), strict=True)
            ])  # fmt: skip

        return run

    def _simple_body(self, source: Source, inputs: Sequence[Meta]) -> Callable[..., Any] | None:
        """The body as a function of (xp, arrays, numbers), where it takes the arrays as they are and first of all."""
        count, last = len(inputs), self._positional
        if count > last or source.lists or any(kind == "array" for kind, _ in source.entries[count:]):
            return None
        # Not `cast in (None, meta.np)`: to NumPy, None is float64.
        if any(cast is not None and cast != meta.np for cast, meta in zip(source.casts, inputs, strict=True)):
            return None
        body, dual, rest = self.body, self.dual, source.entries[count:]
        if not source.number_kinds:
            placed = [what for _, what in source.entries[count:last]]
            named = dict(zip(self._keywords, [what for _, what in source.entries[last:]], strict=True))
            if dual:
                return lambda xp, arrays, numbers: body(xp, *arrays, *placed, **named)
            return lambda xp, arrays, numbers: body(*arrays, *placed, **named)
        if self._keywords:
            return None

        def with_numbers(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
            given = [what if kind == "static" else source.number(xp, what, numbers) for kind, what in rest]
            return body(xp, *arrays, *given) if dual else body(*arrays, *given)

        return with_numbers

    def _results(
        self,
        source: Source,
        inputs: list[Meta],
        device: Device,
        wanted: Any,
        numbers: str,
        run: Any,
        args: Any,
    ) -> tuple[Meta, ...]:
        if self.dtypes is not None:
            self.dtypes(self.name, *self.shape_arguments(source, inputs))
        if self.shape is not None:
            found = self.shape(*self.shape_arguments(source, inputs))
            many = isinstance(found, list)
            shapes = found if many else [found]
        else:
            found = self._abstract(source, inputs, numbers)
            many = isinstance(found, (tuple, list))
            shapes = list(found) if many else [found]
        result = self.result
        if callable(result) and not isinstance(result, dtypes.dtype):
            result = result(*self.shape_arguments(source, inputs))
        metas = []
        for number, shape in enumerate(shapes):
            own = result[number] if isinstance(result, tuple) else result
            if isinstance(shape, Meta):
                metas.append(shape)
            elif isinstance(shape, tuple):
                metas.append(meta_of(shape, own or wanted, device))
            else:  # found by abstract evaluation, which knows a dtype as well
                metas.append(meta_of(shape.shape, own or self._abstract_dtype(shape.dtype, wanted), device))
        return tuple(metas)

    def _abstract(self, source: Source, inputs: list[Meta], numbers: str) -> Any:
        kinds = [np.dtype(np.float64 if kind == "f" else np.int64) for kind in numbers]

        def body(xp: Any, arrays: Any, given: Any) -> Any:
            return self.compute(xp, source.arguments(xp, arrays, given))

        return xla.abstract(body, inputs, kinds)

    def _abstract_dtype(self, found: np.dtype[Any], wanted: Any) -> Any:
        """A float32 result of a body that was widened from a 16-bit type goes back to that type."""
        if wanted is not None and wanted.is_floating_point and wanted.itemsize < 4 and found == np.float32:
            return wanted
        return dtypes.from_numpy_dtype(found)

    def shape_arguments(self, source: Source, inputs: list[Meta]) -> list[Any]:
        """The body's arguments with a `Meta` for each array and the type for each number."""
        values: list[Any] = []
        for kind, what in source.entries:
            if kind == "array":
                values.append(inputs[what])
            elif kind == "list":
                values.append([None if i is None else inputs[i] for i in what])
            else:
                values.append(what[1] if kind == "number" else what)
        return values


_ops: list[Op] = []
_bodies: dict[str, int] = {}  # how many operations have been declared by a body of this place


def forget_calls() -> None:
    """Drops what was worked out under another default dtype."""
    for each in _ops:
        each.calls.clear()


dtypes.depends_on_default.append(forget_calls)


def _common_device(inputs: Sequence[Meta]) -> Device:
    if not inputs:
        return CPU
    found = inputs[0].device
    for meta in inputs:
        if meta.device is not found:
            if found is META or meta.device is META:
                return META
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{found} and {meta.device}!"
            )
    return found


# -- shape rules that many operations share --------------------------------------------------------


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape under broadcasting.

    Raises: RuntimeError in PyTorch's words, naming the two sizes and the dimension.
    """
    result = shapes[0]
    for shape in shapes[1:]:
        if shape == result:
            continue
        longer, shorter = (result, shape) if len(result) >= len(shape) else (shape, result)
        sizes = list(longer)
        offset = len(longer) - len(shorter)
        for i, size in enumerate(shorter):
            if size == sizes[i + offset] or size == 1:
                continue
            if sizes[i + offset] != 1:
                at = i + offset
                first, second = (sizes[at], size) if longer is result else (size, sizes[at])
                raise RuntimeError(
                    f"The size of tensor a ({first}) must match the size of tensor b ({second}) "
                    f"at non-singleton dimension {at}"
                )
            sizes[i + offset] = size
        result = tuple(sizes)
    return result


def broadcast(*arguments: Any) -> tuple[int, ...]:
    """Shape rule of pointwise operations: all tensors broadcast."""
    return broadcast_shapes(*[meta.shape for meta in arguments if isinstance(meta, Meta)])


def same(first: Meta, *rest: Any) -> tuple[int, ...]:
    """Shape rule: as the first argument."""
    return first.shape


def canonical_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; a 0-d tensor counts as having one.

    Raises: IndexError in PyTorch's words.
    """
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit


def canonical_dims(dims: Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """All dimensions for None or (), else each counted from the front.

    Raises: IndexError for one out of range, RuntimeError for one that comes twice.
    """
    if dims is None or len(dims) == 0:
        return tuple(range(ndim))
    found = tuple([canonical_dim(dim, ndim) for dim in dims])
    for dim in found:
        if found.count(dim) > 1:
            raise RuntimeError(f"dim {dim} appears multiple times in the list of dims")
    return found if ndim else ()
