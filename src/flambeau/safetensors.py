"""Safetensors files: the functions of `safetensors.torch`, for tensors of this library.

A file is a length, a JSON header with names, dtypes, shapes and places, and the values: nothing in it is ever
executed.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from flambeau._core.device import device as Device
from flambeau._core.dtype import dtype as DType
from flambeau._core.dtype import dtype_named
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import meta_of
from flambeau._serialization.archive import whole_file
from flambeau.nn.modules.module import Module

__all__ = ["load", "load_file", "load_model", "save", "save_file", "save_model"]

# In the order in which tensors stand in a file: wide elements first, so that all are aligned.
_DTYPES = {
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
    "F32": "float32",
    "U32": "uint32",
    "I32": "int32",
    "BF16": "bfloat16",
    "F16": "float16",
    "U16": "uint16",
    "I16": "int16",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_TAGS = {dtype_named(name): tag for tag, name in _DTYPES.items()}


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file with these tensors.

    Args:
        tensors: by name; contiguous, and none sharing memory with another.
        metadata: texts to put into the header.

    Raises: ValueError, for anything but contiguous tensors; RuntimeError, if some share memory.
    """
    return b"".join(_pieces(tensors, metadata))


def save_file(
    tensors: dict[str, Tensor], filename: str | os.PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Writes a safetensors file; see `save`. The file appears whole or not at all."""
    pieces = _pieces(tensors, metadata)
    with whole_file(filename) as stream:
        stream.writelines(pieces)


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file, by name."""
    return _tensors(data, "cpu")


def load_file(
    filename: str | os.PathLike[str], device: str | int = "cpu", *, backend: str = "mmap"
) -> dict[str, Tensor]:
    """The tensors in a safetensors file, by name.

    Args:
        device: where they go.
        backend: accepted; the file is read as a whole.

    Raises: FileNotFoundError; safetensors.SafetensorError, if the file is damaged.
    """
    return _tensors(Path(filename).read_bytes(), device)


def save_model(
    model: Module, filename: str, metadata: dict[str, str] | None = None, force_contiguous: bool = True
) -> None:
    """Saves a module's state dict, each shared tensor under one of its names; the header keeps the others.

    Args:
        force_contiguous: save tensors that are not contiguous as if they were.
    """
    state = model.state_dict()
    metadata = dict(metadata or {})
    for kept, dropped in _duplicates(state):
        for name in dropped:
            metadata[name] = kept
            del state[name]
    if force_contiguous:
        state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, filename, metadata or None)


def load_model(
    model: Module,
    filename: str | os.PathLike[str],
    strict: bool = True,
    device: str | int = "cpu",
    *,
    backend: str = "mmap",
) -> tuple[list[str] | set[str], list[str]]:
    """Loads into a module what `save_model` saved.

    Args:
        strict: raise where names are missing or unexpected.

    Returns: the missing and the unexpected names. Names that share a tensor count once.
    """
    state = load_file(filename, device=device, backend=backend)
    own = model.state_dict()
    # One of several shared names is enough, whichever it is.
    dropped = {name for kept, others in _duplicates(own, preferred=state) for name in others}
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = set(missing) - dropped
    unexpected = [name for name in unexpected if name not in dropped]
    if strict and (missing or unexpected):
        lines = [f"Error(s) in loading state_dict for {type(model).__name__}:"]
        for what, names in (("Missing", sorted(missing)), ("Unexpected", sorted(unexpected))):
            if names:
                lines.append(f"    {what} key(s) in state_dict: {', '.join(map(_quoted, names))}")
        raise RuntimeError("\n".join(lines))
    return missing, unexpected


def _quoted(name: str) -> str:
    return f'"{name}"'


def _duplicates(state: dict[str, Tensor], preferred: Iterable[str] = ()) -> list[tuple[str, list[str]]]:
    """For each group of names of one tensor: the name to keep, and the others."""
    groups: dict[Any, list[str]] = defaultdict(list)
    for name, tensor in state.items():
        if tensor.numel():
            place = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)
            groups[place].append(name)
    found = []
    for names in groups.values():
        kept = min([name for name in names if name in preferred] or names)
        found.append((kept, [name for name in sorted(names) if name != kept]))
    return [(kept, others) for kept, others in found if others]


# -- the format ----------------------------------------------------------------------------------


def _pieces(tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> list[bytes]:
    """The header and each tensor's values, in the order of the file."""
    _check(tensors)
    order = list(_TAGS)
    ordered = sorted(tensors.items(), key=lambda item: (order.index(item[1].dtype), item[0]))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    values, position = [], 0
    for name, tensor in ordered:
        data = np.ascontiguousarray(tensor.detach()._host_array()).tobytes()
        header[name] = {
            "dtype": _TAGS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, position + len(data)],
        }
        values.append(data)
        position += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *values]


def _check(tensors: dict[str, Tensor]) -> None:
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    storages: dict[int, set[str]] = defaultdict(set)
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise TypeError(
                f"argument 'tensor_dict': {type(name).__name__!r} object is not an instance of 'str'"
            )
        if not isinstance(tensor, Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}")
        if tensor.dtype not in _TAGS:
            raise ValueError(f"Key `{name}` is of {tensor.dtype}, for which safetensors has no name")
        if tensor.numel():
            storages[id(tensor._storage)].add(name)
    shared = [names for names in storages.values() if len(names) > 1]
    if shared:
        raise RuntimeError(
            "Some tensors share memory, this will lead to duplicate memory on disk and potential "
            f"differences when loading them again: {shared}. A potential way to correctly save your model "
            "is to use `save_model`."
        )
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. It either "
                "means you are trying to save tensors which are reference of each other in which case it's "
                "recommended to save only the full tensors, and reslice at load time, or simply call "
                "`.contiguous()` on your tensor to pack it before saving."
            )


def _tensors(data: bytes, device: str | int) -> dict[str, Tensor]:
    where = Device(device)
    return {name: _tensor(name, entry, where) for name, entry in sorted(deserialize(data))}  # type: ignore[no-untyped-call]


def _tensor(name: str, entry: dict[str, Any], where: Device) -> Tensor:
    dtype = _dtype(name, entry["dtype"])
    shape = tuple(entry["shape"])
    array = np.frombuffer(entry["data"], dtype.np, count=math.prod(shape)).reshape(shape)
    return from_array(array, meta_of(shape, dtype, where))


def _dtype(name: str, tag: str) -> DType:
    if tag not in _DTYPES:
        raise SafetensorError(f"tensor {name!r} is of dtype {tag}, which flambeau does not have")
    return dtype_named(_DTYPES[tag])
