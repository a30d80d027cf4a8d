"""`torch.lstm` and its kin: layers on layers, in one direction or both, over padded or packed sequences; and single steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import registry
from flambeau._core.dispatch import constant, function
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.matmul import cannot_multiply
from flambeau._ops.packing import places, rows_at, steps_there
from flambeau._ops.recurrent import gru_layer, lstm_layer, rnn_layer

# -- packed sequences ------------------------------------------------------------------------------


def _length_to_run(steps: int) -> int:
    """The steps rounded up by at most an eighth, so that batches of many lengths share few programs."""
    unit = 1 << max(steps.bit_length() - 4, 0)
    return -(-steps // unit) * unit


@dataclass
class _Packing:
    """Where the steps of packed sequences are when the sequences lie side by side, padded."""

    total: int  # of all lengths
    padded_shape: tuple[int, int]
    lengths: Tensor | None  # None: all sequences have all steps
    to_padded: Tensor | None = None  # for each padded step its row in the packed data, or -1
    to_packed: Tensor | None = None  # the other way

    @classmethod
    def of(cls, data: Tensor, batch_sizes: Tensor) -> _Packing:
        counts = np.asarray(batch_sizes.tolist(), np.int64)
        if not counts.size or counts[0] <= 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        if (np.diff(counts) > 0).any():
            at = int(np.argmax(np.diff(counts) > 0))
            raise RuntimeError(
                f"The size of tensor a ({counts[at + 1]}) must match the size of tensor b ({counts[at]}) at non-singleton "
                "dimension 0: batch_sizes must not grow from one step to the next"
            )
        starts, total = np.cumsum(counts) - counts, int(counts.sum())
        if total > data.shape[0]:
            at = int(np.argmax(starts + counts > data.shape[0]))
            raise RuntimeError(
                f"start ({starts[at]}) + length ({counts[at]}) exceeds dimension size ({data.shape[0]})."
            )
        batch = int(counts[0])
        if (counts == batch).all():
            return cls(total, (len(counts), batch), None)
        steps = _length_to_run(len(counts))
        there = steps_there(counts, steps)
        to_padded, to_packed = places(there, data)
        lengths = constant(there.sum(0), dtypes.int64, data._meta)
        return cls(total, (steps, batch), lengths, to_padded, to_packed)

    def pad(self, data: Any) -> Tensor:
        if data.shape[0] > self.total:  # more than batch_sizes tells of does not count
            data = data.narrow(0, 0, self.total)
        padded: Any = data if self.to_padded is None else rows_at(data, self.to_padded, self.to_packed)
        return padded.reshape(*self.padded_shape, *data.shape[1:])

    def pack(self, padded: Any) -> Tensor:
        data = padded.reshape(-1, *padded.shape[2:])
        return data if self.to_packed is None else rows_at(data, self.to_packed, self.to_padded)


# -- layers ----------------------------------------------------------------------------------------

# layer(input, states, weights, lengths, reverse) -> output, states
_Layer = Callable[
    [Tensor, Sequence[Tensor], Sequence[Tensor | None], Tensor | None, bool],
    tuple[Tensor, tuple[Tensor, ...]],
]


def _lstm(input: Any, states: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
    output, hy, cy, *_ = lstm_layer(input, *states, *weights, lengths, reverse)
    return output, (hy, cy)


def _gru(input: Any, states: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
    output, hy, *_ = gru_layer(input, *states, *weights[:4], lengths, reverse)
    return output, (hy,)


def _rnn_tanh(input: Any, states: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
    output, hy = rnn_layer(input, *states, *weights[:4], lengths, reverse, "tanh")
    return output, (hy,)


def _rnn_relu(input: Any, states: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
    output, hy = rnn_layer(input, *states, *weights[:4], lengths, reverse, "relu")
    return output, (hy,)


def _weights(params: Sequence[Tensor], has_biases: bool, has_projection: bool) -> list[list[Tensor | None]]:
    """For each layer and direction `[w_ih, w_hh, b_ih, b_hh, w_hr]`, None for what it lacks.

    Raises: RuntimeError, if the parameters are too few or too many for that.
    """
    count = 2 + 2 * has_biases + has_projection
    if len(params) % count:
        raise RuntimeError("got an incorrect number of RNN parameters")
    groups = []
    for start in range(0, len(params), count):
        group: list[Tensor | None] = list(params[start : start + count])
        if not has_biases:
            group[2:2] = [None, None]
        groups.append(group if has_projection else [*group, None])
    return groups


def _stacked(
    layer: _Layer,
    input: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    packing: _Packing | None,
) -> tuple[Tensor, ...]:
    """Layers on layers over `(T, B, *)`, or over packed rows; the output, and the last states of all layers."""
    has_projection = len(states) > 1 and states[0].shape[2] != states[1].shape[2]
    weights = _weights(params, has_biases, has_projection)
    directions = 2 if bidirectional else 1
    if bidirectional and (len(weights) % 2 or states[0].shape[0] % 2):
        raise RuntimeError("Odd number of params or hiddens given to a bidirectional RNN")
    if states[0].shape[0] != num_layers * directions:
        raise RuntimeError("Expected more hidden states in stacked_rnn")
    if len(weights) != num_layers * directions:
        raise RuntimeError("Expected more weights in stacked_rnn")
    starts = [state.unbind(0) for state in states]  # type: ignore[attr-defined]
    ends: list[tuple[Tensor, ...]] = []
    lengths = None
    if packing is not None:
        w_ih: Any = weights[0][0]
        if input.shape[1] != w_ih.shape[1]:
            raise cannot_multiply(tuple(input.shape), w_ih.shape[::-1])
        input, lengths = packing.pad(input), packing.lengths
    for number in range(num_layers):
        outputs = []
        for place in range(number * directions, (number + 1) * directions):
            start = [state[place] for state in starts]
            output, end = layer(input, start, weights[place], lengths, place % directions == 1)
            outputs.append(output)
            ends.append(end)
        input = outputs[0] if directions == 1 else registry["cat"](outputs, -1)
        if dropout and train and number < num_layers - 1:
            input = _dropped(input, dropout, packing)
    if packing is not None:
        input = packing.pack(input)
    return (input, *[registry["stack"](each, 0) for each in zip(*ends, strict=True)])


def _dropped(output: Tensor, dropout: float, packing: _Packing | None) -> Tensor:
    """Dropout between layers. Its numbers are drawn for the packed rows, as PyTorch does."""
    if packing is None:
        return registry["dropout"](output, dropout, True)
    return packing.pad(registry["dropout"](packing.pack(output), dropout, True))


# -- torch.lstm and its kin ------------------------------------------------------------------------

_OPTIONS = ("has_biases", "num_layers", "dropout", "train", "bidirectional")
_PADDED = ("input", "hx", "params", *_OPTIONS, "batch_first")
_PACKED = ("data", "batch_sizes", "hx", "params", *_OPTIONS)
_KINDS = {
    **dict.fromkeys(("data", "batch_sizes", "input"), "Tensor"),
    **dict.fromkeys(("has_biases", "train", "bidirectional", "batch_first"), "bool"),
    "params": "tuple of Tensors",
    "num_layers": "int",
    "dropout": "float",
}


def _invalid(name: str, states: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    got = [type(each).__name__ for each in args] + [
        f"{key}={type(each).__name__}" for key, each in kwargs.items()
    ]
    forms = [", ".join(f"{_KINDS.get(each, states)} {each}" for each in form) for form in (_PACKED, _PADDED)]
    return TypeError(
        f"{name}() received an invalid combination of arguments - got ({', '.join(got)}), but expected one of:\n"
        f" * ({forms[0]})\n * ({forms[1]})\n"
    )


def _declare(name: str, layer: _Layer, states_are_two: bool, doc: str) -> None:
    """Declares `torch.name`, which takes padded or packed sequences."""

    def run(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        # Either form has nine arguments; the third ones differ: all parameters, or the states.
        third = args[2] if len(args) > 2 else kwargs.get("params")
        packed = (
            "batch_sizes" in kwargs
            or isinstance(third, Tensor)
            or (states_are_two and len(args) > 1 and isinstance(args[1], Tensor))
        )
        form = _PACKED if packed else _PADDED
        given = dict(zip(form, args, strict=False)) | kwargs
        if len(args) + len(kwargs) != len(form) or set(given) != set(form):
            raise _invalid(name, "tuple of Tensors" if states_are_two else "Tensor", args, kwargs)
        input, hx, params = given["data" if packed else "input"], given["hx"], given["params"]
        states = tuple(hx) if states_are_two else (hx,)
        if states_are_two and len(states) != 2:
            raise RuntimeError(f"{name} expects two hidden states")
        packing = _Packing.of(input, given["batch_sizes"]) if packed else None
        batch_first = given.get("batch_first", False)
        if batch_first:
            input = input.transpose(0, 1)
        options = {option: given[option] for option in _OPTIONS}
        output, *ends = _stacked(layer, input, states, params, packing=packing, **options)
        return (output.transpose(0, 1) if batch_first else output, *ends)  # type: ignore[attr-defined]

    run.__name__ = run.__qualname__ = name
    run.__doc__ = doc
    function(name)(run)


_DOC = (
    "Layers of {} over sequences.\n\n"
    "    `{name}(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`, or\n"
    "    `{name}(data, batch_sizes, hx, params, ...)` for packed ones, without `batch_first`.\n\n"
    "    Returns: the last layer's hidden states, and each layer's last {}.\n"
)
_declare("lstm", _lstm, True, _DOC.format("LSTM", "hidden and cell state", name="lstm"))
_declare("gru", _gru, False, _DOC.format("GRU", "hidden state", name="gru"))
_declare(
    "rnn_tanh", _rnn_tanh, False, _DOC.format("Elman's network with tanh", "hidden state", name="rnn_tanh")
)
_declare(
    "rnn_relu", _rnn_relu, False, _DOC.format("Elman's network with ReLU", "hidden state", name="rnn_relu")
)


# -- single steps ----------------------------------------------------------------------------------


def _check_step(
    input: Meta,
    states: Sequence[Meta],
    weights: Sequence[Any],
    gates: int,
) -> None:
    """Refuses a step whose sizes do not fit.

    Raises: RuntimeError, or IndexError for tensors of one dimension.
    """
    w_ih, w_hh = weights[0]._meta, weights[1]._meta
    for meta in (input, w_ih, *states, w_hh):
        if meta.ndim < 2:
            raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}"
        )
    size = w_hh.shape[1]
    for number, state in enumerate(states):
        if state.shape[0] != input.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{number} batch size {state.shape[0]}"
            )
        if state.shape[1] != size:
            raise RuntimeError(
                f"hidden{number} has inconsistent hidden_size: got {state.shape[1]}, expected {size}"
            )
    for name, weight in (("weight_ih", w_ih), ("weight_hh", w_hh)):
        if weight.shape[0] != gates * size:
            raise RuntimeError(
                f"{name} first dim must be {gates} * hidden_size = {gates * size}, but got {weight.shape[0]}"
            )
    for bias in weights[2:]:
        if bias is not None and tuple(bias.shape) != (gates * size,):
            raise RuntimeError(
                f"The expanded size of the tensor ({gates * size}) must match the existing size ({bias.shape[-1]}) at "
                f"non-singleton dimension 1.  Target sizes: {[input.shape[0], gates * size]}.  Tensor sizes: "
                f"{list(bias.shape)}"
            )


def _step(
    layer: _Layer, input: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor | None], gates: int
) -> tuple[Tensor, ...]:
    metas = [state._meta for state in states]
    _check_step(input._meta, metas, weights, gates)
    return layer(input.unsqueeze(0), states, [*weights, None], None, False)[1]  # type: ignore[attr-defined]


@function("lstm_cell")
def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """One step of an LSTM: the next hidden and cell state.

    Shape: input `(N, I)`; hx twice `(N, H)`; w_ih `(4 * H, I)`; w_hh `(4 * H, H)`; biases `(4 * H)`.
    Raises: RuntimeError, if the sizes do not fit.
    """
    if isinstance(hx, Tensor):
        raise TypeError("lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor")
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    return _step(_lstm, input, hx, (w_ih, w_hh, b_ih, b_hh), 4)


@function("gru_cell")
def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a GRU: the next hidden state.

    Shape: input `(N, I)`; hx `(N, H)`; w_ih `(3 * H, I)`; w_hh `(3 * H, H)`; biases `(3 * H)`.
    Raises: RuntimeError, if the sizes do not fit.
    """
    return _step(_gru, input, (hx,), (w_ih, w_hh, b_ih, b_hh), 3)[0]


@function("rnn_tanh_cell")
def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of Elman's network: `tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)`.

    Shape: input `(N, I)`; hx `(N, H)`; w_ih `(H, I)`; w_hh `(H, H)`; biases `(H)`.
    Raises: RuntimeError, if the sizes do not fit.
    """
    return _step(_rnn_tanh, input, (hx,), (w_ih, w_hh, b_ih, b_hh), 1)[0]


@function("rnn_relu_cell")
def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """`rnn_tanh_cell` with ReLU in place of tanh."""
    return _step(_rnn_relu, input, (hx,), (w_ih, w_hh, b_ih, b_hh), 1)[0]
