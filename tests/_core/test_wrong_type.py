"""TypeErrors for arguments of the wrong type, beside PyTorch's."""

import pytest
import torch

import flambeau

# Both libraries' first lines are the same.
SAME = """
T.add(x, 'a')
T.div(x, 'a')
x.add('a')
x.softmax('a')
T.softmax(x, 'a')
x.argmax('a')
x.cumsum('a')
x.matmul(3)
x.gather('a', x)
T.corrcoef('a')
T.fft.fft('a')
T.linalg.multi_dot([x, 'a'])
T.cartesian_prod('a', x)
T.diff(x, prepend='a')
x.addmm('a', x)
T.addmv('a', x, x)
T.baddbmm('a', x, x)
T.alias_copy('a')
T.select_scatter(x, 'a', 0, 0)
x.take_along_dim('a', 1)
x.index_select(0, 3)
T.flatten(x, 'a')
T.einsum(3, x)
T.bincount('a')
T.allclose(x, 3)
T.add(x, 1, alpha='a')
T.nn.functional.gelu(x, approximate=3)
T.nn.functional.pdist('a')
T.nn.functional.rrelu('a')
T.nn.functional.triplet_margin_loss(x, x, 'a')
T.nn.functional.soft_margin_loss(x, 'a')
T.grid_sampler(T.ones(1, 1, 2, 2), 'a', 0, 0, False)
"""
# PyTorch lists the overloads instead; the function's name is the one that was called.
NAMED = """
x.pow('a')
T.pow(x, 'a')
T.remainder(x, 'a')
x.masked_fill('a', 1)
T.where(x > 0, 'a', x)
x.sort('a')
T.bitwise_and(x, 'a')
x.bitwise_xor('a')
T.float_power('a', x)
T.bucketize(x, 'a')
x.index_fill(0, T.tensor([0]), 'a')
x.scatter(0, T.tensor([[0]]), 'a')
T.masked_fill('a', x > 0, 1)
T.nn.functional.ctc_loss(T.ones(3, 2, 4), 'a', [1, 1], [1, 1])
"""


def message(library, expression):
    x = library.arange(6.0).reshape(2, 3)
    with pytest.raises(TypeError, match=r"\w") as found:
        eval(expression, {"T": library, "x": x})
    return str(found.value).split("\n")[0]


@pytest.mark.parametrize("expression", SAME.strip().splitlines())
def test_an_argument_of_the_wrong_type(expression):
    assert message(flambeau, expression) == message(torch, expression)


@pytest.mark.parametrize("expression", NAMED.strip().splitlines())
def test_the_name_is_the_one_that_was_called(expression):
    name = message(torch, expression).partition("(")[0]
    assert message(flambeau, expression).startswith(f"{name}(): argument '")
