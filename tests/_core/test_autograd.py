"""Backward, grad, hooks and the graph, each as PyTorch has them."""

from __future__ import annotations

import warnings

import pytest
from side_by_side import compared


def leaf(torch, *values, dtype=None):
    return torch.tensor(list(values), requires_grad=True, dtype=dtype)


# -- backward and grad -----------------------------------------------------------------------------


@compared
def test_backward_accumulates(torch, log):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = leaf(torch, 2.0, 0.5, -1.0)
    ((x * y).sum() + (x * x * y).sum()).backward()
    log(x.grad, y.grad)
    first = x.grad
    (x * y).sum().backward()
    log(x.grad, y.grad, x.grad is first, first)
    x.grad = None
    (x.exp() * 2).sum().backward()
    log(x.grad, x.grad is first, x.grad.requires_grad, x.grad.is_leaf)


@compared
def test_backward_of_a_vector_needs_a_gradient(torch, log):
    x = leaf(torch, 1.0, 2.0)
    log.first_line(lambda: (x * 2).backward())
    log.first_line(lambda: (x * 2).backward(torch.ones(3)))
    log.first_line(lambda: (x * 2).backward([1.0, 2.0]))
    log.first_line(lambda: torch.ones(2).sum().backward())
    log.first_line(lambda: torch.autograd.backward((x.sum(), torch.ones(()))))
    (x * 2).backward(torch.tensor([3.0, 4.0]))
    log(x.grad)
    (x * 2).backward(gradient=torch.tensor([3, 4], dtype=torch.float64))
    log(x.grad)
    torch.autograd.backward([x.sum(), (x * x).sum()], [None, torch.tensor(10.0)])
    log(x.grad)
    torch.autograd.backward((x * 2,), (torch.ones(2),))
    log(x.grad)


@compared
def test_grad_returns_instead_of_accumulating(torch, log):
    x, y, z = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0), leaf(torch, 5.0)
    out = (x * y).sum()
    log(torch.autograd.grad(out, [x, y], retain_graph=True), x.grad, y.grad)
    log.first_line(lambda: torch.autograd.grad(out, [x, z], retain_graph=True))
    log(torch.autograd.grad(out, [x, z], retain_graph=True, allow_unused=True))
    log(torch.autograd.grad(out, [x, z], retain_graph=True, materialize_grads=True))
    log.first_line(lambda: torch.autograd.grad(out, [x], materialize_grads=True, allow_unused=False))
    log.first_line(lambda: torch.autograd.grad(out, torch.ones(2)))
    log(torch.autograd.grad(out, x))
    log.first_line(lambda: torch.autograd.grad(out, x))


@compared
def test_grad_of_intermediates(torch, log):
    x = leaf(torch, 1.0, 2.0)
    mid = x * 3
    out = (mid * mid).sum() + mid.sum()
    log(torch.autograd.grad(out, (mid, x), retain_graph=True))
    log(torch.autograd.grad(out, out, retain_graph=True))
    log(torch.autograd.grad(mid, mid, torch.tensor([5.0, 6.0]), retain_graph=True))
    log(torch.autograd.grad([out, mid], [x], [None, torch.ones(2)], retain_graph=True))
    log(torch.autograd.grad(out, [x, x], retain_graph=True))


@compared
def test_batched_grads(torch, log):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * x
    log(torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True, retain_graph=True))
    log(torch.autograd.grad(y, x, (2 * torch.eye(3),), is_grads_batched=True))


@compared
def test_backward_into_chosen_inputs(torch, log):
    x, y = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    mid = x * y
    out = (mid * mid).sum()
    out.backward(inputs=[x], retain_graph=True)
    log(x.grad, y.grad)
    out.backward(inputs=y, retain_graph=True)
    log(x.grad, y.grad)
    mid.retain_grad()
    out.backward(inputs=[mid], retain_graph=True)
    log(mid.grad, x.grad)
    log.first_line(lambda: out.backward(inputs=[]))


@compared
def test_graph_is_freed_unless_retained(torch, log):
    x = leaf(torch, 1.0, 2.0)
    out = (x * x).sum()
    out.backward(retain_graph=True)
    out.backward()
    log(x.grad)
    log.first_line(lambda: out.backward())
    linear = (x * 2 + 1).sum()
    linear.backward()
    log.first_line(lambda: linear.backward())
    added = (x + 1).sum()
    added.backward()
    log.first_line(lambda: added.backward())
    log(x.grad)
    y = x.exp()
    (y * 2).sum().backward()
    log.first_line(lambda: (y * 3).sum().backward())


@compared
def test_higher_derivatives(torch, log):
    x = leaf(torch, 0.5, 2.0)
    y = (x**4).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    log(first, second, third, first.requires_grad)
    for function in (torch.sin, torch.exp, torch.sigmoid, torch.tanh, torch.log, torch.sqrt):
        (first,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        (third,) = torch.autograd.grad(second.sum(), x)
        log(first, second, third)


@compared
def test_gradient_penalty(torch, log):
    w = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    score = torch.tanh(x @ w).sum()
    (g,) = torch.autograd.grad(score, x, create_graph=True)
    loss = ((g.norm(dim=1) - 1) ** 2).mean()
    loss.backward()
    log(loss, w.grad, x.grad)


@compared
def test_backward_with_create_graph(torch, log):
    x = leaf(torch, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x**3).sum().backward(create_graph=True)
    log(x.grad, x.grad.requires_grad)
    (g,) = torch.autograd.grad(x.grad, x)
    log(g)


@compared
def test_create_graph_warns_of_a_cycle(torch, log):
    x = leaf(torch, 2.0)
    log.result(lambda: (x**3).sum().backward(create_graph=True))


@compared
def test_same_tensor_many_times(torch, log):
    x = leaf(torch, 3.0)
    y = x
    for _ in range(5):
        y = y * x + y
    y.backward()
    log(x.grad)


@compared
def test_diamonds_and_unused_branches(torch, log):
    x = leaf(torch, 1.0, 2.0)
    a, b = x * 2, x * 3
    unused = (a * 100).exp()
    c = a * b
    (c + a + b).sum().backward()
    log(x.grad, unused.requires_grad)


@compared
def test_integer_and_complex_dtypes(torch, log):
    log.first_line(lambda: torch.tensor([1, 2], requires_grad=True))
    log.first_line(lambda: torch.tensor([1, 2]).requires_grad_())
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    log(z.grad)
    z.grad = None
    z.abs().sum().backward()
    log(z.grad)
    log.first_line(lambda: (z * z).sum().backward())


@compared
def test_mixed_dtypes(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = leaf(torch, 3.0, 4.0, dtype=torch.float64)
    (x * y).sum().backward()
    log(x.grad, y.grad)
    h = leaf(torch, 1.0, 2.0, dtype=torch.float16)
    (h * 3).sum().backward()
    log(h.grad)


@compared
def test_broadcasting_sums_gradients(torch, log):
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(4, requires_grad=True)
    z = torch.tensor(2.0, requires_grad=True)
    (x * y * z).sum().backward()
    log(x.grad, y.grad, z.grad)


# -- .grad and flags -------------------------------------------------------------------------------


@compared
def test_grad_attribute(torch, log):
    x = leaf(torch, 1.0, 2.0)
    log(x.grad)
    y = x * 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log(y.grad)
    log(len(caught), str(caught[0].message).partition(" (Triggered")[0])
    log.result(lambda: y.detach().grad)

    def assign(value):
        x.grad = value

    log.first_line(lambda: assign(torch.ones(3)))
    with pytest.raises(RuntimeError, match="assign a gradient with dtype 'double'"):
        assign(torch.ones(2, dtype=torch.float64))
    log.first_line(lambda: assign(1.0))
    log.first_line(lambda: assign(x))
    assign(torch.ones(2))
    (x * 3).sum().backward()
    log(x.grad)
    del x.grad
    log(x.grad)
    given = torch.ones(2)
    x.grad = given
    (x * 3).sum().backward()
    log(given, x.grad is given)


@compared
def test_zeroing_the_gradient(torch, log):
    p = leaf(torch, 1.0, 2.0)
    (p * 3).sum().backward()
    before = p.grad
    p.grad.zero_()
    log(p.grad, before)
    (p * 5).sum().backward()
    log(p.grad, before, p.grad is before)
    alias = p.grad.detach()
    p.grad.mul_(2)
    log(alias, p.grad._version)


@compared
def test_requires_grad_flags(torch, log):
    x = torch.ones(2)
    log(x.requires_grad, x.is_leaf)
    log(x.requires_grad_() is x, x.requires_grad)
    y = x * 2
    log(y.requires_grad, y.is_leaf, y.requires_grad_() is y)
    log.first_line(lambda: y.requires_grad_(False))
    log.first_line(lambda: setattr(y, "requires_grad", False))
    log.first_line(lambda: setattr(torch.ones(2, dtype=torch.int64), "requires_grad", True))
    z = y.detach()
    log(z.requires_grad, z.is_leaf, z.grad_fn)
    x.requires_grad = False
    log(x.requires_grad, (x * 2).requires_grad)
    log((torch.ones(2) > 0).requires_grad, x.argmax().requires_grad)
    w = leaf(torch, 1.0)
    log((w > 0).requires_grad, w.argmax().requires_grad, w.int().requires_grad, (w * 2).long().requires_grad)


@compared
def test_retain_grad(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    log(y.retains_grad, x.retains_grad)
    x.retain_grad()
    log(x.retains_grad)
    (y * y).sum().backward()
    log(y.grad, x.grad)
    log.first_line(lambda: torch.ones(2).retain_grad())


@compared
def test_retained_grads_add_up(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    out = (y * y).sum()
    out.backward(retain_graph=True)
    first = y.grad
    out.backward()
    log(y.grad, first)


@compared
def test_retain_grad_then_in_place(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * torch.tensor([5.0, 7.0])).sum().backward()
    log(y.grad, x.grad)


@compared
def test_hooks_then_in_place(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: log("before", g))
    y.mul_(3)
    y.register_hook(lambda g: log("after", g))
    (y * torch.tensor([5.0, 7.0])).sum().backward()
    log(x.grad)


# -- hooks -----------------------------------------------------------------------------------------


@compared
def test_tensor_hooks_in_order(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: log("first", g))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: log("third", g))
    x.register_hook(lambda g: log("leaf", g))
    x.register_hook(lambda g: g + 1)
    y.sum().backward()
    log(x.grad)


@compared
def test_hooks_are_removed(torch, log):
    x = leaf(torch, 1.0)
    handle = x.register_hook(lambda g: log("gone", g))
    handle.remove()
    handle.remove()
    with x.register_hook(lambda g: log("within", g)):
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    log(x.grad)


@compared
def test_hook_removes_itself_and_others_while_running(torch, log):
    x = leaf(torch, 1.0)
    handles = []

    def first(g):
        log("first", g)
        handles[0].remove()

    handles.append(x.register_hook(first))
    handles.append(x.register_hook(lambda g: log("second", g)))
    (x * 2).sum().backward()
    (x * 2).sum().backward()


@compared
def test_hook_errors(torch, log):
    x = leaf(torch, 1.0, 2.0)
    log.first_line(lambda: torch.ones(2).register_hook(lambda g: g))
    handle = x.register_hook(lambda g: torch.ones(3))
    log.first_line(lambda: (x * 2).sum().backward())
    handle.remove()
    handle = x.register_hook(lambda g: g.double())
    log.first_line(lambda: (x * 2).sum().backward())
    handle.remove()
    handle = x.register_hook(lambda g: 3)
    log.first_line(lambda: (x * 2).sum().backward())
    handle.remove()

    def fail(g):
        raise ValueError("from the hook")

    handle = x.register_hook(fail)
    log.first_line(lambda: (x * 2).sum().backward())
    handle.remove()
    (x * 2).sum().backward()
    log(x.grad)


@compared
def test_hooks_run_for_captured_gradients(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g * 3)
    x.register_hook(lambda g: g * 5)
    out = (y * y).sum()
    log(torch.autograd.grad(out, [x, y], retain_graph=True))
    log(torch.autograd.grad(out, [y], retain_graph=True))
    log(torch.autograd.grad(out, [x]))


@compared
def test_hooks_within_create_graph(torch, log):
    x = leaf(torch, 3.0)
    y = x * x
    y.register_hook(lambda g: g * y)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    log(g)
    log(torch.autograd.grad(g, x))


@compared
def test_post_accumulate_hooks(torch, log):
    x = leaf(torch, 1.0, 2.0)

    def step(p):
        log("post", p.grad)
        with torch.no_grad():
            p.sub_(p.grad)
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    log(x, x.grad)
    handle.remove()
    (x * 2).sum().backward()
    log(x.grad)
    log.first_line(lambda: (x * 2).register_post_accumulate_grad_hook(step))
    log.first_line(lambda: torch.ones(2).register_post_accumulate_grad_hook(step))
    x.register_post_accumulate_grad_hook(lambda p: 3)
    log.first_line(lambda: (x * 2).sum().backward())
    log(torch.autograd.grad((x * 2).sum(), x))


@compared
def test_node_hooks(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = (x * 2).exp()
    node = y.grad_fn
    node.register_prehook(lambda gs: log("pre", gs))
    node.register_prehook(lambda gs: (gs[0] * 2,))
    node.register_hook(lambda gi, go: log("post", gi, go))
    handle = node.register_hook(lambda gi, go: (gi[0] * 3,))
    y.sum().backward(retain_graph=True)
    log(x.grad)
    handle.remove()
    x.grad = None
    y.sum().backward()
    log(x.grad)


@compared
def test_node_hooks_of_leaves(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    node = y.grad_fn.next_functions[0][0]
    log(node.name(), node.variable is x, node.next_functions)
    node.register_hook(lambda gi, go: log("accumulated", gi, go, x.grad))
    node.register_prehook(lambda gs: log("before", gs, x.grad))
    y.sum().backward()
    log(x.grad)


@compared
def test_order_of_all_kinds_of_hooks(torch, log):
    x = leaf(torch, 1.0)
    y = x * 2
    y.retain_grad()
    y.grad_fn.register_prehook(lambda gs: log("node pre"))
    y.register_hook(lambda g: log("tensor"))
    y.grad_fn.register_hook(lambda gi, go: log("node post"))
    x.register_post_accumulate_grad_hook(lambda p: log("accumulated"))
    x.register_hook(lambda g: log("leaf"))
    y.sum().backward()
    log(y.grad)


@compared
def test_order_of_nodes(torch, log):
    x, y = leaf(torch, 1.0), leaf(torch, 2.0)
    a = x * 2
    b = y * 3
    c = a + b
    d = a * c
    for name, tensor in dict(a=a, b=b, c=c, d=d, x=x, y=y).items():
        tensor.register_hook(lambda g, name=name: log(name, g))
    (d.sum() + b.sum()).backward()


# -- the graph as it shows -------------------------------------------------------------------------


@compared
def test_graph_can_be_walked(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = ((x * 2 + 1).exp() * torch.ones(2)).sum()

    def walk(node, depth=0):
        if node is None:
            log(depth, None)
            return
        log(depth, node.name(), type(node).__name__)
        for child, number in node.next_functions:
            log(number)
            walk(child, depth + 1)

    walk(y.grad_fn)
    log(y.grad_fn is y.grad_fn, y.grad_fn.next_functions[0][0] is y.grad_fn.next_functions[0][0])
    log(x.grad_fn, y.detach().grad_fn, y.output_nr)


NAMES = {
    "add": lambda t, x, m: x + x,
    "add number": lambda t, x, m: x + 1,
    "sub": lambda t, x, m: x - x,
    "rsub": lambda t, x, m: 1 - x,
    "mul": lambda t, x, m: x * 2,
    "div": lambda t, x, m: x / 2,
    "rdiv": lambda t, x, m: 2 / x,
    "floor_divide": lambda t, x, m: t.div(x, 2, rounding_mode="floor"),
    "pow number": lambda t, x, m: x**2,
    "pow tensor": lambda t, x, m: x**x,
    "rpow": lambda t, x, m: 2**x,
    "neg": lambda t, x, m: -x,
    "abs": lambda t, x, m: x.abs(),
    "exp": lambda t, x, m: x.exp(),
    "log": lambda t, x, m: x.log(),
    "sqrt": lambda t, x, m: x.sqrt(),
    "rsqrt": lambda t, x, m: x.rsqrt(),
    "sigmoid": lambda t, x, m: x.sigmoid(),
    "tanh": lambda t, x, m: x.tanh(),
    "relu": lambda t, x, m: x.relu(),
    "F.relu": lambda t, x, m: t.nn.functional.relu(x),
    "gelu": lambda t, x, m: t.nn.functional.gelu(x),
    "silu": lambda t, x, m: t.nn.functional.silu(x),
    "leaky_relu": lambda t, x, m: t.nn.functional.leaky_relu(x),
    "softplus": lambda t, x, m: t.nn.functional.softplus(x),
    "clamp": lambda t, x, m: x.clamp(0, 1),
    "clamp_min": lambda t, x, m: x.clamp(min=0),
    "maximum": lambda t, x, m: t.maximum(x, x * 2),
    "where": lambda t, x, m: t.where(x > 0, x, 0.0),
    "sum": lambda t, x, m: x.sum(),
    "sum dim": lambda t, x, m: m.sum(0),
    "mean": lambda t, x, m: x.mean(),
    "mean dim": lambda t, x, m: m.mean(1),
    "var": lambda t, x, m: x.var(),
    "std": lambda t, x, m: m.std(0),
    "prod": lambda t, x, m: x.prod(),
    "max": lambda t, x, m: x.max(),
    "max dim": lambda t, x, m: m.max(1).values,
    "amax": lambda t, x, m: m.amax(1),
    "logsumexp": lambda t, x, m: m.logsumexp(1),
    "norm": lambda t, x, m: x.norm(),
    "cumsum": lambda t, x, m: x.cumsum(0),
    "matmul": lambda t, x, m: m @ m,
    "mv": lambda t, x, m: m @ x[:2],
    "dot": lambda t, x, m: x @ x,
    "bmm": lambda t, x, m: m[None] @ m[None],
    "batched": lambda t, x, m: m[None] @ m,
    "linear": lambda t, x, m: t.nn.functional.linear(m, m),
    "linear bias": lambda t, x, m: t.nn.functional.linear(m, m, x[:2]),
    "softmax": lambda t, x, m: m.softmax(1),
    "log_softmax": lambda t, x, m: m.log_softmax(1),
    "cross_entropy": lambda t, x, m: t.nn.functional.cross_entropy(m, t.tensor([0, 1])),
    "nll_loss": lambda t, x, m: t.nn.functional.nll_loss(m, t.tensor([0, 1])),
    "mse_loss": lambda t, x, m: t.nn.functional.mse_loss(x, t.zeros(4)),
    "l1_loss": lambda t, x, m: t.nn.functional.l1_loss(x, t.zeros(4)),
    "bce": lambda t, x, m: t.nn.functional.binary_cross_entropy_with_logits(x, t.zeros(4)),
    "layer_norm": lambda t, x, m: t.nn.functional.layer_norm(m, (2,)),
    "batch_norm": lambda t, x, m: t.nn.functional.batch_norm(m, None, None, training=True),
    "dropout": lambda t, x, m: t.nn.functional.dropout(x, 0.5),
    "embedding": lambda t, x, m: t.nn.functional.embedding(t.tensor([0, 1]), m),
    "conv2d": lambda t, x, m: t.nn.functional.conv2d(m[None, None], t.ones(1, 1, 1, 1)),
    "max_pool2d": lambda t, x, m: t.nn.functional.max_pool2d(m[None, None], 2),
    "pad": lambda t, x, m: t.nn.functional.pad(x, (1, 1)),
    "view": lambda t, x, m: x.view(2, 2),
    "reshape": lambda t, x, m: x.reshape(2, 2),
    "reshape copy": lambda t, x, m: m.t().reshape(4),
    "flatten": lambda t, x, m: m.flatten(),
    "unsqueeze": lambda t, x, m: x.unsqueeze(0),
    "squeeze": lambda t, x, m: x[None].squeeze(0),
    "squeeze all": lambda t, x, m: x[None].squeeze(),
    "transpose": lambda t, x, m: m.transpose(0, 1),
    "t": lambda t, x, m: m.t(),
    "T": lambda t, x, m: m.T,
    "mT": lambda t, x, m: m.mT,
    "permute": lambda t, x, m: m.permute(1, 0),
    "expand": lambda t, x, m: x.expand(2, 4),
    "select": lambda t, x, m: m[0],
    "slice": lambda t, x, m: x[1:],
    "index": lambda t, x, m: x[t.tensor([0, 1])],
    "mask": lambda t, x, m: x[x > 1],
    "gather": lambda t, x, m: x.gather(0, t.tensor([0])),
    "index_select": lambda t, x, m: x.index_select(0, t.tensor([0])),
    "masked_fill": lambda t, x, m: x.masked_fill(x > 1, 0.0),
    "cat": lambda t, x, m: t.cat([x, x]),
    "stack": lambda t, x, m: t.stack([x, x]),
    "split": lambda t, x, m: x.split(2)[1],
    "chunk": lambda t, x, m: x.chunk(2)[0],
    "unbind": lambda t, x, m: x.unbind(0)[1],
    "clone": lambda t, x, m: x.clone(),
    "contiguous": lambda t, x, m: m.t().contiguous(),
    "to": lambda t, x, m: x.double(),
    "repeat": lambda t, x, m: x.repeat(2),
    "diagonal": lambda t, x, m: m.diagonal(),
    "tril": lambda t, x, m: m.tril(),
    "flip": lambda t, x, m: x.flip(0),
    "roll": lambda t, x, m: x.roll(1, 0),
    "sort": lambda t, x, m: x.sort().values,
    "topk": lambda t, x, m: x.topk(2).values,
    "einsum": lambda t, x, m: t.einsum("ij,jk->ik", m, m),
    "outer": lambda t, x, m: t.outer(x, x),
    "lerp": lambda t, x, m: t.lerp(x, x, 0.5),
    "addcmul": lambda t, x, m: t.addcmul(x, x, x),
    "sin": lambda t, x, m: x.sin(),
    "erf": lambda t, x, m: x.erf(),
    "round": lambda t, x, m: x.round(),
    "sign": lambda t, x, m: x.sign(),
    "add_": lambda t, x, m: x.clone().add_(1),
    "mul_": lambda t, x, m: x.clone().mul_(2),
    "copy_": lambda t, x, m: t.zeros(4).copy_(x),
    "zero_": lambda t, x, m: x.clone().zero_(),
    "fill_": lambda t, x, m: x.clone().fill_(2.0),
    "relu_": lambda t, x, m: x.clone().relu_(),
    "masked_fill_": lambda t, x, m: x.clone().masked_fill_(x > 1, 0.0),
    "setitem": lambda t, x, m: _set_item(x.clone()),
    "view as": lambda t, x, m: x.view_as(m),
    "unflatten": lambda t, x, m: x.unflatten(0, (2, 2)),
    "narrow": lambda t, x, m: x.narrow(0, 1, 2),
    "scatter": lambda t, x, m: t.zeros(4).scatter(0, t.tensor([0]), x),
    "sdpa": lambda t, x, m: t.nn.functional.scaled_dot_product_attention(m[None], m[None], m[None]),
    "group_norm": lambda t, x, m: t.nn.functional.group_norm(m[None], 2),
    "huber": lambda t, x, m: t.nn.functional.huber_loss(x, t.zeros(4)),
    "smooth_l1": lambda t, x, m: t.nn.functional.smooth_l1_loss(x, t.zeros(4)),
    "cosine": lambda t, x, m: t.nn.functional.cosine_similarity(m, m * 2),
}


def _set_item(x):
    x[0] = 5.0
    return x


@pytest.mark.parametrize("name", NAMES)
def test_names_of_nodes(name):
    def scenario(torch, log):
        x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
        m = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
        result = NAMES[name](torch, x, m)
        log(result.grad_fn.name() if result.grad_fn is not None else None, result.requires_grad)

    compared(scenario)()


@compared
def test_repr_shows_the_graph(torch, log):
    x = leaf(torch, 1.0, 2.0)
    log(repr(x), repr(x * 2), repr((x * 2).sum()), repr(x.view(2, 1)), repr(x.relu()))
    y = x.clone()
    y[0] = 3
    log(repr(y), repr(y.detach()))


@compared
def test_saved_attributes_of_nodes(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x.exp()
    log(y.grad_fn._saved_result, y.grad_fn._saved_result is y)
    z = x * x
    log(z.grad_fn._saved_self, z.grad_fn._saved_other)
    z.sum().backward()
    log.first_line(lambda: z.grad_fn._saved_self)
    log.first_line(lambda: z.grad_fn._saved_nothing)


@compared
def test_metadata_of_nodes(torch, log):
    x = leaf(torch, 1.0)
    y = x * 2
    y.grad_fn.metadata["mine"] = 3
    log(y.grad_fn.metadata)


# -- several roots, odd shapes ---------------------------------------------------------------------


@compared
def test_empty_and_zero_dimensional_tensors(torch, log):
    x = torch.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    log(x.grad)
    y = torch.tensor(2.0, requires_grad=True)
    y.backward()
    log(y.grad)
    y.backward(torch.tensor(5.0))
    log(y.grad)
    z = torch.ones(1, 1, requires_grad=True)
    (z * 3).backward()
    log(z.grad)


@compared
def test_backward_of_a_leaf_runs_hooks(torch, log):
    x = leaf(torch, 1.0)
    x.register_hook(lambda g: g * 4)
    x.backward()
    log(x.grad)


@compared
def test_deep_graphs(torch, log):
    x = leaf(torch, 1.0)
    y = x
    for _ in range(3000):
        y = y + x * 0.001
    y.backward()
    log(x.grad)


@compared
def test_backward_within_no_grad(torch, log):
    x = leaf(torch, 1.0, 2.0)
    out = (x * x).sum()
    with torch.no_grad():
        out.backward()
    log(x.grad)


@compared
def test_backward_within_a_hook(torch, log):
    x, w = leaf(torch, 1.0), leaf(torch, 5.0)

    def hook(g):
        with torch.enable_grad():
            (w * w).sum().backward()

    x.register_hook(hook)
    (x * 2).sum().backward()
    log(x.grad, w.grad)


@compared
def test_anomaly_mode_raises_at_nan(torch, log):
    x = leaf(torch, 0.0)
    with torch.autograd.set_detect_anomaly(True):
        y = x.sqrt() * 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log.first_line(lambda: y.sum().backward())
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()
    log(x.grad)
    log.result(lambda: torch.autograd.detect_anomaly().__class__.__name__)
    log(torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())


def test_anomaly_mode_names_the_line_of_the_forward():
    import flambeau

    x = flambeau.zeros(1, requires_grad=True)
    with flambeau.autograd.set_detect_anomaly(True):
        y = x.sqrt() * 0
        with pytest.raises(RuntimeError, match="SqrtBackward0") as caught:
            y.sum().backward()
    (note,) = caught.value.__notes__
    assert "test_autograd.py:" in note
    assert "test_anomaly_mode_names_the_line_of_the_forward" in note


@compared
def test_parameters_come_as_a_generator(torch, log):
    layer = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(2.0)
    log(torch.autograd.grad(layer(torch.ones(1, 2)).sum(), layer.parameters()))
    layer(torch.ones(1, 2)).sum().backward(inputs=list(layer.parameters()))
    log(layer.weight.grad)
    log.first_line(lambda: torch.autograd.grad(layer.weight.sum(), "x"))
    log.first_line(lambda: torch.autograd.grad([layer.weight.sum()] * 2, layer.weight, [torch.ones(())]))


@compared
def test_learning_to_learn(torch, log):
    """Gradients through several steps of descent, as in MAML (Finn et al. 2017)."""
    w = leaf(torch, 1.0, 2.0)
    fast = w
    for _ in range(3):
        loss = ((fast * torch.tensor([1.0, 3.0]) - 1) ** 2).sum()
        (g,) = torch.autograd.grad(loss, fast, create_graph=True)
        fast = fast - 0.01 * g
    ((fast - 2) ** 2).sum().backward()
    log(w.grad)


@compared
def test_penalties_on_gradients_of_layers(torch, log):
    F = torch.nn.functional
    x = torch.arange(16.0).view(1, 1, 4, 4).requires_grad_()
    w = torch.full((1, 1, 3, 3), 0.1, requires_grad=True)
    (g,) = torch.autograd.grad(
        F.max_pool2d(F.conv2d(x, w, padding=1).relu(), 2).pow(2).sum(), x, create_graph=True
    )
    (g**2).sum().backward()
    log(w.grad.div(1000), x.grad)
    e = torch.ones(3, 2, requires_grad=True)
    (g,) = torch.autograd.grad((F.embedding(torch.tensor([0, 0, 2]), e) ** 3).sum(), e, create_graph=True)
    (g**2).sum().backward()
    log(e.grad)
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.1, 0.2, 0.3]], requires_grad=True)
    (g,) = torch.autograd.grad(F.cross_entropy(logits, torch.tensor([0, 1])), logits, create_graph=True)
    (g**2).sum().backward()
    log(logits.grad)


@compared
def test_variable_is_a_tensor(torch, log):
    Variable = torch.autograd.Variable
    x = Variable(torch.ones(2), requires_grad=True)
    (x * 2).sum().backward()
    log(x, x.grad, type(x).__name__, isinstance(torch.ones(1), Variable), isinstance(3, Variable))


@compared
def test_flags_are_bools(torch, log):
    x = torch.ones(1)
    log.first_line(lambda: setattr(x, "requires_grad", 1))
    log.first_line(lambda: torch.set_grad_enabled("a"))
    log(torch.is_grad_enabled())


@compared
def test_some_gradients_are_none(torch, log):
    def leaf(*shape):
        return torch.arange(1.0, 7.0)[: shape[0] * shape[1]].view(shape).requires_grad_()

    for through in (
        lambda x, y: x.norm(0),
        lambda x, y: torch.nn.functional.pairwise_distance(x, y, 0.0).sum(),
        lambda x, y: x.norm(0) * y.sum() + x[0].sum(),
        lambda x, y: torch.linalg.householder_product(x[:, :0], y[0, :0]).sum(),
    ):
        for create_graph in (False, True):
            for hooked in (False, True):
                x, y = leaf(3, 2), leaf(3, 2)
                x.grad = torch.ones(3, 2)
                loss = through(x, y)
                if hooked:
                    loss.register_hook(lambda g: None)
                loss.backward(create_graph=create_graph)
                log(x.grad, y.grad, torch.autograd.grad(through(x, y), (x, y), allow_unused=True))
