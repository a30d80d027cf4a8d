"""`vmap`: a function for one element, called for a batch of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from flambeau._core.declare import registry
from flambeau._core.lift import run_batched
from flambeau._core.pytree import TreeSpec, broadcast_to, tree_flatten, tree_unflatten
from flambeau._core.random import default_generator
from flambeau._core.tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")

# An int, None, or these in containers that are a prefix of the structure of the arguments or results.
Dims = Any


def vmap(
    func: Callable[P, R],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[P, R]:
    """The function that applies `func` to each element of a batch, all of them at once.

    Args:
        func: takes tensors, in containers too, and returns tensors.
        in_dims: which dimension of each input is the batch; None for what is the same for all elements, as named arguments are.
        out_dims: where the results have the batch; None for what does not depend on it.
        randomness: what random operations inside do: raise ("error"), draw once for all ("same"), or for each ("different").
        chunk_size: compute for so many elements at once; None for all.

    `func` is called once, on stand-ins without values: what it decides, it decides for the whole batch.

    >>> import flambeau
    >>> dot = flambeau.vmap(flambeau.dot)
    >>> dot(flambeau.ones(2, 3), flambeau.arange(6.0).reshape(2, 3))
    tensor([ 3., 12.])
    """
    check_randomness(randomness)
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        return _Vmap(func, in_dims, out_dims, randomness).call(args, kwargs, chunk_size)

    return wrapped


def check_randomness(randomness: str) -> None:
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )


def name_of(func: Any) -> str:
    """How messages call a function."""
    return str(getattr(func, "__name__", repr(func)))


class _Vmap:
    """One call of a function under vmap."""

    def __init__(self, func: Callable[..., Any], in_dims: Dims, out_dims: Dims, randomness: str) -> None:
        self.func, self.name = func, name_of(func)
        self.in_dims, self.out_dims, self.randomness = in_dims, out_dims, randomness

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any], chunk_size: int | None) -> Any:
        leaves, spec = tree_flatten(args)
        dims = self._input_dims(args, leaves, spec)
        size = _batch_size(leaves, dims)
        batch = [
            (place, registry["movedim"](leaf, dim, 0) if dim else leaf)
            for place, (leaf, dim) in enumerate(zip(leaves, dims, strict=True))
            if dim is not None
        ]
        places = [place for place, _ in batch]
        tensors = [tensor for _, tensor in batch]

        def on_elements(elements: Sequence[Tensor]) -> Any:
            given = list(leaves)
            for place, element in zip(places, elements, strict=True):
                given[place] = element
            return self.func(*tree_unflatten(given, spec), **kwargs)

        if chunk_size is None or chunk_size >= size:
            outputs, dims_out, out_spec = self._run(on_elements, tensors, size)
            return tree_unflatten(outputs, out_spec)
        chunks = []
        # What is drawn once for all elements is the same in all chunks.
        state = default_generator.state_bytes() if self.randomness == "same" else None
        for start in range(0, size, chunk_size):
            if state is not None:
                default_generator.set_state_bytes(state)
            count = min(chunk_size, size - start)
            parts = [tensor.narrow(0, start, count) for tensor in tensors]  # type: ignore[attr-defined]
            outputs, dims_out, out_spec = self._run(on_elements, parts, count)
            chunks.append(outputs)
        joined = [
            column[0] if dim is None else registry["cat"](column, dim)
            for column, dim in zip(zip(*chunks, strict=True), dims_out, strict=True)
        ]
        return tree_unflatten(joined, out_spec)

    def _input_dims(self, args: tuple[Any, ...], leaves: list[Any], spec: TreeSpec) -> list[int | None]:
        """The batch dimension of each argument, from 0 upward."""
        called = f"vmap({self.name}, in_dims={self.in_dims}, ...)(<inputs>)"
        if not isinstance(self.in_dims, (int, tuple, list)):
            raise ValueError(
                f"{called}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
                f"got: {type(self.in_dims)}."
            )
        if not args:
            raise ValueError(
                f"vmap({self.name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over "
                "a function with no inputs. The latter is unsupported."
            )
        in_dims = tuple(self.in_dims) if isinstance(self.in_dims, list) else self.in_dims
        found = broadcast_to(in_dims, spec)
        if found is None:
            raise ValueError(
                f"{called}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
                f"{tree_flatten(in_dims)[1]} but inputs has structure {spec}."
            )
        return [self._input_dim(called, leaf, dim) for leaf, dim in zip(leaves, found, strict=True)]

    def _input_dim(self, called: str, leaf: Any, dim: Any) -> int | None:
        if dim is None:
            return None
        if not isinstance(dim, int):
            raise ValueError(
                f"{called}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{called}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(
                f"{called}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {leaf.ndim} so "
                f"expected in_dim to satisfy -{leaf.ndim} <= in_dim < {leaf.ndim}."
            )
        return dim % leaf.ndim

    def _run(
        self, on_elements: Callable[[Sequence[Tensor]], Any], tensors: Sequence[Tensor], size: int
    ) -> tuple[list[Any], list[int | None], TreeSpec]:
        """The results for one batch, where each has it, and their structure."""
        spec: Any = None
        dims: list[int | None] = []

        def function(*elements: Tensor) -> list[Tensor]:
            nonlocal spec, dims
            outputs, spec = tree_flatten(on_elements(elements))
            dims = self._output_dims(spec)
            for output in outputs:
                if not isinstance(output, Tensor):
                    raise ValueError(
                        f"vmap({self.name}, ...): `{self.name}` must only return Tensors, got type {type(output)}. Did you "
                        "mean to set out_dims= to None for output?"
                    )
            return outputs

        found = run_batched(function, tensors, size, self.randomness)
        outputs = [
            self._placed(tensor, has_batch, dim, size)
            for (tensor, has_batch), dim in zip(found, dims, strict=True)
        ]
        return outputs, dims, spec

    def _output_dims(self, spec: TreeSpec) -> list[int | None]:
        called = f"vmap({self.name}, ..., out_dims={self.out_dims})"
        wanted, _ = tree_flatten(self.out_dims)
        if not all(dim is None or isinstance(dim, int) for dim in wanted):
            raise ValueError(
                f"{called}: `out_dims` must be an int, None or a python collection of ints representing where in the outputs "
                "the vmapped dimension should appear."
            )
        out_dims = self.out_dims
        if spec.is_leaf() and isinstance(out_dims, tuple) and len(out_dims) == 1:
            out_dims = out_dims[0]
        found = broadcast_to(out_dims, spec)
        if found is None:
            raise ValueError(
                f"{called}(<inputs>): out_dims is not compatible with the structure of `outputs`. out_dims has structure "
                f"{tree_flatten(self.out_dims)[1]} but outputs has structure {spec}."
            )
        return found

    def _placed(self, tensor: Tensor, has_batch: bool, dim: int | None, size: int) -> Tensor:
        """A result with the batch at its place."""
        if dim is None:
            if has_batch:
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` can not return a BatchedTensor when out_dim is None"
                )
            return tensor
        whole: Any = tensor if has_batch else tensor.expand(size, *tensor.shape)  # type: ignore[attr-defined]
        return registry["movedim"](whole, 0, dim) if dim else whole


def batch_size_of(func: Callable[..., Any], in_dims: Dims, args: tuple[Any, ...]) -> int:
    """How many elements `vmap` of a function takes these arguments for."""
    leaves, spec = tree_flatten(args)
    return _batch_size(leaves, _Vmap(func, in_dims, 0, "error")._input_dims(args, leaves, spec))


def _batch_size(leaves: Sequence[Any], dims: Sequence[int | None]) -> int:
    sizes = [leaf.shape[dim] for leaf, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped "
            "dimension"
        )
    return int(sizes[0])
