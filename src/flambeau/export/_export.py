"""`export`: a module recorded at several sizes, and lowered once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from flambeau._core.capture import Recorded, Recording, finish
from flambeau._core.modes import enable_grad, no_grad
from flambeau._core.pytree import tree_flatten
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import describe_line, user_line
from flambeau._core.value import Meta, Value, meta_of
from flambeau._core.walk import grad
from flambeau.export._dims import Dim, ExportError, Input, inputs_of
from flambeau.export._generalize import General, symbols_for
from flambeau.export._program import (
    NOT_LOWERED,
    Argument,
    ExportedProgram,
    Size,
    lower_with,
    structure,
    with_gradient,
)
from flambeau.export._signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.stateless import _named_places, _reparametrize_module

_PLAIN = (type(None), bool, int, float, complex, str)


def export(
    mod: Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: dict[str, Any] | tuple[Any, ...] | list[Any] | None = None,
    strict: bool = False,
    preserve_module_call_signature: tuple[str, ...] = (),
) -> ExportedProgram:
    """Takes a module's computation out of its code, for inputs like these.

    The module is called on placeholders: once, or at several sizes if some are dynamic. What does not follow from the sizes
    of the inputs in all of them raises. A size without an upper bound is tried up to some 4,100.

    Args:
        mod: the module, in the mode that it is to run in.
        args, kwargs: examples of its arguments; what is no tensor in them is part of the program.
        dynamic_shapes: for each argument, by name or in order, a dict from dimensions to `Dim`s, or None.
        strict, preserve_module_call_signature: accepted; there is one way of recording.

    Raises: ExportError (a RuntimeError), for what cannot be exported; RuntimeError, where the module looks at values.

    >>> from flambeau.export import Dim, export
    >>> program = export(nn.Linear(3, 2), (flambeau.ones(4, 3),), dynamic_shapes={"input": {0: Dim("batch")}})
    >>> program.module()(flambeau.ones(7, 3)).shape
    torch.Size([7, 2])
    """
    if not isinstance(mod, Module):
        raise ValueError(f"Expected `mod` to be an instance of `torch.nn.Module`, got {type(mod)}.")
    if not isinstance(args, tuple):
        raise ExportError(f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}")
    named = dict(kwargs or {})
    inputs = _in_order(inputs_of(mod.forward, args, named, dynamic_shapes), args, named)
    if any(dim.may_stay for each in inputs for dim in each.dims.values()):
        inputs = _settled(mod, args, named, inputs)
    return _export(mod, args, named, inputs)


def _export(
    mod: Module, args: tuple[Any, ...], named: dict[str, Any], inputs: Sequence[Input]
) -> ExportedProgram:
    dims, points = _points(inputs)
    columns = list(zip(*points, strict=True)) if dims else [()]
    if len({tuple(each) for each in points}) < len(points):
        raise ExportError(
            "the bounds of the Dims are too narrow to tell them apart: leave some of the sizes static"
        )
    sizes = [{d.__name__: n for d, n in zip(dims, column, strict=True)} for column in columns]
    recordings = [_record(mod, args, named, inputs, each) for each in sizes]
    return _program(mod, args, named, inputs, dims, points, sizes, recordings)


def _points(inputs: Sequence[Input]) -> tuple[list[Dim], list[list[int]]]:
    """The dims that vary by themselves, and for each the sizes at which the module is recorded."""
    example: dict[str, int] = {}
    roots: dict[str, Dim] = {}
    for each in inputs:
        for i, dim in each.dims.items():
            roots.setdefault(dim.root.__name__, dim.root)
            of_root = dim.root_of(each.example._meta.shape[i])
            assert of_root is not None
            example[dim.root.__name__] = of_root
    dims = list(roots.values())
    return dims, [dim.sizes(example[dim.__name__], number) for number, dim in enumerate(dims)]


def _settled(
    mod: Module, args: tuple[Any, ...], named: dict[str, Any], inputs: Sequence[Input]
) -> list[Input]:
    """The inputs, where of the dims that were left to us (`Dim.AUTO`) those vary that can.

    All of them by themselves, if the module takes that; else those that can do so alone; of the others those together that
    have one size, and pairs of which one is a multiple of the other, or so much longer, if the module takes that.
    """
    free = {dim.__name__: dim for each in inputs for dim in each.dims.values() if dim.may_stay}
    sizes = {dim.__name__: each.example._meta.shape[i] for each in inputs for i, dim in each.dims.items()}
    if _takes(mod, args, named, inputs):
        return list(inputs)
    alone = [name for name in free if _takes(mod, args, named, _kept(inputs, {name: free[name]}))]
    chosen = {name: free[name] for name in alone}
    for size in dict.fromkeys(sizes[name] for name in free if name not in chosen):
        group = [name for name in free if name not in chosen and sizes[name] == size]
        together = dict.fromkeys(group, free[group[0]])
        if len(group) > 1 and _takes(mod, args, named, _kept(inputs, together)):
            chosen |= together
    for one, other in itertools.permutations([name for name in free if name not in chosen], 2):
        if one in chosen or other in chosen or sizes[one] >= sizes[other]:
            continue
        times, rest = divmod(sizes[other], sizes[one])
        for follows in [free[one] * times] * (not rest) + [free[one] + (sizes[other] - sizes[one])]:
            pair = {one: free[one], other: follows}
            if _takes(mod, args, named, _kept(inputs, chosen | pair)):
                chosen |= pair
                break
    return _kept(inputs, chosen)


def _kept(inputs: Sequence[Input], chosen: dict[str, Dim]) -> list[Input]:
    """The inputs with those of the dims left to us that were chosen, and the dims that are the user's."""
    return [
        Input(
            each.name,
            each.example,
            {
                i: chosen.get(dim.__name__, dim)
                for i, dim in each.dims.items()
                if not dim.may_stay or dim.__name__ in chosen
            },
        )
        for each in inputs
    ]


def _takes(mod: Module, args: tuple[Any, ...], named: dict[str, Any], inputs: Sequence[Input]) -> bool:
    """Whether the module can be exported so."""
    dims, points = _points(inputs)
    try:
        recordings = [
            _record(mod, args, named, inputs, {d.__name__: n for d, n in zip(dims, column, strict=True)})
            for column in zip(*points, strict=True)
        ]
        _program(mod, args, named, inputs, dims, points, None, recordings)
    except NOT_LOWERED:
        return False
    return True


def _in_order(inputs: Sequence[Input], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Input]:
    """The inputs in the order in which JAX flattens the arguments."""
    by_id = {id(each.example): each for each in inputs}
    leaves = jax.tree.leaves((args, kwargs), is_leaf=lambda leaf: isinstance(leaf, Tensor))
    return [by_id[id(leaf)] for leaf in leaves if isinstance(leaf, Tensor)]


class _Recorded:
    """The module at one choice of sizes."""

    def __init__(self, recorded: Recorded, mutated: list[str]) -> None:
        self.recorded, self.mutated = recorded, mutated


class _Recording(Recording):
    def __init__(self) -> None:
        super().__init__("inside flambeau.export")

    def draw(self, draw: Any, meta: Meta) -> Value:
        raise ExportError(
            f"Random numbers are drawn inside flambeau.export ({describe_line(user_line())}), and would be the same at each "
            "call: call .eval() first"
        )

    def allow_write(self, storage: Storage, value: Value) -> None:
        raise ExportError(
            f"A tensor that is no buffer is written to inside flambeau.export ({describe_line(user_line())}), which nobody "
            "would see: make it a buffer of the module"
        )


def _state(mod: Module) -> dict[str, Tensor]:
    return dict(mod.named_parameters()) | dict(mod.named_buffers())


def _filled(given: Any, tensors: Iterable[Tensor]) -> Any:
    """`given` with these tensors in the places of its own."""
    waiting = iter(tensors)
    return jax.tree.map(
        lambda leaf: next(waiting) if isinstance(leaf, Tensor) else leaf, given,
        is_leaf=lambda leaf: isinstance(leaf, Tensor),
    )  # fmt: skip


def _record(
    mod: Module, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Sequence[Input], sizes: dict[str, int]
) -> _Recorded:
    recording = _Recording()
    state = _state(mod)
    metas = [tensor._meta for tensor in state.values()] + [_sized(each, sizes) for each in inputs]
    with no_grad(), recording:
        tensors = [Tensor._of(recording.placeholder(meta)) for meta in metas]
        given = dict(zip(state, tensors, strict=False))
        before = {name: tensor._read() for name, tensor in given.items()}
        filled = _filled((args, kwargs), tensors[len(state) :])
        with _reparametrize_module(mod, given, tie_weights=True):
            result = mod(*filled[0], **filled[1])
            places = dict(_named_places(mod))
            after = {name: places[name][0][places[name][1]] for name in state if name in places}
        mutated = {name: tensor for name, tensor in after.items() if tensor._read() is not before[name]}
        recorded = finish(recording, (result, mutated))
    for leaf in recorded.leaves:
        if leaf is not None and not isinstance(leaf.kept, _PLAIN):
            raise ExportError(
                f"the module returns a {type(leaf.kept).__name__}: return tensors in tuples, lists, dicts or namedtuples"
            )
    return _Recorded(recorded, list(mutated))


def _record_gradient(
    mod: Module, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Sequence[Input], sizes: dict[str, int]
) -> Recorded:
    """The gradients of parameters and inputs, from those and from cotangents of the floating tensors that are returned."""
    recording = _Recording()
    state = _state(mod)
    metas = [tensor._meta for tensor in state.values()] + [_sized(each, sizes) for each in inputs]
    names = {name for name, _ in mod.named_parameters()}
    with enable_grad(), recording:
        tensors = [Tensor._of(recording.placeholder(meta)) for meta in metas]
        wanted = _wanted(metas, list(state), names)
        for place in wanted:
            tensors[place]._rg = True
        given = dict(zip(state, tensors, strict=False))
        # The module may write to what it is given, and must not to a leaf that wants a gradient.
        apart = [t.clone() if t.requires_grad else t for t in tensors[len(state) :]]  # type: ignore[attr-defined]
        filled = _filled((args, kwargs), apart)
        with _reparametrize_module(mod, given, tie_weights=True):
            result = mod(*filled[0], **filled[1])
        outputs = [
            leaf for leaf in tree_flatten(result)[0] if isinstance(leaf, Tensor) and leaf._meta.tracked
        ]
        cotangents = [Tensor._of(recording.placeholder(output._meta)) for output in outputs]
        pairs = [(y, g) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
        found: Sequence[Any] = [None] * len(wanted)
        if pairs and wanted:
            found = grad(
                [y for y, _ in pairs], [tensors[i] for i in wanted], [g for _, g in pairs], allow_unused=True
            )
        gradients = [
            tensors[i].new_zeros(tensors[i].shape) if g is None else g  # type: ignore[attr-defined]
            for i, g in zip(wanted, found, strict=True)
        ]
        return finish(recording, gradients)


def _wanted(metas: Sequence[Meta], state: Sequence[str], parameters: set[str]) -> list[int]:
    """Which of the state, and of the inputs after it, have gradients."""
    return [i for i, meta in enumerate(metas) if meta.tracked and (i >= len(state) or state[i] in parameters)]


def _sized(each: Input, sizes: dict[str, int]) -> Meta:
    shape = list(each.example._meta.shape)
    for i, dim in each.dims.items():
        shape[i] = dim.of_root(sizes[dim.root.__name__])
    return meta_of(tuple(shape), each.example._meta.dtype, each.example._meta.device)


def _program(
    mod: Module, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Sequence[Input], dims: Sequence[Dim],
    points: Sequence[Sequence[int]], sizes: Sequence[dict[str, int]] | None, recordings: Sequence[_Recorded],
) -> ExportedProgram:  # fmt: skip
    """The program; without gradients, to see whether there is one, if `sizes` is None."""
    first = recordings[0].recorded
    state = _state(mod)
    named, by_sizes = symbols_for(dims, points)
    constants: dict[str, Value] = {}
    forward = _on_arrays(General([each.recorded for each in recordings]), constants, by_sizes)
    backward, no_gradient = None, None
    metas = [*[tensor._meta for tensor in state.values()], *[each.example._meta for each in inputs]]
    if sizes is not None:
        try:
            gradients = [_record_gradient(mod, args, kwargs, inputs, each) for each in sizes]
            backward = _on_arrays(General(gradients), constants, by_sizes)
        except RuntimeError as error:
            no_gradient = f"this exported program has no gradients, since they could not be exported: {error}"
    # What the program returns, then new values of buffers, which have no cotangents.
    results = _tensors_of(first)
    count = len(results) - len(recordings[0].mutated)
    returned = [i for i, meta in enumerate(results[:count]) if meta.tracked]
    wanted = _wanted(metas, list(state), {name for name, _ in mod.named_parameters()})
    weights = {name: _copy(tensor) for name, tensor in state.items()}
    weights |= {name: Tensor._of(value) for name, value in constants.items()}
    arguments = [
        Argument(
            each.name,
            tuple([
                Size(each.dims[i].root.__name__, each.dims[i].scale, each.dims[i].offset) if i in each.dims else n
                for i, n in enumerate(each.example._meta.shape)
            ]),
            each.example.dtype,
        )
        for each in inputs
    ]  # fmt: skip

    count = len(metas)

    def function(weights: dict[str, Any], *given: Any) -> list[Any]:
        arrays = [*[weights[name] for name in state], *given, *[weights[name] for name in constants]]

        def run(*arrays: Any) -> list[Any]:
            return forward(arrays[:count], arrays[count:])

        def pulled(arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
            assert backward is not None
            return backward([*arrays[:count], *cotangents], arrays[count:])

        return run(*arrays) if backward is None else with_gradient(run, pulled, wanted, returned)(*arrays)

    def symbolic(size: int | Size) -> Any:
        return size if isinstance(size, int) else size.scale * named[size.root] + size.offset

    def specs() -> tuple[dict[str, Any], list[Any]]:
        return (
            {
                name: jax.ShapeDtypeStruct(tensor._meta.shape, tensor._meta.np)
                for name, tensor in weights.items()
            },
            [
                jax.ShapeDtypeStruct(tuple(map(symbolic, each.sizes)), np.dtype(each.dtype.np))
                for each in arguments
            ],
        )

    program = ExportedProgram(
        _signature(mod, list(constants), inputs, first, recordings[0].mutated),
        arguments, {dim.__name__: (dim.least, dim.max) for dim in dims}, weights, structure(args, kwargs), first.results,
        lower_with(function, specs), no_gradient,
    )  # fmt: skip
    program.example_inputs = args, kwargs
    program.exported()  # so that what cannot be exported raises here
    return program


def _on_arrays(
    general: General, constants: dict[str, Value], by_sizes: dict[Any, Any]
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """The program as a function of arrays and of the arrays of all constants, which are added to those of others."""
    places: list[int | None] = []
    for value in general.constants():
        if value is None:
            places.append(None)
            continue
        known = [i for i, each in enumerate(constants.values()) if each is value]
        places.append(known[0] if known else len(constants))
        if not known:
            constants[f"constant_{len(constants)}"] = value

    def run(arrays: Sequence[Any], outer: Sequence[Any]) -> list[Any]:
        return general.run(arrays, [None if place is None else outer[place] for place in places], by_sizes)

    return run


def _copy(tensor: Tensor) -> Tensor:
    """A tensor's values now, as a parameter if it is one."""
    copy = tensor.detach().clone()  # type: ignore[attr-defined]
    return Parameter(copy, tensor.requires_grad) if isinstance(tensor, Parameter) else copy


def _tensors_of(recorded: Recorded) -> list[Meta]:
    """What the tensors are like that were returned."""
    metas = [*recorded.block.inputs]
    for step in recorded.block.steps:
        metas += step.call.results
    return [metas[slot] for slot in recorded.slots]


def _signature(
    mod: Module, constants: Sequence[str], inputs: Sequence[Input], recorded: Recorded, mutated: Sequence[str]
) -> ExportGraphSignature:
    specs = []
    saved = set(mod.state_dict())
    for name, _ in mod.named_parameters():
        specs.append(InputSpec(InputKind.PARAMETER, TensorArgument("p_" + name.replace(".", "_")), name))
    for name, _ in mod.named_buffers():
        argument = TensorArgument("b_" + name.replace(".", "_"))
        specs.append(InputSpec(InputKind.BUFFER, argument, name, name in saved))
    specs += [InputSpec(InputKind.CONSTANT_TENSOR, TensorArgument("c_" + name), name) for name in constants]
    specs += [InputSpec(InputKind.USER_INPUT, TensorArgument(each.name)) for each in inputs]
    returned = sum(leaf is None for leaf in recorded.leaves) - len(mutated)
    outputs = [OutputSpec(OutputKind.USER_OUTPUT, TensorArgument(f"output_{i}")) for i in range(returned)]
    outputs += [
        OutputSpec(OutputKind.BUFFER_MUTATION, TensorArgument("new_" + name.replace(".", "_")), name)
        for name in mutated
    ]
    return ExportGraphSignature(specs, outputs)
