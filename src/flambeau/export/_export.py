"""`export`: a module recorded at several sizes, and lowered once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from flambeau._core.capture import Recorded, Recording, finish
from flambeau._core.modes import no_grad
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import describe_line, user_line
from flambeau._core.value import Meta, Value, meta_of
from flambeau.export._dims import Dim, ExportError, Input, inputs_of
from flambeau.export._generalize import General, symbols_for
from flambeau.export._program import Argument, ExportedProgram, lower_with, structure
from flambeau.export._signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from flambeau.nn.modules.module import Module
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
    inputs = inputs_of(mod.forward, args, named, dynamic_shapes)
    ordered = _in_order(inputs, args, named)
    dims = list({dim.__name__: dim for each in inputs for dim in each.dims.values()}.values())
    example = {dim.__name__: each.example._meta.shape[i] for each in inputs for i, dim in each.dims.items()}
    points = [dim.sizes(example[dim.__name__], number) for number, dim in enumerate(dims)]
    columns = list(zip(*points, strict=True)) if dims else [()]
    if len({tuple(each) for each in points}) < len(points):
        raise ExportError(
            "the bounds of the Dims are too narrow to tell them apart: leave some of the sizes static"
        )
    recordings = [
        _record(mod, args, named, ordered, {d.__name__: n for d, n in zip(dims, sizes, strict=True)})
        for sizes in columns
    ]
    return _program(mod, args, named, ordered, dims, points, recordings)


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
        waiting = iter(tensors[len(state) :])
        filled = jax.tree.map(
            lambda leaf: next(waiting) if isinstance(leaf, Tensor) else leaf, (args, kwargs),
            is_leaf=lambda leaf: isinstance(leaf, Tensor),
        )  # fmt: skip
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


def _sized(each: Input, sizes: dict[str, int]) -> Meta:
    shape = list(each.example._meta.shape)
    for i, dim in each.dims.items():
        shape[i] = sizes[dim.__name__]
    return meta_of(tuple(shape), each.example._meta.dtype, each.example._meta.device)


def _program(
    mod: Module, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Sequence[Input], dims: Sequence[Dim],
    points: Sequence[Sequence[int]], recordings: Sequence[_Recorded],
) -> ExportedProgram:  # fmt: skip
    first = recordings[0].recorded
    general = General([each.recorded for each in recordings])
    state = _state(mod)
    constants = {f"constant_{i}": value for i, value in enumerate(general.constants()) if value is not None}
    weights = {name: tensor.detach().clone() for name, tensor in state.items()}  # type: ignore[attr-defined]
    weights |= {name: Tensor._of(value) for name, value in constants.items()}
    places = [f"constant_{i}" if value is not None else None for i, value in enumerate(general.constants())]
    named, by_sizes = symbols_for(dims, points)
    arguments = [
        Argument(
            each.name,
            tuple([each.dims[i].__name__ if i in each.dims else n for i, n in enumerate(each.example._meta.shape)]),
            each.example.dtype,
        )
        for each in inputs
    ]  # fmt: skip

    def function(weights: dict[str, Any], *given: Any) -> list[Any]:
        outer = [None if place is None else weights[place] for place in places]
        return general.run([*[weights[name] for name in state], *given], outer, by_sizes)

    def specs() -> tuple[dict[str, Any], list[Any]]:
        return (
            {
                name: jax.ShapeDtypeStruct(tensor._meta.shape, tensor._meta.np)
                for name, tensor in weights.items()
            },
            [
                jax.ShapeDtypeStruct(
                    tuple([named[n] if isinstance(n, str) else n for n in each.sizes]),
                    np.dtype(each.dtype.np),
                )
                for each in arguments
            ],
        )

    program = ExportedProgram(
        _signature(mod, list(constants), inputs, first, recordings[0].mutated),
        arguments, {dim.__name__: (dim.least, dim.max) for dim in dims}, weights, structure(args, kwargs), first.results,
        lower_with(function, specs),
    )  # fmt: skip
    program.example_inputs = args, kwargs
    program.exported()  # so that what cannot be exported raises here
    return program


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
