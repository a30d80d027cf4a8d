"""`torch.hub`: weights from the network, kept in a folder, and models that a folder's `hubconf.py` offers.

Files appear under their name only when they are whole and their hash is right. Repositories are read from folders of
this machine; flambeau does not fetch and run code from the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NoReturn
from urllib.parse import urlparse

from flambeau._serialization.archive import whole_file
from flambeau.serialization import load as _load_file

__all__ = [
    "HASH_REGEX", "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir", "urlparse",
]  # fmt: skip

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # bfd8deac of resnet18-bfd8deac.pth
_CHUNK_BYTES = 128 * 1024

_hub_dir: str | None = None


# -- where files are kept --------------------------------------------------------------------------


def _get_torch_home() -> str:
    caches = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(caches, "torch")))


def get_dir() -> str:
    """The folder of downloaded files: that of `set_dir`, or `hub` in `$TORCH_HOME`, in `$XDG_CACHE_HOME/torch`, in
    `~/.cache/torch`.
    """
    return os.path.join(_get_torch_home(), "hub") if _hub_dir is None else _hub_dir


def set_dir(d: str | os.PathLike[str]) -> None:
    """Chooses the folder of downloaded files."""
    global _hub_dir
    _hub_dir = os.path.expanduser(d)


# -- files -----------------------------------------------------------------------------------------


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Downloads a file. It is there under its name when it is whole, and not before.

    Args:
        url: what to fetch.
        dst: path of the file.
        hash_prefix: how the file's SHA-256 has to begin.
        progress: show on stderr how far it is.

    Raises: RuntimeError, if the hash is another one; nothing is left behind then.
    """
    from urllib.request import Request, urlopen  # slow to import

    digest = hashlib.sha256()
    with urlopen(Request(url, headers={"User-Agent": "torch.hub"})) as source:
        length = source.headers.get("Content-Length")
        bar = _progress_bar(int(length) if length else None, progress)
        with whole_file(os.path.expanduser(dst)) as file, bar:
            while block := source.read(_CHUNK_BYTES):
                file.write(block)
                digest.update(block)
                bar.update(len(block))
            if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
                raise RuntimeError(
                    f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()[: len(hash_prefix)]}")'
                )


class _Counter:
    """Counts bytes on stderr where tqdm is not installed."""

    def __init__(self, total: int | None = None, disable: bool = False, **_: Any) -> None:
        self.total, self.disable, self.n = total, disable, 0

    def update(self, n: int) -> None:
        self.n += n
        if not self.disable:
            share = f"{100 * self.n / self.total:.1f}%" if self.total else f"{self.n} bytes"
            sys.stderr.write(f"\r{share}")
            sys.stderr.flush()

    def __enter__(self) -> _Counter:
        return self

    def __exit__(self, *error: object) -> None:
        if not self.disable:
            sys.stderr.write("\n")


def _progress_bar(total: int | None, shown: bool) -> Any:
    if not shown:
        return _Counter(total, disable=True)
    return __getattr__("tqdm")(total=total, unit="B", unit_scale=True, unit_divisor=1024)


def __getattr__(name: str) -> Any:
    """`tqdm`, which packages take from here: the installed one, or a plain counter."""
    if name != "tqdm":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return _Counter
    return tqdm


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """Loads what is saved at a URL, from the folder of downloads if it is there already.

    Args:
        url: a file that `torch.save` wrote, or a zip of one.
        model_dir: the folder; None: `checkpoints` in `get_dir()`.
        map_location: as for `flambeau.load`.
        progress: show on stderr how far the download is.
        check_hash: the file's name ends with the beginning of its SHA-256, as in `resnet18-bfd8deac.pth`: check it.
        file_name: the name to keep it under; None: the one in the URL.
        weights_only: as for `flambeau.load`.

    Raises: RuntimeError, if the hash is another one.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        found = HASH_REGEX.search(os.path.basename(path)) if check_hash else None
        download_url_to_file(url, path, found[1] if found else None, progress)
    if _is_zip_of_one_file(path):
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as unpacked:
            path = archive.extract(archive.infolist()[0], unpacked)
            return _load_file(path, map_location=map_location, weights_only=weights_only)
    return _load_file(path, map_location=map_location, weights_only=weights_only)


def _is_zip_of_one_file(path: str) -> bool:
    """Whether this is a saved file that was zipped; those that `save` writes are zip archives of many files."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return len(archive.infolist()) == 1


# -- models of a folder ----------------------------------------------------------------------------


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Calls the entry point `model` of a folder's `hubconf.py`.

    Args:
        repo_or_dir: the folder.
        model: name of a function in `hubconf.py`.
        source: "local". Fetching from GitHub is refused.

    Raises: RuntimeError, if there is no such function, or packages that `hubconf.py` names are not installed.
        NotImplementedError for "github".
    """
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        _refuse_github(repo_or_dir)
    with _hubconf(repo_or_dir) as module:
        return _entry(module, model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    verbose: bool = True,
) -> Any:
    """Names of the entry points in a folder's `hubconf.py`; unlike PyTorch's, it takes a folder."""
    with _hubconf(_folder(github)) as module:
        return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
) -> str | None:
    """The docstring of an entry point in a folder's `hubconf.py`; unlike PyTorch's, it takes a folder."""
    with _hubconf(_folder(github)) as module:
        return _entry(module, model).__doc__


def _folder(name: str) -> str:
    if not os.path.isfile(os.path.join(name, "hubconf.py")):
        _refuse_github(name)
    return name


def _refuse_github(name: str) -> NoReturn:
    raise NotImplementedError(
        f"flambeau does not fetch and run code from GitHub ({name}). Clone the repository, look at its hubconf.py, and "
        'name the folder: torch.hub.load(folder, model, source="local").'
    )


@contextlib.contextmanager
def _hubconf(folder: str) -> Iterator[ModuleType]:
    """The module `hubconf.py` of a folder, which may import its neighbours meanwhile."""
    path = os.path.join(folder, "hubconf.py")
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("hubconf.py", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))


def _entry(module: ModuleType, name: str) -> Callable[..., Any]:
    """The function of that name.

    Raises: RuntimeError where it or a package is missing.
    """
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    wanted = getattr(module, "dependencies", ())
    missing = [package for package in wanted if importlib.util.find_spec(package) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found
