"""The zip archive that PyTorch writes, and files that appear whole or not at all."""

import hashlib
import os
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

# PyTorch's mmap loading wants each record to begin at a multiple of this.
ALIGNMENT = 64
_CORRUPT = (
    "If you are seeing this error, there is a high likelihood that your checkpoint file is corrupted. This "
    "can happen if the checkpoint was not saved properly, was transferred incorrectly, or the file was "
    "modified after saving."
)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of `path` when the block ends; after an error `path` is as
    before.

    Raises: RuntimeError, if the folder does not exist.
    """
    target = Path(os.path.realpath(path))  # through a link, not in its place
    if not target.parent.is_dir():
        raise RuntimeError(f"Parent directory {Path(path).parent} does not exist.")
    if target.exists() and not target.is_file():  # a device or a pipe cannot be replaced
        with open(target, "wb") as stream:
            yield stream
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as stream:
            yield stream
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class _Stream:
    """A file object seen as a stream from here on, so that an archive may begin in the middle of it."""

    def __init__(self, file: Any) -> None:
        self.write = file.write
        self._file = file

    def flush(self) -> None:
        if hasattr(self._file, "flush"):
            self._file.flush()


class ArchiveWriter:
    """Writes records into an archive, as PyTorch names and orders them.

    Args:
        file: where to; only written to.
        name: the folder inside the archive that holds all records.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._zip = zipfile.ZipFile(_Stream(file), "w")  # type: ignore[call-overload]
        self._name = name
        self._digest = hashlib.sha256()

    def write(self, record: str, data: Any) -> None:
        info = zipfile.ZipInfo(f"{self._name}/{record}")
        size = memoryview(data).nbytes
        large = size * 1.05 > zipfile.ZIP64_LIMIT
        info.file_size = size
        start = self._zip.start_dir + 30 + len(info.filename.encode()) + (20 if large else 0) + 4
        padding = -start % ALIGNMENT
        info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        with self._zip.open(info, "w", force_zip64=large) as entry:
            entry.write(data)
        self._digest.update(f"{record} {info.CRC} {size}".encode())

    def close(self) -> None:
        self.write("version", b"3\n")
        number = int.from_bytes(self._digest.digest(), "big") % 10**40
        self.write(".data/serialization_id", f"{number:040d}".encode())
        self._zip.close()


class ArchiveReader:
    """Reads the records of an archive.

    Args:
        file: seekable, at the archive's beginning or anywhere in it.
        path: of the file, if its storages are to be mapped into memory rather than read.

    Raises: RuntimeError, if it is damaged or no archive of PyTorch's.
    """

    def __init__(self, file: IO[bytes], path: str | None = None) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise RuntimeError(
                f"PytorchStreamReader failed reading zip archive: {str(error).lower()}. {_CORRUPT}"
            ) from error
        self._path = path
        names = self._zip.namelist()
        self._name = names[0].partition("/")[0] if names else ""
        if not self.has("version"):
            raise RuntimeError(
                'Expected hasRecord("version") to be true, but got false. The file is a zip archive, '
                f"but not one that torch.save writes; it holds {names[:4]}."
            )

    def has(self, record: str) -> bool:
        return f"{self._name}/{record}" in self._zip.NameToInfo

    def read(self, record: str) -> bytes:
        """The record's bytes."""
        try:
            return self._zip.read(f"{self._name}/{record}")
        except (KeyError, zipfile.BadZipFile) as error:
            raise RuntimeError(
                f"PytorchStreamReader failed locating or reading file {record}: {error}. {_CORRUPT}"
            ) from error

    def array(self, record: str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """The record as a flat array that cannot be written to."""
        if self._path is None or not self.has(record):
            return np.frombuffer(self.read(record), dtype)
        info = self._zip.getinfo(f"{self._name}/{record}")
        if info.compress_type != zipfile.ZIP_STORED or not info.file_size:
            return np.frombuffer(self.read(record), dtype)
        with open(self._path, "rb") as stream:
            stream.seek(info.header_offset)
            # The header in the file has an extra field of its own, which the directory's may not repeat.
            name_length, extra_length = struct.unpack("<26xHH", stream.read(30))
        start = info.header_offset + 30 + name_length + extra_length
        count = info.file_size // dtype.itemsize
        return np.asarray(np.memmap(self._path, dtype, "r", start, (count,)))

    @property
    def byteorder(self) -> str:
        """`little` or `big`; old archives do not say, and are little."""
        return self.read("byteorder").decode() if self.has("byteorder") else "little"


def swap_if_foreign(order: str) -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """What turns arrays of this byte order into the machine's own."""
    return (lambda array: array) if order == sys.byteorder else (lambda array: array.byteswap())
