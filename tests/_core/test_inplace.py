"""Writing in place: values, versions, history, and what is refused."""

from __future__ import annotations

import pytest
from side_by_side import compared


def leaf(torch, *values):
    return torch.tensor(list(values), requires_grad=True)


# -- what saved tensors allow ----------------------------------------------------------------------

# An operation of `a` (a non-leaf matrix), and whether its input or output is written to afterwards.
OPERATIONS = {
    "add": lambda t, a: a + 1,
    "sub": lambda t, a: a - a,
    "mul number": lambda t, a: a * 2,
    "mul": lambda t, a: a * a,
    "mul constant": lambda t, a: a * t.ones(2, 2),
    "div": lambda t, a: a / 3,
    "div tensor": lambda t, a: 1 / a,
    "neg": lambda t, a: -a,
    "pow": lambda t, a: a**2,
    "pow 1": lambda t, a: a**1,
    "exp": lambda t, a: a.exp(),
    "log": lambda t, a: a.log(),
    "sqrt": lambda t, a: a.sqrt(),
    "rsqrt": lambda t, a: a.rsqrt(),
    "sigmoid": lambda t, a: a.sigmoid(),
    "tanh": lambda t, a: a.tanh(),
    "relu": lambda t, a: a.relu(),
    "gelu": lambda t, a: t.nn.functional.gelu(a),
    "silu": lambda t, a: t.nn.functional.silu(a),
    "leaky_relu": lambda t, a: t.nn.functional.leaky_relu(a),
    "elu": lambda t, a: t.nn.functional.elu(a),
    "softplus": lambda t, a: t.nn.functional.softplus(a),
    "abs": lambda t, a: a.abs(),
    "sin": lambda t, a: a.sin(),
    "clamp": lambda t, a: a.clamp(0, 2),
    "where": lambda t, a: t.where(a > 1, a, 0.0),
    "maximum": lambda t, a: t.maximum(a, t.ones(2, 2)),
    "sum": lambda t, a: a.sum(),
    "mean": lambda t, a: a.mean(1),
    "prod": lambda t, a: a.prod(),
    "max": lambda t, a: a.max(1).values,
    "amax": lambda t, a: a.amax(1),
    "logsumexp": lambda t, a: a.logsumexp(1),
    "cumsum": lambda t, a: a.cumsum(0),
    "norm": lambda t, a: a.norm(),
    "var": lambda t, a: a.var(),
    "softmax": lambda t, a: a.softmax(1),
    "log_softmax": lambda t, a: a.log_softmax(1),
    "matmul": lambda t, a: a @ t.ones(2, 2),
    "matmul self": lambda t, a: a @ a,
    "linear": lambda t, a: t.nn.functional.linear(a, t.ones(2, 2)),
    "linear weight": lambda t, a: t.nn.functional.linear(a, t.ones(2, 2, requires_grad=True)),
    "layer_norm": lambda t, a: t.nn.functional.layer_norm(a, (2,)),
    "view": lambda t, a: a.reshape(4),
    "transpose": lambda t, a: a.t(),
    "cat": lambda t, a: t.cat([a, a]),
    "clone": lambda t, a: a.clone(),
    "index": lambda t, a: a[t.tensor([0, 1])],
    "gather": lambda t, a: a.gather(0, t.tensor([[0, 1]])),
    "masked_fill": lambda t, a: a.masked_fill(a > 1, 0.0),
    "dropout": lambda t, a: t.nn.functional.dropout(a, 0.5),
    "mse_loss": lambda t, a: t.nn.functional.mse_loss(a, t.zeros(2, 2)),
    "cross_entropy": lambda t, a: t.nn.functional.cross_entropy(a, t.tensor([0, 1])),
    "to": lambda t, a: a.double(),
    "expand": lambda t, a: a[None].expand(3, 2, 2),
    "addcmul": lambda t, a: t.addcmul(a, a, t.ones(2, 2)),
    "lerp": lambda t, a: t.lerp(a, t.ones(2, 2), 0.3),
    "atan2": lambda t, a: t.atan2(a, t.ones(2, 2)),
    "bmm": lambda t, a: a[None].bmm(t.ones(1, 2, 2)),
    "batch_norm": lambda t, a: t.nn.functional.batch_norm(a, None, None, training=True),
}


# Outputs that are views, or that PyTorch saves and flambeau does not need.
UNGUARDED = ("expand", "transpose", "view", "prod")


@pytest.mark.parametrize("name", OPERATIONS)
def test_writing_to_what_was_saved(name):
    def scenario(torch, log):
        torch.manual_seed(0)
        for which in ("input", "output", "neither"):
            x = torch.tensor([[0.5, 2.0], [1.5, 3.0]], requires_grad=True)
            a = x * 1
            y = OPERATIONS[name](torch, a)
            if which == "input":
                a.mul_(3)
            elif which == "output" and name not in UNGUARDED:
                y.mul_(3)

            def run(y=y, x=x):
                y.sum().backward()
                return x.grad

            _outcome(log, run)

    compared(scenario)()


def _outcome(log, run):
    """The gradient, or that saved tensors were written to; which of several is named first may differ."""
    try:
        log(run())
    except RuntimeError as error:
        log(str(error).partition(":")[0])


@compared
def test_messages_name_tensor_and_versions(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x.sigmoid()
    y.mul_(2)
    log.first_line(lambda: y.sum().backward())
    z = (x * 2).exp()
    w = z * z
    with torch.no_grad():
        z.add_(1)
        z.add_(1)
    log.first_line(lambda: w.sum().backward())
    v = x * x
    with torch.no_grad():
        x.add_(1)
    log.first_line(lambda: v.sum().backward())
    d = torch.ones(2)
    u = x * d
    d.zero_()
    log.first_line(lambda: u.sum().backward())


# -- history ---------------------------------------------------------------------------------------


@compared
def test_in_place_operations_have_a_history(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.add_(x)
    y.mul_(x)
    y += 1
    y *= x
    y -= x
    y /= 2
    y.pow_(2)
    log(y, y.grad_fn.name(), y._version)
    y.sum().backward()
    log(x.grad)


@compared
def test_unary_in_place(torch, log):
    for name in ("exp_", "sigmoid_", "tanh_", "relu_", "sqrt_", "neg_", "sin_", "abs_", "log_", "square_"):
        x = leaf(torch, 1.0, 2.0)
        y = x * 2
        result = getattr(y, name)()
        (y * y).sum().backward()
        log(name, result is y, y, x.grad)


@compared
def test_in_place_on_leaves_is_refused(torch, log):
    x = leaf(torch, 1.0, 2.0)
    log.first_line(lambda: x.add_(1))
    log.first_line(lambda: x.zero_())
    log.first_line(lambda: x[0].add_(1))
    log.first_line(lambda: x.view(2, 1).mul_(2))
    log.first_line(lambda: x.__setitem__(0, 1.0))
    log.first_line(lambda: x.__iadd__(1))
    log.first_line(lambda: x.detach_())
    with torch.no_grad():
        x.add_(1)
        x[0] = 7.0
        x.view(2, 1).mul_(2)
    log(x, x.requires_grad, x.is_leaf, x._version)


@compared
def test_leaf_without_grad_joins_the_graph(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = torch.zeros(2)
    y.add_(x)
    log(y.requires_grad, y.is_leaf, y.grad_fn.name())
    y[0] = x[1] * 10
    log(y)
    y.sum().backward()
    log(x.grad)


@compared
def test_writes_into_part_of_a_buffer(torch, log):
    x = leaf(torch, 1.0, 2.0)
    buffer = torch.zeros(3, 2)
    for i in range(3):
        buffer[i] = x * (i + 1)
    (buffer * torch.arange(6.0).view(3, 2)).sum().backward()
    log(buffer, x.grad)


@compared
def test_casts_and_shapes_are_checked(torch, log):
    i = torch.ones(2, dtype=torch.int64)
    log.first_line(lambda: i.add_(0.5))
    log.first_line(lambda: i.mul_(torch.ones(2)))
    log.first_line(lambda: torch.ones(2).add_(torch.ones(3, 2)))
    log.first_line(lambda: torch.ones(2).add_(torch.ones(3)))
    log.first_line(lambda: torch.ones(2).copy_(torch.ones(3)))
    log(torch.ones(2, dtype=torch.float16).add_(torch.ones(2)))
    log(torch.ones(2).add_(torch.ones(2, dtype=torch.float64)), torch.ones(2).copy_(i))
    log(torch.zeros(2, 2).copy_(torch.ones(2)))


@compared
def test_expanded_tensors(torch, log):
    x = torch.ones(3, 1).expand(3, 4)
    log.first_line(lambda: x.add_(1))
    log.first_line(lambda: x.copy_(torch.ones(3, 4)))
    y = torch.ones(1, 4).expand(1, 4)
    log(y.add_(1))
    z = torch.tensor(1.0).expand(2)
    log.first_line(lambda: z.mul_(2))
    w = torch.ones(3, 1).expand(3, 4).clone()
    log(w.add_(1)[0])


@compared
def test_zero_and_fill_cut_the_gradient(torch, log):
    for cut in (lambda y: y.zero_(), lambda y: y.fill_(3.0), lambda y: y.copy_(torch.ones(2))):
        x = leaf(torch, 1.0, 2.0)
        y = x * 2
        cut(y)
        log(y.requires_grad)
        (y + x).sum().backward()
        log(x.grad)


@compared
def test_swap_through_copies(torch, log):
    x = torch.arange(6.0).view(2, 3)
    x[0], x[1] = x[1].clone(), x[0].clone()
    log(x)
    y = torch.arange(4.0)
    y[1:] = y[:-1].clone()
    log(y)
    y[[0, 1]] = y[[1, 0]]
    log(y)


@compared
def test_parameter_updates(torch, log):
    p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    for _ in range(3):
        loss = (p * p).sum()
        loss.backward()
        with torch.no_grad():
            p -= 0.1 * p.grad
            p.grad.zero_()
        log(p, p.grad, p._version)
    for _ in range(2):
        (p * p).sum().backward()
        p.data.add_(p.grad, alpha=-0.1)
        p.data -= 0.01
        p.grad = None
    log(p)
    p.data = torch.tensor([5.0, 6.0])
    log(p, p.shape)
    (p * 2).sum().backward()
    log(p.grad)


@compared
def test_out_arguments(torch, log):
    out = torch.zeros(2)
    result = torch.add(torch.ones(2), 2, out=out)
    log(result is out, out)
    x = leaf(torch, 1.0, 2.0)
    log.first_line(lambda: torch.add(x, 1, out=out))
    log.first_line(lambda: torch.add(torch.ones(2), 1, out=x))
    with torch.no_grad():
        torch.add(x, 1, out=out)
    log(out)


# -- detach and data -------------------------------------------------------------------------------


@compared
def test_detach_shares_the_storage(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    d = y.detach()
    d.add_(1)
    log(y, d, y._version, d._version, d.requires_grad)
    z = y.exp()
    d.add_(1)
    z.sum().backward()
    log(x.grad)
    s = (x * 1).sin()
    t = s.sigmoid()
    t.detach().zero_()
    log.first_line(lambda: t.sum().backward())


@compared
def test_detach_in_place(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    log(y.detach_() is y, y.requires_grad, y.grad_fn, y.is_leaf)
    z = x * 2
    log.first_line(lambda: z.view(2, 1).detach_())
    log.first_line(lambda: z[0].detach_())
    v = z.sum()
    log(v.detach_().requires_grad)
    w = leaf(torch, 1.0)
    w.detach_()
    log(w.requires_grad)


@compared
def test_data_writes_go_unnoticed(torch, log):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    z = y * y
    y.data.mul_(10)
    log(y, y._version)
    z.sum().backward()
    log(x.data.requires_grad, x.data is x.data)
    x.data.zero_()
    log(x)
    x.data[0] = 4.0
    log(x)
    log.first_line(lambda: setattr(x, "data", 3))
    log.first_line(lambda: setattr(x, "data", torch.tensor([1, 2])))
    a, b = torch.ones(2), torch.zeros(2)
    a.data = b
    b.add_(5)
    log(a, b)


@compared
def test_set_data_of_a_parameter_keeps_identity(torch, log):
    layer = torch.nn.Linear(2, 2)
    weight = layer.weight
    layer.weight.data = torch.ones(2, 2)
    log(layer.weight is weight, weight, weight.requires_grad, weight.grad)
    layer.weight.data.fill_(3)
    log(weight)
    layer.weight.data = layer.weight.data.double()
    log(weight.dtype)


# -- results written into tensors that share memory ------------------------------------------------


@compared
def test_out_may_be_an_operand_of_a_pointwise_operation_but_not_a_part_of_it(torch, log):
    x = torch.arange(6.0)
    log.result(lambda: torch.add(x[:3], x[:3], out=x[:3]))
    log.result(lambda: torch.add(x[:3], 1, out=x[1:4]))
    log.result(lambda: torch.mul(x[:3], x[1:4], out=x[1:4]))
    log(x)


@compared
def test_out_shares_nothing_with_the_operands_of_what_picks_elements(torch, log):
    x, order, kept = torch.arange(6.0), torch.arange(6), torch.ones(6, dtype=torch.bool)
    log.result(lambda: torch.take(x, order, out=x))
    log.result(lambda: torch.take(x, order, out=torch.zeros(6)))
    log.result(lambda: torch.take(order, order, out=order))
    log.result(lambda: torch.gather(x, 0, order, out=x))
    log.result(lambda: torch.index_select(x, 0, order, out=x))
    log.result(lambda: torch.masked_select(x, kept, out=x))
    log.result(lambda: torch.masked_select(kept, kept, out=kept))
    log.result(lambda: torch.cat([x[:3], x[3:]], out=x))
    log.result(lambda: torch.stack([x[:3], torch.ones(3)], out=x.view(2, 3)))
    log(x)


@compared
def test_out_has_memory_for_each_element(torch, log):
    for name in ("add", "mul", "atan2"):
        log.result(
            lambda name=name: getattr(torch, name)(torch.ones(3), torch.ones(3), out=torch.ones(1).expand(3))
        )
    log.result(lambda: torch.take(torch.ones(3), torch.arange(3), out=torch.ones(1).expand(3)))
    log.result(lambda: torch.cat([torch.ones(2), torch.ones(1)], out=torch.ones(1).expand(3)))
    log.result(lambda: torch.cumsum(torch.ones(3), 0, out=torch.ones(1).expand(3)))
