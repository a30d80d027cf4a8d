"""A product inside of a loop: the plain one's values, derivatives and batches, by another kernel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flambeau._core import xla
from flambeau._ops.loop_product import loop_product

A, B = (np.random.default_rng(0).standard_normal(shape).astype(np.float32) for shape in ((5, 3), (3, 4)))


def stacked(array):
    return jnp.stack([array, 2 * array])


def test_value_and_gradients_are_those_of_the_product():
    def squares(multiply):
        return lambda a, b: (multiply(a, b) ** 2).sum()

    np.testing.assert_allclose(loop_product(A, B), A @ B, rtol=1e-5, atol=1e-6)
    for derivative in (jax.grad, jax.hessian):
        found = derivative(squares(loop_product), (0, 1))(A, B)
        expected = derivative(squares(jnp.matmul), (0, 1))(A, B)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4), found, expected)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_batches(axes):
    a, b = (array if axis is None else stacked(array) for array, axis in zip((A, B), axes, strict=True))
    found = jax.vmap(loop_product, axes)(a, b)
    np.testing.assert_allclose(found, jnp.matmul(a, b), rtol=1e-5, atol=1e-5)
    assert "convolution" not in str(jax.make_jaxpr(jax.vmap(loop_product, axes))(a, b))


def test_a_program_for_the_cpu_has_xlas_own_kernel():
    def text(multiply):
        compiled = jax.jit(multiply).lower(jnp.zeros((64, 64)), jnp.zeros((64, 64))).compile(xla.CPU_OPTIONS)
        return compiled.as_text()

    assert "ynn" in text(jnp.matmul)
    assert "ynn" not in text(loop_product)
    assert " dot(" in text(loop_product)
