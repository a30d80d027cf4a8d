"""Copies, pickles, subclasses and what Python does with tensors."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest
from side_by_side import compared

# -- copies and pickles ----------------------------------------------------------------------------


@compared
def test_deepcopy(torch, log):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    x.note = ["mine"]
    y = copy.deepcopy(x)
    log(y, y.grad, y.grad is x.grad, y.requires_grad, y.is_leaf, y.note, y.note is x.note)
    with torch.no_grad():
        y.add_(1)
        y.grad.zero_()
    log(x, x.grad)
    log.first_line(lambda: copy.deepcopy(x * 2))
    base = torch.zeros(2, 3)
    a, b = copy.deepcopy([base, base[1]])
    a.add_(1)
    log(b, base)
    p = torch.nn.Parameter(torch.ones(2))
    q, r = copy.deepcopy((p, p))
    log(type(q).__name__, q is r, q.requires_grad)
    t = torch.ones(2, 3).t()
    log(copy.deepcopy(t).stride())


@compared
def test_shallow_copy(torch, log):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = copy.copy(x)
    log(y, y is x, y.data_ptr() == x.data_ptr(), y.requires_grad, y.is_leaf)
    with torch.no_grad():
        y.add_(1)
    log(x)


@compared
def test_pickle(torch, log):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = pickle.loads(pickle.dumps(x))
    log(y, y.requires_grad, y.is_leaf)
    p = pickle.loads(pickle.dumps(torch.nn.Parameter(torch.ones(2))))
    log(type(p).__name__, p)
    for dtype in (torch.bfloat16, torch.int8, torch.bool, torch.complex64, torch.float64):
        log(pickle.loads(pickle.dumps(torch.ones(2).to(dtype))))
    log(pickle.loads(pickle.dumps(torch.arange(6).view(2, 3).t())).stride())
    z = torch.ones(2)
    z.note = "kept"
    log(pickle.loads(pickle.dumps(z)).note)
    a, b = pickle.loads(pickle.dumps((z, z)))
    log(a is b)


@compared
def test_pickled_views_share_their_storage(torch, log):
    x = torch.zeros(2, 3)
    a, b = pickle.loads(pickle.dumps((x, x[1])))
    b.add_(1)
    log(a, b)


# -- as Python objects -----------------------------------------------------------------------------


@compared
def test_hash_and_equality(torch, log):
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])
    log(x == y, x != y, hash(x) == hash(x), hash(x) == hash(x.clone()), len({x, y, x}), x in {x: 1})
    log(x.equal(x.clone()), (x == None), (x != None))  # noqa: E711
    log.first_line(lambda: bool(x == y))
    log(1.0 in x, 5.0 in x)


@compared
def test_user_attributes(torch, log):
    x = torch.ones(2)
    x.note = "a"
    x._private = 3
    log(x.note, x._private, hasattr(x, "other"), hasattr(x * 1, "note"), hasattr(x.detach(), "note"))
    del x.note
    log(hasattr(x, "note"))
    log.first_line(lambda: x.missing)
    log("note" in dir(x), "sum" in dir(x), "add_" in dir(x), "_private" in dir(x))


@compared
def test_weak_references(torch, log):
    x = torch.ones(2)
    r = weakref.ref(x)
    log(r() is x)
    del x
    gc.collect()
    log(r() is None)
    d = weakref.WeakKeyDictionary()
    y = torch.ones(1)
    d[y] = 3
    log(d[y], y in d)


@compared
def test_conversions(torch, log):
    log(float(torch.tensor(1.5)), int(torch.tensor(3.7)), bool(torch.tensor(0.0)), complex(torch.tensor(2.0)))
    log([1, 2, 3][torch.tensor(1)], len(torch.ones(3, 2)), list(range(torch.tensor(3))))
    log.first_line(lambda: float(torch.ones(2)))
    log.first_line(lambda: bool(torch.ones(2)))
    log.first_line(lambda: bool(torch.ones(0)))
    log.first_line(lambda: len(torch.tensor(1)))
    log.first_line(lambda: iter(torch.tensor(1)))
    log.first_line(lambda: [1, 2][torch.tensor(1.0)])
    log.first_line(lambda: torch.ones(2).item())
    log(f"{torch.tensor(1.5):.3f}", f"{torch.tensor(3)}", torch.ones(2).tolist(), torch.tensor(2).tolist())
    log("%.2f" % torch.tensor(1.5), round(float(torch.tensor(2.345)), 2))  # noqa: UP031
    x = torch.tensor(2.0, requires_grad=True)
    log(float(x.detach()), x.item())


# -- subclasses ------------------------------------------------------------------------------------


@compared
def test_results_keep_the_subclass(torch, log):
    class Mine(torch.Tensor):
        pass

    x = torch.ones(2, 2).as_subclass(Mine)
    log(type(x).__name__, isinstance(x, torch.Tensor))
    for y in (
        x + 1,
        1 + x,
        x @ x,
        x.sum(),
        x[0],
        x.view(4),
        x.clone(),
        x.detach(),
        x.max(0).values,
        torch.exp(x),
        x.t(),
    ):
        log(type(y).__name__)
    for y in x.unbind(0):
        log(type(y).__name__)
    log(type(torch.cat([x, x])).__name__, type(torch.ones(2, 2) * x).__name__, type(x.split(1)[0]).__name__)
    log(repr(x).partition("(")[0], type(x.data).__name__)
    x.add_(1)
    log(type(x).__name__, x.sum().item())
    w = torch.ones(2, requires_grad=True)
    z = w.as_subclass(Mine) * 3
    log(type(z).__name__)
    z.sum().backward()
    log(w.grad.tolist())
    log(type(x.requires_grad_()).__name__, type(x.tolist()).__name__, type(x.shape).__name__)


@compared
def test_parameters_are_plain(torch, log):
    p = torch.nn.Parameter(torch.ones(2))
    log(type(p * 2).__name__, type(p.data).__name__, type(p.detach()).__name__, type(p[0]).__name__)
    log(isinstance(p, torch.Tensor), type(p.view(2)).__name__, type(p.clone()).__name__)


@compared
def test_torch_function_is_called(torch, log):
    class Logged(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            log(func.__name__, [kind.__name__ for kind in types])
            return super().__torch_function__(func, types, args, kwargs or {})

    x = torch.ones(2, 2).as_subclass(Logged)
    log.entries.clear()
    y = x + 1
    log(type(y).__name__)
    z = torch.mul(torch.ones(2, 2), x)
    log(type(z).__name__)
    log(type(torch.exp(x)).__name__)
    log(type(x.sum(dim=0)).__name__)
    log(type(torch.cat([x, x])).__name__)


@compared
def test_torch_function_may_replace_results(torch, log):
    class Never(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func.__name__ in ("mul", "matmul"):
                return "replaced"
            return super().__torch_function__(func, types, args, kwargs or {})

    x = torch.ones(2, 2).as_subclass(Never)
    log(torch.mul(x, 2), x.mul(2), torch.matmul(x, x), type(x + 1).__name__)


@compared
def test_torch_function_of_other_objects(torch, log):
    """Objects that are no tensors take over, too."""

    class Quantity:
        def __init__(self, value):
            self.value = value

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            args = [a.value if isinstance(a, cls) else a for a in args]
            return cls(func(*args, **(kwargs or {})))

    q = Quantity(torch.ones(2))
    r = torch.add(q, 2)
    log(type(r).__name__, r.value)
    s = torch.mul(torch.ones(2), q)
    log(type(s).__name__, s.value)


@compared
def test_subclass_with_its_own_state(torch, log):
    class Tagged(torch.Tensor):
        @staticmethod
        def __new__(cls, data, tag):
            made = torch.Tensor._make_subclass(cls, torch.as_tensor(data))
            made.tag = tag
            return made

        def __init__(self, data, tag):
            pass

        def doubled(self):
            return self * 2

    t = Tagged([1.0, 2.0], "blue")
    log(t.tag, type(t.doubled()).__name__, t.doubled().tolist(), hasattr(t.doubled(), "tag"))


@pytest.mark.parametrize("count", [1, 3])
def test_operations_leave_no_cycles(count):
    import flambeau

    gc.collect()
    gc.disable()
    try:
        w = flambeau.ones(3, 3, requires_grad=True)
        for _ in range(count):
            x = (flambeau.ones(2, 3) @ w).relu().clone()
            x[0] = x[1] * 2
            y = x.view(6)[1:].reshape(5, 1).softmax(0)
            y.register_hook(lambda g: g)
            y.retain_grad()
            y.sum().backward()
            with flambeau.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        del x, y
        w.sum().item()
        assert gc.collect() == 0
    finally:
        gc.enable()


@compared
def test_default_dtype_reaches_operations_used_before(torch, log):
    x = torch.tensor([1, 4])
    for dtype in (torch.float32, torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        try:
            log(x.sqrt(), x * 0.5, x / 3, x.float().mean())
        finally:
            torch.set_default_dtype(torch.float32)


@compared
def test_no_tensor_has_a_name(torch, log):
    x = torch.ones(2)
    log(x.name)
    try:
        x.name = "weight"
    except AttributeError:
        log("is not to be set")
