"""The small parameters of a group, updated as one array while nobody looks at their state one by one."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import TYPE_CHECKING, Any

from flambeau._core.pack import Pack, run_flat, unpack
from flambeau._core.rows import Renew
from flambeau._core.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.optim.optimizer import Rule, State

# Elements up to which a parameter is small: joining larger ones costs more than an array of their own.
SMALL = 1 << 14
# Fewer than this many are not worth joining.
FEWEST = 4


class SmallParameters:
    """Those of a group's parameters that are updated as one array, with their state in packs.

    The state's tensors stay what they are to everybody else. Whoever writes to one of them, or puts another in its
    place, ends the packing (`fits` tells), and it may be made anew.
    """

    def __init__(self, rule: Rule, params: list[Tensor], states: list[State]) -> None:
        self.names = rule.state
        self.given = params, states
        # Some optimizers begin their state in the first step.
        self.is_complete = all(name is None or name in state for state in states for name in rule.state)
        chosen = _choose(rule, params, states)
        self.params = [params[number] for number in chosen]
        self.states = [states[number] for number in chosen]
        others = sorted(set(range(len(params))) - set(chosen))
        self.others = [params[number] for number in others], [states[number] for number in others]
        self.packs: list[Pack | None] = []
        self.storages: list[Any] = []
        for name in self.names if chosen else ():
            if name is None:
                self.packs.append(None)
                continue
            tensors = [state[name] for state in self.states]
            self.packs.append(Pack.of(tensors, same=not tensors[0]._meta.shape))
            self.storages += [tensor._storage for tensor in tensors]

    def fits(self, rule: Rule, params: list[Tensor], states: list[State]) -> bool:
        """Whether these parameters, and the tensors of their state, are still those that were given."""
        if rule.state != self.names or len(params) != len(self.given[0]):
            return False
        if not all(map(is_, params, self.given[0])):
            return False
        # Without entries the states are empty, and made anew for each step.
        if any(self.names) and not all(map(is_, states, self.given[1])):
            return False
        if not all(pack is None or pack.intact for pack in self.packs):
            return False
        found = [
            state[name]._storage if name in state else None
            for name in self.names
            if name is not None and self.params
            for state in self.states
        ]
        return all(map(is_, found, self.storages))

    def step(self, rule: Rule, renew: Renew) -> None:
        """The next values of all parameters and their state. `renew` gives the rule's arguments as they are now."""
        values = [None if pack is None else pack.value for pack in self.packs]
        gradients: Any = [param._grad for param in self.params]
        new, state = run_flat(rule.operation, self.params, gradients, values, rule.arguments, renew)
        Tensor._write_all(self.params, new)
        for pack, value in zip([pack for pack in self.packs if pack is not None], state, strict=True):
            pack.set(value)

    def end(self) -> None:
        """Gives each tensor of the state a value of its own again."""
        for state in self.states:
            unpack([tensor for tensor in state.values() if isinstance(tensor, Tensor)])


def _choose(rule: Rule, params: Sequence[Tensor], states: Sequence[State]) -> list[int]:
    """The numbers of the parameters to pack: small, floating, of one dtype, their state complete."""
    chosen = []
    for number, (param, state) in enumerate(zip(params, states, strict=True)):
        meta = param._meta
        if (
            0 < meta.numel <= SMALL
            and meta.shape
            and meta.dtype.is_floating_point
            and meta.dtype is params[0]._meta.dtype
            and all(name is None or _is_plain(state.get(name), param) for name in rule.state)
        ):
            chosen.append(number)
    if len(chosen) < FEWEST:
        return []
    kept = [states[number] for number in chosen]
    single = [name for name in rule.state if name is not None and not kept[0][name]._meta.shape]
    return chosen if all(share(kept, name) for name in single) else []


def share(states: Sequence[State], name: str) -> bool:
    """Whether an entry of no dimension is one value for all; those that are equal become one, counted once."""
    tensors = [state[name] for state in states]
    if any(tensor._meta is not tensors[0]._meta or tensor._views for tensor in tensors):
        return False
    values = [tensor._read() for tensor in tensors]
    first = values[0]
    if all(value is first for value in values):
        return True
    if any(
        not tensor._storage.direct or value.data is None
        for tensor, value in zip(tensors, values, strict=True)
    ):
        return False
    if any(value.numpy() != first.numpy() for value in values):
        return False
    for tensor in tensors:
        tensor._storage.value = first
    return True


def _is_plain(tensor: Any, param: Tensor) -> bool:
    """Whether an entry of the state is a plain tensor, like the parameter or of no dimension."""
    return (
        isinstance(tensor, Tensor)
        and not tensor._views
        and tensor._storage.host is None
        and (tensor._meta is param._meta or not tensor._meta.shape)
    )
