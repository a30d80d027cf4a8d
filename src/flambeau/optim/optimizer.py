"""The base of all optimizers: groups of parameters, their state, steps and hooks.

A subclass gives `start`, the state of a parameter before its first step, and either `rule`, the operation that gives the
next values (see `SGD`; all parameters of a group are then updated as one), or `update`, which works them out for one
parameter. One that overrides `step` instead, as PyTorch's do, works as well.
"""

import functools
import math
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from flambeau._core.dtype import float32
from flambeau._core.handles import RemovableHandle
from flambeau._core.modes import enable_grad, no_grad
from flambeau._core.pack import may_begin
from flambeau._core.rows import Renew, note_options, run_rows
from flambeau._core.tensor import Tensor
from flambeau._ops.construct import tensor
from flambeau.nn.modules._unregistered import explain_empty_parameters, left_out
from flambeau.optim import _state_dict
from flambeau.optim._small import SmallParameters, share

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Group: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, Any]
StateDict: TypeAlias = dict[str, Any]
Hook: TypeAlias = Callable[..., Any]

_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)

_global_optimizer_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Hook] = OrderedDict()


class _RequiredParameter:
    """Stands in `defaults` for an option that every group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` before each step of every optimizer."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` after each step of every optimizer."""
    return _register(_global_optimizer_post_hooks, hook)


_NOTHING_TO_DO = "{} has to define rule() or update(), or override step()"


@dataclass(slots=True)
class Rule:
    """An update as one operation: of the parameter, its gradient, `state`, then `arguments`.

    `state` holds names of entries, and None in the place of one that there is not; the operation returns the new
    parameter and the new entries in the same order. `elementwise`: small parameters may be updated joined to one array.
    """

    operation: Any
    state: tuple[str | None, ...]
    arguments: tuple[Any, ...]
    elementwise: bool = True

    @property
    def names(self) -> list[str]:
        return [name for name in self.state if name is not None]

    def entries(self, state: State) -> list[Any]:
        """The entries of a parameter's state in the operation's order; None for what is not there."""
        return [None if name is None else state.get(name) for name in self.state]


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: tensors; or pairs of name and tensor; or dicts, each a group with its tensors (or pairs) under
            "params" and options of its own.
        defaults: the options of groups that do not give them.

    Raises: ValueError, for no parameters, tensors that are no leaves, or one in two groups; TypeError, for
    anything but tensors.
    """

    defaults: dict[str, Any]
    state: defaultdict[Any, Any]
    param_groups: list[Group]
    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._add_hook_tables()
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be "
                f"an iterable of Tensors or dicts, but got {params.type()}"  # type: ignore[attr-defined]
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups: list[Any] = list(params)
        if not groups:
            error = ValueError("optimizer got an empty parameter list")
            reason = explain_empty_parameters()
            if reason is not None:
                error.add_note(reason)
            raise error
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        for message in left_out(param for group in self.param_groups for param in group["params"]):
            warnings.warn(f"the optimizer leaves parameters untrained: {message}", stacklevel=3)

    def _add_hook_tables(self) -> None:
        for name in _HOOKS:
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())
        self._small: dict[int, SmallParameters] = {}  # by the group's id
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{type(self).__name__}.zero_grad"

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._add_hook_tables()
        self._patch_step_function()
        self.defaults = self.__dict__.get("defaults", {})
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
            lines.append("")
        return "\n".join([*lines[:-1], ")"])

    # -- stepping --------------------------------------------------------------------------------

    def start(self, param: Tensor, group: Group) -> State:
        """The state of a parameter before its first step."""
        return {}

    def rule(self, group: Group) -> Rule | None:
        """How this group's parameters are updated, where one operation does it."""
        return None

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> tuple[Tensor, State]:
        """The next values of a parameter and of its state, from its gradient.

        The result is written into the parameter and the tensors of its state in place; entries that the
        returned state lacks stay as they are.
        """
        rule = self.rule(group)
        if rule is None:
            raise NotImplementedError(_NOTHING_TO_DO.format(type(self).__name__))
        param, *values = rule.operation.function(param, grad, *rule.entries(state), *rule.arguments)
        return param, dict(zip(rule.names, values, strict=True))

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient.

        Args:
            closure: computes the loss anew, and its gradients; its result is returned.
        """
        if type(self).rule is Optimizer.rule and type(self).update is Optimizer.update:
            raise NotImplementedError(_NOTHING_TO_DO.format(type(self).__name__))
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group, [param for param in group["params"] if param._grad is not None])
        return loss

    def _step_group(self, group: Group, params: list[Tensor]) -> None:
        """One step of the parameters of a group that have a gradient."""
        rule = self.rule(group) if type(self).update is Optimizer.update else None
        is_joint = rule is not None and _alike(params, rule.arguments)
        note_options(group, group["params"], is_joint)
        if rule is None or not is_joint:
            for param in params:
                self._step_one(param, group)
            return
        for param in params:
            self._refuse_sparse(param._grad)
        states = self._states(params, rule, group)

        def renew() -> Sequence[Any]:
            return self.rule(group).arguments  # type: ignore[union-attr]

        everything = params, states
        if rule.elementwise:
            params, states = self._step_small(rule, group, params, states, renew)
        if not params:
            return
        rows = [
            (param, param._grad, *rule.entries(state)) for param, state in zip(params, states, strict=True)
        ]
        shared = rule.state[-1:] == ("step",) and share(states, "step")
        found = run_rows(rule.operation, rows, rule.arguments, shared, renew)
        names = rule.names
        written: list[Tensor] = []
        values: list[Any] = []
        for param, state, results in zip(params, states, found, strict=True):
            written.append(param)
            values.append(results[0])
            for name, value in zip(names, results[1:], strict=True):
                tensor = state.get(name)
                if tensor is None:
                    state[name] = Tensor._of(value)
                else:
                    written.append(tensor)
                    values.append(value)
        Tensor._write_all(written, values)
        small = self._small.get(id(group))
        if small is not None and not small.is_complete and not small.params and may_begin():
            self._small[id(group)] = SmallParameters(rule, *everything)

    def _step_small(
        self, rule: Rule, group: Group, params: list[Tensor], states: list[State], renew: Renew
    ) -> tuple[list[Tensor], list[State]]:
        """Steps those parameters that are better updated as one array; gives the others."""
        small = self._small.get(id(group))
        if small is None or not small.fits(rule, params, states):
            if not may_begin():
                return params, states
            if small is not None:
                small.end()
            small = self._small[id(group)] = SmallParameters(rule, params, states)
        if small.params:
            small.step(rule, renew)
        return small.others

    def _states(self, params: list[Tensor], rule: Rule, group: Group) -> list[State]:
        """The state of each parameter, begun where there is none."""
        states = []
        for param in params:
            state = self.state.get(param)
            if not state:
                state = self.start(param, group)
                if state or rule.names:
                    self.state[param] = state
            states.append(state)
        return states

    def _refuse_sparse(self, grad: Any) -> None:
        if grad.is_sparse:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def _step_one(self, param: Tensor, group: Group) -> None:
        grad: Any = param.grad
        self._refuse_sparse(grad)
        state = self.state.get(param, {})
        if not state:
            state = self.start(param, group)
        value, found = self.update(param, grad, state, group)
        param._write(value._read())
        for name, new in found.items():
            old = state.get(name)
            if isinstance(old, Tensor) and isinstance(new, Tensor) and old is not new:
                old._write(new._read())
            else:
                state[name] = new
        if state:
            self.state[param] = state

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a `step` so that the hooks run before and after it."""

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self: Optimizer = args[0]
            for hook in (*_global_optimizer_pre_hooks.values(), *_table(self, "_optimizer_step_pre_hooks")):
                result = hook(self, args, kwargs)
                if isinstance(result, tuple) and len(result) == 2:
                    args, kwargs = result
                elif result is not None:
                    raise RuntimeError(
                        f"{func} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
            out = func(*args, **kwargs)
            for hook in (*_table(self, "_optimizer_step_post_hooks"), *_global_optimizer_post_hooks.values()):
                hook(self, args, kwargs)
            return out

        return wrapper

    def _patch_step_function(self) -> None:
        """Lets this class's `step`, whoever wrote it, run the hooks."""
        step = type(self).step
        if not getattr(step, "hooked", None):
            hooked = self.profile_hook_step(step)
            hooked.hooked = True  # type: ignore[attr-defined]
            type(self).step = hooked  # type: ignore[method-assign]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters.

        Args:
            set_to_none: take them away rather than fill them with zeros; parameters without a gradient are
                not updated by the next step.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                if set_to_none:
                    param.grad = None
                else:
                    grad = param.grad
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    # -- groups ----------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Adds a group of parameters, as when layers are unfrozen while training.

        Args:
            param_group: tensors (or pairs of name and tensor) under "params", and options of its own.

        Raises: as the class does.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            param_group["params"] = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        else:
            param_group["params"] = list(params)
        _separate_names(param_group)
        self._check_params(param_group["params"])
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        self._check_against_other_groups(param_group)
        self.param_groups.append(param_group)

    def _check_params(self, params: list[Any]) -> None:
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}"
                )
            if not self.defaults.get("differentiable") and not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")

    def _check_against_other_groups(self, group: Group) -> None:
        if len(group["params"]) != len(set(group["params"])):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=4,
            )
        known: set[Tensor] = set()
        for other in self.param_groups:
            known.update(other["params"])
            if ("param_names" in group) != ("param_names" in other):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if 'param_names' in group else 'without'} names to the optimizer"
                )
        if not known.isdisjoint(group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    # -- saving and loading ----------------------------------------------------------------------

    @_state_dict.outside_of_graphs
    def state_dict(self) -> StateDict:
        """The state of all parameters, under their numbers, and the groups' options.

        The tensors are those in use, not copies. "param_groups" holds for each group its options, and under
        "params" the parameters' numbers.
        """
        for hook in _table(self, "_optimizer_state_dict_pre_hooks"):
            hook(self)
        found = _state_dict.pack(self.state, self.param_groups)
        for hook in _table(self, "_optimizer_state_dict_post_hooks"):
            result = hook(self, found)
            found = found if result is None else result
        return found

    @_state_dict.outside_of_graphs
    def load_state_dict(self, state_dict: StateDict) -> None:
        """Takes over what `state_dict()` gave, matching parameters by their order.

        State of floating parameters is cast to their dtype and device.

        Raises: ValueError, if the number of groups, or of parameters in one, differs.
        """
        state_dict = state_dict.copy()
        for hook in _table(self, "_optimizer_load_state_dict_pre_hooks"):
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        self.__setstate__(_state_dict.unpack(state_dict, self.param_groups))
        for hook in _table(self, "_optimizer_load_state_dict_post_hooks"):
            hook(self)

    # -- hooks -----------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step; it may return new (args, kwargs)."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` before `state_dict` works; with `prepend` before the other hooks."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` on the result of `state_dict`; it may return another one."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` before loading, on a shallow copy; may return another."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` after loading."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _register(hooks: OrderedDict[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _table(optimizer: Optimizer, name: str) -> list[Hook]:
    """The hooks of one kind, as they are now: a hook may remove itself."""
    return list(getattr(optimizer, name).values())


def _separate_names(group: Group) -> None:
    """Splits pairs of name and tensor into "params" and "param_names"."""
    named = [isinstance(param, tuple) for param in group["params"]]
    if not any(named):
        return
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    group["param_names"] = [pair[0] for pair in group["params"]]
    group["params"] = [pair[1] for pair in group["params"]]


def _alike(params: list[Tensor], arguments: tuple[Any, ...]) -> bool:
    """Whether one operation on rows can update all: there are some, each of its own memory, on one
    device, and the options are no tensors."""
    if not params or any(isinstance(argument, Tensor) for argument in arguments):
        return False
    if len({id(param._storage) for param in params}) < len(params):
        return False
    device = params[0].device
    return all(param.device is device for param in params)


# -- for subclasses ------------------------------------------------------------------------------


def check_single_element(lr: Any) -> None:
    """Raises for a learning rate that is a tensor of several elements."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Raises for combinations that exclude one another, although here they choose nothing."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def is_nonzero(option: Any) -> bool:
    """Whether an option counts. A tensor's value is not looked at: that would end the step's program."""
    return isinstance(option, Tensor) or option != 0


def as_number(option: Any) -> Any:
    """The number in a tensor of one element; anything else as it is."""
    return option.item() if isinstance(option, Tensor) else option


def check_range(what: str, value: Any, largest: float = math.inf) -> None:
    """Raises for an option that is negative, too large, or nan."""
    if not 0.0 <= value <= largest:
        raise ValueError(f"Invalid {what}: {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raises for betas out of range."""
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")


def step_as_tensor(state: State | None, param: Tensor, *names: str) -> None:
    """Turns scalars saved as numbers, by default the count of steps, into tensors beside the parameter."""
    for name in names or ("step",):
        if state and name in state and not isinstance(state[name], Tensor):
            state[name] = tensor(float(state[name]), dtype=float32, device=param.device)
