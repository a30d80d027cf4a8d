import copy
import inspect
import pickle

import pytest

import flambeau
from flambeau._core.signatures import LazySignature


def test_a_signature_is_made_when_asked_for_and_once():
    made = []

    def make():
        made.append(1)
        return inspect.signature(lambda a, *, b=2: None)

    lazy = LazySignature(make)
    assert not made
    assert str(lazy) == "(a, *, b=2)"
    assert lazy.bind(1).arguments == {"a": 1}
    assert made == [1]


def test_a_lazy_signature_is_like_another():
    plain = inspect.signature(lambda a, *, b=2: None)
    lazy = LazySignature(lambda: plain)
    assert lazy == plain
    assert hash(lazy) == hash(plain)
    assert lazy.replace(parameters=[]) == plain.replace(parameters=[])
    assert copy.copy(lazy) == pickle.loads(pickle.dumps(lazy)) == plain


def test_functions_methods_and_in_place_forms_have_signatures():
    assert str(inspect.signature(flambeau.add)) == "(input, other, *, alpha=1, out=None)"
    assert str(inspect.signature(flambeau.Tensor.add)) == "(self, other, *, alpha=1)"
    assert str(inspect.signature(flambeau.ones(1).add_)) == "(other, *, alpha=1)"
    assert list(inspect.signature(flambeau.sum).parameters) == ["input", "dim", "keepdim", "dtype", "out"]


def test_numpys_names_stand_for_pytorchs_in_every_kind_of_function():
    x = flambeau.arange(6.0).reshape(2, 3)
    assert flambeau.sum(x, axis=1, keepdims=True).tolist() == [[3.0], [12.0]]
    assert flambeau.softmax(x, axis=0).shape == x.shape
    assert x.max(axis=1).values.tolist() == [2.0, 5.0]
    out = flambeau.empty(2)
    assert flambeau.sum(x, axis=1, out=out) is out


def test_methods_call_their_first_parameter_self_and_have_no_out():
    assert str(inspect.signature(flambeau.Tensor.sort)).startswith("(self: 'Tensor', dim: 'int' = -1")
    named = [
        name for name, each in vars(flambeau.Tensor).items() if inspect.isfunction(each) and name[0] != "_"
    ]
    for name in named:
        assert "out" not in inspect.signature(getattr(flambeau.Tensor, name)).parameters, name
    assert len(named) > 500


def test_in_place_views_and_copies_have_their_own_parameters():
    assert list(inspect.signature(flambeau.Tensor.transpose_).parameters) == ["self", "dim0", "dim1"]
    assert list(inspect.signature(flambeau.narrow_copy).parameters) == [
        "input",
        "dim",
        "start",
        "length",
        "out",
    ]
    assert list(inspect.signature(flambeau.Tensor.__floordiv__).parameters) == ["self", "other"]


def test_functions_are_called_what_they_are_found_under():
    functional = flambeau.nn.functional
    assert (functional.relu.__name__, functional.layer_norm.__name__) == ("relu", "layer_norm")
    x = flambeau.arange(4)
    assert [part.tolist() for part in x.split(split_size=3)] == [[0, 1, 2], [3]]


def test_linear_algebra_takes_the_names_that_it_has_outside_of_linalg():
    x = flambeau.eye(2) * 2
    assert flambeau.det(input=x).item() == flambeau.linalg.det(A=x).item() == 4
    assert flambeau.equal(flambeau.matrix_power(input=x, n=2), x @ x)
    assert flambeau.equal(
        flambeau.cholesky_solve(input=x, input2=x), flambeau.cholesky_solve(x, flambeau.eye(2) * 2)
    )
    assert flambeau.equal(x.orgqr(input2=x[0]), flambeau.linalg.householder_product(x, x[0]))
    with pytest.raises(TypeError, match="unexpected keyword argument 'input'"):
        flambeau.flip(flambeau.ones(1), (0,)).sin(input=1)
