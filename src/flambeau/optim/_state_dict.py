"""State dicts of optimizers in PyTorch's format: parameters by number, in the order of the groups."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

from flambeau._core.dtype import float32
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def outside_of_graphs(method: F) -> F:
    """Runs a method without recording for `backward`."""

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with no_grad():
            return method(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def pack(state: dict[Any, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The state dict of these groups and their state."""
    numbers: dict[int, int] = {}
    packed_groups = []
    for group in groups:
        for param in group["params"]:
            numbers.setdefault(id(param), len(numbers))
        packed = {name: value for name, value in group.items() if name != "params"}
        packed["params"] = [numbers[id(param)] for param in group["params"]]
        packed_groups.append(packed)
    packed_state = {
        numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in state.items()
    }
    return {"state": packed_state, "param_groups": packed_groups}


def unpack(state_dict: dict[str, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The state and groups of a state dict, for the parameters in `groups`.

    Raises: ValueError, if the number of groups, or of parameters in one, differs.
    """
    saved_groups = deepcopy(state_dict["param_groups"])
    if len(groups) != len(saved_groups):
        raise ValueError(
            "loaded state dict has a different number of parameter groups "
            f"({len(saved_groups)}; the optimizer has {len(groups)})"
        )
    for number, (group, saved) in enumerate(zip(groups, saved_groups, strict=True)):
        if len(group["params"]) != len(saved["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                f"group (group {number}: {len(saved['params'])} parameters in the state dict, "
                f"{len(group['params'])} here)"
            )
    saved_ids = chain.from_iterable(saved["params"] for saved in saved_groups)
    param_of = dict(zip(saved_ids, chain.from_iterable(group["params"] for group in groups), strict=True))
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, value in state_dict["state"].items():
        if key in param_of:
            state[param_of[key]] = _fit(value, param_of[key])
        else:
            state[key] = value
    for group, saved in zip(groups, saved_groups, strict=True):
        saved["params"] = group["params"]
        if "param_names" in group and "param_names" not in saved:
            saved["param_names"] = group["param_names"]
    return {"state": state, "param_groups": saved_groups}


def _fit(value: Any, param: Tensor, name: Any = None) -> Any:
    """Saved state with the dtype and device of its parameter; the count of steps keeps its dtype."""
    if isinstance(value, Tensor):
        if name == "step":
            return value.to(dtype=float32, device=param.device)  # type: ignore[attr-defined]
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)  # type: ignore[attr-defined]
        return value.to(device=param.device)  # type: ignore[attr-defined]
    if isinstance(value, dict):
        return {key: _fit(item, param, key) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_fit(item, param) for item in value)  # type: ignore[call-arg]
    return value
