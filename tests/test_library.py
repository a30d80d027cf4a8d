"""Operators that programs define. Namespaces are used once in each test: definitions stay for the whole process."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Optional

import pytest
from side_by_side import compared

import flambeau

_numbers = itertools.count()


def space() -> str:
    """A namespace that nothing is defined in, of the same length always."""
    return f"zoo{next(_numbers):03d}"


@compared
def test_custom_operator_calls_the_function(torch, log):
    Tensor = torch.Tensor
    ns = space()

    def scaled(x, n=2, *, shift=0.0):
        log(torch.is_grad_enabled(), n, shift)
        return x * n + shift

    scaled.__annotations__ = {"x": Tensor, "n": int, "shift": float, "return": Tensor}
    op = torch.library.custom_op(f"{ns}::scaled", scaled, mutates_args=())
    x = torch.arange(3.0)
    packet = getattr(torch.ops, ns).scaled
    log(op(x), op(x, 3), op(x, n=3, shift=1.0), packet(x), packet.default(x, 4))
    log(str(packet).removeprefix(ns), str(packet.default).removeprefix(ns), packet.overloads())
    log(str(packet.default._schema).removeprefix(ns), packet.default.name().removeprefix(ns))
    for call in (
        lambda: op(), lambda: op(3), lambda: op(x, "a"), lambda: op(x, 1, 2.0), lambda: op(x, k=3), lambda: packet.other,
        lambda: torch.ops.nowhere.nothing, lambda: getattr(torch.ops, ns).nothing,
    ):  # fmt: skip
        try:
            call()
        except (RuntimeError, AttributeError) as error:
            log(type(error).__name__, str(error).replace(ns, "ns").partition("Cast error")[0].strip())


@compared
def test_gradient_is_the_registered_formula(torch, log):
    ns = space()

    def power(x, n):
        return x**n

    power.__annotations__ = {"x": torch.Tensor, "n": int, "return": torch.Tensor}
    op = torch.library.custom_op(f"{ns}::power", power, mutates_args=())
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = op(x, 3)
    log(y, op(x.detach(), 3).requires_grad)
    try:
        y.sum().backward()
    except RuntimeError as error:
        log(str(error).replace(ns, "ns"))

    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.n = inputs[1]
        log(len(inputs), output.requires_grad)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 10 * ctx.n * x, None

    op.register_autograd(backward, setup_context=setup)
    op(x, 3).sum().backward()
    log(x.grad, torch.is_grad_enabled())
    with torch.no_grad():
        log(op(x, 2))


@compared
def test_lists_of_tensors_have_gradients(torch, log):
    ns = space()

    def total(xs, scale):
        return sum(xs) * scale

    total.__annotations__ = {"xs": Sequence[torch.Tensor], "scale": float, "return": torch.Tensor}
    op = torch.library.custom_op(f"{ns}::total", total, mutates_args=())

    def backward(ctx, g):
        log(ctx.needs_input_grad)
        return [g * ctx.scale for _ in range(ctx.count)], None

    def setup(ctx, inputs, output):
        ctx.count, ctx.scale = len(inputs[0]), inputs[1]

    op.register_autograd(backward, setup_context=setup)
    a, b = torch.ones(2, requires_grad=True), torch.ones(2)
    op([a, b], 2.0).sum().backward()
    log(a.grad, b.grad)


@compared
def test_results_do_not_alias_arguments(torch, log):
    def same(x):
        return x

    def part(x):
        return x[1:]

    for function in (same, part):
        function.__annotations__ = {"x": torch.Tensor, "return": torch.Tensor}
        op = torch.library.custom_op(f"{space()}::{function.__name__}", function, mutates_args=())
        try:
            op(torch.ones(2))
        except RuntimeError as error:
            log(str(error).partition("The output")[2])


@compared
def test_arguments_that_are_written_to_change_their_version(torch, log):
    def add(x, y):
        x.add_(y)

    add.__annotations__ = {"x": torch.Tensor, "y": torch.Tensor, "return": None}
    op = torch.library.custom_op(f"{space()}::add", add, mutates_args={"x"})
    x = torch.ones(2)
    log(op(x, x * 2), x, x._version)


@compared
def test_meta_tensors_go_to_the_fake_kernel(torch, log):
    ns = space()

    def twice(x):
        return x * 2

    twice.__annotations__ = {"x": torch.Tensor, "return": torch.Tensor}
    op = torch.library.custom_op(f"{ns}::twice", twice, mutates_args=())
    op.register_fake(lambda x: x.new_empty((*x.shape, 1)))
    log(op(torch.empty(2, device="meta")), op(torch.ones(1)))


@compared
def test_library_defines_and_implements(torch, log):
    ns = space()
    library = torch.library.Library(ns, "DEF")
    log(library.define("sub(Tensor a, Tensor b, *, Scalar alpha=1) -> Tensor"))
    packet = getattr(torch.ops, ns).sub
    a, b = torch.ones(2), torch.full((2,), 3.0)
    try:
        packet(a, b)
    except NotImplementedError as error:
        log(str(error).replace(ns, "ns").partition(" This could")[0].partition(" 'ns")[0])
    library.impl("sub", lambda a, b, alpha=1: a - alpha * b, "CPU")
    log(packet(a, b), packet(a, b, alpha=2.5))
    for call in (
        lambda: packet(2, 3), lambda: packet(a, b, alpha="x"), lambda: packet(a, b, 3),
        lambda: packet(a.to("meta"), b.to("meta")),
    ):  # fmt: skip
        try:
            call()
        except (RuntimeError, NotImplementedError) as error:
            log(str(error).replace(ns, "ns").partition("Cast error")[0].partition(" You may")[0].strip())
    log.first_line(lambda: torch.library.Library(ns, "OTHER"))
    overloaded = (
        library.define("pick.int(Tensor a, int n) -> Tensor"),
        library.define("pick.str(Tensor a, str n) -> Tensor"),
    )
    log(overloaded)
    library.impl("pick.int", lambda a, n: a * n)
    library.impl("pick.str", lambda a, n: a * len(n))
    log(
        getattr(torch.ops, ns).pick(a, 4),
        getattr(torch.ops, ns).pick(a, "ab"),
        getattr(torch.ops, ns).pick.overloads(),
    )
    library._destroy()


@compared
def test_gradients_go_through_a_composite_kernel(torch, log):
    library = torch.library.Library(space(), "DEF")
    library.define("square(Tensor x) -> Tensor")
    library.impl("square", lambda x: x * x, "CompositeImplicitAutograd")
    x = torch.tensor(3.0, requires_grad=True)
    getattr(torch.ops, library.ns).square(x).backward()
    log(x.grad)


@compared
def test_autograd_kernel_goes_first(torch, log):
    library = torch.library.Library(space(), "DEF")
    library.define("f(Tensor x) -> Tensor")
    call = getattr(torch.ops, library.ns).f

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch._C._AutoDispatchBelowAutograd():
                return call(x)

        @staticmethod
        def backward(ctx, g):
            return g * 7

    library.impl("f", lambda x: x * 2, "CPU")
    library.impl("f", F.apply, "Autograd")
    x = torch.tensor(3.0, requires_grad=True)
    y = call(x)
    y.backward()
    log(y, x.grad)


@compared
def test_functions_of_the_module(torch, log):
    ns = space()
    torch.library.define(
        f"{ns}::h", "(Tensor x, int[] s, float? e=None, bool[2] m=[True,False]) -> (Tensor, Tensor)"
    )

    @torch.library.impl(f"{ns}::h", "default")
    def h(x, s, e=None, m=None):
        log(s, e, m)
        return x * 1, x * 2

    packet = getattr(torch.ops, ns).h
    log(packet(torch.ones(1), [1, 2]), packet(torch.ones(1), (3,), 0.5, [False, True]))
    log(str(packet.default._schema).replace(ns, "ns"))
    arguments = packet.default._schema.arguments
    log(
        [(a.name, str(a.type), a.kwarg_only, a.has_default_value()) for a in arguments],
        arguments[3].default_value,
    )


@compared
def test_schemas_are_inferred(torch, log):
    T = torch.Tensor

    def good(x, y, xs, ys, f=1.5, s="a", b=True, d=None, t=torch.float32, *, k=3, u=2): ...

    good.__annotations__ = {
        "x": T, "y": Optional[T], "xs": list[T], "ys": Sequence[int], "f": float, "s": str, "b": bool,  # noqa: UP045
        "d": torch.device | None, "t": torch.dtype, "k": int, "u": int | float | bool, "return": tuple[T, int, list[T]],
    }  # fmt: skip
    log(
        torch.library.infer_schema(good, mutates_args=()),
        torch.library.infer_schema(good, mutates_args={"x", "xs"}),
    )
    log(torch.library.infer_schema(good, mutates_args="unknown"))

    def no_type(x, n: int): ...

    def no_result(x, n): ...

    no_result.__annotations__ = {"x": T, "n": int}

    def star(x, *args): ...

    star.__annotations__ = {"x": T, "args": int, "return": T}
    for function in (no_type, no_result, star):
        try:
            torch.library.infer_schema(function, mutates_args=())
        except ValueError as error:
            log(str(error).partition("Got func")[0])


def test_definitions_go_with_their_library():
    ns = space()
    library = flambeau.library.Library(ns, "DEF")
    library.define("f(Tensor x) -> Tensor")
    assert "f" in dir(getattr(flambeau.ops, ns))
    del library
    with pytest.raises(AttributeError):
        getattr(flambeau.ops, ns).f  # noqa: B018


def test_fake_kernel_may_come_before_its_operator():
    ns = space()
    flambeau.library.register_fake(f"{ns}::late", lambda x: x.new_empty(5))
    with pytest.raises(AttributeError):
        getattr(flambeau.ops, ns).late  # noqa: B018
    flambeau.library.define(f"{ns}::late", "(Tensor x) -> Tensor")
    assert getattr(flambeau.ops, ns).late(flambeau.empty(2, device="meta")).shape == (5,)


def test_flambeaus_operations_cannot_be_replaced():
    library = flambeau.library.Library("aten", "IMPL")
    with pytest.raises(NotImplementedError, match="cannot be replaced: aten::add"):
        library.impl("add", lambda a, b: a)


def test_unknown_dispatch_key_is_refused():
    library = flambeau.library.Library(space(), "DEF")
    library.define("f(Tensor x) -> Tensor")
    with pytest.raises(RuntimeError, match="could not parse dispatch key 'Gpu'"):
        library.impl("f", lambda x: x, "Gpu")
    with pytest.raises(RuntimeError, match="This is no operator schema"):
        library.define("f of x")


def test_operations_are_found_under_aten():
    aten, x = flambeau.ops.aten, flambeau.tensor([[1.0, -2.0]])
    assert aten.add.Tensor(x, x).tolist() == [[2.0, -4.0]]
    assert aten.relu.default(self=x).tolist() == [[1.0, 0.0]]
    assert aten.view(x, [2]).shape == (2,)
    assert aten.sum.dim_IntList(x, [1], True).tolist() == [[-1.0]]
    assert aten.linalg_norm(x).item() == pytest.approx(5**0.5)
    with pytest.raises(AttributeError, match="'_OpNamespace' 'aten' object has no attribute 'no_such_thing'"):
        aten.no_such_thing  # noqa: B018
    with pytest.raises(
        AttributeError, match=r"The underlying op of 'aten.add' has no overload name 'nonsense'"
    ):
        aten.add.nonsense  # noqa: B018


def test_libraries_of_cpp_operators_do_not_load():
    with pytest.raises(OSError, match="flambeau cannot load"):
        flambeau.ops.load_library("ops.so")


@compared
def test_the_rule_for_vmap(torch, log):
    def function(x, w, n=2.0):
        return x * w * n

    function.__annotations__ = {"x": torch.Tensor, "w": torch.Tensor, "n": float, "return": torch.Tensor}
    scaled = torch.library.custom_op(f"{space()}::scaled", function, mutates_args=())

    @scaled.register_fake
    def _(x, w, n=2.0):
        return torch.empty_like(x)

    @scaled.register_vmap
    def _(info, in_dims, x, w, n=2.0):
        """Adds one, so that it shows."""
        log(
            type(info).__name__,
            info.batch_size,
            info.randomness,
            len(in_dims),
            in_dims[0] is None,
            in_dims[1] is None,
        )
        whole = [
            t.movedim(dim, 0) if dim is not None else t.expand(info.batch_size, *t.shape)
            for t, dim in zip((x, w), in_dims, strict=False)
        ]
        return scaled(*whole, n) + 1, 0

    x, w = torch.tensor([[0.5, 1.0, 2.0], [4.0, 8.0, 3.0]]), torch.tensor([1.0, 2.0, 3.0])
    log(torch.vmap(scaled, in_dims=(0, None))(x, w).tolist())
    log(torch.vmap(lambda a: scaled(w, a, 3.0), in_dims=1)(x.t()).tolist())
    log(torch.vmap(lambda a: a + scaled(w, w))(x).tolist())


def test_gradients_of_operators_with_a_rule_for_vmap():
    """PyTorch refuses them, though the formula has all that is needed."""

    def function(x, w):
        return x * w

    function.__annotations__ = {"x": flambeau.Tensor, "w": flambeau.Tensor, "return": flambeau.Tensor}
    powered = flambeau.library.custom_op(f"{space()}::powered", function, mutates_args=())

    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w * 5, g * x

    powered.register_autograd(backward, setup_context=setup_context)

    @powered.register_vmap
    def _(info, in_dims, x, w):
        return powered(x, w), 0

    x, w = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]), flambeau.tensor([5.0, 6.0])
    func = flambeau.func
    assert func.vmap(func.grad(lambda a: powered(a, w).sum()))(x).tolist() == [[25, 30], [25, 30]]
    assert func.grad(lambda w: func.vmap(lambda a: powered(a, w))(x).sum())(w).tolist() == [4, 6]
