"""From a call to the call of its gradient: an operation's own rules where it has some, `jax.vjp` of its body otherwise.

The backward of an operation is itself a call, recorded like any other, so second derivatives need nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from flambeau._core.call import Call
from flambeau._core.value import Meta


@dataclass(frozen=True)
class Rule:
    """One gradient rule of an operation.

    `function` gives the gradient of the inputs called `targets` (a tuple where there are several). Its parameters say
    what it needs, and thereby what is saved: `g` (cotangents), `output` or an output's name, an input's or static
    argument's name, `x_meta` (the `Meta` of input `x`, which saves nothing), `needs` (names whose gradient is wanted),
    `given` (names of the outputs that have a cotangent: what was saved for the gradient has one in second derivatives).
    """

    targets: tuple[str, ...]
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    dual: bool


@dataclass(frozen=True)
class Saving:
    """Which inputs and outputs of a call its backward needs, by number, and which of them autograd guards.

    `numbers`: whether it needs a number that stands where a tensor could; PyTorch saves those as tensors.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    guarded_inputs: tuple[int, ...]
    numbers: bool = False


def saving(call: Call, needs: tuple[bool, ...]) -> Saving:
    """What to save of `call` when the inputs marked in `needs` want gradients."""
    found = call.values.get(("saving", needs))
    if found is None:
        found = call.values[("saving", needs)] = _saving(call, needs)
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
    guarded = inputs
    if call.op.guards is not None:
        guarded = tuple(i for i, name in enumerate(call.source.input_names) if name in call.op.guards)
    return Saving(inputs, outputs, guarded, numbers)


def backward_call(call: Call, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
    """The call that takes (present cotangents, saved inputs, saved outputs) to the gradients of the needed inputs."""
    key = ("backward", needs, present)
    found = call.values.get(key)
    if found is None:
        found = call.values[key] = _build(call, needs, present)
    return found


def _build(call: Call, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
    rules, derived = _chosen_rules(call, needs)
    linear = call.values.get("linear")
    saved = saving(call, needs)
    cotangent_metas = [meta for meta, here in zip(call.results, present, strict=True) if here]
    metas = [
        *cotangent_metas,
        *(call.inputs[i] for i in saved.inputs),
        *(call.results[i] for i in saved.outputs),
    ]
    wanted = [i for i, need in enumerate(needs) if need]
    results = tuple(call.inputs[i] for i in wanted)

    def run(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
        count = len(cotangent_metas)
        given = iter(arrays[:count])
        cotangents = [
            next(given) if here else xp.zeros(m.shape, m.np)
            for m, here in zip(call.results, present, strict=True)
        ]
        inputs = dict(zip(saved.inputs, arrays[count:], strict=False))
        outputs = dict(zip(saved.outputs, arrays[count + len(inputs) :], strict=True))
        gradients: dict[int, Any] = {}
        if linear is not None:
            gradients = dict(enumerate(linear(xp, cotangents[0], numbers)))
        elif derived:
            gradients = _derived(call, wanted, cotangents, inputs, numbers)
        else:
            for rule in rules:
                gradients |= _apply_rule(xp, call, rule, needs, present, cotangents, inputs, outputs, numbers)
        return tuple(_fit(xp, gradients.get(i), call.inputs[i]) for i in wanted)

    dual = call.dual if linear is not None else not derived and all(rule.dual for rule in rules)
    found = Call(
        f"{call.name}.backward", run, tuple(metas), results, call.device,
        numbers=call.numbers, dual=dual, cost=2 * call.cost,
    )  # fmt: skip
    parent = call.stable_name()
    found.stable = None if parent is None else repr(("backward", parent, needs, present))
    return found


def _derived(
    call: Call, wanted: list[int], cotangents: list[Any], inputs: dict[int, Any], numbers: Sequence[Any]
) -> dict[int, Any]:
    """`jax.vjp` of the call; conjugated, because PyTorch's gradients of complex tensors are JAX's conjugates."""

    def forward(*chosen: Any) -> list[Any]:
        everything = dict(inputs) | dict(zip(wanted, chosen, strict=True))
        results = call.run(jnp, [everything[i] for i in range(len(call.inputs))], numbers)
        return [result for result, m in zip(results, call.results, strict=True) if m.tracked]

    _, pull = jax.vjp(forward, *(inputs[i] for i in wanted))
    kept = [
        jnp.conj(g).astype(m.np) for g, m in zip(cotangents, call.results, strict=True) if m.tracked
    ]  # fmt: skip
    return {i: jnp.conj(g) for i, g in zip(wanted, pull(kept), strict=True)}


def _apply_rule(
    xp: Any, call: Call, rule: Rule, needs: tuple[bool, ...], present: tuple[bool, ...], cotangents: list[Any],
    inputs: dict[int, Any], outputs: dict[int, Any], numbers: Sequence[Any],
) -> dict[int, Any]:  # fmt: skip
    source, op = call.source, call.op
    names = source.input_names
    arguments: dict[str, Any] = dict(source.bind_rule(xp, inputs, numbers))
    wide = [source.widen(xp, g) for g in cotangents]
    single = op.output_names is None and not op.many_outputs
    output_names = op.output_names or ("output",)
    extras: dict[str, Any] = {"xp": xp, "g": wide[0] if single else tuple(wide)}
    extras["needs"] = frozenset(name for name, need in zip(names, needs, strict=True) if need)
    extras["given"] = frozenset(name for name, here in zip(output_names, present, strict=False) if here)
    widened = {i: source.widen(xp, value) for i, value in outputs.items()}
    if "output" in rule.parameters:
        extras["output"] = widened[0] if single else tuple(widened[i] for i in range(len(widened)))
    for i, value in widened.items():
        if i < len(output_names):
            extras.setdefault(output_names[i], value)
    values = []
    for parameter in rule.parameters:
        if parameter in extras:
            values.append(extras[parameter])
        elif parameter.endswith("_meta") and parameter not in arguments:
            metas = [m for m, name in zip(call.inputs, names, strict=True) if name == parameter[:-5]]
            values.append(tuple(metas) if source.is_list(parameter[:-5]) else metas[0] if metas else None)
        else:
            values.append(arguments[parameter])
    found = rule.function(*values)
    per_target = dict(zip(rule.targets, found if len(rule.targets) > 1 else (found,), strict=True))
    gradients: dict[int, Any] = {}
    for target, gradient in per_target.items():
        numbers_of = [i for i, name in enumerate(names) if name == target]
        if source.is_list(target):
            gradients |= dict(zip(numbers_of, gradient, strict=True))
        elif numbers_of:
            gradients[numbers_of[0]] = gradient
    return gradients


def _fit(xp: Any, gradient: Any, meta: Meta) -> Any:
    """The gradient summed over broadcast dimensions and cast, so that it is like the input."""
    if gradient is None:
        return xp.zeros(meta.shape, meta.np)
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
