"""Exported programs in files: a zip archive of the program, its weights and a description, all readable without flambeau."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import jax

from flambeau import safetensors
from flambeau._core import xla
from flambeau._core.dtype import DTYPES
from flambeau._serialization.archive import whole_file
from flambeau.export._dims import ExportError
from flambeau.export._program import Argument, ExportedProgram, Size
from flambeau.export._signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from flambeau.nn.parameter import Parameter

File = str | os.PathLike[str] | IO[bytes]
VERSION = 1


def save(
    ep: ExportedProgram,
    f: File,
    *,
    extra_files: dict[str, Any] | None = None,
    opset_version: dict[str, int] | None = None,
    pickle_protocol: int = 2,
    platforms: Sequence[str] | None = None,
) -> None:
    """Writes an exported program to a file, which is whole or not there at all.

    Args:
        ep: what `export` gave.
        f: a path or a binary file.
        extra_files: texts or bytes to keep with it, by name.
        opset_version, pickle_protocol: accepted and without effect.
        platforms: for which of JAX's it is lowered ("cpu", "cuda", "tpu"); by default the one that the weights are on.
    """
    if not isinstance(ep, ExportedProgram):
        raise TypeError(
            f"The 'ep' parameter must be an instance of 'ExportedProgram', got '{type(ep).__name__}' instead."
        )
    parts: dict[str, bytes] = {
        "description.json": json.dumps(_description(ep), indent=1).encode(),
        "program.bin": _serialized(ep, platforms),
        "weights.safetensors": safetensors.save(_unshared(ep)),
    }
    for name, content in (extra_files or {}).items():
        parts[f"extra/{name}"] = content.encode() if isinstance(content, str) else content
    with _written(f) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def load(
    f: File,
    *,
    extra_files: dict[str, Any] | None = None,
    expected_opset_version: dict[str, int] | None = None,
) -> ExportedProgram:
    """Reads what `save` wrote.

    Args:
        f: a path or a binary file.
        extra_files: names of further files, which are filled in.

    Raises: ExportError for a file that is none of these.
    """
    try:
        archive = zipfile.ZipFile(f)
    except zipfile.BadZipFile:
        raise ExportError(f"{f} is no file of flambeau.export.save: it is no zip archive") from None
    with archive:
        names = set(archive.namelist())
        if "description.json" not in names:
            raise ExportError(
                f"{f} is no file of flambeau.export.save. PyTorch's own .pt2 files hold PyTorch's graphs, which flambeau does "
                "not read."
            )
        described = json.loads(archive.read("description.json"))
        if described["version"] > VERSION:
            raise ExportError(
                f"{f} was written by a later flambeau (format {described['version']}, known: {VERSION})"
            )
        exported = jax.export.deserialize(bytearray(archive.read("program.bin")))
        weights = safetensors.load(archive.read("weights.safetensors"))
        for name in extra_files or {}:
            if f"extra/{name}" in names:
                extra_files[name] = archive.read(f"extra/{name}").decode()  # type: ignore[index]
    arguments = [
        Argument(each["name"], tuple(map(_size, each["sizes"])), DTYPES[each["dtype"]])
        for each in described["inputs"]
    ]
    signature = ExportGraphSignature(
        [
            InputSpec(InputKind[s["kind"]], TensorArgument(s["name"]), s["target"], s["persistent"])
            for s in described["input_specs"]
        ],
        [
            OutputSpec(OutputKind[s["kind"]], TensorArgument(s["name"]), s["target"])
            for s in described["output_specs"]
        ],
    )
    tree = described["outputs"]

    def out(found: Sequence[Any]) -> Any:
        return _decoded(tree, list(found))

    def lower(platforms: tuple[str, ...] | None) -> Any:
        if platforms is not None and set(platforms) != set(exported.platforms):
            raise ExportError(f"{f} was lowered for {exported.platforms}: export it again for {platforms}")
        return exported

    args, kwargs = _decoded(described["arguments"], None)
    ranges = {name: tuple(bounds) for name, bounds in described["ranges"].items()}
    # Files of the first version say nothing of gradients, and have none.
    no_gradient = described.get(
        "no_gradient", "this exported program was saved without gradients: export it again"
    )
    frozen = described.get("frozen", signature.parameters)
    weights |= {name: Parameter(weights[name], name not in frozen) for name in signature.parameters}
    return ExportedProgram(
        signature, arguments, ranges, weights, (args, kwargs), out, lower, no_gradient  # type: ignore[arg-type]
    )  # fmt: skip


def _size_code(size: int | Size) -> Any:
    """A size as JSON: a number; the name of what varies; or that with what it is multiplied by and what is added."""
    if isinstance(size, int):
        return size
    return size.root if size == Size(size.root) else [size.root, size.scale, size.offset]


def _size(code: Any) -> int | Size:
    if isinstance(code, int):
        return code
    return Size(code) if isinstance(code, str) else Size(*code)


def _serialized(ep: ExportedProgram, platforms: Sequence[str] | None) -> bytes:
    """The program, with that of its gradient if it has one."""
    with xla.x64():
        return bytes(ep.exported(platforms).serialize(0 if ep.no_gradient else 1))


def _description(ep: ExportedProgram) -> dict[str, Any]:
    signature = ep.graph_signature
    count = len(signature.output_specs)
    return {
        "version": VERSION,
        "call": "program(weights by name, *inputs) -> list of outputs",
        "inputs": [
            {
                "name": a.name, "sizes": [_size_code(size) for size in a.sizes],
                "dtype": str(a.dtype).removeprefix("torch."),
            }
            for a in ep._arguments
        ],
        "ranges": ep.range_constraints,
        "frozen": [name for name, tensor in ep.named_parameters() if not tensor.requires_grad],
        "no_gradient": ep.no_gradient,
        "input_specs": [
            {"kind": s.kind.name, "name": s.arg.name, "target": s.target, "persistent": s.persistent}
            for s in signature.input_specs
        ],
        "output_specs": [
            {"kind": s.kind.name, "name": s.arg.name, "target": s.target} for s in signature.output_specs
        ],
        "arguments": _encoded(ep._in_tree),
        "outputs": _encoded(ep._out([_Place(i) for i in range(count)])),
    }  # fmt: skip


class _Place:
    """The place of a tensor among the outputs."""

    def __init__(self, number: int) -> None:
        self.number = number


def _encoded(tree: Any) -> Any:
    """A structure as JSON: one-entry dicts that say what they are."""
    if isinstance(tree, _Place):
        return {"output": tree.number}
    if type(tree) is dict:
        return {"dict": [[key, _encoded(value)] for key, value in tree.items()]}
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [_encoded(item) for item in tree]}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return {"value": tree}
    raise ExportError(
        f"save() keeps tensors in tuples, lists and dicts, with numbers and texts beside them, and no {type(tree).__name__}"
    )


def _decoded(code: Any, outputs: list[Any] | None) -> Any:
    ((kind, what),) = code.items()
    if kind == "output":
        assert outputs is not None
        return outputs[what]
    if kind == "dict":
        return {key: _decoded(value, outputs) for key, value in what}
    if kind == "value":
        return what
    items = [_decoded(item, outputs) for item in what]
    return tuple(items) if kind == "tuple" else items


def _unshared(ep: ExportedProgram) -> dict[str, Any]:
    return {name: tensor.detach().contiguous() for name, tensor in ep._weights.items()}  # type: ignore[attr-defined]


@contextlib.contextmanager
def _written(f: File) -> Iterator[IO[bytes]]:
    if isinstance(f, (str, os.PathLike)):
        with whole_file(f) as file:
            yield file
    else:
        yield f
