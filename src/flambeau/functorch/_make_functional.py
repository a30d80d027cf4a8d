"""Modules as functions of their tensors, which are handed over as tuples: `functorch.make_functional` and its like."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

from flambeau._core.declare import registry
from flambeau._core.tensor import Tensor
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.stateless import _named_places, _reparametrize_module

Names = dict[str, list[str]]


class _Stateless(Module):
    """A module without values of its own, called with its tensors in front of the arguments."""

    stateless_model: Module

    def _call(self, tensors: dict[str, Tensor], args: Any, kwargs: Any) -> Any:
        with _reparametrize_module(self.stateless_model, tensors):
            return self.stateless_model(*args, **kwargs)


class FunctionalModule(_Stateless):
    """What `make_functional` gives: `function(params, *args)`."""

    def __init__(self, stateless_model: Module, param_names: tuple[str, ...], names_map: Names) -> None:
        super().__init__()
        self.stateless_model, self.param_names, self.names_map = stateless_model, param_names, names_map

    @classmethod
    def _create_from(
        cls, model: Module, disable_autograd_tracking: bool = False
    ) -> tuple[Self, tuple[Tensor, ...]]:
        stateless, params, names, _, _ = _taken_apart(model, disable_autograd_tracking)
        return cls(stateless, tuple(names), names), params

    def forward(self, params: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        return self._call(_by_path(self.names_map, params, "parameters"), args, kwargs)


class FunctionalModuleWithBuffers(_Stateless):
    """What `make_functional_with_buffers` gives: `function(params, buffers, *args)`."""

    def __init__(
        self, stateless_model: Module, param_names: tuple[str, ...], buffer_names: tuple[str, ...], param_names_map: Names,
        buffer_names_map: Names,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names, self.buffer_names = param_names, buffer_names
        self.all_names_map = {**param_names_map, **buffer_names_map}
        self._maps = param_names_map, buffer_names_map

    @classmethod
    def _create_from(
        cls, model: Module, disable_autograd_tracking: bool = False
    ) -> tuple[Self, tuple[Tensor, ...], tuple[Tensor, ...]]:
        stateless, params, names, buffers, buffer_names = _taken_apart(model, disable_autograd_tracking)
        return cls(stateless, tuple(names), tuple(buffer_names), names, buffer_names), params, buffers

    def forward(self, params: Sequence[Tensor], buffers: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        of_params, of_buffers = self._maps
        tensors = _by_path(of_params, params, "parameters") | _by_path(of_buffers, buffers, "buffers")
        return self._call(tensors, args, kwargs)


def _by_path(names: Names, tensors: Sequence[Tensor], what: str) -> dict[str, Tensor]:
    if len(tensors) != len(names):
        raise RuntimeError(
            f"the function takes {len(names)} {what} ({', '.join(names)}), but was given {len(tensors)}"
        )
    return {path: tensor for paths, tensor in zip(names.values(), tensors, strict=True) for path in paths}


def _taken_apart(
    model: Module, without_grad: bool
) -> tuple[Module, tuple[Tensor, ...], Names, tuple[Tensor, ...], Names]:
    """A copy of the model on "meta", and copies of its tensors with all paths of each."""
    own = copy.deepcopy(model)
    params, buffers = tuple(own.parameters()), tuple(own.buffers())
    places = list(_named_places(own))
    names = [
        {
            paths[0]: paths
            for paths in ([path for path, (held, key) in places if held[key] is tensor] for tensor in tensors)
        }
        for tensors in (params, buffers)
    ]
    if without_grad:
        for param in params:
            param.requires_grad_(False)  # type: ignore[attr-defined]
    return _emptied(own), params, names[0], buffers, names[1]


def _emptied(model: Module) -> Module:
    """The model with tensors of no values in the places of its own, which stay as they are."""
    empty: dict[int, Any] = {}
    for _, (held, key) in list(_named_places(model)):
        tensor = held[key]
        if id(tensor) not in empty:
            made: Any = registry["empty_like"](tensor.detach(), device="meta")
            empty[id(tensor)] = (
                Parameter(made, tensor.requires_grad) if isinstance(tensor, Parameter) else made
            )
        held[key] = empty[id(tensor)]
    return model


def make_functional(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModule, tuple[Tensor, ...]]:
    """A function of parameters and arguments, and a copy of the model's parameters.

    Args:
        model: has no buffers.
        disable_autograd_tracking: the copies do not require grad.
    """
    if next(iter(model.buffers()), None) is not None:
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead."
        )
    return FunctionalModule._create_from(model, disable_autograd_tracking=disable_autograd_tracking)


def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """A function of parameters, buffers and arguments, and copies of the model's parameters and buffers."""
    return FunctionalModuleWithBuffers._create_from(
        model, disable_autograd_tracking=disable_autograd_tracking
    )


def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """One function for models of one class, and their parameters and buffers, each stacked along a new first dimension."""
    if len(models) == 0:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if not (all(model.training for model in models) or all(not model.training for model in models)):
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to have the same training/eval mode."
        )
    if not all(type(model) is type(models[0]) for model in models):
        raise RuntimeError("combine_state_for_ensemble: Expected all models to be of the same class.")
    made = [make_functional_with_buffers(model) for model in models]
    params, buffers = (
        tuple([registry["stack"]([t.detach() for t in column]) for column in zip(*rows, strict=True)])  # type: ignore[attr-defined]
        for rows in ([each[1] for each in made], [each[2] for each in made])
    )
    return made[0][0], params, buffers
