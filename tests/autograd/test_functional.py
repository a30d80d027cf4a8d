"""Jacobians, Hessians and products, as in `torch.autograd.functional`."""

from __future__ import annotations

from importlib import import_module

from side_by_side import compared


def functional(torch):
    return import_module(f"{torch.__name__}.autograd.functional")


def cube(x):
    return x**3


def two_to_two(torch):
    return lambda x, y: (x * y.sum(), (x.exp() + y).sum())


@compared
def test_jacobian(torch, log):
    F = functional(torch)
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [4.0]])
    log(F.jacobian(cube, x))
    log(F.jacobian(lambda x, y: x * y, (x, y)))
    log(F.jacobian(two_to_two(torch), (x, y)))
    log(F.jacobian(lambda x: (x.sum(), x * 2), x))
    log(F.jacobian(lambda x: x.sum(), x), F.jacobian(lambda x: torch.ones(2), x))
    log(F.jacobian(cube, x, vectorize=True), F.jacobian(cube, x, strategy="forward-mode", vectorize=True))
    log.first_line(lambda: F.jacobian(cube, x, strategy="forward-mode"))
    log.first_line(lambda: F.jacobian(cube, x, strategy="none"))


@compared
def test_jacobian_within_a_graph(torch, log):
    F = functional(torch)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    result = F.jacobian(cube, x)
    log(result.requires_grad)
    result = F.jacobian(cube, x, create_graph=True)
    log(result)
    result.sum().backward()
    log(x.grad)


@compared
def test_strict_mode(torch, log):
    F = functional(torch)
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    log.first_line(lambda: F.jacobian(lambda x: torch.ones(2), x, strict=True))
    log.first_line(lambda: F.jacobian(lambda x, y: x * 2, (x, y), strict=True))
    log.first_line(lambda: F.vjp(lambda x, y: (x * 2).sum(), (x, y), strict=True))
    log.first_line(lambda: F.hessian(lambda x: x.sum(), x, strict=True))
    log.first_line(lambda: F.jvp(lambda x: torch.ones(2), x, torch.ones(2), strict=True))


@compared
def test_hessian(torch, log):
    F = functional(torch)
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    log(F.hessian(lambda x: (x**3).sum(), x))
    log(F.hessian(lambda x: x.prod() ** 2, x))
    log(F.hessian(lambda x, y: (x * x * y).sum(), (x, y)))
    log(F.hessian(lambda x: x.sum(), x))
    log.first_line(lambda: F.hessian(cube, x))
    log.first_line(lambda: F.hessian(lambda x: (x.sum(), x.sum()), x))
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    h = F.hessian(lambda x: (x**3).sum(), w, create_graph=True)
    h.sum().backward()
    log(w.grad)


@compared
def test_products(torch, log):
    F = functional(torch)
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    v, w = torch.tensor([1.0, -1.0]), torch.tensor([0.5, 2.0])
    log(F.vjp(cube, x, v), F.jvp(cube, x, v))
    log(F.vjp(lambda x, y: x * y, (x, y), v), F.jvp(lambda x, y: x * y, (x, y), (v, w)))
    log(F.vjp(lambda x: x.sum(), x))
    log(F.vhp(lambda x: (x**3).sum(), x, v), F.hvp(lambda x: (x**3).sum(), x, v))
    log(F.vhp(lambda x, y: (x**2 * y).sum(), (x, y), (v, w)))
    log(F.hvp(lambda x, y: (x**2 * y).sum(), (x, y), (v, w)))
    log(F.jvp(lambda x: (x, x.sum()), x, v))
    log(F.vjp(lambda x: (x, x.sum()), x, (v, torch.tensor(2.0))))


@compared
def test_products_check_their_arguments(torch, log):
    F = functional(torch)
    x = torch.tensor([1.0, 2.0])
    for call in (F.vjp, F.jvp):
        log.first_line(lambda call=call: call(cube, x))
        log.first_line(lambda call=call: call(cube, x, torch.ones(3)))
        log.first_line(lambda call=call: call(cube, x, (torch.ones(2), torch.ones(2))))
        log.first_line(lambda call=call: call(cube, [1.0], x))
        log.first_line(lambda call=call: call(cube, 3.0, x))
        log.first_line(lambda call=call: call(lambda x: 3, x, x))
    for call in (F.vhp, F.hvp):
        log.first_line(lambda call=call: call(cube, x, x))
        log.first_line(lambda call=call: call(lambda x: x.sum(), x))


@compared
def test_products_within_a_graph(torch, log):
    F = functional(torch)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.tensor([1.0, -1.0], requires_grad=True)
    for call in (F.vjp, F.jvp):
        x.grad = v.grad = None
        out, product = call(cube, x, v, create_graph=True)
        log(out, product)
        product.sum().backward()
        log(x.grad, v.grad)
    for call in (F.vhp, F.hvp):
        x.grad = v.grad = None
        out, product = call(lambda x: (x**3).sum(), x, v, create_graph=True)
        log(out, product)
        product.sum().backward()
        log(x.grad, v.grad)


@compared
def test_functions_under_no_grad(torch, log):
    F = functional(torch)
    with torch.no_grad():
        log(F.jacobian(cube, torch.tensor([1.0, 2.0])))
        log(torch.is_grad_enabled())
