"""`autograd.Function`: operations whose backward the user writes."""

from __future__ import annotations

import gc
import weakref

from side_by_side import compared


def leaf(torch, *values):
    return torch.tensor(list(values), requires_grad=True)


@compared
def test_inputs_and_outputs_are_saved(torch, log):
    class Mul(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            log(ctx.needs_input_grad, torch.is_grad_enabled(), a.requires_grad)
            return a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            log(torch.is_grad_enabled(), a.requires_grad)
            return g * b, g * a

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            (result,) = ctx.saved_tensors
            log(result.requires_grad, result.grad_fn is not None)
            return g * result

    a, b = leaf(torch, 1.0, 2.0), torch.tensor([3.0, 4.0])
    out = Mul.apply(a, b)
    log(out, out.grad_fn.name(), type(out.grad_fn).__name__, out.is_leaf)
    out.sum().backward()
    log(a.grad)
    out = Exp.apply(a)
    out.sum().backward()
    log(a.grad)
    log.first_line(lambda: out.sum().backward())
    log.first_line(lambda: out.grad_fn.saved_tensors)
    with torch.no_grad():
        log(Mul.apply(a, b))
    log(Mul.apply(b, b).grad_fn)


@compared
def test_double_backward(torch, log):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(torch, 2.0)
    for function in (Cube, Exp):
        (first,) = torch.autograd.grad(function.apply(x), x, create_graph=True)
        (second,) = torch.autograd.grad(first, x, create_graph=True)
        (third,) = torch.autograd.grad(second, x)
        log(first, second, third)


@compared
def test_once_differentiable(torch, log):
    from importlib import import_module

    once = import_module(f"{torch.__name__}.autograd.function").once_differentiable

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once
        def backward(ctx, g):
            log(torch.is_grad_enabled())
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(torch, 3.0)
    log(torch.autograd.grad(Square.apply(x), x))
    (g,) = torch.autograd.grad(Square.apply(x), x, create_graph=True)
    log(g.detach(), g.requires_grad)
    log.first_line(lambda: torch.autograd.grad(g, x))


@compared
def test_setup_context(torch, log):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, factor):
            return x * factor, x + 1

        @staticmethod
        def setup_context(ctx, inputs, output):
            _, factor = inputs
            log(len(output), factor)
            ctx.factor = factor

        @staticmethod
        def backward(ctx, g, h):
            log(g, h)
            return g * ctx.factor + h, None

    x = leaf(torch, 1.0, 2.0)
    a, b = Scale.apply(x, 3.0)
    log(a.grad_fn is b.grad_fn, a.output_nr, b.output_nr)
    (a.sum() + 2 * b.sum()).backward()
    log(x.grad)
    a, _ = Scale.apply(x, 3.0)
    a.sum().backward()
    log(x.grad)


@compared
def test_other_arguments_pass_through(torch, log):
    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, flag, x, name, y=None):
            log(flag, name, y is None, ctx.needs_input_grad)
            ctx.name = name
            return x * 2

        @staticmethod
        def backward(ctx, g):
            log(ctx.name)
            return None, g * 2, None, None

    x = leaf(torch, 1.0)
    Mixed.apply(True, x, "abc", None).backward()
    log(x.grad)

    class Extra(Mixed):
        @staticmethod
        def backward(ctx, g):
            return None, g, None, None, None, None

    Extra.apply(True, x, "abc", None).backward()
    log(x.grad)


@compared
def test_wrong_gradients(torch, log):
    def made(backward):
        class Wrong(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                return x * y

        Wrong.backward = staticmethod(backward)
        return Wrong

    x, y = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    for backward in (
        lambda ctx, g: g,
        lambda ctx, g: (g, g, g),
        lambda ctx, g: (g, 3.0),
        lambda ctx, g: (g, torch.ones(3)),
        lambda ctx, g: (torch.ones(5, 2), g),
        lambda ctx, g: (g.double(), g),
        lambda ctx, g: (None, None),
        lambda ctx, g: (None, g),
        lambda ctx, g: [g, g],
    ):
        x.grad = y.grad = None
        log.first_line(lambda backward=backward: made(backward).apply(x, y).sum().backward())
        log(x.grad, y.grad)


@compared
def test_missing_methods(torch, log):
    class NoBackward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    class NoForward(torch.autograd.Function):
        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(torch, 1.0)
    log.first_line(lambda: NoBackward.apply(x).backward())
    log.first_line(lambda: NoForward.apply(x))
    log.first_line(lambda: NoBackward())
    log.first_line(lambda: NoBackward()(x))

    class BadSave(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x * 2

    log.first_line(lambda: BadSave.apply(x))

    class BadOutput(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, None, 5

        @staticmethod
        def backward(ctx, g, h, i):
            log(g, h, i)
            return g

    a, b, c = BadOutput.apply(x)
    log(b, c)
    a.backward()


@compared
def test_non_differentiable_outputs(torch, log):
    class Sorted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, places = x.sort()
            ctx.mark_non_differentiable(places)
            ctx.save_for_backward(places)
            return values, places

        @staticmethod
        def backward(ctx, g, unused):
            (places,) = ctx.saved_tensors
            log(unused)
            return torch.zeros_like(g).scatter(0, places, g)

    x = leaf(torch, 3.0, 1.0, 2.0)
    values, places = Sorted.apply(x)
    log(values.requires_grad, places.requires_grad, places.grad_fn)
    (values * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    log(x.grad)

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 2, x * 3
            ctx.mark_non_differentiable(b)
            return a, b

        @staticmethod
        def backward(ctx, g, h):
            log(h)
            return g * 2 + h

    a, b = Both.apply(x)
    log(b.requires_grad)
    a.sum().backward()
    log(x.grad)


@compared
def test_materialized_gradients(torch, log):
    class Two(torch.autograd.Function):
        materialize = True

        @classmethod
        def set(cls, value):
            cls.materialize = value

        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(Two.materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            log(g, h)
            return g if h is None else g + h

    x = leaf(torch, 1.0, 2.0)
    Two.apply(x)[0].sum().backward()
    Two.set(False)
    Two.apply(x)[0].sum().backward()
    log(x.grad)


@compared
def test_dirty_inputs(torch, log):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(torch, 1.0, 2.0)
    y = x.clone()
    z = Double.apply(y)
    log(z is y, y, y.grad_fn.name(), y._version)
    (y * 3).sum().backward()
    log(x.grad)
    log.first_line(lambda: Double.apply(x))


@compared
def test_returning_an_input(torch, log):
    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    class Alias(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return -g

    x = leaf(torch, 1.0, 2.0)
    for function in (Identity, Alias):
        x.grad = None
        out = function.apply(x)
        log(out is x, out.grad_fn.name(), out.requires_grad)
        out.sum().backward()
        log(x.grad)


@compared
def test_saved_inputs_are_guarded(torch, log):
    class Mul(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b, g * a

    x, y = leaf(torch, 1.0), torch.tensor([2.0])
    out = Mul.apply(x, y)
    y.add_(1)
    log.first_line(lambda: out.sum().backward())
    z = Mul.apply(x, torch.tensor([2.0]))
    z.add_(1)
    z.sum().backward()
    log(x.grad)


@compared
def test_gradient_reversal(torch, log):
    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, alpha):
            ctx.alpha = alpha
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return g.neg() * ctx.alpha, None

    x = leaf(torch, 1.0, 2.0)
    (Reverse.apply(x * 2, 0.5) * 3).sum().backward()
    log(x.grad)


@compared
def test_straight_through(torch, log):
    class Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(torch, 1.2, 2.7)
    (Round.apply(x) * x).sum().backward()
    log(x.grad)


@compared
def test_hooks_on_custom_nodes(torch, log):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(torch, 1.0)
    y = Twice.apply(x)
    y.register_hook(lambda g: g * 10)
    y.grad_fn.register_hook(lambda gi, go: log(gi, go))
    y.retain_grad()
    y.sum().backward()
    log(x.grad, y.grad)
    log(y.grad_fn.next_functions[0][0].name())


@compared
def test_grad_within_backward(torch, log):
    """As checkpointing does: the forward runs again inside backward."""

    class Checkpoint(torch.autograd.Function):
        @staticmethod
        def forward(ctx, function, x):
            ctx.function = function
            ctx.save_for_backward(x)
            return function(x)

        @staticmethod
        def backward(ctx, g):
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                out = ctx.function(x)
            torch.autograd.backward(out, g)
            return None, x.grad

    w = leaf(torch, 3.0)
    x = leaf(torch, 1.0, 2.0)
    Checkpoint.apply(lambda t: (t * w).exp(), x).sum().backward()
    log(x.grad, w.grad)


@compared
def test_attributes_of_ctx(torch, log):
    class Noted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.shape = x.shape
            ctx.anything = [1, 2]
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            log(ctx.anything, tuple(ctx.shape))
            return g.expand(ctx.shape)

    x = leaf(torch, 1.0, 2.0)
    out = Noted.apply(x)
    log(out.grad_fn.anything)
    out.backward()
    log(x.grad)


@compared
def test_vjp_is_another_name_of_backward(torch, log):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

    x = leaf(torch, 1.0)
    Twice.apply(x).backward()
    log(x.grad)


@compared
def test_none_and_integer_inputs(torch, log):
    class Pick(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, index):
            ctx.save_for_backward(index, None)
            ctx.n = x.shape[0]
            return x[index]

        @staticmethod
        def backward(ctx, g):
            index, nothing = ctx.saved_tensors
            log(nothing, ctx.needs_input_grad)
            return torch.zeros(ctx.n).index_add(0, index, g), None

    x = leaf(torch, 1.0, 2.0, 3.0)
    Pick.apply(x, torch.tensor([0, 2, 2])).sum().backward()
    log(x.grad)


def test_nodes_die_with_their_tensors():
    import flambeau

    class Exp(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(x, result)
            return result

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[1]

    gc.collect()
    gc.disable()
    try:
        x = flambeau.ones(2, requires_grad=True)
        y = Exp.apply(x)
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()


@compared
def test_views_from_functions_are_not_written_to(torch, log):
    class Flat(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view(-1)

        @staticmethod
        def backward(ctx, g):
            return g.view(1, 2)

    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = torch.ones(1, 2, requires_grad=True)
    for function in (Flat, Identity):
        log.first_line(lambda function=function: function.apply(x).add_(1))
        y = x * 1
        z = function.apply(y)
        y.add_(1)
        log.first_line(lambda z=z: z.sum())
        (function.apply(x).clone().mul_(2)).sum().backward()
        log(x.grad)


@compared
def test_arguments_by_name_and_outputs_of_all_kinds(torch, log):
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    class Listed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return [x * 2, x * 3]

        @staticmethod
        def backward(ctx, *gs):
            return gs[0]

    class Single(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 2,)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(torch, 1.0)
    Scaled.apply(x, factor=3.0).backward()
    Scaled.apply(factor=3.0, x=x).backward()
    log(x.grad)
    log(type(Listed.apply(x)).__name__, type(Single.apply(x)).__name__)


@compared
def test_writing_to_a_view_that_is_marked(torch, log):
    class Add(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.add_(1)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    Add.apply(y[0])
    (y * y).sum().backward()
    log(y, x.grad)
