"""The command `flambeau`: `run` starts a PyTorch program on flambeau, `env` tells what is installed."""

import argparse
import importlib.metadata
import importlib.util
import io
import os
import platform
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib.machinery import BuiltinImporter, ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import NoReturn

from flambeau import version
from flambeau.as_torch import install_as_torch

_DESCRIPTION = "PyTorch programs, running on JAX and XLA."

_RUN_USAGE = """\
usage: flambeau run SCRIPT [ARGUMENT ...]
       flambeau run -m MODULE [ARGUMENT ...]
       flambeau run -c CODE [ARGUMENT ...]

Runs a program as `python` would, except that every `import torch` in it, and in the packages
that it uses, finds flambeau. SCRIPT may be a file, a folder or archive with a __main__.py, or - for
standard input.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with `arguments`, by default those of the process; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["run"]:
        return run(arguments[1:])
    parser = argparse.ArgumentParser(prog="flambeau", description=_DESCRIPTION)
    parser.add_argument(
        "--version",
        action="version",
        version=f"flambeau {version.flambeau} (the API of PyTorch {version.torch_release})",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="run a PyTorch script, module or piece of code on flambeau")
    commands.add_parser("env", help="print versions and devices, for a bug report")
    parser.parse_args(arguments)
    return print_environment()


def print_environment() -> int:
    """Prints what a bug report needs: versions and devices."""
    import jax

    lines = {
        "flambeau": version.flambeau,
        "PyTorch API": version.torch_release,
        "Python": platform.python_version(),
        "platform": platform.platform(),
        **{name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "safetensors")},
        "backend": jax.default_backend(),
        "devices": ", ".join(str(device) for device in jax.devices()),
    }
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:{width}}  {value}")
    return 0


def run(arguments: Sequence[str]) -> int:
    """Runs the program that `arguments` name, with torch standing for flambeau."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_RUN_USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    kind, rest = arguments[0], list(arguments[1:])
    prepare: Callable[[str], tuple[ModuleType, CodeType]] = _prepare_script
    if kind in ("-m", "-c"):
        if not rest:
            _stop(f"argument expected for the {kind} option", status=2)
        prepare = _prepare_module if kind == "-m" else _prepare_code
        target, rest = rest[0], rest[1:]
    elif kind.startswith("-") and kind != "-":
        _stop(f"unknown option {kind}; options of the program come after its name", status=2)
    else:
        target = kind
    install_as_torch()
    sys.argv = [target if prepare is _prepare_script else kind, *rest]
    sys.excepthook = _without_our_frames(sys.excepthook)
    module, code = prepare(target)
    sys.modules["__main__"] = module
    exec(code, module.__dict__)
    return 0


def _prepare_script(path: str) -> tuple[ModuleType, CodeType]:
    if path == "-":
        _set_first_path("")
        return _new_main(), compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True)
    full_path = os.path.join(os.getcwd(), path)  # not normalised, as Python does it
    if os.path.isdir(path) or zipfile.is_zipfile(path):
        _set_first_path(full_path)
        spec = PathFinder.find_spec("__main__", [full_path])
        if spec is None:
            _stop(f"can't find '__main__' module in {path!r}", status=1)
        return _from_spec(spec)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    try:
        with io.open_code(full_path) as file:
            source = file.read()
    except OSError as error:
        _stop(f"can't open file {full_path!r}: [Errno {error.errno}] {error.strerror}", status=2)
    loader = SourceFileLoader("__main__", full_path)
    module = _new_main(__loader__=loader, __file__=full_path, __cached__=None)
    return module, compile(source, full_path, "exec", dont_inherit=True)


def _prepare_module(name: str) -> tuple[ModuleType, CodeType]:
    _set_first_path(os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
            if spec is None:
                _stop(
                    f"No module named {name}.__main__; {name!r} is a package and cannot be directly executed",
                    status=1,
                )
    except ModuleNotFoundError as error:  # a package on the way is absent, or `name` is relative
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        spec = None
    if spec is None:
        _stop(f"No module named {name}", status=1)
    module, code = _from_spec(spec)
    sys.argv[0] = spec.origin or sys.argv[0]
    return module, code


def _prepare_code(text: str) -> tuple[ModuleType, CodeType]:
    _set_first_path("")
    return _new_main(), compile(text, "<string>", "exec", dont_inherit=True)


def _from_spec(spec: ModuleSpec) -> tuple[ModuleType, CodeType]:
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code is not None else None
    if code is None:
        _stop(f"No code object available for {spec.name}", status=1)
    module = _new_main(
        __spec__=spec,
        __loader__=spec.loader,
        __package__=spec.parent,
        __file__=spec.origin,
        __cached__=spec.cached,
    )
    return module, code


def _new_main(**attributes: object) -> ModuleType:
    """An empty `__main__`, with the attributes that Python itself would give it."""
    module = ModuleType("__main__")
    module.__dict__.update({"__builtins__": sys.modules["builtins"], "__loader__": BuiltinImporter})
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    module.__dict__.update(attributes)
    return module


def _set_first_path(folder: str) -> None:
    """Puts the program's folder where Python put that of the command `flambeau`."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _without_our_frames(
    hook: Callable[[type[BaseException], BaseException, TracebackType | None], object],
) -> Callable[[type[BaseException], BaseException, TracebackType | None], object]:
    """`hook`, shown tracebacks that start in the program, as if Python had started it."""

    def shortened(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> object:
        frame, start = trace, trace
        while frame is not None:
            if frame.tb_frame.f_code.co_filename == __file__:
                start = frame.tb_next
            frame = frame.tb_next
        return hook(kind, error.with_traceback(start), start)

    return shortened


def _stop(message: str, *, status: int) -> NoReturn:
    print(f"flambeau: {message}", file=sys.stderr)
    raise SystemExit(status)
