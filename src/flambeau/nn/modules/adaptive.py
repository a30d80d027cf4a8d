"""AdaptiveLogSoftmaxWithLoss, a softmax over many classes in clusters by frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flambeau._core.declare import registry
from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import empty
from flambeau.nn import functional as F
from flambeau.nn.modules.container import ModuleList, Sequential
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """A log-softmax whose rare classes stand in clusters, which cost less: their vectors are shorter.

    Classes are numbered from the most frequent to the rarest.

    Args:
        in_features: size of the input's last dimension.
        n_classes: number of classes.
        cutoffs: where clusters begin, in increasing order; classes before the first one need none.
        div_value: each cluster's vectors are shorter than the last one's by this factor.
        head_bias: add a learned vector to the logits of the first classes and the clusters.
        device, dtype: of the parameters.

    Shape: input `(N, in_features)` or `(in_features)`, target `(N)` or `()`; returns
        `output` of the target's shape, the targets' log-probabilities, and `loss`, minus their mean.
    Raises: ValueError, if the cutoffs are out of order; RuntimeError, if shapes or targets do not fit.
    Source: Grave et al. 2016, arXiv:1609.04309.
    """

    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        whole = all(int(cutoff) == cutoff for cutoff in cutoffs)
        if not whole or cutoffs != sorted(set(cutoffs)) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)  # type: ignore[arg-type]
        self.tail = ModuleList()
        for cluster in range(self.n_clusters):
            shorter = int(in_features // div_value ** (cluster + 1))
            size = self.cutoffs[cluster + 1] - self.cutoffs[cluster]
            projection = Linear(in_features, shorter, bias=False, **made)  # type: ignore[arg-type]
            self.tail.append(Sequential(projection, Linear(shorter, size, bias=False, **made)))  # type: ignore[arg-type]

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for to_shorter, to_classes in self.tail:  # type: ignore[misc,attr-defined]
            to_shorter.reset_parameters()
            to_classes.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        if target_.dim() == 1:
            if input_.size(0) != target_.size(0):
                raise RuntimeError("Input and target should have the same size in the batch dimension.")
            if input_.dim() != 2:
                raise RuntimeError(
                    "1D target tensor expects 2D input tensors, but found inputs with size", input_.size()
                )
        elif target_.dim() == 0:
            if input_.dim() != 1:
                raise RuntimeError(
                    "0D target tensor expects 1D input tensors, but found inputs with size", input_.size()
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        self._check_targets(target)
        output = self._log_probabilities_of(input, target)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _check_targets(self, target: Tensor) -> None:
        if target.numel() and not bool(((target >= 0) & (target < self.n_classes)).all()):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )

    def _log_probabilities_of(self, input: Tensor, target: Tensor) -> Tensor:
        """Computes for each cluster only the rows whose targets are in it."""
        head = F.log_softmax(self.head(input), dim=1)
        output = empty(target.size(0), dtype=head.dtype, device=head.device)
        chosen = target.clone()
        for cluster in range(self.n_clusters):
            low, high = self.cutoffs[cluster], self.cutoffs[cluster + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            logits = self.tail[cluster](input.index_select(0, rows))
            within = (target.index_select(0, rows) - low).unsqueeze(1)
            output = output.index_copy(0, rows, F.log_softmax(logits, dim=1).gather(1, within).squeeze(1))
            # In the head, the cluster itself is what such a row chooses.
            chosen = chosen.index_fill(0, rows, self.shortlist_size + cluster)
        return output + head.gather(1, chosen.unsqueeze(1)).squeeze(1)

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """The log-probabilities of all classes, from the head's logits."""
        head = F.log_softmax(head_output, dim=1)
        parts = [head.narrow(1, 0, self.shortlist_size)]
        for cluster, tail in enumerate(self.tail):
            within = F.log_softmax(tail(input), dim=1)
            parts.append(within + head.narrow(1, self.shortlist_size + cluster, 1))
        joined: Tensor = registry["cat"](parts, 1)
        return joined

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, `(N, n_classes)`."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row; clusters are looked into only where they win."""
        head_output = self.head(input)
        output = head_output.argmax(dim=1)
        rare = output >= self.shortlist_size
        if not bool(rare.any()):
            return output
        rows = rare.nonzero().squeeze(1)
        full = self._get_full_log_prob(input.index_select(0, rows), head_output.index_select(0, rows))
        return output.index_copy(0, rows, full.argmax(dim=1))
