"""`gradcheck` and `gradgradcheck`: right gradients pass, wrong ones are told of."""

from __future__ import annotations

import pytest
from side_by_side import compared


def double(torch, *shape):
    return (
        torch.arange(1.0, 1 + int(torch.ones(shape).sum()), dtype=torch.float64).view(shape) / 3
    ).requires_grad_()


def complex_matrix(torch):
    return torch.tensor([[1 + 2j, 0.5 - 1j], [2 + 0.3j, -1 + 1j]], dtype=torch.complex128, requires_grad=True)


REAL = {
    "sin": lambda t, x: x.sin(),
    "matmul": lambda t, x: x @ x.t(),
    "softmax": lambda t, x: x.softmax(1),
    "two outputs": lambda t, x: (x.exp(), x.sum()),
    "in place": lambda t, x: x.clone().mul_(x).exp_(),
    "view write": lambda t, x: _write(x.clone()),
    "norm": lambda t, x: x.norm(),
    "cumsum": lambda t, x: x.cumsum(0),
    "index": lambda t, x: x[t.tensor([0, 1, 1])],
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (3,)),
    "batch_norm": lambda t, x: t.nn.functional.batch_norm(x, None, None, x[0], x[1], training=True),
    "group_norm": lambda t, x: t.nn.functional.group_norm(x[None], 2, x[:, 0], x[:, 1]),
    "rms_norm": lambda t, x: t.nn.functional.rms_norm(x, (3,), x[0]),
    "affine layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (3,), x[0], x[1]),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 2])),
    "smoothed cross_entropy": lambda t, x: t.nn.functional.cross_entropy(
        x, t.tensor([0, 2]), label_smoothing=0.2
    ),
    "attention": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x * 2, x.exp()),
    "max_pool": lambda t, x: t.nn.functional.max_pool1d(x[None] ** 2, 2),
    "where": lambda t, x: t.where(x > 1.2, x * x, x.exp()),
}

COMPLEX = {
    "square": lambda t, z: z * z,
    "conj": lambda t, z: z.conj() * z,
    "abs": lambda t, z: z.abs(),
    "real": lambda t, z: z.real,
    "imag": lambda t, z: z.imag,
    "exp": lambda t, z: z.exp(),
    "matmul": lambda t, z: z @ z,
    "div": lambda t, z: 1 / z,
    "angle": lambda t, z: z.angle(),
    "view_as_real": lambda t, z: t.view_as_real(z),
    "sum": lambda t, z: z.sum(0),
}


def _write(y):
    y[0] *= y[1].clone()
    return y


@pytest.mark.parametrize("name", REAL)
def test_real_functions(name):
    def scenario(torch, log):
        x = double(torch, 2, 3)
        log(torch.autograd.gradcheck(lambda x: REAL[name](torch, x), (x,)))
        log(torch.autograd.gradgradcheck(lambda x: REAL[name](torch, x), (x,)))

    compared(scenario)()


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions(name):
    def scenario(torch, log):
        z = complex_matrix(torch)
        log(torch.autograd.gradcheck(lambda z: COMPLEX[name](torch, z), (z,)))
        log(torch.autograd.gradgradcheck(lambda z: COMPLEX[name](torch, z), (z,)))

    compared(scenario)()


@compared
def test_wrong_gradients_are_found(torch, log):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = double(torch, 2)
    log(torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False))
    log.first_line(lambda: torch.autograd.gradcheck(Wrong.apply, (x,)))
    log.first_line(lambda: torch.autograd.gradcheck(lambda x: x * 2, (torch.ones(2),)))
    try:
        torch.autograd.gradcheck(Wrong.apply, (x,))
    except RuntimeError as error:
        log(str(error))


@compared
def test_single_precision_is_warned_of(torch, log):
    x = torch.ones(2, requires_grad=True)
    log.result(lambda: torch.autograd.gradcheck(lambda x: x * 2, (x,), eps=1e-2, atol=1e-1))


@compared
def test_inputs_keep_their_values(torch, log):
    x = double(torch, 2)
    torch.autograd.gradcheck(lambda x: x.sin(), x)
    log(x, x.grad, x._version)


@compared
def test_several_inputs(torch, log):
    x, y = double(torch, 2, 3), double(torch, 3)
    fixed = torch.ones(3, dtype=torch.float64)
    log(torch.autograd.gradcheck(lambda x, y, f, n: (x * y + f) ** n, (x, y, fixed, 2)))
    log(torch.autograd.gradgradcheck(lambda x, y, f, n: (x * y + f) ** n, (x, y, fixed, 3)))
