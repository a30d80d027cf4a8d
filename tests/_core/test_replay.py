"""Graphs that leave a compiled function: hooks, retained gradients, packed tensors, beside PyTorch run eagerly."""

from __future__ import annotations

import importlib

import pytest
import torch

import flambeau

CALLS = 5


def numbers(tensor):
    return tensor.detach().flatten().tolist()


def variable(library, number, requires_grad=True):
    return library.full((2, 3), 1.0 + number, requires_grad=requires_grad)


def linear(library):
    layer = library.nn.Linear(3, 3)
    with library.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.fill_(0.1)
    return layer


def gradients(library, function):
    """The gradient of an argument after `backward` outside, for some calls."""
    found = []
    for number in range(CALLS):
        x = variable(library, number)
        function(x).backward()
        found.append(numbers(x.grad))
    return found


# -- hooks of modules ------------------------------------------------------------------------------


def full_backward_hook(library, wrap):
    layer, seen = linear(library), []
    layer.register_full_backward_hook(
        lambda module, before, after: seen.append((module is layer, numbers(before[0]), numbers(after[0])))
    )
    return gradients(library, wrap(lambda x: layer(x).pow(2).sum())), seen


def backward_hooks_that_change_gradients(library, wrap):
    model = library.nn.Sequential(linear(library), library.nn.Tanh())
    model[0].register_full_backward_hook(lambda module, before, after: tuple(g * 2 for g in before))
    model.register_full_backward_pre_hook(lambda module, after: (after[0] * 3,))
    return gradients(library, wrap(lambda x: model(x * 0.1).pow(2).sum())), numbers(model[0].weight.grad)


def backward_hook_without_gradients_of_inputs(library, wrap):
    layer, seen = linear(library), []
    layer.register_full_backward_hook(lambda module, before, after: seen.append((before, numbers(after[0]))))
    function = wrap(lambda x: layer(x).pow(2).sum())
    for number in range(CALLS):
        function(variable(library, number, requires_grad=False)).backward()
    return seen


def graph_walked_twice(library, wrap):
    layer, seen = linear(library), []
    layer.register_full_backward_hook(lambda module, before, after: seen.append(numbers(after[0])))
    function = wrap(lambda x: layer(x))
    for number in range(CALLS):
        y = function(variable(library, number))
        y.sum().backward(retain_graph=True)
        (y * 2).sum().backward()
    return seen


# -- retained gradients ----------------------------------------------------------------------------


def retained_gradient_of_a_result(library, wrap):
    def function(x):
        h = x * 2
        h.retain_grad()
        loss = (h**2).sum()
        loss.retain_grad()
        return loss, h

    function, found = wrap(function), []
    for number in range(CALLS):
        loss, h = function(variable(library, number))
        loss.backward()
        found.append((h.retains_grad, numbers(h.grad), loss.grad.item()))
    return found


def retained_gradient_of_an_argument(library, wrap):
    def function(x):
        x.retain_grad()
        return (x**2).sum()

    function, found = wrap(function), []
    for number in range(CALLS):
        x = variable(library, number) * 1
        function(x).backward()
        found.append((x.retains_grad, numbers(x.grad)))
    return found


def retained_gradient_and_backward_inside(library, wrap):
    def function(x):
        h = x * 2
        h.retain_grad()
        (h**2).sum().backward()
        return h.grad, h

    function, found = wrap(function), []
    for number in range(CALLS):
        gradient, h = function(variable(library, number))
        found.append((numbers(gradient), h.grad is gradient))
    return found


def gradient_of_a_leaf_made_inside(library, wrap):
    def function(w):
        x = library.ones(2, 3, requires_grad=True)
        (x * w).sum().backward()
        return x

    function = wrap(function)
    return [numbers(function(variable(library, n, requires_grad=False)).grad) for n in range(CALLS)]


def gradient_from_before(library, wrap):
    w = library.nn.Parameter(library.ones(2, 3))

    def function(x):
        before, w.grad = w.grad, None
        (w * x).sum().backward()
        return before

    function, w.grad = wrap(function), library.full((2, 3), 7.0)
    return [numbers(function(variable(library, n, requires_grad=False))) for n in range(CALLS)]


# -- hooks that the function registers -------------------------------------------------------------


def hooks_on_an_argument(library, wrap):
    seen = []

    def function(x):
        x.register_hook(lambda g: seen.append(numbers(g)))
        x.register_post_accumulate_grad_hook(lambda t: seen.append(numbers(t.grad)))
        return (x**2).sum()

    return gradients(library, wrap(function)), seen


def hook_on_an_argument_and_backward_inside(library, wrap):
    def function(x):
        x.register_hook(lambda g: g * 10)
        (x**2).sum().backward()
        return x.grad

    function, found = wrap(function), []
    for number in range(CALLS):
        x = variable(library, number)
        found.append(numbers(function(x)))
        (x * 1).sum().backward()
        found.append(numbers(x.grad))
    return found


def hook_that_is_removed_inside(library, wrap):
    def function(x):
        handle = x.register_hook(lambda g: g * 10)
        (x**2).sum().backward()
        handle.remove()
        return x.grad

    function, found = wrap(function), []
    for number in range(CALLS):
        x = variable(library, number)
        function(x)
        (x * 1).sum().backward()
        found.append(numbers(x.grad))
    return found


def hooks_on_an_argument_with_a_graph(library, wrap):
    def function(h):
        h.register_hook(lambda g: g * 3)
        h.grad_fn.register_hook(lambda before, after: (before[0] * 5, *before[1:]))
        return (h**2).sum()

    function = wrap(function)
    return gradients(library, lambda x: function(x * 1))


def hooks_on_an_argument_that_is_written_to(library, wrap):
    def function(h):
        h.mul_(2)
        h.register_hook(lambda g: g * 3)
        h.retain_grad()
        return (h**2).sum()

    function, found = wrap(function), []
    for number in range(CALLS):
        x = variable(library, number)
        h = x * 1
        h.register_hook(lambda g: g * 7)
        function(h).backward()
        found.append((numbers(x.grad), numbers(h.grad)))
    return found


def hook_on_a_parameter(library, wrap):
    seen, counts, w = [], [], library.nn.Parameter(library.ones(3))

    def function(x):
        w.register_hook(lambda g: seen.append(numbers(g)))
        return (x * w).sum()

    function = wrap(function)
    for number in range(CALLS):
        function(variable(library, number)).backward()
        counts.append(len(seen))
    return counts, seen


def hook_on_the_node_of_a_leaf(library, wrap):
    w = library.nn.Parameter(library.ones(2, 3))

    def function(x):
        y = w * 1
        y.grad_fn.next_functions[0][0].register_prehook(lambda gradients: (gradients[0] * 3,))
        return (x * y).sum()

    function, found = wrap(function), []
    for number in range(CALLS):
        w.grad = None
        function(variable(library, number)).backward()
        found.append(numbers(w.grad))
    return found


def hook_on_a_leaf_made_inside(library, wrap):
    def function(x):
        y = x.detach().requires_grad_()
        y.register_hook(lambda g: g * 3)
        return (y * x.sum()).sum(), y

    function, found = wrap(function), []
    for number in range(CALLS):
        loss, y = function(variable(library, number))
        loss.backward()
        found.append(numbers(y.grad))
    return found


def hooks_on_results_that_close_over_tensors(library, wrap):
    def function(x):
        y, scale = x * 2, x + 1
        y.register_hook(lambda g: g * scale)
        loss = (y * y).sum()
        loss.grad_fn.register_prehook(lambda gradients: (gradients[0] * 2,))
        return loss

    return gradients(library, wrap(function))


def hook_of_several_tensors(library, wrap):
    seen = []

    def function(x):
        a, b = x * 2, x * 3
        library.autograd.graph.register_multi_grad_hook([a, b], lambda gs: seen.append([*map(numbers, gs)]))
        return (a * b).sum()

    return gradients(library, wrap(function)), seen


def handles_that_are_returned(library, wrap):
    def function(x):
        y = x * 2
        handle = y.register_hook(lambda g: g * 5)
        return (y * y).sum(), handle

    function, found = wrap(function), []
    for number in range(CALLS):
        x = variable(library, number)
        loss, handle = function(x)
        if number % 2:
            handle.remove()
        loss.backward()
        found.append(numbers(x.grad))
    return found


def hook_that_removes_another(library, wrap):
    def function(x):
        y = x * 2
        handle = y.register_hook(lambda g: g * 5)
        y.register_hook(lambda g: handle.remove())
        return (y * y).sum()

    function, found = wrap(function), []
    for number in range(CALLS):
        x = variable(library, number)
        loss = function(x)
        loss.backward(retain_graph=True)
        loss.backward()
        found.append(numbers(x.grad))
    return found


# -- hooks from outside ----------------------------------------------------------------------------


def hook_of_a_parameter_from_outside(library, wrap):
    w = library.nn.Parameter(library.ones(3))
    w.register_hook(lambda g: g * 2)
    found = gradients(library, wrap(lambda x: (x * w * 3).sum()))
    return found, numbers(w.grad)


def triple(tensor):
    tensor.grad.mul_(3)


def arguments_with_other_hooks(library, wrap):
    def function(x):
        (x * x).sum().backward()
        return x.grad

    function, found = wrap(function), []
    for number in range(7):
        x = variable(library, number)
        if number in (3, 4):
            x.register_hook(lambda g: g * 10)
        if number == 5:
            x.register_post_accumulate_grad_hook(triple)
        found.append(numbers(function(x)))
    return found


# -- packed tensors and recomputation --------------------------------------------------------------


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x, x * 2)
        return x**3

    @staticmethod
    def backward(ctx, g):
        one, two = ctx.saved_tensors
        return g * 3 * one * two / 2


def cube(library):
    body = {name: Cube.__dict__[name] for name in ("forward", "backward")}
    return type("Cube", (library.autograd.Function,), body)


def packed_inside(library, wrap):
    cubed = cube(library)

    def function(x):
        with library.autograd.graph.saved_tensors_hooks(lambda t: ["a", t * 2], lambda packed: packed[1] / 2):
            return (x.exp() * cubed.apply(x)).sum()

    return gradients(library, wrap(function))


def packed_outside(library, wrap):
    log, function, found = [], wrap(lambda x: (x.exp() * x).sum()), []
    for number in range(CALLS):
        x = variable(library, number)
        with library.autograd.graph.saved_tensors_hooks(
            lambda t: log.append("p") or t, lambda t: log.append("u") or t
        ):
            loss = function(x)
        loss.backward()
        found.append(numbers(x.grad))
    return found, "".join(log)


def checkpointed(reentrant, inside):
    def case(library, wrap):
        checkpoint = importlib.import_module(f"{library.__name__}.utils.checkpoint").checkpoint
        drop = library.nn.Dropout(0.5)

        def function(x):
            loss = drop(checkpoint(lambda y: drop(y.exp()) * y, x, use_reentrant=reentrant)).sum()
            if inside:
                loss.backward()
            return loss

        function, found = wrap(function), []
        for number in range(CALLS):
            x = variable(library, number)
            loss = function(x)
            if not inside:
                loss.backward()
            found.append((loss.item(), numbers(x.grad)))
        return found, library.rand(1).item()

    return case


def random_states(library, wrap):
    def function(x):
        state = library.get_rng_state()
        one = library.rand(2)
        library.set_rng_state(state)
        two = library.rand(2)
        generator = library.Generator().manual_seed(3)
        return one, two, library.rand(2, generator=generator), library.rand(1)

    function = wrap(function)
    return [[numbers(each) for each in function(library.ones(1))] for _ in range(CALLS)]


CASES = {
    case.__name__: case
    for case in (
        full_backward_hook, backward_hooks_that_change_gradients, backward_hook_without_gradients_of_inputs, graph_walked_twice,
        retained_gradient_of_a_result, retained_gradient_of_an_argument, retained_gradient_and_backward_inside,
        gradient_of_a_leaf_made_inside, gradient_from_before, hooks_on_an_argument, hook_on_an_argument_and_backward_inside,
        hook_that_is_removed_inside, hooks_on_an_argument_with_a_graph, hooks_on_an_argument_that_is_written_to,
        hook_on_a_parameter, hook_on_the_node_of_a_leaf, hook_on_a_leaf_made_inside, hooks_on_results_that_close_over_tensors,
        hook_of_several_tensors, handles_that_are_returned, hook_that_removes_another, hook_of_a_parameter_from_outside,
        arguments_with_other_hooks, packed_inside, packed_outside, random_states,
    )
}  # fmt: skip
CASES |= {
    f"checkpoint, {'reentrant' if reentrant else 'by hooks'}, backward {'inside' if inside else 'outside'}": checkpointed(
        reentrant, inside
    )
    for reentrant in (True, False)
    for inside in (True, False)
}


def flat(found):
    return [each for item in found for each in flat(item)] if isinstance(found, (list, tuple)) else [found]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("compiled", [False, True], ids=["undecorated", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_graphs_are_as_in_pytorch(name, compiled):
    torch.manual_seed(0), flambeau.manual_seed(0)
    expected = flat(CASES[name](torch, lambda function: function))
    found = flat(CASES[name](flambeau, flambeau.compile if compiled else lambda function: function))
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        assert one == (pytest.approx(two, rel=1e-4, abs=1e-5) if isinstance(two, float) else two)


def test_hooks_that_pack_run_when_a_call_is_recorded():
    log = []

    @flambeau.compile
    def function(x):
        with flambeau.autograd.graph.saved_tensors_hooks(lambda t: log.append("p") or t, lambda t: t):
            return x.exp().sum()

    function(variable(flambeau, 0))
    with pytest.raises(RuntimeError, match="the list log changed"):
        function(variable(flambeau, 1))


def test_a_hook_on_the_graph_before_is_an_error():
    function = flambeau.compile(lambda h: h.grad_fn.next_functions[0][0].register_hook(print) and h * 1)
    x = variable(flambeau, 0)
    function(x * 2 * 3)
    with pytest.raises(RuntimeError, match="on a node of a graph that was made before the call"):
        function(x * 2 * 3)


def test_hooks_after_accumulation_return_no_other_tensor():
    for library in (flambeau, torch):
        x = variable(library, 0)
        x.register_post_accumulate_grad_hook(lambda t: t)
        x.sum().backward()
        x.register_post_accumulate_grad_hook(lambda t: t.grad)
        with pytest.raises(RuntimeError, match=r"Tensor post accumulate grad hooks should return None\."):
            x.sum().backward()
