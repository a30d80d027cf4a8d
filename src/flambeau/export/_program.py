"""Exported programs: a module's computation as StableHLO, with its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import jax
import jax.numpy as jnp

from flambeau._core import xla
from flambeau._core.dtype import dtype as DType
from flambeau._core.function import Function
from flambeau._core.modes import modes, no_grad
from flambeau._core.tensor import Tensor
from flambeau.export._signature import ExportGraphSignature, InputKind
from flambeau.jax import wrap
from flambeau.nn.modules.module import Module

# What JAX raises for what it cannot lower at sizes that vary, and rules for what they cannot do there.
NOT_LOWERED = (
    jax.errors.InconclusiveDimensionOperation, RuntimeError, ValueError, TypeError, IndexError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """A size that varies: `scale * root + offset`, with the name of the root."""

    root: str
    scale: int = 1
    offset: int = 0

    def __str__(self) -> str:
        times = self.root if self.scale == 1 else f"{self.scale}*{self.root}"
        return times if not self.offset else f"{times} {'+' if self.offset > 0 else '-'} {abs(self.offset)}"

    __repr__ = __str__


@dataclass(frozen=True)
class Argument:
    """A tensor among the arguments: name, sizes, dtype."""

    name: str
    sizes: tuple[int | Size, ...]
    dtype: DType

    def check(
        self, tensor: Tensor, ranges: dict[str, tuple[int, int | None]], seen: dict[str, tuple[str, int]]
    ) -> None:
        """Raises AssertionError, as PyTorch's guards do, for a tensor that the program does not take."""
        if tensor.dtype is not self.dtype:
            raise AssertionError(f"Guard failed: {self.name}.dtype == {self.dtype} (it is {tensor.dtype})")
        if tensor.ndim != len(self.sizes):
            raise AssertionError(
                f"Guard failed: {self.name}.dim() == {len(self.sizes)} (it is {tensor.ndim})"
            )
        for dim, (size, wanted) in enumerate(zip(tensor._meta.shape, self.sizes, strict=True)):
            where = f"{self.name}.size()[{dim}]"
            if isinstance(wanted, int):
                if size != wanted:
                    raise AssertionError(f"Guard failed: {where} == {wanted} (it is {size})")
                continue
            least, most = ranges[wanted.root]
            scale, offset = wanted.scale, wanted.offset
            if size < scale * least + offset:
                raise AssertionError(f"Guard failed: {where} >= {scale * least + offset} (it is {size})")
            if most is not None and size > scale * most + offset:
                raise AssertionError(f"Guard failed: {where} <= {scale * most + offset} (it is {size})")
            root, rest = divmod(size - offset, scale)
            if rest:
                raise AssertionError(f"Guard failed: {where} == {wanted} (it is {size})")
            other, found = seen.setdefault(wanted.root, (where, root))
            if found != root:
                told = other if wanted == Size(wanted.root) else f"{wanted}, where {wanted.root} is {found}"
                raise AssertionError(
                    f"Guard failed: {where} == {told} (it is {size}, not {scale * found + offset})"
                )


class ExportedProgram:
    """A module's computation for given inputs, free of the module's code: from `export`, or from `load`.

    Attributes:
        graph_signature: what goes in and comes out.
        range_constraints: the bounds of each size that varies, by name; None for no upper one.
        state_dict: the parameters and persistent buffers by name.
        constants: other tensors that the module used.
    """

    def __init__(
        self,
        signature: ExportGraphSignature,
        arguments: Sequence[Argument],
        ranges: dict[str, tuple[int, int | None]],
        weights: dict[str, Tensor],
        in_tree: Any,
        out: Callable[[Sequence[Any]], tuple[Any, dict[str, Any]]],
        lower: Callable[[tuple[str, ...] | None], Any],
        no_gradient: str | None = None,
    ) -> None:
        self._no_gradient, self._has_tried = no_gradient, False
        self.graph_signature = signature
        self.range_constraints = ranges
        self._arguments = arguments
        self._weights = weights
        self._in_tree = in_tree
        self._out = out
        self._lower = lower
        self._lowered: dict[Any, Any] = {}
        self.example_inputs: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            "Unable to call ExportedProgram directly. You should use `exported_program.module()` instead."
        )

    def __repr__(self) -> str:
        inputs = ", ".join(f"{each.name}: {each.dtype}{list(each.sizes)}" for each in self._arguments)
        return f"ExportedProgram({inputs}){self.graph_signature}"

    @property
    def no_gradient(self) -> str | None:
        """Why it has no gradients; None if it has."""
        if self._no_gradient is None and not self._has_tried:
            self._has_tried = True
            try:
                with xla.x64():
                    self.exported().vjp()
            except NOT_LOWERED as error:
                told = str(error).partition("\n")[0]
                self._no_gradient = (
                    f"this exported program has no gradients, since they could not be lowered: {told}"
                )
        return self._no_gradient

    @property
    def graph(self) -> NoReturn:
        raise AttributeError("an ExportedProgram of flambeau has no FX graph: `to_stablehlo` gives its text")

    graph_module = graph

    @property
    def state_dict(self) -> dict[str, Tensor]:
        kinds = (InputKind.PARAMETER, InputKind.BUFFER)
        specs = [s for s in self.graph_signature.input_specs if s.kind in kinds and s.persistent is not False]
        return {spec.target: self._weights[spec.target] for spec in specs if spec.target is not None}

    @property
    def constants(self) -> dict[str, Tensor]:
        specs = self.graph_signature.input_specs
        names = [
            spec.target
            for spec in specs
            if spec.kind is InputKind.CONSTANT_TENSOR and spec.target is not None
        ]
        return {name: self._weights[name] for name in names}

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters with their names."""
        for name in self.graph_signature.parameters:
            yield name, self._weights[name]

    def parameters(self) -> Iterator[Tensor]:
        """The parameters."""
        for _, tensor in self.named_parameters():
            yield tensor

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their names."""
        for name in self.graph_signature.buffers:
            yield name, self._weights[name]

    def buffers(self) -> Iterator[Tensor]:
        """The buffers."""
        for _, tensor in self.named_buffers():
            yield tensor

    def exported(self, platforms: Sequence[str] | None = None) -> Any:
        """The program as `jax.export.Exported`: from (weights by name, *input arrays) to a list of arrays.

        Args:
            platforms: for which of JAX's it is ("cpu", "cuda", "tpu"); by default the one that the weights are on.
        """
        key = None if platforms is None else tuple(platforms)
        if key not in self._lowered:
            self._lowered[key] = self._lower(key)
        return self._lowered[key]

    def module(self, check_guards: bool = True) -> Module:
        """A module that runs the program, with these weights as its parameters and copies of its buffers.

        It has gradients, which are those of the module that was exported.
        """
        return _ExportedModule(self, check_guards)

    def run_decompositions(self, decomp_table: Any = None) -> ExportedProgram:
        """The program itself: it is StableHLO, which knows no operators that could be taken apart.

        Args:
            decomp_table: accepted and without effect.
        """
        return self


class _NoGradient(Function):
    """Gives tensors on, and raises once their gradient is wanted."""

    @staticmethod
    def forward(ctx: Any, message: str, wanted: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.message = message
        return tensors

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> NoReturn:
        raise RuntimeError(ctx.message)


class _ExportedModule(Module):
    """Runs an exported program."""

    def __init__(self, program: ExportedProgram, check_guards: bool) -> None:
        super().__init__()
        self.training = False
        self.__dict__["_program"] = program
        self.__dict__["_check_guards"] = check_guards
        signature = program.graph_signature
        for name, tensor in program.named_parameters():
            _holder(self, name).register_parameter(name.rpartition(".")[2], tensor)  # type: ignore[arg-type]
        persistent = {spec.target: spec.persistent for spec in signature.input_specs}
        for name, tensor in program.named_buffers():
            holder, last = _holder(self, name), name.rpartition(".")[2]
            holder.register_buffer(last, tensor.clone(), persistent=persistent[name] is not False)  # type: ignore[attr-defined]
        exported = program.exported()

        def run(weights: dict[str, Any], *inputs: Any) -> list[Any]:
            return exported.call(weights, *inputs)  # type: ignore[no-any-return]

        self.__dict__["_run"] = wrap(run, x64=True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        program: ExportedProgram = self.__dict__["_program"]
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=_is_tensor)
        given = jax.tree.unflatten(tree, [_shown(leaf) for leaf in leaves])
        if given != program._in_tree:
            raise ValueError(
                f"Trying to flatten user inputs with exported input tree spec: \n{program._in_tree}\nbut actually got inputs "
                f"with tree spec of: \n{given}.\nPlease check that the inputs have the same number and type of args and kwargs "
                "as the ones you used when tracing."
            )
        inputs = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if self.__dict__["_check_guards"]:
            seen: dict[str, tuple[str, int]] = {}
            for argument, tensor in zip(program._arguments, inputs, strict=True):
                argument.check(tensor, program.range_constraints, seen)
        state = dict(self.named_parameters()) | dict(self.named_buffers()) | program.constants
        wanted = [t for t in (*state.values(), *inputs) if t.requires_grad] if modes.grad else []
        if not wanted or program.no_gradient is None:
            found = self.__dict__["_run"](state, *inputs)
        else:
            with no_grad():
                found = self.__dict__["_run"](state, *inputs)
            found = _NoGradient.apply(program.no_gradient, wanted[0], *found)
        result, mutated = program._out(found)
        with no_grad():
            for name, tensor in mutated.items():
                state[name].copy_(tensor)  # type: ignore[attr-defined]
        return result

    def train(self, mode: bool = True) -> NoReturn:
        raise NotImplementedError("Calling train() is not supported yet.")

    def eval(self) -> NoReturn:
        raise NotImplementedError("Calling eval() is not supported yet.")


def _holder(module: Module, name: str) -> Module:
    """The submodule, made if need be, that holds the tensor of this name."""
    for part in name.split(".")[:-1]:
        if part not in module._modules:
            module.add_module(part, Module())
        module = module._modules[part]  # type: ignore[assignment]
    return module


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _shown(leaf: Any) -> Any:
    """A leaf in the structure of arguments: "*" for a tensor."""
    return "*" if isinstance(leaf, Tensor) else leaf


def structure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The arguments with "*" for each tensor."""
    return jax.tree.map(_shown, (args, kwargs), is_leaf=_is_tensor)


def lower_with(
    function: Callable[..., Any], specs: Callable[[], tuple[dict[str, Any], list[Any]]]
) -> Callable[[tuple[str, ...] | None], Any]:
    """How `ExportedProgram` has its program lowered."""

    def lower(platforms: tuple[str, ...] | None) -> Any:
        with xla.x64():
            weights, inputs = specs()
            exporter = jax.export.export(jax.jit(function, keep_unused=True), platforms=platforms)
            return exporter(weights, *inputs)

    return lower


def with_gradient(
    forward: Callable[..., list[Any]], backward: Callable[[Sequence[Any], Sequence[Any]], list[Any]], wanted: Sequence[int],
    given: Sequence[int],
) -> Callable[..., list[Any]]:  # fmt: skip
    """A function of arrays whose gradient, to JAX, is another function.

    Args:
        backward: takes the function's arguments, and cotangents of its results numbered in `given`; gives the gradients of
            the arguments numbered in `wanted`. The others have none.
    """

    def pull(arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
        # PyTorch's gradients of complex tensors are the conjugates of JAX's.
        found = backward(arrays, [jnp.conj(cotangents[i]) for i in given])
        gradients: list[Any] = [None] * len(arrays)
        for place, gradient in zip(wanted, found, strict=True):
            gradients[place] = jnp.conj(gradient)
        return tuple(gradients)

    function = jax.custom_vjp(forward)
    function.defvjp(lambda *arrays: (forward(*arrays), arrays), pull)
    return function


def to_stablehlo(program: ExportedProgram, platforms: Sequence[str] | None = None) -> str:
    """The program as the text of a StableHLO module."""
    return str(program.exported(platforms).mlir_module())
