"""Sequences of different lengths: padded to one tensor, or packed step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from flambeau._core.declare import registry
from flambeau._core.tensor import Tensor
from flambeau._ops.construct import as_tensor, tensor
from flambeau._ops.factory import empty_like
from flambeau._ops.packing import places, rows_at, steps_there
from flambeau._ops.ranges import arange

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences step by step: first the first steps of all, then the second steps of those that have one...

    `pack_padded_sequence` and `pack_sequence` make them.

    Attributes:
        data: the steps, one row each.
        batch_sizes: how many sequences have a first step, a second, ...
        sorted_indices: the order, longest first, in which the sequences stand; None if it is their own.
        unsorted_indices: the way back.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, list | tuple) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created "
                "manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn. https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with `data.to(...)`; itself, if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        kwargs = {key: value for key, value in kwargs.items() if key not in ("device", "dtype")}
        indices = [
            None if each is None else each.to(data.device, **kwargs)
            for each in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *indices)

    def pin_memory(self) -> Self:
        """Itself: host memory needs no pinning."""
        return self

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return bool(self.data.is_pinned())

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to(self.data.cuda(*args, **kwargs).device)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to("cpu")

    def double(self) -> PackedSequence:
        return self.to(dtype=self.data.double().dtype)

    def float(self) -> PackedSequence:
        return self.to(dtype=self.data.float().dtype)

    def half(self) -> PackedSequence:
        return self.to(dtype=self.data.half().dtype)

    def long(self) -> PackedSequence:
        return self.to(dtype=self.data.long().dtype)

    def int(self) -> PackedSequence:
        return self.to(dtype=self.data.int().dtype)

    def short(self) -> PackedSequence:
        return self.to(dtype=self.data.short().dtype)

    def char(self) -> PackedSequence:
        return self.to(dtype=self.data.char().dtype)

    def byte(self) -> PackedSequence:
        return self.to(dtype=self.data.byte().dtype)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return bool(self.data.is_cuda)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one; None for None."""
    if permutation is None:
        return None
    inverse = empty_like(permutation)
    places = arange(permutation.numel(), device=permutation.device, dtype=permutation.dtype)
    return inverse.scatter_(0, permutation, places)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack sequences that were padded to one length.

    Args:
        input: `(T, B, *)`, or `(B, T, *)` if `batch_first`.
        lengths: how long each sequence is, at least 1.
        batch_first: see `input`.
        enforce_sorted: require the sequences to stand in order, longest first; else they are sorted.

    Raises: RuntimeError, if the lengths do not fit.
    """
    sizes: Tensor = as_tensor(lengths, device="cpu")
    if sizes.dim() != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {sizes.dim()}D cpu Long tensor"
        )
    sizes = sizes.long()
    sorted_indices = None
    if not enforce_sorted:
        sizes, sorted_indices = registry["sort"](sizes, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    steps = sizes.tolist()
    _check_lengths(steps, input)
    counts = (np.asarray(steps) > np.arange(steps[0])[:, None]).sum(1)
    there = steps_there(counts, input.size(0))
    to_padded, to_packed = places(there, input)
    data = rows_at(input.reshape(-1, *input.shape[2:]), to_packed, to_padded)
    return PackedSequence(data, tensor(counts), sorted_indices, None)


def _check_lengths(steps: list[int], input: Tensor) -> None:
    batch = input.size(1)
    if len(steps) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(steps)} (batch_size={batch})"
        )
    if min(steps) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(before < after for before, after in pairwise(steps)):
        error = RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
            "requirement if you do not need ONNX exportability."
        )
        error.add_note(f"The lengths are {steps}.")
        raise error
    if steps[0] > input.size(0):
        raise RuntimeError(
            f"Expected lengths of at most {input.size(0)}, the length that the sequences are padded to, "
            f"but got {steps[0]}"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undo `pack_padded_sequence`.

    Args:
        sequence: what was packed.
        batch_first: return `(B, T, *)` instead of `(T, B, *)`.
        padding_value: what stands after the ends.
        total_length: the padded length; by default that of the longest sequence.

    Returns: the padded sequences, and their lengths.
    Raises: ValueError, if `total_length` is less than a sequence.
    """
    counts = sequence.batch_sizes.tolist()
    longest = len(counts)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    padded_length = longest if total_length is None else total_length
    data = sequence.data
    there = steps_there(counts, padded_length)
    to_padded, to_packed = places(there, data)
    padded = rows_at(data, to_padded, to_packed).reshape(*there.shape, *data.shape[1:])
    if padding_value:
        ends = tensor(~there, device=data.device).reshape(*there.shape, *(1,) * (data.dim() - 1))
        padded = padded.masked_fill(ends, padding_value)
    lengths = tensor(there.sum(0))
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Pad sequences to the length of the longest and stack them.

    Args:
        sequences: tensors `(L, *)` that differ at most in their length `L`.
        batch_first: return `(B, T, *)` instead of `(T, B, *)`.
        padding_value: what is added.
        padding_side: "right" or "left".

    Raises: RuntimeError, if there are none or they do not fit.

    >>> nn.utils.rnn.pad_sequence([flambeau.ones(2), flambeau.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(sequence.size(0) for sequence in sequences)
    pad = registry["nn.functional.pad"]
    padded = []
    for sequence in sequences:
        missing = longest - sequence.size(0)
        ends = (0, missing) if padding_side == "right" else (missing, 0)
        amounts = (0, 0) * (sequence.dim() - 1) + ends
        padded.append(pad(sequence, amounts, value=padding_value) if missing else sequence)
    stacked: Tensor = registry["stack"](padded, 0 if batch_first else 1)
    return stacked


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Undo `pad_sequence`: cut each sequence to its length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [
        sequence[: int(length)] for sequence, length in zip(padded_sequences, lengths.tolist(), strict=True)
    ]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences.

    Args:
        sequences: tensors `(L, *)` that differ at most in their length `L`.
        enforce_sorted: require them to stand in order, longest first; else they are sorted.
    """
    lengths = tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
