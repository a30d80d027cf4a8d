"""Random programs of views, in-place writes and reads give the same results, errors and gradients as PyTorch.

A program is a list of numbers, so that any list means something; `Machine` runs it on either library and keeps a log.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flambeau
from flambeau._core.trace import engine, local

SHAPES = [(3, 4), (2, 3, 2), (4,), (1, 3)]


class Machine:
    """Runs a program with `lib` (torch or flambeau) on a pool of tensors."""

    def __init__(self, lib, tracked: bool) -> None:
        self.lib = lib
        self.tracked = tracked
        self.leaves = []
        self.pool = []
        self.log = []
        for number, shape in enumerate(SHAPES):
            values = (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 3) / (number + 2)
            leaf = lib.tensor(values.tolist(), requires_grad=tracked)
            self.leaves.append(leaf)
            # What is written to must not be a leaf that requires grad.
            self.pool.append(leaf * 1 if tracked else leaf)

    def run(self, program) -> list:
        for what, a, b, c in program:
            name, step = STEPS[what % len(STEPS)]
            one, two = self.pool[a % len(self.pool)], self.pool[b % len(self.pool)]
            try:
                result = step(self, one, two, b, c)
            except (RuntimeError, IndexError, ValueError, TypeError, ZeroDivisionError) as error:
                self.log.append((name, type(error).__name__))
                continue
            if result is not None:
                self.log.append((name, tuple(result.shape), tuple(result.stride())))
                if len(self.pool) < 12:
                    self.pool.append(result)
        for tensor in self.pool:
            self.log.append(("value", np.array(tensor.detach().tolist()), tensor.requires_grad))
        if self.tracked:
            self.backward()
        return self.log

    def backward(self) -> None:
        try:
            total = self.pool[0].sum()
            for tensor in self.pool[1:]:
                total = total + (tensor * tensor).sum()
            total.backward()
        except RuntimeError as error:
            self.log.append(("backward", type(error).__name__))
            return
        for leaf in self.leaves:
            self.log.append(("grad", None if leaf.grad is None else np.array(leaf.grad.tolist())))


def _dim(tensor, n):
    return n % max(tensor.ndim, 1)


def _slice(machine, t, u, b, c):
    d = _dim(t, b)
    start = c % (t.shape[d] + 1)
    return t[(slice(None),) * d + (slice(start, None, 1 + b % 2),)]


def _write(machine, t, u, b, c):
    t[c % t.shape[0]] = float(b)


def _write_tensor(machine, t, u, b, c):
    t[c % t.shape[0]] = u[b % u.shape[0]]


def _augmented(machine, t, u, b, c):
    t[1:] += b


def _in_place(name, *numbers):
    def step(machine, t, u, b, c):
        # PyTorch lets zero_ and fill_ write to an expanded tensor and then fails in backward; here that works.
        if not (machine.tracked and _repeated(t) and name in ("zero_", "fill_")):
            getattr(t, name)(*numbers)

    return step


def _add_tensor(machine, t, u, b, c):
    t.add_(u)


def _copy(machine, t, u, b, c):
    t.copy_(u)


def _masked_fill(machine, t, u, b, c):
    if not _repeated(t):
        t.masked_fill_(t > 0, 1.0)


def _reshape(machine, t, u, b, c):
    return t.reshape(-1) if b % 2 else t.view(-1)


def _repeated(t):
    return any(n > 1 and s == 0 for n, s in zip(t.shape, t.stride(), strict=True))


def _mask_write(machine, t, u, b, c):
    # PyTorch warns that masks on expanded tensors are deprecated; here they are refused.
    if not _repeated(t):
        t[t > c % 3] = float(b)


def _pick(machine, t, u, b, c):
    return t[[c % t.shape[0], 0]]


def _data(machine, t, u, b, c):
    t.data.mul_(2.0)


def _no_grad_write(machine, t, u, b, c):
    with machine.lib.no_grad():
        t.add_(1.0)


STEPS = [
    ("transpose", lambda m, t, u, b, c: t.transpose(_dim(t, b), _dim(t, c))),
    ("slice", _slice),
    ("select", lambda m, t, u, b, c: t.select(_dim(t, b), c % t.shape[_dim(t, b)])),
    ("reshape", _reshape),
    ("unsqueeze", lambda m, t, u, b, c: t.unsqueeze(b % (t.ndim + 1))),
    ("squeeze", lambda m, t, u, b, c: t.squeeze()),
    ("expand", lambda m, t, u, b, c: t.unsqueeze(0).expand(2, *t.shape)),
    ("diagonal", lambda m, t, u, b, c: t.diagonal()),
    ("chunk", lambda m, t, u, b, c: t.chunk(2, _dim(t, b))[0]),
    ("unbind", lambda m, t, u, b, c: t.unbind(0)[0]),
    ("detach", lambda m, t, u, b, c: t.detach()),
    ("permute", lambda m, t, u, b, c: t.permute(*reversed(range(t.ndim)))),
    ("flatten", lambda m, t, u, b, c: t.flatten()),
    ("contiguous", lambda m, t, u, b, c: t.contiguous()),
    ("clone", lambda m, t, u, b, c: t.clone()),
    ("add", lambda m, t, u, b, c: t + u),
    ("mul", lambda m, t, u, b, c: t * 0.5),
    ("sigmoid", lambda m, t, u, b, c: t.sigmoid()),
    ("relu", lambda m, t, u, b, c: t.relu()),
    ("sum", lambda m, t, u, b, c: t.sum(_dim(t, b))),
    ("cat", lambda m, t, u, b, c: m.lib.cat([t, u])),
    ("pick", _pick),
    ("add_", _in_place("add_", 1.5)),
    ("mul_", _in_place("mul_", -0.5)),
    ("zero_", _in_place("zero_")),
    ("fill_", _in_place("fill_", 2.0)),
    ("sigmoid_", _in_place("sigmoid_")),
    ("add_tensor_", _add_tensor),
    ("copy_", _copy),
    ("setitem", _write),
    ("setitem tensor", _write_tensor),
    ("augmented", _augmented),
    ("mask write", _mask_write),
    ("data", _data),
    ("no_grad write", _no_grad_write),
    ("masked_fill_", _masked_fill),
]

PROGRAMS = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 11), st.integers(0, 11), st.integers(0, 5)),
    min_size=1, max_size=10,
)  # fmt: skip


def same(ours, theirs) -> bool:
    if isinstance(theirs, np.ndarray):
        return isinstance(ours, np.ndarray) and np.allclose(ours, theirs, 1e-5, 1e-5, equal_nan=True)
    if isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    return ours == theirs


def check(program, tracked: bool, tier) -> None:
    previous = engine.tier, engine.eager
    local.trace.flush("a test begins")
    engine.tier, engine.eager = (None, True) if tier == "eager" else (tier, False)
    try:
        ours = Machine(flambeau, tracked).run(program)
    finally:
        engine.tier, engine.eager = previous
    theirs = Machine(torch, tracked).run(program)
    for number, (own, their) in enumerate(zip(ours, theirs, strict=True)):
        assert same(own, their), f"entry {number}: {own} instead of {their}"


def configured(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


@pytest.mark.parametrize("tracked", [False, True])
@configured(250)
@given(program=PROGRAMS)
def test_programs_in_numpy(tracked, program):
    check(program, tracked, 0)


@pytest.mark.parametrize("tracked", [False, True])
@configured(60)
@given(program=PROGRAMS)
def test_programs_eagerly(tracked, program):
    check(program, tracked, "eager")


@pytest.mark.slow
@pytest.mark.parametrize("tracked", [False, True])
@configured(60)
@given(program=PROGRAMS)
def test_programs_call_by_call(tracked, program):
    check(program, tracked, 1)


@pytest.mark.slow
@pytest.mark.parametrize("tracked", [False, True])
@configured(40)
@given(program=PROGRAMS)
def test_programs_compiled(tracked, program):
    check(program, tracked, 2)
