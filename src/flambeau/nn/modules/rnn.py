"""Recurrent layers: RNN, LSTM and GRU over sequences, and their cells, which take one step."""

from __future__ import annotations

import math
import numbers
import warnings
import weakref
from collections.abc import Callable
from typing import Any, Self

from flambeau._core.declare import registry
from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import empty, zeros
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

# How many gates a mode has.
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    return tensor.index_select(dim, permutation)  # type: ignore[attr-defined]


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """Deprecated: `tensor.index_select(dim, permutation)`."""
    warnings.warn(
        "`apply_permutation` is deprecated, please use `tensor.index_select(dim, permutation)` instead",
        FutureWarning,
        stacklevel=2,
    )
    return _apply_permutation(tensor, permutation, dim)


def _draw(module: Module, hidden_size: int) -> None:
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: their parameters, and how those run over sequences.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        num_layers: how many layers, each reading what the one before gives.
        bias: add `bias_ih` and `bias_hh`.
        batch_first: take and return `(N, L, *)` instead of `(L, N, *)`. States are not concerned.
        dropout: in training, the probability of leaving out an element of a layer's output; not for the last layer.
        bidirectional: run a second set of weights from the end to the beginning; outputs are joined.
        proj_size: if not 0, the number of features to which the hidden state is projected (LSTM only).
        device, dtype: of the parameters.

    Raises: TypeError or ValueError for a size, probability or flag that makes no sense.
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._flat_weight_refs: list[weakref.ref[Tensor] | None] = []
        self._check_options(dropout)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self._all_weights = self._names()
        for layer in range(num_layers):
            for names in self._all_weights[layer * self._directions() : (layer + 1) * self._directions()]:
                for name in names:
                    shape = self._shape(name, layer)
                    setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self._init_flat_weights()
        self.reset_parameters()

    def _check_options(self, dropout: Any) -> None:
        if (
            not isinstance(dropout, numbers.Number)
            or not 0 <= dropout <= 1  # type: ignore[operator]
            or isinstance(dropout, bool)
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element "
                "being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:  # type: ignore[operator]
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
                f"expects num_layers greater than 1, but got dropout={dropout} and num_layers="
                f"{self.num_layers}",
                stacklevel=3,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")

    # -- parameters --------------------------------------------------------------------------------

    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _output_size(self) -> int:
        return self.proj_size if self.proj_size > 0 else self.hidden_size

    def _names(self) -> list[list[str]]:
        """The names of the parameters, for each layer and direction."""
        kinds = ["weight_ih", "weight_hh"]
        if self.bias:
            kinds += ["bias_ih", "bias_hh"]
        if self.proj_size > 0:
            kinds.append("weight_hr")
        return [
            [f"{kind}_l{layer}{suffix}" for kind in kinds]
            for layer in range(self.num_layers)
            for suffix in ("", "_reverse")[: self._directions()]
        ]

    def _shape(self, name: str, layer: int) -> tuple[int, ...]:
        gates = _GATES[self.mode] * self.hidden_size
        if name.startswith("weight_ih"):
            return (gates, self.input_size if layer == 0 else self._output_size() * self._directions())
        if name.startswith("weight_hh"):
            return (gates, self._output_size())
        if name.startswith("weight_hr"):
            return (self.proj_size, self.hidden_size)
        return (gates,)

    def _init_flat_weights(self) -> None:
        self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._flat_weight_refs = [None if w is None else weakref.ref(w) for w in self._flat_weights]
        self.flatten_parameters()

    def __setattr__(self, attr: str, value: Any) -> None:
        names = self.__dict__.get("_flat_weights_names")
        if names is not None and attr in names:
            self._flat_weights[names.index(attr)] = value
        super().__setattr__(attr, value)

    def flatten_parameters(self) -> None:
        """Nothing: PyTorch moves the parameters into one piece of memory for cuDNN, XLA needs no such thing."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._flat_weight_refs = []
        super()._apply(fn, recurse)
        # Its parameters may be others now.
        self._init_flat_weights()
        return self

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniformly within `1 / sqrt(hidden_size)`."""
        _draw(self, self.hidden_size)

    def _weights_have_changed(self) -> bool:
        for ref, name in zip(self._flat_weight_refs, self._flat_weights_names, strict=True):
            weight = getattr(self, name, None)
            if weight is not None and ref is not None and ref() is not weight:
                return True
        return False

    def _update_flat_weights(self) -> None:
        if self._weights_have_changed():
            self._init_flat_weights()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    # -- copying and pickling ----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        self._update_flat_weights()
        state = super().__getstate__()
        del state["_flat_weight_refs"]
        return state

    def __setstate__(self, d: dict[str, Any]) -> None:
        super().__setstate__(d)
        if "all_weights" in d:
            self._all_weights = d["all_weights"]
        if "proj_size" not in d:
            self.proj_size = 0
        if not isinstance(self._all_weights[0][0], str):
            # Files from before 0.4 hold the parameters themselves where the names are now.
            self._all_weights = self._names()
            self.__dict__["_flat_weights_names"] = [name for names in self._all_weights for name in names]
            self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._flat_weight_refs = [None if w is None else weakref.ref(w) for w in self._flat_weights]

    def _replicate_for_data_parallel(self) -> Self:
        replica = super()._replicate_for_data_parallel()
        replica._flat_weights = replica._flat_weights[:]
        replica._flat_weights_names = replica._flat_weights_names[:]
        return replica

    # -- what is refused ---------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises: ValueError for another dtype than the weights', RuntimeError for another size."""
        dtype = self._flat_weights[0].dtype  # type: ignore[union-attr]
        if input.dtype != dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert input: "
                f"input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.size(-1)}"
            )

    def _expected_state(
        self, input: Tensor, batch_sizes: Tensor | None, features: int
    ) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0) if self.batch_first else input.size(1)
        return self.num_layers * self._directions(), batch, features

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The size of the hidden states for this input."""
        return self._expected_state(input, batch_sizes, self._output_size())

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raises: RuntimeError, if `hx` is of another size."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raises: ValueError or RuntimeError, if input and states do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def _check_dims(self, hx: Any, dims: int) -> None:
        """Raises: RuntimeError for states that are batched where the input is not, or the other way round."""
        if hx.dim() != dims:
            kind = "batched" if dims == 3 else "unbatched"
            raise RuntimeError(
                f"For {kind} {dims}-D input, hx should also be {dims}-D but got {hx.dim()}-D tensor"
            )

    # -- running -----------------------------------------------------------------------------------

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states with the sequences in another order."""
        return hx if permutation is None else _apply_permutation(hx, permutation)

    def _zeros(self, input: Tensor, batch: int) -> Any:
        sizes = (self.num_layers * self._directions(), batch, self.hidden_size)
        return zeros(sizes, dtype=input.dtype, device=input.device)

    def _unsqueezed(self, hx: Any) -> Any:
        return hx.unsqueeze(1)

    def _squeezed(self, hidden: Any) -> Any:
        return hidden.squeeze(1)

    def _run(self, input: Tensor, hx: Any, *batch: Any) -> tuple[Tensor, Any]:
        """The output and the last states; `batch` is `(batch_sizes,)` for packed data."""
        layout = () if batch else (self.batch_first,)
        output, *hidden = registry[self.mode.lower()](
            input, *batch, hx, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional, *layout,
        )  # fmt: skip
        return output, tuple(hidden) if len(hidden) > 1 else hidden[0]

    def _run_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data, batch_sizes, order, way_back = input
        if hx is None:
            hx = self._zeros(data, int(batch_sizes[0]))
        else:
            hx = self.permute_hidden(hx, order)
        if self.mode != "LSTM":  # as in PyTorch
            self.check_forward_args(data, hx, batch_sizes)
        output, hidden = self._run(data, hx, batch_sizes)
        packed = PackedSequence(output, batch_sizes, order, way_back)
        return packed, self.permute_hidden(hidden, way_back)

    def _run_padded(self, input: Tensor, hx: Any) -> tuple[Tensor, Any]:
        dims = input.dim()
        if dims not in (2, 3):
            kind = self.mode.partition("_")[0]
            raise ValueError(f"{kind}: Expected input to be 2D or 3D, got {dims}D instead")
        batch_dim = 0 if self.batch_first else 1
        if hx is not None:
            self._check_dims(hx, dims)
        if dims == 2:
            input = input.unsqueeze(batch_dim)  # type: ignore[attr-defined]
            hx = None if hx is None else self._unsqueezed(hx)
        if hx is None:
            hx = self._zeros(input, input.size(batch_dim))
        self.check_forward_args(input, hx, None)
        output, hidden = self._run(input, hx)
        if dims == 2:
            return output.squeeze(batch_dim), self._squeezed(hidden)  # type: ignore[attr-defined]
        return output, hidden

    def _forward(self, input: Any, hx: Any) -> tuple[Any, Any]:
        self._update_flat_weights()
        if isinstance(input, PackedSequence):
            return self._run_packed(input, hx)
        return self._run_padded(input, hx)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False
        }  # fmt: skip
        for name, value in usual.items():
            own = getattr(self, name)
            if own is not value if isinstance(value, bool) else own != value:
                parts.append(f"{name}={own}")
        return ", ".join(parts)


class RNN(RNNBase):
    """Elman's network: `h = tanh(W_ih x + b_ih + W_hh h + b_hh)` at each step.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        num_layers: how many layers, each reading what the one before gives.
        nonlinearity: "tanh" or "relu".
        bias: add `bias_ih` and `bias_hh`.
        batch_first: take and return `(N, L, *)` instead of `(L, N, *)`. States are not concerned.
        dropout: in training, the probability of leaving out an element of a layer's output; not for the last layer.
        bidirectional: run a second set of weights from the end to the beginning; outputs are joined.
        device, dtype: of the parameters.

    Shape: input `(L, N, input_size)`, `(L, input_size)` or a PackedSequence; hx `(layers * directions, N,
        hidden_size)`, by default zeros. Output like the input, with `directions * hidden_size` features; and the
        last states, like hx.
    Raises: ValueError or RuntimeError, if options or sizes make no sense.
    Source: Elman 1990.

    >>> output, hidden = nn.RNN(10, 20, 2)(flambeau.zeros(5, 3, 10))
    >>> tuple(output.shape), tuple(hidden.shape)
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._forward(input, hx)


class LSTM(RNNBase):
    """Long short-term memory: gates decide what a cell takes in, forgets and shows.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        num_layers: how many layers, each reading what the one before gives.
        bias: add `bias_ih` and `bias_hh`.
        batch_first: take and return `(N, L, *)` instead of `(L, N, *)`. States are not concerned.
        dropout: in training, the probability of leaving out an element of a layer's output; not for the last layer.
        bidirectional: run a second set of weights from the end to the beginning; outputs are joined.
        proj_size: if not 0, the number of features to which the hidden state is projected.
        device, dtype: of the parameters.

    Shape: input `(L, N, input_size)`, `(L, input_size)` or a PackedSequence; hx two tensors, `(layers *
        directions, N, proj_size or hidden_size)` and `(layers * directions, N, hidden_size)`, by default zeros.
        Output like the input, with `directions * (proj_size or hidden_size)` features; and the last states, like hx.
    Raises: ValueError or RuntimeError, if options or sizes make no sense.
    Source: Hochreiter and Schmidhuber 1997; proj_size: Sak et al. 2014, arXiv:1402.1128.

    >>> output, (hidden, cell) = nn.LSTM(10, 20, 2)(flambeau.zeros(5, 3, 10))
    >>> tuple(output.shape), tuple(cell.shape)
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The size of the cell states for this input."""
        return self._expected_state(input, batch_sizes, self.hidden_size)

    def check_forward_args(
        self, input: Tensor, hidden: tuple[Tensor, Tensor], batch_sizes: Tensor | None
    ) -> None:
        """Raises: ValueError or RuntimeError, if input and states do not fit."""
        self.check_input(input, batch_sizes)
        expected = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        for number in (0, 1):
            words = f"Expected hidden[{number}] size {{}}, got {{}}"
            self.check_hidden_size(hidden[number], expected[number], words)

    def _check_dims(self, hx: Any, dims: int) -> None:
        if hx[0].dim() != dims or hx[1].dim() != dims:
            kind = "batched" if dims == 3 else "unbatched"
            raise RuntimeError(
                f"For {kind} {dims}-D input, hx and cx should also be {dims}-D but got ({hx[0].dim()}-D, "
                f"{hx[1].dim()}-D) tensors"
            )

    def permute_hidden(self, hx: tuple[Tensor, Tensor], permutation: Tensor | None) -> Any:
        """The states with the sequences in another order."""
        if permutation is None:
            return hx
        return _apply_permutation(hx[0], permutation), _apply_permutation(hx[1], permutation)

    def _zeros(self, input: Tensor, batch: int) -> Any:
        count = self.num_layers * self._directions()
        made: dict[str, Any] = {"dtype": input.dtype, "device": input.device}
        return zeros((count, batch, self._output_size()), **made), zeros(
            (count, batch, self.hidden_size), **made
        )

    def _unsqueezed(self, hx: Any) -> Any:
        return hx[0].unsqueeze(1), hx[1].unsqueeze(1)

    def _squeezed(self, hidden: Any) -> Any:
        return hidden[0].squeeze(1), hidden[1].squeeze(1)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        return self._forward(input, hx)


class GRU(RNNBase):
    """Gated recurrent units: one gate resets the state's share in the new one, one decides how much of it stays.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        num_layers: how many layers, each reading what the one before gives.
        bias: add `bias_ih` and `bias_hh`.
        batch_first: take and return `(N, L, *)` instead of `(L, N, *)`. States are not concerned.
        dropout: in training, the probability of leaving out an element of a layer's output; not for the last layer.
        bidirectional: run a second set of weights from the end to the beginning; outputs are joined.
        device, dtype: of the parameters.

    Shape: as for `RNN`.
    Raises: ValueError or RuntimeError, if options or sizes make no sense.
    Source: Cho et al. 2014, arXiv:1406.1078.

    >>> output, hidden = nn.GRU(10, 20, bidirectional=True)(flambeau.zeros(5, 3, 10))
    >>> tuple(output.shape), tuple(hidden.shape)
    ((5, 3, 40), (2, 3, 20))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._forward(input, hx)


# -- cells -----------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What RNNCell, LSTMCell and GRUCell share: their parameters.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: add `bias_ih` and `bias_hh`.
        num_chunks: number of gates.
        device, dtype: of the parameters.
    """

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Tensor
    weight_hh: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(empty((gates, input_size), **made))
        self.weight_hh = Parameter(empty((gates, hidden_size), **made))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(gates, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniformly within `1 / sqrt(hidden_size)`."""
        _draw(self, self.hidden_size)

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _check_dims(self, tensor: Tensor, name: str) -> None:
        if tensor.dim() not in (1, 2):
            kind = next(each.__name__ for each in type(self).__mro__ if each.__module__ == __name__)
            raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {tensor.dim()}D instead")

    def _step(self, function: str, input: Any, hx: Any) -> Any:
        """One step of a cell with one state."""
        self._check_dims(input, "input")
        if hx is not None:
            self._check_dims(hx, "hidden")
        is_batched = input.dim() == 2
        if not is_batched:
            input = input.unsqueeze(0)
        if hx is None:
            hx = zeros((input.size(0), self.hidden_size), dtype=input.dtype, device=input.device)
        elif not is_batched:
            hx = hx.unsqueeze(0)
        found = registry[function](input, hx, *self._weights())
        return found if is_batched else found.squeeze(0)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.__dict__.get("bias", True) is not True:
            parts.append(f"bias={self.bias}")
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.__dict__['nonlinearity']}")
        return ", ".join(parts)


class RNNCell(RNNCellBase):
    """One step of Elman's network: `tanh(W_ih x + b_ih + W_hh h + b_hh)`.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: add `bias_ih` and `bias_hh`.
        nonlinearity: "tanh" or "relu".
        device, dtype: of the parameters.

    Shape: input `(N, input_size)` or `(input_size)`; hx `(N, hidden_size)` or `(hidden_size)`, by default
        zeros; output like hx.
    Raises: ValueError or RuntimeError, if sizes do not fit.
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(f"rnn_{self.nonlinearity}_cell", input, hx)


class LSTMCell(RNNCellBase):
    """One step of an LSTM.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: add `bias_ih` and `bias_hh`.
        device, dtype: of the parameters.

    Shape: input `(N, input_size)` or `(input_size)`; hx two tensors `(N, hidden_size)` or `(hidden_size)`, by
        default zeros; output the next two.
    Raises: ValueError or RuntimeError, if sizes do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        self._check_dims(input, "input")
        for number, state in enumerate(() if hx is None else hx):
            self._check_dims(state, f"hx[{number}]")
        is_batched = input.dim() == 2
        if not is_batched:
            input = input.unsqueeze(0)
        states: Any = hx
        if hx is None:
            empty_state = zeros((input.size(0), self.hidden_size), dtype=input.dtype, device=input.device)
            states = (empty_state, empty_state)
        elif not is_batched:
            states = tuple(state.unsqueeze(0) for state in states)
        hidden, cell = registry["lstm_cell"](input, states, *self._weights())
        return (hidden, cell) if is_batched else (hidden.squeeze(0), cell.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: add `bias_ih` and `bias_hh`.
        device, dtype: of the parameters.

    Shape: as for `RNNCell`.
    Raises: ValueError or RuntimeError, if sizes do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("gru_cell", input, hx)
