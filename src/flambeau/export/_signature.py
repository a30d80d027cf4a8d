"""What goes into an exported program and what comes out, in PyTorch's words."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class InputKind(enum.Enum):
    """Where an input comes from."""

    USER_INPUT = 1
    PARAMETER = 2
    BUFFER = 3
    CONSTANT_TENSOR = 4


class OutputKind(enum.Enum):
    """Where an output goes."""

    USER_OUTPUT = 1
    BUFFER_MUTATION = 3


@dataclass(frozen=True)
class TensorArgument:
    """A tensor that goes in or comes out, by name."""

    name: str


@dataclass(frozen=True)
class InputSpec:
    """One input: its kind, its name in the program, and which tensor of the module it is."""

    kind: InputKind
    arg: TensorArgument
    target: str | None = None
    persistent: bool | None = None

    def __str__(self) -> str:
        kept = "" if self.persistent is None else f" persistent={self.persistent}"
        return (
            f"{self.arg.name}: {self.kind.name}"
            + ("" if self.target is None else f" target={self.target!r}")
            + kept
        )


@dataclass(frozen=True)
class OutputSpec:
    """One output: its kind, its name in the program, and the buffer that it is the new value of."""

    kind: OutputKind
    arg: TensorArgument
    target: str | None = None

    def __str__(self) -> str:
        return f"{self.arg.name}: {self.kind.name}" + (
            "" if self.target is None else f" target={self.target!r}"
        )


@dataclass(frozen=True)
class ExportGraphSignature:
    """The inputs and outputs of an exported program, in order."""

    input_specs: Sequence[InputSpec]
    output_specs: Sequence[OutputSpec]

    def __str__(self) -> str:
        inputs, outputs = "\n".join(map(str, self.input_specs)), "\n".join(map(str, self.output_specs))
        return f"\n# inputs\n{inputs}\n\n# outputs\n{outputs}\n"

    def _targets(self, kind: InputKind) -> tuple[str, ...]:
        return tuple(
            [spec.target for spec in self.input_specs if spec.kind is kind and spec.target is not None]
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the module's parameters."""
        return self._targets(InputKind.PARAMETER)

    @property
    def buffers(self) -> tuple[str, ...]:
        """The names of the module's buffers."""
        return self._targets(InputKind.BUFFER)

    @property
    def user_inputs(self) -> tuple[str, ...]:
        """The names of the tensors among the arguments."""
        return tuple([spec.arg.name for spec in self.input_specs if spec.kind is InputKind.USER_INPUT])

    @property
    def user_outputs(self) -> tuple[str, ...]:
        """The names of the tensors that are returned."""
        return tuple([spec.arg.name for spec in self.output_specs if spec.kind is OutputKind.USER_OUTPUT])

    @property
    def buffers_to_mutate(self) -> dict[str, str]:
        """Which outputs are new values of which buffers."""
        return {
            spec.arg.name: spec.target for spec in self.output_specs
            if spec.kind is OutputKind.BUFFER_MUTATION and spec.target is not None
        }  # fmt: skip
