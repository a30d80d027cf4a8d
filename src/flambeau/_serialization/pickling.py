"""Writing: objects as a pickle that names PyTorch's types, tensors as pieces of numbered storages."""

import functools
import io
import pickle
import sys
from collections import OrderedDict
from types import FunctionType, ModuleType
from typing import IO, Any

from flambeau._core.device import device
from flambeau._core.dtype import dtype as DType
from flambeau._core.dtype import layout
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau._serialization import names
from flambeau._serialization.archive import ALIGNMENT, ArchiveWriter
from flambeau._serialization.tensors import Piece, piece_of, storage_bytes, user_attributes
from flambeau.nn.parameter import Parameter


class _StorageReference:
    """Stands in a tensor's arguments for its storage; becomes a persistent id."""

    def __init__(self, storage_id: tuple[Any, ...]) -> None:
        self.id = storage_id


class _Naming:
    """What is added to a pickler written in Python."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storages: dict[Any, tuple[str, Piece]] = {}

    def persistent_id(self, obj: Any) -> Any:
        return obj.id if type(obj) is _StorageReference else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            return self._reduce_tensor(obj)
        kind = type(obj)
        if kind is DType or kind is names.StorageType:
            return obj.name
        if kind is Size:
            return Size, (tuple(obj),)
        if kind is device:
            # TPUs go by the name that PyTorch knows.
            where = "xla" if obj.type == "tpu" else obj.type
            return device, (where,) if obj.index is None else (where, obj.index)
        if kind is layout:
            return names.named_layout, (repr(obj),)
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module, known = names.NAME_OF.get(id(obj), (None, None))
        if module is None:
            own = getattr(obj, "__module__", None) or ""
            if names.public_module(own) != own and "." not in getattr(obj, "__qualname__", "."):
                module, known = names.public_module(own), obj.__qualname__
        if module is None:
            super().save_global(obj, name)  # type: ignore[misc]
            return
        self.write(pickle.GLOBAL + f"{module}\n{known}\n".encode())  # type: ignore[attr-defined]
        self.memoize(obj)  # type: ignore[attr-defined]

    def _reduce_tensor(self, tensor: Tensor) -> Any:
        attributes = user_attributes(tensor)
        if type(tensor) is Parameter:
            args: tuple[Any, ...] = (tensor.detach(), tensor.requires_grad, OrderedDict())
            if attributes:
                return names.rebuild_parameter_with_state, (*args, attributes)
            return names.rebuild_parameter, args
        function, args = self._reduce_plain(tensor)
        if type(tensor) is Tensor and not attributes:
            return function, args
        kind = Tensor if type(tensor).__name__ == "Buffer" else type(tensor)
        return names.rebuild_from_type, (function, kind, args, attributes)

    def _reduce_plain(self, tensor: Tensor) -> tuple[Any, tuple[Any, ...]]:
        if tensor.is_meta:
            geometry = (tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()))
            return names.rebuild_meta_tensor, (*geometry, tensor.requires_grad)
        piece = piece_of(tensor)
        number, first = self.storages.setdefault(piece.key, (str(len(self.storages)), piece))
        kind = names.STORAGE_TYPE_OF.get(piece.dtype)
        count = first.numel if kind is not None else first.numel * piece.dtype.itemsize
        storage = _StorageReference(("storage", kind or names.UNTYPED, number, piece.location, count))
        hooks: OrderedDict[int, Any] = OrderedDict()
        args = (storage, piece.offset, piece.size, piece.stride, tensor.requires_grad, hooks)
        if kind is None:
            return names.rebuild_tensor_v3, (*args, piece.dtype)
        return names.rebuild_tensor_v2, args


@functools.cache
def _pickler_class(module: ModuleType) -> Any:
    # The one in Python, as the one in C looks every name up by importing it, and there is no torch to import.
    base = getattr(module, "_Pickler", None) or module.Pickler
    # Functions are dispatched on directly, past the method.
    dispatch = {**base.dispatch, FunctionType: _Naming.save_global}
    return type("Pickler", (_Naming, base), {"dispatch": dispatch})


def write_archive(
    obj: Any, file: IO[bytes], name: str, pickle_module: ModuleType, protocol: int, byteorder: bool
) -> None:
    """Writes `obj` to `file` as an archive whose folder is called `name`."""
    buffer = io.BytesIO()
    pickler = _pickler_class(pickle_module)(buffer, protocol=protocol)
    pickler.dump(obj)
    archive = ArchiveWriter(file, name)
    archive.write("data.pkl", buffer.getbuffer())
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", str(ALIGNMENT).encode())
    if byteorder:
        archive.write("byteorder", sys.byteorder.encode())
    for number, piece in pickler.storages.values():
        archive.write(f"data/{number}", storage_bytes(piece))
    archive.close()
