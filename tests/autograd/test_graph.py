"""Saved-tensor hooks, hooks on several tensors, and places in the graph."""

from __future__ import annotations

from importlib import import_module

from side_by_side import compared


def graph(torch):
    return import_module(f"{torch.__name__}.autograd.graph")


def leaf(torch, *values):
    return torch.tensor(list(values), requires_grad=True)


@compared
def test_saved_tensors_pass_through_hooks(torch, log):
    x = leaf(torch, 1.0, 2.0)

    def pack(t):
        log("pack", t)
        return t.detach() * 10

    def unpack(p):
        log("unpack", p)
        return p / 10

    with graph(torch).saved_tensors_hooks(pack, unpack):
        y = x.exp()
    z = (y * 2).sum()
    z.backward()
    log(x.grad)


@compared
def test_packing_into_something_else(torch, log):
    x = leaf(torch, 1.0, 2.0)
    store = {}

    def pack(t):
        store[len(store)] = t.detach().clone()
        return len(store) - 1

    with graph(torch).saved_tensors_hooks(pack, store.__getitem__):
        y = (x * x).sum()
    log(len(store))
    y.backward()
    log(x.grad)


@compared
def test_hooks_nest(torch, log):
    x = leaf(torch, 1.0)
    hooks = graph(torch).saved_tensors_hooks
    with hooks(lambda t: ("outer", t), lambda p: p[1]):
        a = x.exp()
        with hooks(lambda t: ("inner", t), lambda p: p[1]):
            b = x.sin()
        c = a * b
    c.sum().backward()
    log(x.grad)


@compared
def test_double_backward_through_hooks(torch, log):
    x = leaf(torch, 2.0)
    with graph(torch).saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x**3
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    log(g, h)


@compared
def test_hooks_see_function_s_saved_tensors(torch, log):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(torch, 3.0)
    with graph(torch).saved_tensors_hooks(lambda t: t.detach() + 1, lambda t: t):
        y = Square.apply(x)
    y.sum().backward()
    log(x.grad)


@compared
def test_errors_in_hooks(torch, log):
    x = leaf(torch, 1.0)

    def fail(t):
        raise ValueError("packing failed")

    with graph(torch).saved_tensors_hooks(fail, lambda t: t):
        log.first_line(lambda: x.exp())
    with graph(torch).saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x.exp()
    log.first_line(lambda: y.sum().backward())
    with graph(torch).saved_tensors_hooks(lambda t: t, fail):
        y = x.exp()
    log.first_line(lambda: y.sum().backward())
    with graph(torch).disable_saved_tensors_hooks("not here"):
        log.first_line(lambda: graph(torch).saved_tensors_hooks(fail, fail).__enter__())


@compared
def test_save_on_cpu(torch, log):
    x = leaf(torch, 1.0, 2.0)
    with graph(torch).save_on_cpu():
        y = (x.exp() * x).sum()
    y.backward()
    log(x.grad)


@compared
def test_multi_grad_hooks(torch, log):
    a, b, c = leaf(torch, 1.0), leaf(torch, 2.0), leaf(torch, 3.0)
    handle = graph(torch).register_multi_grad_hook((a, b, c), lambda gs: log("all", gs))
    (a * b * c).sum().backward()
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    handle.remove()
    (a * b * c).sum().backward()
    handle = graph(torch).register_multi_grad_hook((a, b), lambda g: log("any", g), mode="any")
    (a * b).sum().backward()
    (a * b).sum().backward()
    handle.remove()
    log.first_line(lambda: graph(torch).register_multi_grad_hook((a,), log, mode="some"))


@compared
def test_gradient_edges(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 3
    edge = graph(torch).get_gradient_edge(y)
    log(edge.node is y.grad_fn, edge.output_nr)
    log(graph(torch).get_gradient_edge(x).node.name())
    log.first_line(lambda: graph(torch).get_gradient_edge(torch.ones(1)))
    log(torch.autograd.grad((y * y).sum(), edge))
    log(torch.autograd.grad((x * 3).sum(), graph(torch).get_gradient_edge(x)))


@compared
def test_incrementing_the_version(torch, log):
    x = leaf(torch, 1.0)
    y = x.exp()
    graph(torch).increment_version(y)
    log(y._version)
    log.first_line(lambda: y.sum().backward())


@compared
def test_allow_mutation_on_saved_tensors(torch, log):
    x = leaf(torch, 1.0, 2.0)
    with graph(torch).allow_mutation_on_saved_tensors():
        y = x * 2
        z = y.sin()
        y.zero_()
        z.sum().backward()
    log(x.grad)


@compared
def test_nodes_are_of_class_node(torch, log):
    x = leaf(torch, 1.0)
    log(isinstance((x * 2).grad_fn, graph(torch).Node))


@compared
def test_history_of_what_hooks_hand_back_is_that_of_what_was_saved(torch, log):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            log(x.requires_grad, x.is_leaf)
            return g * 3 * x**2

    x = torch.tensor([0.5, 2.0], requires_grad=True)
    for function in (Cube.apply, lambda x: x**3, lambda x: Cube.apply(x * 1)):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
            y = function(x)
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        log(first, torch.autograd.grad(first.sum(), x)[0])
