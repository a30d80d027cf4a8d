"""Views: shared storage, history through writes, strides, and what is refused."""

from __future__ import annotations

import pytest
from side_by_side import compared

VIEWS = {
    "view": lambda x: x.view(6),
    "view -1": lambda x: x.view(3, -1),
    "reshape": lambda x: x.reshape(6, 1),
    "select": lambda x: x[1],
    "entry": lambda x: x[1, 2],
    "slice": lambda x: x[:, 1:],
    "step": lambda x: x[:, ::2],
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "None": lambda x: x[:, None],
    "squeeze": lambda x: x[None].squeeze(0),
    "flatten": lambda x: x.flatten(),
    "narrow": lambda x: x.narrow(1, 0, 2),
    "diagonal": lambda x: x.diagonal(),
    "unflatten": lambda x: x.view(6).unflatten(0, (3, 2)),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "movedim": lambda x: x.movedim(0, 1),
    "detach": lambda x: x.detach(),
    "view_as": lambda x: x.view_as(x),
    "of a view": lambda x: x.t()[1:].t()[1],
    "ellipsis": lambda x: x[..., 1],
    "unfold": lambda x: x.unfold(1, 2, 1),
    "expand": lambda x: x[:, :1].expand(2, 3),
    "mT": lambda x: x.mT,
    "adjoint": lambda x: x.H,
    "alias": lambda x: x[:],
}


@pytest.mark.parametrize("name", VIEWS)
def test_values_strides_and_writes(name):
    def scenario(torch, log):
        x = torch.arange(6.0).view(2, 3)
        v = VIEWS[name](x)
        log(v, v.stride(), v.storage_offset(), v.is_contiguous(), v._is_view(), v.requires_grad)
        x.add_(10)
        log(v)
        if name != "expand" and name != "unfold":
            v.mul_(2)
            log(x, v)
            v.zero_()
            log(x, v)
        other = x.view(6)
        x[1, 1] = 77.0
        log(v, other)

    compared(scenario)()


@pytest.mark.parametrize("name", VIEWS)
def test_gradients_through_views_and_writes(name):
    def scenario(torch, log):
        x = torch.arange(1.0, 7.0).view(2, 3).requires_grad_()
        v = VIEWS[name](x)
        weights = torch.arange(1.0, v.numel() + 1).view(v.shape)
        if v.requires_grad:
            (v * weights).sum().backward()
            log(x.grad)
            x.grad = None
        y = x * 1
        w = VIEWS[name](y)
        if name in ("expand", "unfold", "detach"):
            return
        w.mul_(weights)
        log(y.grad_fn.name(), y, w)
        (y.exp().log() * torch.arange(1.0, 7.0).view(2, 3)).sum().backward()
        log(x.grad)
        x.grad = None
        # A view made before its base was written to follows the base's history.
        y = x * 1
        w = VIEWS[name](y)
        y.mul_(x)
        (w * weights).sum().backward()
        log(x.grad, w.grad_fn.name())

    compared(scenario)()


@compared
def test_copy_slices(torch, log):
    x = torch.ones(3, requires_grad=True)
    y = x.clone()
    v = y[1:]
    v *= x[:2] * 3
    log(y.grad_fn.name(), type(y.grad_fn).__name__, v.grad_fn.name(), y._version, v._version)
    (y * y).sum().backward()
    log(x.grad)


@compared
def test_chain_of_views_and_writes(torch, log):
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 2
    a = y[0]
    b = y[:, 1]
    a.add_(x[1])
    b.mul_(3)
    c = y.t()[2]
    c.copy_(x[:, 0] * 5)
    log(y, a, b, c)
    (y * torch.arange(6.0).view(2, 3) + a.sum() + b.prod()).sum().backward()
    log(x.grad)


@compared
def test_base_joins_the_graph_through_a_view(torch, log):
    x = torch.ones(2, requires_grad=True)
    base = torch.zeros(2, 2)
    view = base[0]
    log(view.requires_grad)
    view.copy_(x * 3)
    log(base.requires_grad, view.requires_grad, base)
    other = base[1]
    log(other.requires_grad)
    base.sum().backward()
    log(x.grad)


@compared
def test_multi_output_views(torch, log):
    for split in (
        lambda t: t.unbind(0),
        lambda t: t.chunk(2),
        lambda t: t.split(1),
        lambda t: t.split([1, 1]),
        lambda t: tuple(t),
        lambda t: t.tensor_split(2),
        lambda t: t.hsplit(2),
    ):
        x = torch.ones(2, 2, requires_grad=True)
        y = x * 2
        parts = split(y)
        log(len(parts), type(parts).__name__, parts[0].grad_fn.name(), parts[1].output_nr)
        log.first_line(lambda parts=parts: parts[0].add_(1))
        (parts[0] * 2 + parts[1] * 3).sum().backward()
        log(x.grad)
        z = torch.zeros(2, 2)
        pieces = split(z)
        pieces[0].add_(1)
        log(z, pieces[0])
        with torch.no_grad():
            split(x)[0].mul_(5)
        log(x)


@compared
def test_writes_to_the_base_of_multi_output_views(torch, log):
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 2
    a, _ = y.unbind(0)
    y.mul_(3)
    log.first_line(lambda: a.sum().backward())
    y.sum().backward()
    log(x.grad)


@compared
def test_views_made_without_grad_mode(torch, log):
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 2
    with torch.no_grad():
        v = y[0]
        w = torch.zeros(2, 2)[0]
    log.first_line(lambda: v.add_(1))
    log(v.is_leaf, v.requires_grad)
    w.add_(1)
    log.first_line(lambda: w.add_(x[0]))
    with torch.no_grad():
        v.add_(1)
    log(y)


@compared
def test_shares_storage(torch, log):
    x = torch.arange(6.0)
    log(
        x.view(2, 3).data_ptr() == x.data_ptr(),
        x[1:].data_ptr() == x.data_ptr(),
        x.clone().data_ptr() == x.data_ptr(),
    )
    log(x[1:].data_ptr() - x.data_ptr(), x[2:].storage_offset())
    log(x.view(2, 3)._base is x, x._base, x.view(2, 3)[0]._base is x)
    log(x.to(torch.float32) is x, x.float() is x, x.contiguous() is x, x.cpu() is x, x.reshape(6) is x)
    log(x.reshape(2, 3).data_ptr() == x.data_ptr(), x.view(2, 3).t().reshape(6).data_ptr() == x.data_ptr())
    log(x.expand(2, 6).data_ptr() == x.data_ptr(), x.detach().data_ptr() == x.data_ptr())


@compared
def test_view_errors(torch, log):
    x = torch.arange(6.0).view(2, 3)
    log.first_line(lambda: x.view(4))
    log.first_line(lambda: x.t().view(6))
    log.first_line(lambda: x.view(-1, -1))
    log.first_line(lambda: x.view(-1, 4))
    log.first_line(lambda: x.expand(4, 3))
    log.first_line(lambda: x[5])
    log.first_line(lambda: x[0, 0, 0])
    log.first_line(lambda: x.transpose(0, 5))
    log.first_line(lambda: x.permute(0, 0))
    log.first_line(lambda: x.squeeze(4))
    log.first_line(lambda: x.unsqueeze(4))
    log.first_line(lambda: x.narrow(0, 1, 5))
    log.first_line(lambda: x.split(0))
    log.first_line(lambda: x.unflatten(0, (3, 3)))


@compared
def test_iteration_gives_views(torch, log):
    x = torch.zeros(2, 2)
    for i, row in enumerate(x):
        row += i
    log(x)
    for row in x:
        for entry in row:
            entry.add_(1)
    log(x)


@compared
def test_version_counts_are_shared(torch, log):
    x = torch.zeros(2, 2)
    v, d = x[0], x.detach()
    log(x._version, v._version)
    v.add_(1)
    log(x._version, v._version, d._version)
    x.add_(1)
    log(x._version, v._version, d._version)
    x[0] = 1
    log(x._version)
    x.data.add_(1)
    log(x._version)
    log(x.clone()._version, (x + 1)._version)


@compared
def test_views_retain_their_gradient_when_remade(torch, log):
    x = torch.ones(2, requires_grad=True)
    base = x * 2
    view = base[0]
    view.retain_grad()
    base.mul_(5)
    (view * 3).sum().backward()
    log(view.grad, x.grad)


@compared
def test_writes_by_index(torch, log):
    for write in (
        lambda y: y.__setitem__(y > 1.5, 0.0),
        lambda y: y.__setitem__(torch.tensor([0, 2]), y[torch.tensor([0, 2])] * 4),
        lambda y: y.index_add_(0, torch.tensor([0, 0]), y[:2].clone()),
        lambda y: y.scatter_(0, torch.tensor([2]), y[:1].clone() * 5),
        lambda y: y.index_fill_(0, torch.tensor([1]), 3.0),
        lambda y: y.masked_fill_(torch.tensor([True, False, True]), -1.0),
        lambda y: y[1:].relu_().mul_(2),
        lambda y: y[1:].exp_().add_(2),
        lambda y: y[1:].sin_().add_(2),
    ):
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x * 1
        write(y)
        log(y)
        log.first_line(lambda y=y: (y * torch.tensor([1.0, 10.0, 100.0])).sum().backward())
        log(x.grad)
