"""Compiled programs kept on disk, so that a second start is warm.

One file a program, in the user's cache folder, under a name that covers the program's structure, flambeau's own sources,
jaxlib's version and the machine. `FLAMBEAU_CACHE` names another folder, or is `off`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import platform
import tempfile
from pathlib import Path
from typing import Any

import jaxlib.version

from flambeau._core import xla
from flambeau._core.statistics import statistics

# Beyond this many programs the oldest tenth goes.
FILE_LIMIT = 4000


def _serializing() -> Any:
    """JAX's module for it, imported when the first program is stored or loaded."""
    from jax.experimental import serialize_executable

    return serialize_executable


@functools.cache
def folder() -> Path | None:
    """Where programs are kept; None when there is no such place."""
    named = os.environ.get("FLAMBEAU_CACHE", "")
    if named.lower() in ("off", "0", "none"):
        return None
    base = (
        Path(named)
        if named
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flambeau"
    )
    path = base / _fingerprint()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        statistics.problem(f"the cache folder cannot be made: {error}")
        return None
    return path


def _fingerprint() -> str:
    """Changes with anything that could change a program: flambeau's sources, jaxlib, the processor, XLA's flags."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for part in ("_core", "_ops"):
        for source in sorted((package / part).glob("*.py")):
            state = source.stat()
            digest.update(f"{source.name} {state.st_size} {state.st_mtime_ns}".encode())
    words = (jaxlib.version.__version__, platform.machine(), _processor(), os.environ.get("XLA_FLAGS", ""))
    digest.update(repr(words).encode())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """The features of the processor, which compiled code is made for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def _path(name: str) -> Path | None:
    place = folder()
    return None if place is None else place / hashlib.sha256(name.encode()).hexdigest()


def holds(name: str | None) -> bool:
    """Whether a program of that name is kept."""
    path = None if name is None else _path(name)
    return path is not None and path.exists()


def load(name: str | None) -> Any:
    """The program of that name, or None."""
    path = None if name is None else _path(name)
    if path is None or not path.exists():
        return None
    try:
        with xla.x64():
            return _serializing().deserialize_and_load(*pickle.loads(path.read_bytes()))
    except (OSError, pickle.UnpicklingError, EOFError, ValueError, RuntimeError) as error:
        # A file of another build or a broken one: made anew, and told of in inspect.engine().
        statistics.problem(f"a stored program could not be loaded: {type(error).__name__}: {error}")
        path.unlink(missing_ok=True)
        return None


def save(name: str | None, program: Any) -> None:
    """Keeps a freshly compiled program; a whole file appears or none."""
    path = None if name is None else _path(name)
    # A custom call (LAPACK's, say) holds an address that JAX fills in when it lowers one: loaded into a process that
    # has lowered none, it would jump to nowhere.
    if path is None or "custom-call" in program.as_text():
        return
    try:
        with xla.x64():
            data = pickle.dumps(_serializing().serialize(program))
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
        _prune(path.parent)
    except (OSError, ValueError, RuntimeError) as error:
        statistics.problem(f"a program could not be stored: {type(error).__name__}: {error}")


def _prune(place: Path) -> None:
    files = list(place.iterdir())
    if len(files) > FILE_LIMIT:
        for file in sorted(files, key=lambda f: f.stat().st_mtime)[: FILE_LIMIT // 10]:
            file.unlink(missing_ok=True)
