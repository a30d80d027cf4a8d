"""Flat arrays: many small values as parts of one array, and the calls that join and part them.

Each array that goes into an executable or comes out of it costs about a microsecond, and each small kernel more than that. So a
program may take and give many small values as one array (`form.py`); the data of such a value is that array with its place in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call
from flambeau._core.dtype import int32
from flambeau._core.remembered import Remembered
from flambeau._core.value import Meta, Value, meta_of


class Layout:
    """What lies where in a flat array: the elements of arrays of one dtype, one after another. Equal ones are one object."""

    __slots__ = ("meta", "metas", "starts")

    def __init__(self, metas: tuple[Meta, ...]) -> None:
        self.metas = metas
        self.meta = meta_of((sum(meta.numel for meta in metas),), metas[0].dtype, metas[0].device)
        self.starts = tuple(itertools.accumulate((meta.numel for meta in metas), initial=0))


_layouts: Remembered[Layout] = Remembered(500)


def layout_of(metas: tuple[Meta, ...]) -> Layout:
    return _layouts.find(metas, lambda: Layout(metas))


class Flat:
    """One flat array in memory. The data of a value that lies in it is `(flat, number of the part)`.

    `owner`: the value whose array it is, if there is one; it lives as long as the parts.
    """

    __slots__ = ("array", "layout", "owner")

    def __init__(self, array: Any, layout: Layout, owner: Value | None = None) -> None:
        self.array, self.layout, self.owner = array, layout, owner

    def part(self, number: int) -> np.ndarray[Any, Any]:
        """One value of it, which must not be written to. JAX keeps the memory for as long as somebody holds the part."""
        layout = self.layout
        start, end = layout.starts[number : number + 2]
        part: np.ndarray[Any, Any] = xla.host(self.array)[start:end].reshape(layout.metas[number].shape)
        return part


# -- calls -----------------------------------------------------------------------------------------


class PackCall(Call):
    """The elements of several arrays, one after another."""

    __slots__ = ()


class SplitCall(Call):
    """The inverse of a `PackCall`."""

    __slots__ = ()


_calls: Remembered[Any] = Remembered(5000)


def _remembered(key: Any, make: Callable[[], Call]) -> Any:
    def named() -> Call:
        call = make()
        call.stable = repr(key[:1] + key[2:])  # the metas come with a call's name
        return call

    return _calls.find(key, named)


def pack_call(metas: tuple[Meta, ...]) -> PackCall:
    """The elements of several arrays of one dtype, one after another."""

    def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        flat = xp.concatenate([array.reshape(-1) for array in arrays])
        # Fused into each of its users it would be compiled as often, and not run sooner.
        return (flat if xp is np else jax.lax.optimization_barrier(flat),)

    flat = layout_of(metas).meta
    call: PackCall = _remembered(
        ("pack", metas),
        lambda: PackCall("pack", run, metas, (flat,), flat.device, dual=True, cost=flat.numel),
    )
    return call


def split_call(metas: tuple[Meta, ...]) -> SplitCall:
    """The inverse of `pack_call`."""
    layout = layout_of(metas)
    flat = layout.meta

    def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        (array,) = arrays
        bounds = itertools.pairwise(layout.starts)
        return tuple([
            array[start:end].reshape(meta.shape) for (start, end), meta in zip(bounds, metas, strict=True)
        ])  # fmt: skip

    call: SplitCall = _remembered(
        ("split", metas),
        lambda: SplitCall("split", run, (flat,), metas, flat.device, dual=True, cost=flat.numel),
    )
    return call


def member_call(flat: Meta, start: int, meta: Meta) -> Call:
    """One array out of a flat one."""

    def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        return (arrays[0][start : start + meta.numel].reshape(meta.shape),)

    call: Call = _remembered(
        ("member", (flat, meta), start),
        lambda: Call("member", run, (flat,), (meta,), flat.device, dual=True, cost=meta.numel),
    )
    return call


def members_calls(layout: Layout, parts: tuple[int, ...]) -> tuple[Call, list[Call]]:
    """How a program takes several parts of a flat array: a call that gives where each begins, from the array; for each the call
    that takes it, from the array and its beginning.

    XLA compiles equal kernels once, and slices differ if their beginnings are written into them: 100 took 2.2 s of CPU. So
    these are read from memory, which takes 0.2 s: the results of a condition that always holds, though XLA cannot know it.
    """

    def begin(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        starts = [layout.starts[part] for part in parts]
        branches = [lambda: [jnp.int32(start) for start in starts], lambda: [jnp.int32(0)] * len(starts)]
        return tuple(jax.lax.cond(arrays[0][0] * 0 != 1, *branches))

    def take(meta: Meta) -> Call:
        def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
            flat, start = arrays
            found = jax.lax.dynamic_slice(flat, (start,), (meta.numel,), allow_negative_indices=False)
            return (found.reshape(meta.shape),)

        return _remembered(  # type: ignore[no-any-return]
            ("take", (layout.meta, meta)),
            lambda: Call("take", run, (layout.meta, place), (meta,), place.device, cost=meta.numel),
        )

    place = meta_of((), int32, layout.meta.device)
    first: Call = _remembered(
        ("begin", layout.metas, parts, layout.starts),
        lambda: Call("begin", begin, (layout.meta,), (place,) * len(parts), place.device, cost=len(parts)),
    )
    return first, [take(layout.metas[part]) for part in parts]


def joined(parts: Mapping[int, Any], layout: Layout) -> np.ndarray[Any, Any]:
    """A flat array in the host's memory of these arrays, by number; zeros where there are none."""
    flat = np.zeros(layout.meta.shape, layout.meta.np)
    for number, part in parts.items():
        flat[layout.starts[number] : layout.starts[number + 1]] = xla.host(part).reshape(-1)
    return flat
