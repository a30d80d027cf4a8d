"""Standing in for PyTorch: `import torch` finds flambeau, in the packages you use as in your own files.

A finder placed first in `sys.meta_path` answers for `torch` and everything under it with flambeau's module of
the same path, and for `functorch`, which comes with PyTorch, with `flambeau.functorch`. No module is copied:
`sys.modules["torch.nn"] is sys.modules["flambeau.nn"]`.
"""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from flambeau.version import torch_release

__all__ = ["as_torch", "install_as_torch"]

_OWN = "flambeau"
# PyTorch's top-level packages, and flambeau's modules in their places.
_PLACES = {"torch": _OWN, "functorch": f"{_OWN}.functorch"}


def install_as_torch() -> None:
    """Makes `import torch` find flambeau from here on, in this whole process. A second call changes nothing.

    Call it before anything imports torch. `importlib.metadata.version("torch")` then answers the release of
    PyTorch that flambeau reproduces, whether or not PyTorch is installed. Processes that multiprocessing
    starts do the same; programs that `subprocess` starts do not.

    Raises: RuntimeError, if PyTorch itself is already imported.
    """
    with _lock:
        _refuse_if_imported("install_as_torch()")
        _place_finder()
        if not _finder.permanent:
            _finder.permanent = True
            _tell_started_processes()


@contextmanager
def as_torch() -> Iterator[ModuleType]:
    """`import torch` finds flambeau inside the `with` block, and no longer after it.

    Modules first imported in the block keep what they got. An import that one of them puts off until a
    function runs, after the block, finds PyTorch or nothing: such packages want `install_as_torch()`. The
    block concerns the process, so imports that other threads do meanwhile find flambeau as well.

    Raises: RuntimeError, if PyTorch itself is already imported.

    >>> with flambeau.as_torch():
    ...     import torch
    >>> torch is flambeau
    True
    """
    with _lock:
        _refuse_if_imported("as_torch()")
        if _finder.blocks == 0 and not _finder.permanent:
            _finder.found_before = _torch_modules()
        _finder.blocks += 1
        _place_finder()
    try:
        yield importlib.import_module(_OWN)
    finally:
        with _lock:
            _finder.blocks -= 1
            if _finder.blocks == 0 and not _finder.permanent:
                sys.meta_path.remove(_finder)
                for name in _torch_modules():
                    del sys.modules[name]
                sys.modules.update(_finder.found_before)  # type: ignore[arg-type]


class _Finder(MetaPathFinder):
    """Answers for `torch`, `functorch` and what is under them, and for the installed distribution of the former name."""

    def __init__(self) -> None:
        self.permanent = False
        self.blocks = 0
        self.found_before: dict[str, ModuleType | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _is_torch(fullname):
            return None
        own = _own_module(fullname)
        if own is None:
            # `importlib.util.find_spec` asks and wants None; an import statement gets a message that helps.
            if sys._getframe(2).f_globals.get("__name__") == "importlib.util":
                return None
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: flambeau, which stands in for PyTorch here, "
                f"does not have {fullname} (yet)",
                name=fullname,
            )
        spec = ModuleSpec(fullname, _Alias(own), origin=own.__file__)
        if hasattr(own, "__path__"):
            spec.submodule_search_locations = list(own.__path__)
        return spec

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterable[Distribution]:
        if context is None or context.name is None or context.name.lower() == "torch":
            yield _TorchDistribution()


class _Alias(Loader):
    """Hands out a module that exists, under a second name."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.own_spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just written the alias's spec over it.
        module.__spec__ = self.own_spec
        _alias_loaded_modules()


class _TorchDistribution(Distribution):
    """What `importlib.metadata` tells of torch: packages ask it for the version."""

    def read_text(self, filename: str) -> str | None:
        if filename == "METADATA":
            summary = "PyTorch's API, provided by flambeau"
            return f"Metadata-Version: 2.1\nName: torch\nVersion: {torch_release}\nSummary: {summary}\n"
        return "torch\n" if filename == "top_level.txt" else None

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(__file__).parent.joinpath(path)


_lock = threading.RLock()
_finder = _Finder()


def _is_torch(name: str) -> bool:
    return name.partition(".")[0] in _PLACES


def _torch_modules() -> dict[str, ModuleType | None]:
    return {name: module for name, module in list(sys.modules.items()) if _is_torch(name)}


def _own_module(fullname: str) -> ModuleType | None:
    """flambeau's module for PyTorch's `fullname`, imported if need be; None if there is none."""
    package, dot, rest = fullname.partition(".")
    own_name = f"{_PLACES[package]}{dot}{rest}"
    if own_name in sys.modules or importlib.util.find_spec(own_name) is not None:
        return importlib.import_module(own_name)
    # A module that is reachable as an attribute only, defined under another path.
    parent, _, child = own_name.rpartition(".")
    found = getattr(sys.modules[parent], child, None)
    return found if isinstance(found, ModuleType) and found.__name__.startswith(_OWN + ".") else None


def _alias_loaded_modules() -> None:
    """Enters flambeau's loaded modules as torch's: programs look into `sys.modules` without importing."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name.startswith(_OWN + ".") and not getattr(spec, "_initializing", False):
            sys.modules.setdefault("torch" + name.removeprefix(_OWN), module)


def _place_finder() -> None:
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    for name, module in _torch_modules().items():
        if module is None:  # how an import is forbidden; standing in for torch allows it
            del sys.modules[name]


class _InstallOnArrival:
    """Becomes a call of `install_as_torch` where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return install_as_torch, ()


def _tell_started_processes() -> None:
    """A process that starts afresh runs the main module again, and has to find the same torch there.

    multiprocessing sends it a dictionary first, ignores entries that it does not know, and offers no hook.
    """
    import multiprocessing.spawn  # slow to import, and only needed here

    prepare = multiprocessing.spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        return {**prepare(name), _OWN: _InstallOnArrival()}

    multiprocessing.spawn.get_preparation_data = get_preparation_data


def _refuse_if_imported(caller: str) -> None:
    torch = sys.modules.get("torch")
    if torch is None or torch is sys.modules.get(_OWN):
        return
    place = getattr(torch, "__file__", None) or "an unknown place"
    raise RuntimeError(
        f"{caller} came too late: PyTorch itself is already imported, from {place}. Call it before anything "
        "imports torch, or start the program with `flambeau run`, which does."
    )
