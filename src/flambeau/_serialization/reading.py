"""Reading a file: the archive of today's PyTorch, or the row of pickles that it wrote before version 1.6."""

import io
import os
import struct
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from flambeau._core.device import device as Device
from flambeau._core.device import is_available
from flambeau._core.dtype import uint8
from flambeau._serialization.archive import ArchiveReader, swap_if_foreign
from flambeau._serialization.tensors import LoadedStorage

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_ZIP_SIGNATURE = b"PK\x03\x04"

# Makes an unpickler on a file.
MakeUnpickler = Callable[[IO[bytes]], Any]
# Given the storage read and its location, says where it goes.
Place = Callable[[LoadedStorage, str], LoadedStorage]


def read_file(
    file: IO[bytes], path: str | None, make_unpickler: MakeUnpickler, map_location: Any, mmap: bool
) -> Any:
    """The object in a file.

    Args:
        file: positioned at the beginning of what was saved.
        path: its path, if it has one and is to be mapped into memory.
        map_location: as for `load`.
    """
    place = placement(map_location)
    start = file.tell()
    signature = file.read(4)
    file.seek(start)
    if signature == _ZIP_SIGNATURE:
        return _read_archive(ArchiveReader(file, path if mmap else None), make_unpickler, place)
    if mmap:
        raise RuntimeError(
            "mmap can only be used with files saved with `_use_new_zipfile_serialization=True`"
        )
    return _read_legacy(file, make_unpickler, place)


def _read_archive(archive: ArchiveReader, make_unpickler: MakeUnpickler, place: Place) -> Any:
    swap = swap_if_foreign(archive.byteorder)
    storages: dict[str, LoadedStorage] = {}

    def load_storage(saved_id: Any) -> LoadedStorage:
        _, kind, key, location, count = _checked_id(saved_id)
        if key not in storages:
            dtype = kind.dtype or uint8
            array = swap(archive.array(f"data/{key}", dtype.np))
            if array.size < count:
                raise RuntimeError(f"storage {key} has {array.size} elements, but should have {count}")
            storages[key] = place(
                LoadedStorage(array[:count], dtype, count, Device("cpu"), location), location
            )
        return storages[key]

    return _unpickle(make_unpickler, io.BytesIO(archive.read("data.pkl")), load_storage)


def _unpickle(make_unpickler: MakeUnpickler, file: IO[bytes], load_storage: Callable[[Any], Any]) -> Any:
    unpickler = make_unpickler(file)
    unpickler.persistent_load = load_storage
    return unpickler.load()


def _checked_id(saved_id: Any) -> Any:
    if not isinstance(saved_id, tuple) or not saved_id or saved_id[0] not in ("storage", b"storage"):
        raise RuntimeError(f"Unknown typename for persistent_load, expected 'storage' but got {saved_id!r}")
    return saved_id


def _read_legacy(file: IO[bytes], make_unpickler: MakeUnpickler, place: Place) -> Any:
    if _unpickle(make_unpickler, file, _checked_id) != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = _unpickle(make_unpickler, file, _checked_id)
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    system = _unpickle(make_unpickler, file, _checked_id)
    swap = swap_if_foreign("little" if system.get("little_endian", True) else "big")
    storages: dict[str, LoadedStorage] = {}
    kinds: dict[str, Any] = {}

    def note_storage(saved_id: Any) -> LoadedStorage:
        _, kind, key, location, count, view = _checked_id(saved_id)
        if view is not None:
            raise RuntimeError("storages that are views of others, as PyTorch 0.1 saved them, cannot be read")
        kinds[key] = (kind.dtype or uint8, location, count)
        return LoadedStorage(None, kind.dtype or uint8, count, Device("meta"), location)

    # The values come after the objects, so these are gone through twice: first to see what there is.
    objects = file.tell()
    _unpickle(make_unpickler, file, note_storage)
    for key in _unpickle(make_unpickler, file, _checked_id):
        dtype, location, count = kinds[key]
        (stored,) = struct.unpack("<q", file.read(8))
        array = swap(np.frombuffer(file.read(stored * dtype.itemsize), dtype.np))
        if array.size < count:
            raise RuntimeError(f"storage {key} has {array.size} elements, but should have {count}")
        storages[key] = place(LoadedStorage(array, dtype, count, Device("cpu"), location), location)
    end = file.tell()
    file.seek(objects)
    result = _unpickle(make_unpickler, file, lambda saved_id: storages[saved_id[2]])
    file.seek(end)
    return result


# -- where storages go ---------------------------------------------------------------------------


def placement(map_location: Any) -> Place:
    """What decides for each storage on which device it comes to lie."""
    if map_location is None:
        return _restore
    if isinstance(map_location, dict):
        return lambda storage, location: _restore(storage, map_location.get(location, location))
    if isinstance(map_location, (str, bytes)):
        target = os.fsdecode(map_location)
        return lambda storage, location: _restore(storage, target)
    if isinstance(map_location, Device):
        return lambda storage, location: _restore(storage, str(map_location))

    def ask(storage: LoadedStorage, location: str) -> LoadedStorage:
        placed = map_location(storage, location)
        return _restore(storage, location) if placed is None else placed

    return ask


def _restore(storage: LoadedStorage, location: str) -> LoadedStorage:
    """The storage on the device that `location` names."""
    device = Device(location)
    if device.type == "cuda" and not is_available("cuda"):
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If "
            "you are running on a CPU-only machine, please use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU."
        )
    if device.type == "meta":
        return LoadedStorage(None, storage.dtype, storage.numel, device, storage.location)
    return storage.to(device)
