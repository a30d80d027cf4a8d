"""Modules as functions of their parameters: `functional_call` and `stack_module_state`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core.declare import registry
from flambeau._core.tensor import Tensor
from flambeau.nn.modules.batchnorm import _BatchNorm
from flambeau.nn.modules.module import Module
from flambeau.nn.utils.stateless import _functional_call


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls a module while the named tensors stand in for its parameters and buffers.

    Args:
        module: has its own tensors again afterwards.
        parameter_and_buffer_dicts: tensors by dotted path; several dicts if no name is in two of them.
        args: the forward's argument, or a tuple of them.
        kwargs: its named arguments.
        tie_weights: let a tensor stand in for all uses of a shared one.
        strict: refuse missing and unknown names.

    >>> import flambeau
    >>> layer = flambeau.nn.Linear(2, 1)
    >>> tensors = {"weight": flambeau.ones(1, 2), "bias": flambeau.zeros(1)}
    >>> flambeau.func.functional_call(layer, tensors, flambeau.tensor([3.0, 4.0]))
    tensor([7.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        tensors = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        if not all(isinstance(each, dict) for each in parameter_and_buffer_dicts):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        names = [name for each in parameter_and_buffer_dicts for name in each]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(
                f"{sorted(repeated)} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
        tensors = {name: tensor for each in parameter_and_buffer_dicts for name, tensor in each.items()}
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, tensors, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of models of one class, each stacked along a new first dimension.

    With `functional_call` under `vmap` they make an ensemble.

    >>> import flambeau
    >>> params, buffers = flambeau.func.stack_module_state([flambeau.nn.Linear(2, 3) for _ in range(4)])
    >>> params["weight"].shape, buffers
    (torch.Size([4, 3, 2]), {})
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(model.training for model in models) or all(not model.training for model in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if not all(type(model) is type(models[0]) for model in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = _stacked([dict(model.named_parameters()) for model in models])
    buffers = _stacked([dict(model.named_buffers()) for model in models])
    return params, buffers


def _stacked(states: Sequence[dict[str, Tensor]]) -> dict[str, Any]:
    return {name: _stack(name, [state[name] for state in states]) for name in states[0]}


def _stack(name: str, tensors: Sequence[Tensor]) -> Tensor:
    requiring = [tensor.requires_grad for tensor in tensors]
    if any(requiring) and not all(requiring):
        raise RuntimeError(
            f"Expected {name} parameter to have the same value for requires_grad in all models."
        )
    stacked = registry["stack"](tensors, 0)
    if all(tensor._node is None for tensor in tensors):
        stacked = stacked.detach().requires_grad_(all(requiring))
    return stacked


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Makes all batch norms in `root` use the statistics of their batch alone, in place; `vmap` cannot update buffers that
    all elements share.
    """
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
