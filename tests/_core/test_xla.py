"""Compiled programs give what their operations give one by one."""

import numpy as np
import pytest

import flambeau
from flambeau._core.trace import engine

MAKE = {
    "number": lambda a, rows, columns: flambeau.full((rows, columns), 0.1) * 1,
    "filled": lambda a, rows, columns: flambeau.empty(rows, columns).fill_(0.25),
    "row": lambda a, rows, columns: a[:1, :columns].expand(rows, columns),
    "column": lambda a, rows, columns: a[:rows, :1].expand(rows, columns),
    "part": lambda a, rows, columns: a[1 : rows + 1, 2 : columns + 2],
    "turned": lambda a, rows, columns: a[:columns, :rows].T,
    "sum": lambda a, rows, columns: a[:rows, :columns] + a[0, :columns],
}


PRODUCTS = {
    "matmul": lambda a, b: a @ b,
    "linear": lambda a, b: flambeau.nn.functional.linear(a, b.T),
}


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("second", MAKE)
def test_products_of_operands_that_are_made_in_the_same_program(monkeypatch, second, product):
    source = np.random.default_rng(0).standard_normal((64, 24)).astype(np.float32)

    def result():
        a, b = flambeau.tensor(source[:48, :6]), MAKE[second](flambeau.tensor(source), 6, 3)
        return PRODUCTS[product](a, b).tolist()

    monkeypatch.setattr(engine, "tier", 0)
    expected = result()
    monkeypatch.setattr(engine, "tier", 2)
    np.testing.assert_allclose(result(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tier", [0, 2])
def test_a_step_from_weights_that_were_just_filled(monkeypatch, tier):
    monkeypatch.setattr(engine, "tier", tier)
    layer = flambeau.nn.Linear(6, 3)
    with flambeau.no_grad():
        layer.weight.fill_(0.1), layer.bias.fill_(0.0)
    x = flambeau.tensor(np.random.default_rng(0).standard_normal((48, 6)).astype(np.float32))
    loss = flambeau.nn.functional.cross_entropy(layer(x), flambeau.arange(48) % 3)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(3), rel=1e-6)
