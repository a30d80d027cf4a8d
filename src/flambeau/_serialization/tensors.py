"""Tensors as pieces of storages: which storage, what it holds, where in it a tensor lies. And back."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flambeau._core.device import device as Device
from flambeau._core.dtype import dtype as DType
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor, contiguous_strides, from_array
from flambeau._core.value import meta_of


@dataclass
class Piece:
    """Where a tensor lies: a storage, and the offset, sizes and strides in it.

    Attributes:
        key: equal for tensors that share the storage.
        owner: kept while saving, so that no other object takes over its identity.
    """

    key: Any
    owner: Any
    dtype: DType
    numel: int
    location: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def piece_of(tensor: Tensor) -> Piece:
    """Where `tensor` lies in its storage.

    A tensor whose place PyTorch could not express in strides counts as a storage of its own.
    """
    storage: Any = tensor._storage
    size, stride = tuple(tensor.shape), tuple(tensor.stride())
    key: Any = id(storage)
    offset = 0
    if tensor._views:
        found = _offset_in_storage(tensor, stride)
        if found is None:
            key, stride = id(tensor), contiguous_strides(size)
        else:
            offset = found
    elif tensor._stride is not None:
        if _is_permutation(size, stride):
            key = (key, stride)
        else:
            key, stride = id(tensor), contiguous_strides(size)
    numel = tensor._root_meta().numel if key == id(storage) else tensor.numel()
    location = _location(tensor.device)
    return Piece(key, (tensor, storage), tensor.dtype, numel, location, offset, size, stride)


def _offset_in_storage(tensor: Tensor, stride: tuple[int, ...]) -> int | None:
    """Where a view begins in its storage; None if strides do not tell where its elements lie."""
    root = tensor._root_meta()
    indices: Any = np.arange(root.numel).reshape(root.shape)
    for call, numbers in tensor._views:
        if not call.op.dual or call.results[0].dtype is not root.dtype:
            return None
        # The elements' numbers go through the views in place of the elements.
        _, *arguments = call.source.arguments(np, [None], numbers)
        indices = call.op.body(np, indices, *arguments)
    if not indices.size:
        return 0
    offset = int(indices.reshape(-1)[0])
    expected: Any = np.int64(offset)
    for dim, step in enumerate(stride):
        line = np.arange(indices.shape[dim]) * step
        expected = expected + line.reshape(-1, *(1,) * (indices.ndim - dim - 1))
    return offset if np.array_equal(indices, np.broadcast_to(expected, indices.shape)) else None


def _is_permutation(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether the strides fill memory without gaps, in some order of the dimensions."""
    step = 1
    for dim in sorted(range(len(size)), key=lambda dim: stride[dim]):
        if size[dim] > 1:
            if stride[dim] != step:
                return False
            step *= size[dim]
    return True


def _memory_order(stride: tuple[int, ...]) -> list[int]:
    """The dimensions from the one with the longest step to the one with the shortest."""
    return sorted(range(len(stride)), key=lambda dim: -stride[dim])


def _location(device: Device) -> str:
    if device.type == "cuda":
        return f"cuda:{device.index or 0}"
    # TPUs included: PyTorch without them could not read the file otherwise.
    return "cpu"


def storage_bytes(piece: Piece) -> np.ndarray[Any, Any]:
    """All elements of the piece's storage in memory order, as bytes."""
    tensor, storage = piece.owner
    shares = piece.key == id(storage)
    array = storage.read().numpy() if shares else tensor._host_array()
    if isinstance(piece.key, tuple):
        array = array.transpose(_memory_order(piece.stride))
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


@dataclass
class LoadedStorage:
    """A storage read from a file, of which the tensors in the file are pieces.

    A `map_location` function gets it, and returns it, or what `cpu()` or `cuda()` give, or None.
    """

    array: np.ndarray[Any, Any] | None
    dtype: DType
    numel: int
    device: Device
    location: str
    root: Tensor | None = field(default=None, repr=False)

    def cpu(self) -> "LoadedStorage":
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> "LoadedStorage":
        return self.to("cuda" if device is None else f"cuda:{device}")

    def to(self, device: Any) -> "LoadedStorage":
        return LoadedStorage(self.array, self.dtype, self.numel, Device(device), self.location)

    def size(self) -> int:
        return self.numel

    def __len__(self) -> int:
        return self.numel


def tensor_at(
    storage: LoadedStorage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], dtype: DType
) -> Tensor:
    """The tensor at this place of a storage; it shares memory with the others there.

    Raises: RuntimeError, if it would reach beyond the storage's end.
    """
    end = offset + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True)) + 1
    is_empty = 0 in size
    if not is_empty and (offset < 0 or min(stride, default=0) < 0 or end > storage.numel):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset} are out of "
            f"bounds for storage of {storage.numel} elements"
        )
    whole = offset == 0 and (is_empty or math.prod(size) == storage.numel)
    dense = whole and (is_empty or _is_permutation(size, stride))
    if storage.root is None:
        storage.root = _root(storage, size, stride, dtype) if dense else _flat_root(storage, dtype)
    root = storage.root
    with no_grad():
        if dense and tuple(root.shape) == size and _same_strides(size, tuple(root.stride()), stride):
            return root.detach()
        if root._stride is not None:
            root = root.permute(_memory_order(root._stride))  # type: ignore[attr-defined]
        return root.as_strided(size, stride, offset).detach()  # type: ignore[attr-defined]


def _same_strides(size: tuple[int, ...], one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(extent <= 1 or a == b for extent, a, b in zip(size, one, other, strict=True))


def _root(storage: LoadedStorage, size: tuple[int, ...], stride: tuple[int, ...], dtype: DType) -> Tensor:
    """The tensor that is all of the storage; others there become views of it."""
    meta = meta_of(size, dtype, storage.device)
    contiguous = _same_strides(size, stride, contiguous_strides(size))
    array = storage.array
    if array is not None and not contiguous:
        order = _memory_order(stride)
        array = array.reshape([size[dim] for dim in order])
        array = np.ascontiguousarray(array.transpose(np.argsort(order)))
    result = from_array(None if array is None else array.reshape(size), meta)
    if not contiguous:
        result._stride = stride
    return result


def _flat_root(storage: LoadedStorage, dtype: DType) -> Tensor:
    return _root(storage, (storage.numel,), (1,), dtype)


def meta_tensor(dtype: DType, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """A tensor without values."""
    result = from_array(None, meta_of(size, dtype, Device("meta")))
    if not _same_strides(size, stride, contiguous_strides(size)):
        result._stride = stride
    return result


def user_attributes(tensor: Tensor) -> dict[str, Any]:
    """What the user has set on a tensor."""
    return {
        name: value
        for name, value in tensor.__dict__.items()
        if not hasattr(Tensor, name) and name not in ("_storage", "_meta")
    }
