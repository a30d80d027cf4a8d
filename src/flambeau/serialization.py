"""`save` and `load`: PyTorch's own files, read and written without PyTorch."""

import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import IO, Any

from flambeau._core.device import device
from flambeau._serialization import names
from flambeau._serialization.archive import ArchiveReader, whole_file
from flambeau._serialization.pickling import write_archive
from flambeau._serialization.reading import read_file
from flambeau._serialization.unpickling import (
    Refused,
    WeightsUnpickler,
    display_name,
    globals_of,
    unpickler_class,
)

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]

File = str | os.PathLike[str] | IO[bytes]
# PyTorch's name for what `map_location` may be; packages import it.
MAP_LOCATION = Callable[[Any, str], Any] | device | str | dict[str, str] | None
Global = Callable[..., Any] | tuple[Callable[..., Any], str]

# What the user declared safe: (module, name) -> (as declared, the object).
_safe: dict[tuple[str, str], tuple[Global, Any]] = {}


def save(
    obj: object,
    f: File,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Saves an object to a file that `load` reads, and PyTorch's `torch.load` as well.

    Tensors that share a storage are saved once and share it when loaded. A path is written to under another
    name first and then renamed, so that no half-written file is ever there.

    Args:
        obj: tensors, state dicts, nested containers; modules too, though loading those runs code.
        f: path or file object.
        pickle_module, pickle_protocol: how all but tensors is pickled; with the defaults PyTorch's
            `weights_only=True` can read it.

    Raises: RuntimeError, if the folder does not exist.

    >>> import flambeau, io
    >>> buffer = io.BytesIO()
    >>> save({"weight": flambeau.ones(2)}, buffer)
    >>> _ = buffer.seek(0)
    >>> load(buffer)
    {'weight': tensor([1., 1.])}
    """
    if not _use_new_zipfile_serialization:
        raise ValueError(
            "flambeau writes PyTorch's zip format only (since PyTorch 1.6); it reads the older one as well"
        )
    options = (pickle_module, pickle_protocol, not _disable_byteorder_record)
    if isinstance(f, (str, os.PathLike)):
        with whole_file(f) as stream:
            write_archive(obj, stream, Path(f).stem, *options)
    elif hasattr(f, "write"):
        write_archive(obj, f, "archive", *options)
    else:
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute, "
            f"but got {type(f).__name__}"
        )


def load(
    f: File,
    map_location: MAP_LOCATION = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Loads what `save` or PyTorch's `torch.save` wrote; the format from before PyTorch 1.6 too.

    Args:
        f: path or seekable file object.
        map_location: where tensors go: a device, a dict from saved locations to others, or a function of
            storage and location. None: where they were when saved.
        pickle_module: reads all but tensors; giving one turns `weights_only` off.
        weights_only: make nothing but tensors, containers, numbers, strings and what `add_safe_globals`
            allows. Without it a file can run any code: use that for files you trust only. None stands for
            True.
        mmap: read values from the file when they are used, rather than now; needs a path.
        pickle_load_args: handed on to the unpickler.

    Raises: pickle.UnpicklingError, if the file holds what `weights_only` does not allow; RuntimeError, if it
    is damaged, or was saved from a device that is not there.
    """
    if pickle_module is not None and weights_only:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_load_args.keys() - {"encoding"}:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
        pickle_load_args = {}
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    pickle_load_args.setdefault("encoding", "utf-8")
    make_unpickler = _unpicklers(weights_only, pickle_module or pickle, pickle_load_args)
    with _opened(f) as file:
        path = os.fspath(f) if isinstance(f, (str, os.PathLike)) else None
        try:
            return read_file(file, path, make_unpickler, map_location, bool(mmap))
        except Refused as error:
            raise pickle.UnpicklingError(_advice(error)) from None


def _unpicklers(weights_only: bool, module: ModuleType, arguments: dict[str, Any]) -> Callable[[Any], Any]:
    if weights_only:
        allowed = {name: found for name, (_, found) in _safe.items()}
        return lambda file: WeightsUnpickler(file, allowed, **arguments)
    return lambda file: unpickler_class(module)(file, **arguments)


@contextmanager
def _opened(f: File) -> Iterator[IO[bytes]]:
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            yield file
        return
    for method in ("seek", "tell", "read"):
        if not hasattr(f, method):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{method}'. You can only torch.load from a "
                "file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try to "
                "load from it instead."
            )
    yield f


def _advice(error: Refused) -> str:
    trust = (
        "Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result "
        "in arbitrary code execution. Do it only if you got the file from a trusted source."
    )
    if not error.can_be_allowed:
        return f"Weights only load failed. {trust}\nWeightsUnpickler error: {error}"
    return (
        "Weights only load failed. This file can still be loaded, to do so you have two options, do those "
        f"steps only if you trust the source of the checkpoint.\n\t(1) {trust}\n\t(2) Alternatively, to "
        "load with `weights_only=True` please check the recommended steps in the following error "
        f"message.\n\tWeightsUnpickler error: {error}"
    )


# -- what may be loaded --------------------------------------------------------------------------


def add_safe_globals(safe_globals: list[Global]) -> None:
    """Allows `load(weights_only=True)` to make these types and call these functions.

    Args:
        safe_globals: types and functions; or pairs of one and the full name that files give it.
    """
    for declared in safe_globals:
        found, full = declared if isinstance(declared, tuple) else (declared, None)
        module, name = _name_of(found) if full is None else full.rsplit(".", 1)
        _safe[(names.public_module(module), name)] = (declared, found)


def get_safe_globals() -> list[Global]:
    """What `add_safe_globals` was given."""
    return [declared for declared, _ in _safe.values()]


def clear_safe_globals() -> None:
    """Takes back all that `add_safe_globals` was given."""
    _safe.clear()


class safe_globals:
    """`add_safe_globals` for a `with` block.

    >>> with safe_globals([complex]):
    ...     get_safe_globals()
    [<class 'complex'>]
    """

    def __init__(self, safe_globals: list[Global]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._before = dict(_safe)
        add_safe_globals(self.safe_globals)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _safe.clear()
        _safe.update(self._before)


def get_unsafe_globals_in_checkpoint(f: File) -> list[str]:
    """The names in a file that `load(weights_only=True)` would refuse."""
    with _opened(f) as file:
        wanted = dict.fromkeys(globals_of(ArchiveReader(file).read("data.pkl")))
    return [display_name(*name) for name in wanted if name not in names.KNOWN and name not in _safe]


def _name_of(found: Any) -> tuple[str, str]:
    return found.__module__, found.__qualname__
