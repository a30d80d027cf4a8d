"""`autograd.Function` inside transforms: its `vmap`, `jvp` and generated rules, beside PyTorch's."""

import numpy as np
import pytest
import torch
import torch.func

import flambeau
import flambeau.func

ROWS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
VECTOR = np.array([1, 2, 3], np.float32)


def functions(lib):
    Function = lib.autograd.Function

    class Generated(Function):
        """Two outputs, an argument that is no tensor, and a backward that is not the derivative, so that it shows."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x, w, n):
            return (x * w).sin() * n, x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, w, ctx.n = inputs
            ctx.save_for_backward(x, w)

        @staticmethod
        def backward(ctx, g, h):
            x, w = ctx.saved_tensors
            slope = g * (x * w).cos() * ctx.n * 1.5
            return slope * w + h * 2, slope * x, None

    class Own(Function):
        """A `vmap` that does something else, so that it shows; backward needs the output."""

        @staticmethod
        def forward(x):
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] * 3

        @staticmethod
        def vmap(info, in_dims, x):
            assert info.randomness == "error"
            assert x.shape[in_dims[0]] == info.batch_size
            return Own.apply(x.movedim(in_dims[0], -1)) + 1, -1

    class Forwards(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] * 2

        @staticmethod
        def jvp(ctx, tangent):
            return tangent * ctx.saved_tensors[0] * 7

    class Attribute(Function):
        """What `ctx` holds beside saved tensors, and an output without gradient."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x.relu(), x > 0, x.sign()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.mask = inputs[0] > 0
            ctx.mark_non_differentiable(output[2])
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx, g, _mask, _sign):
            return g * ctx.mask * 5

    return Generated.apply, Own.apply, Forwards.apply, Attribute.apply


CASES = {
    "vmap": lambda lib, fn, x, w, f: lib.vmap(lambda a: f[0](a, w, 2.0))(x),
    "vmap of grad": lambda lib, fn, x, w, f: lib.vmap(fn.grad(lambda a: sum(o.sum() for o in f[0](a, w, 2.0))))(x),
    "vmap of grad of what is shared": lambda lib, fn, x, w, f: lib.vmap(
        fn.grad(lambda w, a: f[0](a, w, 2.0)[0].sum()), in_dims=(None, 0))(w, x),
    "grad of vmap": lambda lib, fn, x, w, f: fn.grad(
        lambda w: lib.vmap(lambda a: f[0](a * 2, w * 1, 2.0)[0])(x).pow(2).sum())(w),
    "vmap of jacrev of grad": lambda lib, fn, x, w, f: lib.vmap(fn.jacrev(fn.grad(lambda a: f[0](a, w, 2.0)[0].sum())))(x),
    "grad of vmap of grad": lambda lib, fn, x, w, f: fn.grad(
        lambda w: lib.vmap(fn.grad(lambda a: f[0](a, w, 2.0)[0].sum()))(x).sum())(w),
    "vmap of vmap": lambda lib, fn, x, w, f: lib.vmap(lib.vmap(lambda a, b: f[0](a, b, 1.0)[0]), in_dims=(0, None))(x, w),
    "jacrev": lambda lib, fn, x, w, f: fn.jacrev(lambda a: f[0](a, w, 2.0)[0])(w),
    "not batched": lambda lib, fn, x, w, f: lib.vmap(lambda a: a + f[0](w, w, 2.0)[0])(x),
    "own vmap": lambda lib, fn, x, w, f: lib.vmap(f[1], in_dims=1)(x),
    "vmap of grad, own vmap": lambda lib, fn, x, w, f: lib.vmap(fn.grad(lambda a: f[1](a * 2).sum()))(x),
    "grad of vmap, own vmap": lambda lib, fn, x, w, f: fn.grad(lambda x: lib.vmap(lambda a: f[1](a * 2))(x).pow(2).sum())(x),
    "vmap of vmap, own vmap": lambda lib, fn, x, w, f: lib.vmap(lib.vmap(f[1]))(x),
    "jvp": lambda lib, fn, x, w, f: fn.jvp(f[2], (w,), (w * 2,)),
    "jacfwd": lambda lib, fn, x, w, f: fn.jacfwd(f[2])(w),
    "grad beside jvp": lambda lib, fn, x, w, f: fn.grad(lambda a: f[2](a).sum())(w),
    "vmap of jvp": lambda lib, fn, x, w, f: lib.vmap(lambda a: fn.jvp(f[2], (a,), (a,)))(x),
    "attributes of ctx": lambda lib, fn, x, w, f: fn.grad(lambda x: lib.vmap(lambda a: f[3](a * 1)[0])(x).sum())(x),
    "outputs of other types": lambda lib, fn, x, w, f: lib.vmap(f[3])(x),
}  # fmt: skip


def found(case, lib):
    result = CASES[case](lib, lib.func, lib.tensor(ROWS), lib.tensor(VECTOR), functions(lib))
    flat = result if isinstance(result, tuple) else (result,)
    return [(t.requires_grad, tuple(t.shape), t.detach().numpy()) for t in flat]


@pytest.mark.parametrize("case", CASES)
def test_transforms_of_custom_functions(case):
    theirs, ours = found(case, torch), found(case, flambeau)
    assert [each[:2] for each in ours] == [each[:2] for each in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a[2], b[2], rtol=1e-4, atol=1e-5)


def test_gradients_reach_leaves_outside():
    grads = []
    for lib in (torch, flambeau):
        w, x = (lib.tensor(array, requires_grad=True) for array in (VECTOR, ROWS))
        generated, own, _, _ = functions(lib)
        y, z = lib.vmap(lambda a, w=w, own=own, generated=generated: generated(own(a * 2), w * 1, 2.0))(x)
        (y.pow(2).sum() + z.sum()).backward()
        grads.append([w.grad, x.grad])
    for theirs, ours in zip(*grads, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4)


def made(lib, **members):
    members = {"forward": lambda x: x.sin(), "setup_context": lambda ctx, inputs, output: None} | members
    members = {k: v if isinstance(v, bool) else staticmethod(v) for k, v in members.items()}
    return type("F", (lib.autograd.Function,), members).apply


MISTAKES = {
    "no rule": lambda lib, x: lib.vmap(made(lib))(x),
    "both rules": lambda lib, x: lib.vmap(made(lib, generate_vmap_rule=True, vmap=lambda info, dims, x: (x, 0)))(x),
    "no pair": lambda lib, x: lib.vmap(made(lib, vmap=lambda info, dims, x: x.sin()))(x),
    "other dims": lambda lib, x: lib.vmap(made(lib, vmap=lambda info, dims, x: (x.sin(), (0, 0))))(x),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_as_pytorch_tells_them(mistake):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        MISTAKES[mistake](torch, torch.tensor(ROWS))
    with pytest.raises(theirs.type) as ours:
        MISTAKES[mistake](flambeau, flambeau.tensor(ROWS))
    # What a structure is printed as breaks its lines in PyTorch.
    ours, theirs = ("".join(str(each.value).split()) for each in (ours, theirs))
    assert ours.replace("flambeau.Tensor", "torch.Tensor") == theirs


def test_ctx_without_setup_context_is_refused_in_vmap():
    def old(lib):
        class Old(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.sin()

        return Old.apply

    messages = []
    for lib in (torch, flambeau):
        with pytest.raises(RuntimeError, match="setup_context") as error:
            lib.vmap(old(lib))(lib.tensor(ROWS))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
