"""From a call to the call of its gradient: an operation's own rules where it has some, `jax.vjp` of its body otherwise.

The backward of an operation is itself a call, recorded like any other, so second derivatives need nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from flambeau._core.call import Call
from flambeau._core.value import Meta


class Rule(NamedTuple):
    """One gradient rule of an operation.

    `function` gives the gradient of the inputs called `targets` (a tuple where there are several). Its parameters say
    what it needs, and thereby what is saved: `g` (cotangents), `output` or an output's name, an input's or static
    argument's name, `x_meta` (the `Meta` of input `x`, which saves nothing), `needs` (names whose gradient is wanted),
    `given` (names of the outputs that have a cotangent: what was saved for the gradient has one in second derivatives).
    Where `unless`, of the call's arguments (a `Meta` for each tensor), holds, they have no gradient at all: it stays None.
    """

    targets: tuple[str, ...]
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    dual: bool
    unless: Callable[..., bool] | None = None


class Saving(NamedTuple):
    """Which inputs and outputs of a call its backward needs, by number, and which of them autograd guards.

    `numbers`: whether it needs a number that stands where a tensor could; PyTorch saves those as tensors.
    `unguarded_outputs`: those among `outputs` that may be written to; backward goes on with what was saved.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    guarded_inputs: tuple[int, ...]
    numbers: bool = False
    unguarded_outputs: tuple[int, ...] = ()


def reaching(call: Call, needs: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which of the inputs marked in `needs` have a gradient; the others' stays None."""
    if call.op is None or all(rule.unless is None for rule in call.op.rules):
        return needs
    arguments = call.op.shape_arguments(call.source, call.inputs)
    without = {
        target
        for rule in call.op.rules
        if rule.unless is not None and rule.unless(*arguments)
        for target in rule.targets
    }
    return tuple(
        [need and name not in without for name, need in zip(call.source.input_names, needs, strict=True)]
    )


class OwnGradient(Protocol):
    """What a call that knows its own gradient has under "gradient" in its `values`."""

    def saving(self, needs: tuple[bool, ...]) -> Saving:
        """What to save when the inputs marked in `needs` want gradients."""

    def backward(self, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
        """What `backward_call` gives."""


def saving(call: Call, needs: tuple[bool, ...]) -> Saving:
    """What to save of `call` when the inputs marked in `needs` want gradients."""
    found = call.values.get(("saving", needs))
    if found is None:
        own = call.values.get("gradient")
        found = _saving(call, needs) if own is None else own.saving(needs)
        found = call.values.setdefault(("saving", needs), found)
    return found


def _chosen_rules(call: Call, needs: tuple[bool, ...]) -> tuple[list[Rule], bool]:
    """The rules that give the wanted gradients, and whether some input is left to `jax.vjp`."""
    if call.op is None:
        return [], True
    names = call.source.input_names
    wanted = {name for name, need in zip(names, needs, strict=True) if need}
    rules = [rule for rule in call.op.rules if wanted & set(rule.targets)]
    return rules, bool(wanted - {target for rule in rules for target in rule.targets})


def _saving(call: Call, needs: tuple[bool, ...]) -> Saving:
    if "linear" in call.values:
        return Saving((), (), ())
    rules, derived = _chosen_rules(call, needs)
    if derived:
        every = tuple(range(len(call.inputs)))
        guarded: tuple[int, ...] = () if call.op is None else every
        if call.op is not None and call.op.guards is not None:
            guarded = tuple(i for i in every if call.source.input_names[i] in call.op.guards)
        return Saving(every, (), guarded)
    used = {name for rule in rules for name in rule.parameters}
    inputs = tuple(i for i, name in enumerate(call.source.input_names) if name in used)
    output_names = call.op.output_names or ("output",)
    outputs = tuple(
        i
        for i in range(len(call.results))
        if "output" in used or (i < len(output_names) and output_names[i] in used)
    )
    numbers = any(
        kind == "number" and param.role == "operand" and param.name in used
        for (kind, _), param in zip(call.source.entries, call.source.params, strict=True)
    )
    if call.op.guards is None:
        return Saving(inputs, outputs, inputs, numbers)
    guarded = tuple(i for i, name in enumerate(call.source.input_names) if name in call.op.guards)
    free = tuple(i for i in outputs if output_names[min(i, len(output_names) - 1)] not in call.op.guards)
    return Saving(inputs, outputs, guarded, numbers, free)


def backward_call(call: Call, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
    """The call that takes (present cotangents, saved inputs, saved outputs) to the gradients of the needed inputs."""
    key = ("backward", needs, present)
    found = call.values.get(key)
    if found is None:
        own = call.values.get("gradient")
        found = _build(call, needs, present) if own is None else own.backward(needs, present)
        found = call.values.setdefault(key, found)
    return found


def _build(call: Call, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
    rules, derived = _chosen_rules(call, needs)
    saved = saving(call, needs)
    metas = [
        *[meta for meta, here in zip(call.results, present, strict=True) if here],
        *(call.inputs[i] for i in saved.inputs),
        *(call.results[i] for i in saved.outputs),
    ]
    results = tuple(meta for meta, need in zip(call.inputs, needs, strict=True) if need)
    linear = "linear" in call.values
    dual = call.dual if linear else not derived and all(rule.dual for rule in rules)
    found = Call(
        f"{call.name}.backward", backward_run(call, needs, present), tuple(metas), results, call.device,
        numbers=call.numbers, dual=dual, cost=2 * call.cost,
    )  # fmt: skip
    found.values["backward of"] = call, needs, present
    found.channels_last = call.channels_last
    parent = call.stable_name()
    found.stable = None if parent is None else repr(("backward", parent, needs, present))
    return found


def backward_run(
    call: Call, needs: tuple[bool, ...], present: tuple[bool, ...]
) -> Callable[..., tuple[Any, ...]]:
    """How the call that `backward_call` gives is run; of `call` only what describes it is looked at."""
    rules, derived = _chosen_rules(call, needs)
    linear = call.values.get("linear")
    saved = saving(call, needs)
    count = sum(present)
    wanted = [i for i, need in enumerate(needs) if need]
    bound = [] if derived or linear is not None else [_bind(call, rule, needs, present) for rule in rules]

    def run(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
        given = iter(arrays[:count])
        cotangents = [
            next(given) if here else xp.zeros(m.shape, m.np)
            for m, here in zip(call.results, present, strict=True)
        ]
        inputs: list[Any] = [None] * len(call.inputs)
        for i, array in zip(saved.inputs, arrays[count:], strict=False):
            inputs[i] = array
        outputs = dict(zip(saved.outputs, arrays[count + len(saved.inputs) :], strict=True))
        gradients: dict[int, Any] = {}
        if linear is not None:
            gradients = dict(enumerate(linear(xp, cotangents[0], numbers)))
        elif derived:
            gradients = vjp_of_call(call, wanted, cotangents, inputs, numbers)
        else:
            for rule in bound:
                gradients |= rule(xp, cotangents, inputs, outputs, numbers)
        return tuple(_fit(xp, gradients.get(i), call.inputs[i]) for i in wanted)

    return run


def vjp_of_call(
    call: Call, wanted: list[int], cotangents: list[Any], inputs: list[Any], numbers: Sequence[Any]
) -> dict[int, Any]:
    """`jax.vjp` of the call; conjugated, because PyTorch's gradients of complex tensors are JAX's conjugates."""

    def forward(*chosen: Any) -> list[Any]:
        everything = dict(enumerate(inputs)) | dict(zip(wanted, chosen, strict=True))
        results = call.run(jnp, [everything[i] for i in range(len(call.inputs))], numbers)
        return [result for result, m in zip(results, call.results, strict=True) if m.tracked]

    _, pull = jax.vjp(forward, *(inputs[i] for i in wanted))
    kept = [
        jnp.conj(g).astype(m.np) for g, m in zip(cotangents, call.results, strict=True) if m.tracked
    ]  # fmt: skip
    return {i: jnp.conj(g) for i, g in zip(wanted, pull(kept), strict=True)}


def _bind(
    call: Call, rule: Rule, needs: tuple[bool, ...], present: tuple[bool, ...]
) -> Callable[..., dict[int, Any]]:
    """The rule as a function of (xp, cotangents, inputs, outputs, numbers), which gives gradients by input number."""
    getters = [_getter(call, name, needs, present) for name in rule.parameters]
    names, source = call.source.input_names, call.source
    places = [[i for i, name in enumerate(names) if name == target] for target in rule.targets]
    several = len(rule.targets) > 1

    def run(xp: Any, cotangents: Any, inputs: Any, outputs: Any, numbers: Any) -> dict[int, Any]:
        found = rule.function(*[get(xp, cotangents, inputs, outputs, numbers) for get in getters])
        gradients: dict[int, Any] = {}
        for target, where, gradient in zip(rule.targets, places, found if several else (found,), strict=True):
            if source.is_list(target):
                gradients |= dict(zip(where, gradient, strict=True))
            elif where:
                gradients[where[0]] = gradient
        return gradients

    return run


def _getter(call: Call, name: str, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Callable[..., Any]:
    """Where a rule's parameter of this name comes from: a function as `_bind` gives one."""
    source, op = call.source, call.op
    names = source.input_names
    single = op.output_names is None and not op.many_outputs
    output_names = op.output_names or ("output",)
    if name == "xp":
        return lambda xp, cotangents, inputs, outputs, numbers: xp
    if name == "g":
        if single:
            return lambda xp, cotangents, inputs, outputs, numbers: source.widen(xp, cotangents[0])
        return lambda xp, cotangents, inputs, outputs, numbers: tuple(
            [source.widen(xp, g) for g in cotangents]
        )
    if name == "output" and not single:
        return lambda xp, cotangents, inputs, outputs, numbers: tuple([
            source.widen(xp, outputs[i]) for i in range(len(outputs))
        ])  # fmt: skip
    if name in output_names:
        number = output_names.index(name)
        return lambda xp, cotangents, inputs, outputs, numbers: source.widen(xp, outputs[number])
    constant: Any
    if name == "needs":
        constant = frozenset(n for n, need in zip(names, needs, strict=True) if need)
    elif name == "given":
        constant = frozenset(n for n, here in zip(output_names, present, strict=False) if here)
    else:
        entries = {p.name: entry for p, entry in zip(source.params, source.entries, strict=True)}
        if name in entries:
            entry = entries[name]
            return lambda xp, cotangents, inputs, outputs, numbers: source.argument(
                entry, xp, inputs, numbers
            )
        of = name.removesuffix("_meta")
        metas = [m for m, n in zip(call.inputs, names, strict=True) if n == of]
        constant = tuple(metas) if source.is_list(of) else metas[0] if metas else None
    return lambda xp, cotangents, inputs, outputs, numbers: constant


def _fit(xp: Any, gradient: Any, meta: Meta) -> Any:
    """The gradient summed over broadcast dimensions and cast, so that it is like the input."""
    if gradient is None:
        return xp.zeros(meta.shape, meta.np)
    if not hasattr(gradient, "shape"):
        gradient = xp.asarray(gradient)
    if gradient.shape != meta.shape:
        extra = gradient.ndim - len(meta.shape)
        axes = tuple(
            i for i, n in enumerate(gradient.shape) if i < extra or (meta.shape[i - extra] == 1 and n != 1)
        )
        if axes:
            gradient = gradient.sum(axes, dtype=gradient.dtype, keepdims=True)
        if extra > 0:
            gradient = gradient.reshape(gradient.shape[extra:])
        if gradient.shape != meta.shape:
            gradient = xp.broadcast_to(gradient, meta.shape)
    if gradient.dtype != meta.np:
        if xp.iscomplexobj(gradient) and not meta.dtype.is_complex:
            gradient = xp.real(gradient)
        gradient = gradient.astype(meta.np)
    return gradient
