"""Times of a convolution's three products in several forms, by shape: those of `_ops/conv_forms.py`, and what was tried besides.

    python benchmarks/forms.py [--networks resnet18,unet,...] [--rounds 5] [--no-torch]

Milliseconds, the best of some rounds, on images with their channels last, as programs keep them. `chosen` is what flambeau takes.
PyTorch, in a process of its own, has the images as usual and channels last.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Shape(NamedTuple):
    """A square convolution: channels in and out, kernel, stride, padding, size and number of the images."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    padding: int
    size: int
    batch: int

    def __str__(self) -> str:
        strided = f", stride {self.stride}" if self.stride > 1 else ""
        return (
            f"{self.inputs} to {self.outputs}, {self.kernel}x{self.kernel}{strided}, "
            f"{self.batch} of {self.size}x{self.size}"
        )

    @property
    def result_size(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1


def three(inputs: int, outputs: int, size: int, batch: int, stride: int = 1) -> Shape:
    return Shape(inputs, outputs, 3, stride, 1, size, batch)


def one(inputs: int, outputs: int, size: int, batch: int, stride: int = 1) -> Shape:
    return Shape(inputs, outputs, 1, stride, 0, size, batch)


NETWORKS = {
    "resnet18": [
        three(3, 64, 32, 32), three(64, 64, 32, 32), three(64, 128, 32, 32, 2), three(128, 128, 16, 32),
        three(128, 256, 16, 32, 2), three(256, 256, 8, 32), three(256, 512, 8, 32, 2), three(512, 512, 4, 32),
        one(64, 128, 32, 32, 2), one(256, 512, 8, 32, 2),
    ],
    "unet": [
        three(1, 16, 64, 8), three(16, 16, 64, 8), three(16, 32, 32, 8), three(32, 32, 32, 8), three(64, 64, 16, 8),
        three(64, 32, 32, 8), three(32, 16, 64, 8), one(16, 1, 64, 8),
    ],
    "lenet": [Shape(1, 32, 5, 1, 2, 28, 64), Shape(32, 64, 5, 1, 2, 14, 64)],
    "gan": [Shape(1, 32, 4, 2, 1, 28, 32), Shape(32, 64, 4, 2, 1, 14, 32)],
    "depthwise": [three(3, 32, 32, 16), one(32, 64, 32, 16), one(128, 256, 8, 16)],
    "stem": [Shape(3, 64, 7, 2, 3, 224, 4)],
}  # fmt: skip
PRODUCTS = ("forward", "input gradient", "weight gradient")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--run-torch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    shapes = [shape for name in options.networks.split(",") for shape in NETWORKS[name]]
    if options.run_torch:
        print(json.dumps([of_torch(shape, options.rounds) for shape in shapes]))
        return
    prepared = [forms_of(shape) for shape in shapes]
    others = [[{}, {}, {}] for _ in shapes]
    if not options.no_torch:
        done = subprocess.run(
            [sys.executable, *sys.argv, "--run-torch"], capture_output=True, text=True, check=True
        )
        others = json.loads(done.stdout)
    print("| convolution | product | PyTorch | channels last | chosen | others |\n|---|---|---|---|---|---|")
    for shape, products, theirs in zip(shapes, prepared, others, strict=True):
        for name, forms, peer in zip(PRODUCTS, products, theirs, strict=True):
            ours = {form: best(run, options.rounds) for form, run in forms.items()}
            chosen = ours.pop("chosen")
            rest = ", ".join(
                f"{form} {ms:.2f}" for form, ms in sorted(ours.items(), key=lambda item: item[1])
            )
            peers = " | ".join(f"{ms:.2f}" for ms in peer.values()) or " | "
            print(f"| {shape} | {name} | {peers} | {chosen:.2f} | {rest} |", flush=True)


def best(run: Callable[[], Any], rounds: int) -> float:
    """Milliseconds of the fastest run after a first one."""
    run()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return 1e3 * min(seconds)


def of_torch(shape: Shape, rounds: int) -> list[dict[str, float]]:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    usual, last = (
        products_of_torch(shape, order) for order in (torch.contiguous_format, torch.channels_last)
    )
    return [
        {"usual": best(first, rounds), "channels last": best(second, rounds)}
        for first, second in zip(usual, last, strict=True)
    ]


def products_of_torch(shape: Shape, order: Any) -> list[Callable[[], Any]]:
    import torch

    sizes = (
        (shape.batch, shape.inputs, shape.size, shape.size),
        (shape.outputs, shape.inputs, shape.kernel, shape.kernel),
        (shape.batch, shape.outputs, shape.result_size, shape.result_size),
    )
    x, w, g = (torch.randn(size).to(memory_format=order) for size in sizes)
    stride, padding = [shape.stride] * 2, [shape.padding] * 2

    def back(*which: bool) -> Any:
        fixed = (None, stride, padding, [1, 1], False, [0, 0], 1)
        return torch.ops.aten.convolution_backward(g, x, w, *fixed, list(which))

    return [
        lambda: torch.conv2d(x, w, None, stride, padding),
        functools.partial(back, True, False, False),
        functools.partial(back, False, True, False),
    ]


# -- forms, on images (N, H, W, C) and weights (O, C, H, W) ------------------------------------------


def forms_of(shape: Shape) -> list[dict[str, Callable[[], Any]]]:
    """For each product its forms, compiled."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from flambeau._core import xla
    from flambeau._core.device import device
    from flambeau._ops import conv_forms

    cpu, ones, rng = device("cpu"), (1, 1), np.random.default_rng(0)
    stride, padding = (shape.stride,) * 2, ((shape.padding,) * 2,) * 2
    image = (shape.batch, shape.inputs, shape.size, shape.size)
    weight = (shape.outputs, shape.inputs, shape.kernel, shape.kernel)
    result = (shape.batch, shape.outputs, shape.result_size, shape.result_size)
    values = [rng.standard_normal(sizes, "f") for sizes in (image, weight, result)]
    x, g = (jnp.asarray(np.moveaxis(value, 1, -1)) for value in (values[0], values[2]))
    w = jnp.asarray(values[1])

    def second(array: Any) -> Any:
        return jnp.moveaxis(array, -1, 1)

    def last(array: Any) -> Any:
        return jnp.moveaxis(array, 1, -1)

    def places(x: Any) -> list[Any]:
        """The input under each place of the kernel, its channels last."""
        x = jnp.pad(last(x), ((0, 0), *padding, (0, 0)))
        end = shape.stride * (shape.result_size - 1) + 1
        return [
            x[:, i : i + end : shape.stride, j : j + end : shape.stride]
            for i, j in itertools.product(range(shape.kernel), repeat=2)
        ]

    def taps_of(w: Any) -> list[Any]:
        return [w[:, :, i, j].T for i, j in itertools.product(range(shape.kernel), repeat=2)]

    def taps(x: Any, w: Any) -> Any:
        return second(sum(place @ tap for place, tap in zip(places(x), taps_of(w), strict=True)))

    def patches(x: Any, w: Any) -> Any:
        return second(jnp.concatenate(places(x), -1) @ jnp.concatenate(taps_of(w)))

    def kernel(x: Any, w: Any) -> Any:
        return conv_forms._dense(x, w, stride, padding, ones, 1)

    def transposed(number: int) -> Callable[..., Any]:
        """The transpose of XLA's kernel in its input (0) or weight (1), for a cotangent and the other of both."""

        def run(g: Any, other: Any) -> Any:
            like = jax.ShapeDtypeStruct((image, weight)[number], g.dtype)
            function = (lambda x: kernel(x, other)) if number == 0 else (lambda w: kernel(other, w))
            return jax.linear_transpose(function, like)(g)[0]

        return run

    def weight_by_patches(g: Any, x: Any) -> Any:
        rows = jnp.concatenate(places(x), -1)
        found = last(g).reshape(-1, shape.outputs).T @ rows.reshape(-1, rows.shape[-1])
        return jnp.moveaxis(found.reshape(shape.outputs, shape.kernel, shape.kernel, shape.inputs), -1, 1)

    def weight_by_taps(g: Any, x: Any) -> Any:
        flat = last(g).reshape(-1, shape.outputs).T
        found = jnp.stack([flat @ place.reshape(-1, shape.inputs) for place in places(x)], -1)
        return found.reshape(weight)

    def flipped(g: Any, w: Any) -> Any:
        around = ((shape.kernel - 1 - shape.padding,) * 2,) * 2
        return conv_forms._dense(g, jnp.swapaxes(jnp.flip(w, (2, 3)), 0, 1), ones, around, ones, 1)

    def chosen(number: int) -> Callable[..., Any]:
        if number == 0:
            return lambda x, w: conv_forms.convolve(x, w, stride, padding, ones, 1)
        if number == 1:
            return lambda g, w: conv_forms.input_gradient(g, w, image, stride, padding, ones, 1)
        return lambda g, x: conv_forms.weight_gradient(g, x, weight, stride, padding, ones, 1)

    forward = {"chosen": chosen(0), "XLA's kernel": kernel, "patches": patches, "taps": taps}
    to_input = {"chosen": chosen(1), "XLA's kernel": transposed(0)}
    if shape.stride > 1:
        to_input["phases"] = lambda g, w: conv_forms._by_phases(g, w, image, stride, padding)
    else:
        to_input["flipped weight"] = flipped
    to_weight = {
        "chosen": chosen(2), "XLA's kernel": transposed(1), "patches": weight_by_patches, "taps": weight_by_taps,
    }  # fmt: skip
    if shape.kernel == 3 and shape.stride == 1 and shape.inputs >= 32:
        to_weight["Winograd"] = lambda g, x: conv_forms._weights_by_winograd(g, x, padding)

    def compiled(form: Callable[..., Any], arguments: Any, by_weight: bool) -> Callable[[], Any]:
        def whole(a: Any, b: Any) -> Any:
            found = form(second(a), b if by_weight else second(b))
            return last(found) if by_weight else found

        program = xla.compile_program(whole, arguments, cpu, channels_last=True)
        return lambda: jax.block_until_ready(program(*arguments))

    return [
        {name: compiled(form, (x, w), True) for name, form in forward.items()},
        {name: compiled(form, (g, w), True) for name, form in to_input.items()},
        {name: compiled(form, (g, x), False) for name, form in to_weight.items()},
    ]


if __name__ == "__main__":
    main()
