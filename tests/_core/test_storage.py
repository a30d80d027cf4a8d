"""Memory shared with NumPy and through DLPack, both ways."""

from __future__ import annotations

import gc
import weakref

import numpy as np
from side_by_side import compared


@compared
def test_from_numpy_shares_both_ways(torch, log):
    a = np.array([1.0, 2.0, 3.0], np.float32)
    t = torch.from_numpy(a)
    a[0] = 10
    log(t)
    t[1] = 20
    t.add_(1)
    log(a.tolist(), t)
    v = t[1:]
    v.mul_(2)
    log(a.tolist(), t)
    a[:] = 0
    log(v, t, t.sum())
    u = torch.as_tensor(a)
    u.fill_(4)
    log(a.tolist(), t)
    log(torch.tensor(a).add_(1), a.tolist())


@compared
def test_recorded_reads_come_before_later_writes(torch, log):
    a = np.ones(3, np.float32)
    t = torch.from_numpy(a)
    y = t * 2
    z = t.sum()
    a[:] = 100
    log(y, z, t * 1)
    x = t + 1
    t.zero_()
    log(x, a.tolist())


@compared
def test_numpy_shares_both_ways(torch, log):
    t = torch.zeros(2, 3)
    a = t.numpy()
    t.add_(1)
    log(a.tolist())
    a[0] = 5
    log(t, t.sum())
    row = t[1].numpy()
    row[:] = 7
    log(t, a.tolist())
    t[:, 0] = 9
    log(a.tolist(), row.tolist())
    b = t.t().numpy()
    log(b.shape, list(b.strides))
    b[0, 0] = -1
    log(t)
    d = t.detach().numpy()
    d[...] = 3
    log(t, a.tolist())
    t.view(6).numpy()[5] = 4
    log(t)
    log(t[::2, 1:].numpy().tolist())


@compared
def test_parameters_share_through_detach_and_data(torch, log):
    p = torch.nn.Parameter(torch.ones(2))
    log.first_line(lambda: p.numpy())
    log.first_line(lambda: np.asarray(p))
    log.first_line(lambda: (p * 2).numpy())
    a = p.detach().numpy()
    with torch.no_grad():
        p.mul_(3)
    log(a.tolist())
    a += 1
    log(p)
    (p * p).sum().backward()
    log(p.grad)
    p.data.numpy()[0] = 0
    log(p)


@compared
def test_training_with_shared_memory(torch, log):
    w = np.array([1.0, 2.0], np.float32)
    p = torch.nn.Parameter(torch.from_numpy(w))
    for _ in range(3):
        (p * p).sum().backward()
        with torch.no_grad():
            p -= 0.1 * p.grad
        p.grad = None
        log([round(float(v), 5) for v in w])


@compared
def test_kinds_of_arrays(torch, log):
    log(torch.from_numpy(np.arange(3)), torch.from_numpy(np.array([True, False])))
    log(
        torch.from_numpy(np.array([1 + 2j])),
        torch.from_numpy(np.float16([1, 2])),
        torch.from_numpy(np.array(5.0)),
    )
    log.first_line(lambda: torch.from_numpy([1, 2]))
    log.first_line(lambda: torch.from_numpy(np.array(["a"])))
    a = np.arange(6.0).reshape(2, 3)
    log(
        torch.from_numpy(a.T),
        torch.from_numpy(a.T).stride(),
        torch.from_numpy(a[:, 1:]),
        torch.from_numpy(a[::2]),
    )
    t = torch.from_numpy(a.T)
    t[0, 0] = 77
    t[2] = 5
    log(a.tolist())
    part = torch.from_numpy(a[:, 1:])
    a[1, 1] = -3
    log(part)
    log.first_line(lambda: torch.from_numpy(a[::-1]))
    log.first_line(lambda: torch.ones(2, dtype=torch.bfloat16).numpy())
    log(
        torch.ones(2, dtype=torch.bool).numpy().dtype,
        torch.tensor(3).numpy().shape,
        torch.zeros(0, 3).numpy().shape,
    )
    log(torch.ones(2, requires_grad=True).numpy(force=True).tolist())


@compared
def test_numpy_functions_on_tensors(torch, log):
    t = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    log(np.asarray(t).tolist(), np.array(t, dtype=np.int32).tolist(), np.mean(t.numpy()).item())
    log(np.exp(t).tolist(), type(np.exp(t)).__name__, np.concatenate([t, t]).shape)
    log((torch.ones(2) * np.ones(2, np.float32)).tolist())
    log(type(torch.ones(2) * np.ones(2)).__name__, (torch.ones(2) + np.float64(1)).tolist())
    log((np.float32(2) * torch.ones(2)).tolist(), type(np.float32(2) * torch.ones(2)).__name__)
    log(np.allclose(t, t), np.stack(list(t)).tolist(), t.__array__().tolist())
    out = np.zeros(4)
    out[:2] = t[0]
    log(out.tolist(), np.array([t[0, 0], t[1, 1]]).tolist())


@compared
def test_views_made_before_sharing(torch, log):
    t = torch.zeros(4)
    v = t[1:3]
    a = t.numpy()
    a[:] = [1, 2, 3, 4]
    log(v, t)
    v.add_(10)
    log(a.tolist())
    w = v.numpy()
    w[0] = 0
    log(t, v, a.tolist())


@compared
def test_dlpack(torch, log):
    t = torch.arange(4.0)
    a = np.from_dlpack(t)
    log(a.tolist())
    b = torch.from_dlpack(np.arange(3.0))
    log(b)


def test_ordinary_again_when_the_array_is_dropped():
    import flambeau

    t = flambeau.zeros(3)
    a = t.numpy()
    a[0] = 1
    assert t._storage.host is not None
    del a
    assert t.tolist() == [1, 0, 0]
    assert t._storage.host is None
    t.add_(1)
    assert t.tolist() == [2, 1, 1]
    array = np.ones(3, np.float32)
    reference = weakref.ref(array)
    u = flambeau.from_numpy(array)
    u.add_(1)
    del array
    assert u.tolist() == [2, 2, 2]
    del u
    gc.collect()
    assert reference() is None


def test_jax_arrays_stay_valid():
    import flambeau

    w = flambeau.ones(64, requires_grad=True)
    first = w.detach().jax()
    for _ in range(8):
        (w * w).sum().backward()
        with flambeau.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        w.detach()[0].item()
    assert np.asarray(first).tolist() == [1.0] * 64
    assert abs(w.detach()[0].item() - 0.8**8) < 1e-5


def test_untracked_arrays_are_not_written_to():
    """An array handed out before a write in place keeps what it shares, and one that was copied does not change."""
    import flambeau

    t = flambeau.ones(2)
    copied = t.clone().numpy()
    t.add_(1)
    assert copied.tolist() == [1, 1]
