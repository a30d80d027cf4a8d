"""Runs PyTorch's operator samples through function transforms: `make conformance-vmap`.

    PYTHONPATH=tests:../shared/conformance python tests/transformed_ops.py --impl flambeau --out vmap.jsonl --list-failing
    ... --ops 'linalg.*' --batch 17 --max-samples 5

Kinds of checks, each against PyTorch:

* `vmap`: `vmap(f)` of a batch whose elements differ, against a loop of PyTorch's f over it; all tensors have the batch;
* `shared`: the same where only the first tensor has it (`in_dims` 0 and None), and the batch is the last dimension;
* `inplace`: `vmap` of the in-place form, what it returns and what it leaves in the batch, against PyTorch's `vmap` of it;
* `grad`: the gradients of the batch through `vmap(f)`, against those of the loop;
* `jvp`: `func.jvp(f)`, against `torch.func.jvp`.

What PyTorch's own `vmap` or `jvp` refuses may be refused here too: it counts as passing, and is told at the end.
A batch of 17 is above the size up to which NumPy runs an operation once for each element.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import harness
import numpy as np
import ops
import torch
import torch.func
from harness import REFERENCE, Untranslatable, attempt
from torch.testing._internal.common_methods_invocations import op_db

KINDS = ("vmap", "shared", "inplace", "grad", "jvp")
# Their results are no tensors, or of a type that has no values here.
WITHOUT_BATCH = ("equal", "allclose", "item", "tolist", "chalf")
# Their derivative is that of a symmetric matrix, and so wants symmetric directions.
SYMMETRIC = ("*cholesky*", "linalg.eigh", "linalg.eigvalsh", "linalg.ldl*")


class Sample:
    """The tensors of one sample, and the call of an operator on others in their places."""

    def __init__(self, op: Any, sample: Any) -> None:
        self.op, self.sample = op, sample
        self.tensors = list({id(t): t for t in harness.tensors_in(self._tree(), REFERENCE)}.values())

    def _tree(self) -> Any:
        return [self.sample.input, self.sample.args, self.sample.kwargs]

    def call(self, library: Any, function: Callable[..., Any], tensors: Sequence[Any]) -> list[Any]:
        """The tensors that the operator gives for these."""
        memo = {id(old): new for old, new in zip(self.tensors, tensors, strict=True)}
        sample = self.sample
        first, args, kwargs = library.convert((sample.input, sample.args, sample.kwargs), memo)
        output = ops.callable_in(library, self.op.name, function)(first, *args, **kwargs)
        return harness.tensors_in(library.convert(sample.output_process_fn_grad)(output), library)


def element(tensor: torch.Tensor, number: int) -> torch.Tensor:
    """What stands in the place of a tensor in one element of the batch: the same shape, and other floats that are as valid."""
    tensor = tensor.detach()
    if tensor.is_floating_point() or tensor.is_complex():
        return tensor * (1 - number % 5 / 8)
    return tensor.clone()


class TransformChecks(ops.OpChecks):
    def __init__(
        self, candidate: Any, report: Any, max_samples: int, seconds: float, kinds: Sequence[str], size: int
    ) -> None:
        super().__init__(candidate, report, max_samples, seconds)
        self.kinds, self.size = kinds, size
        self.refused: dict[str, set[str]] = {}

    def run(self, op: Any, dtypes: Sequence[torch.dtype]) -> None:
        for dtype in dtypes:
            if dtype in op.supported_dtypes("cpu"):
                try:
                    self.check_dtype(op, dtype)
                except Untranslatable as exception:
                    self.report.skip(op.name, f"unmapped ({exception})")

    def check_dtype(self, op: Any, dtype: torch.dtype) -> None:
        has_grad = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        outcome = attempt(lambda: self.samples(op, dtype, has_grad), 120)
        if outcome.exception is not None:
            self.report.skip(op.name, f"no sample inputs for {dtype}: {outcome.message}")
            return
        for number, sample in enumerate(outcome.value):
            case = dict(variant=op.variant_test_name, dtype=harness.dtype_name(dtype), sample=number)
            taken = Sample(op, sample)
            if not taken.tensors:
                continue
            for kind in self.kinds:
                if kind in ("grad", "jvp") and not has_grad:
                    continue
                if kind == "inplace" and not op.inplace_variant:
                    continue
                self.check(kind, taken, case)

    def check(self, kind: str, sample: Sample, case: dict[str, Any]) -> None:
        op = sample.op
        function = op.inplace_variant if kind == "inplace" else op.op
        method = {"jvp": self.jvp, "grad": self.grad}.get(kind, self.vmap)
        run = functools.partial(method, kind=kind, sample=sample, function=function)
        expected = attempt(lambda: run(REFERENCE, loop=kind != "inplace"), 60)
        if expected.exception is not None:
            self.report.not_counted[f"PyTorch raises {type(expected.exception).__name__} in {kind}"] += 1
            return
        if not expected.value:
            return
        actual = attempt(lambda: run(self.candidate, loop=False), self.seconds)
        if isinstance(actual.exception, Untranslatable):
            self.report.not_counted[f"{op.name}: {actual.exception}"] += 1
            return
        if actual.exception is not None and kind != "jvp":
            theirs = attempt(lambda: run(REFERENCE, loop=False), 60)
            if theirs.exception is not None:
                self.refused.setdefault(f"{type(actual.exception).__name__}", set()).add(op.name)
                self.report.add(op.name, kind, harness.PASS, "refused as by PyTorch", **case)
                return
        tolerance = ops.tolerance_for(op, "grad" if kind in ("grad", "jvp") else "function")
        self.report.add_comparison(op.name, kind, expected.value, actual, tolerance, **case)

    def batch(self, library: Any, sample: Sample, requires_grad: bool = False) -> list[list[Any]]:
        """For each tensor of the sample its elements."""
        return [
            [
                library.convert(element(t, i)).requires_grad_(requires_grad and t.requires_grad)
                for i in range(self.size)
            ]
            for t in sample.tensors
        ]

    def vmap(self, library: Any, loop: bool, kind: str, sample: Sample, function: Callable[..., Any]) -> Any:
        """A snapshot of what each element gives."""
        columns = self.batch(library, sample)
        many = 1 if kind == "shared" else len(columns)
        canonical = ops.canonical_form(sample.op, sample.sample)

        def written(rows: Sequence[Sequence[Any]]) -> Any:
            return [row[0] for row in rows] if kind == "inplace" else []

        harness.seed_all()
        if loop:
            rows = [
                [*[column[i] for column in columns[:many]], *[column[0] for column in columns[many:]]]
                for i in range(self.size)
            ]
            found = [sample.call(library, function, row) for row in rows]
            return self.snapshots(library, canonical, found, written(rows))
        stack = library.resolve("stack")
        place = -1 if kind == "shared" else 0
        stacked = [stack(column, place) for column in columns[:many]]
        rest = [column[0] for column in columns[many:]]
        mapped = library.resolve("vmap")(
            lambda *tensors: tuple(sample.call(library, function, [*tensors, *rest])),
            in_dims=place, out_dims=place, randomness="different",
        )(*stacked)  # fmt: skip
        found = list(zip(*[output.unbind(place) for output in mapped], strict=True))
        return self.snapshots(
            library, canonical, found, written(list(zip(*[s.unbind(0) for s in stacked[:1]], strict=True)))
        )

    def snapshots(self, library: Any, canonical: Any, found: Any, written: Any) -> Any:
        if not found or not found[0]:
            return []
        seen = []
        for outputs in found:
            outputs = harness.snapshot(list(outputs), library)
            seen.append(canonical(outputs if len(outputs) > 1 else outputs[0]))
        return [seen, canonical(harness.snapshot(written, library))] if written else [seen]

    def grad(self, library: Any, loop: bool, kind: str, sample: Sample, function: Callable[..., Any]) -> Any:
        """A snapshot of the gradients of all elements of the tensors."""
        columns = self.batch(library, sample, requires_grad=True)
        leaves = [leaf for column in columns for leaf in column if leaf.requires_grad]
        if not leaves:
            return []
        harness.seed_all()
        if loop:
            rows = [sample.call(library, function, row) for row in zip(*columns, strict=True)]
            outputs = [library.resolve("stack")(column) for column in zip(*rows, strict=True)]
        else:
            stacked = [library.resolve("stack")(column) for column in columns]
            outputs = library.resolve("vmap")(
                lambda *tensors: tuple(sample.call(library, function, tensors)), randomness="different"
            )(*stacked)
        wanted = [i for i, output in enumerate(outputs) if output.requires_grad]
        if not wanted:
            return []
        found = harness.gradients(library, list(outputs), leaves, wanted)
        hidden = ops.canonical_form(sample.op, sample.sample) is harness.without_values
        return [wanted, harness.without_values(found) if hidden else found]

    def jvp(self, library: Any, loop: bool, kind: str, sample: Sample, function: Callable[..., Any]) -> Any:
        """A snapshot of the outputs and of their changes along fixed directions."""
        places = [i for i, t in enumerate(sample.tensors) if t.requires_grad]
        if not places:
            return []
        tensors = [library.convert(element(t, 0)) for t in sample.tensors]
        noise = np.random.default_rng(0)
        tangents = []
        for i in places:
            values = noise.standard_normal(tuple(tensors[i].shape))
            if tensors[i].is_complex():
                values = values + 1j * noise.standard_normal(tuple(tensors[i].shape))
            name = harness.dtype_name(tensors[i].dtype)
            if harness.selected(sample.op.name, SYMMETRIC) and values.ndim > 1:
                values = values + np.conj(np.swapaxes(values, -1, -2))
            tangents.append(library.from_numpy(values.astype(harness.to_numpy(tensors[i]).dtype), name))

        def given(*primals: Any) -> tuple[Any, ...]:
            filled = list(tensors)
            for i, primal in zip(places, primals, strict=True):
                filled[i] = primal
            outputs = sample.call(library, function, filled)
            return tuple([output for output in outputs if output.is_floating_point() or output.is_complex()])

        harness.seed_all()
        found = library.resolve("func.jvp")(given, tuple([tensors[i] for i in places]), tuple(tangents))
        shown = harness.snapshot([list(part) for part in found], library)
        hidden = ops.canonical_form(sample.op, sample.sample) is harness.without_values
        return harness.without_values(shown) if hidden else shown


def main() -> None:
    parser = harness.option_parser(__doc__)
    parser.add_argument("--ops", nargs="+", metavar="GLOB", help="names of operators, e.g. 'linalg.*'")
    parser.add_argument("--dtypes", nargs="+", default=["float32"], help="default: float32")
    parser.add_argument("--max-samples", type=int, default=3, help="per operator and dtype (default 3)")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--batch", type=int, default=3, help="elements of a batch (default 3)")
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="the I-th of N parts"
    )
    options = parser.parse_args()
    candidate = harness.load_candidate(options.impl)
    report = harness.Report(options.out)
    checks = TransformChecks(
        candidate, report, options.max_samples, options.seconds, options.kinds, options.batch
    )
    dtypes = [getattr(torch, name) for name in options.dtypes]
    part, parts = options.part
    for op in itertools.islice(op_db, part, None, parts):
        if not harness.selected(op.name, options.ops) or harness.selected(op.name, WITHOUT_BATCH):
            continue
        reason = next((why for pattern, why in ops.SKIPPED if harness.selected(op.name, [pattern])), None)
        if reason:
            report.skip(op.name, reason)
        else:
            checks.run(op, dtypes)
    report.finish(options.list_failing)
    for error, names in sorted(checks.refused.items()):
        print(f"refused as PyTorch refuses them, {error}: {', '.join(sorted(names))}")


if __name__ == "__main__":
    main()
