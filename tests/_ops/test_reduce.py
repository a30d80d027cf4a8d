"""Reductions, running operations, moments and softmax beside PyTorch's: values, gradients, errors."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from expressions import assert_agrees, table

import flambeau
from flambeau._core.trace import engine


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


VALUES = table(
    """
    x.sum((0,1),True)
    x.sum([])
    T.sum(x, None)
    T.sum(x, dim=None, keepdim=True)
    x.sum(dtype=T.int32)
    m.sum()
    x.to(T.uint8).sum(1)
    m.sum(dtype=T.float16)
    x.sum(axis=1, keepdims=True)
    T.sum(input=x, axis=1)
    x[:0].sum()
    x[:0].mean()
    x[:0].prod()
    x.mean(1, dtype=T.float64)
    x.long().prod()
    x.prod(0, keepdim=True)
    x[0,0].sum(0)
    x[0,0].max(0)
    x[0,0].cumsum(0)
    x[0,0].softmax(0)
    x.max(1)
    x.min(dim=0, keepdim=True)
    T.max(x, x.flip(0))
    x.max(other=x.flip(1))
    m.max(1)
    x[:,:0].sum(0)
    x[:0].amax(1)
    x.amax(())
    x.amin((0,1), True)
    x.aminmax()
    x.aminmax(dim=1, keepdim=True)
    x.argmax()
    x.argmax(1, True)
    x.argmin(keepdim=True)
    x.all()
    x.any((0,1), True)
    x.all(())
    x.to(T.uint8).all(0)
    x.logsumexp(0)
    i.logsumexp(0)
    x.logsumexp((0,1), True)
    T.tensor([[-inf,-inf],[inf,1.],[-inf,2.]]).logsumexp(1)
    T.tensor([1.,nan,2.]).nansum()
    T.tensor([1.,nan,2.]).nanmean()
    T.tensor([1.,nan,2.,nan]).max(0)
    T.tensor([1.,nan,2.,nan]).cummax(0)
    T.tensor([3.,3.,1.,1.,2.]).cummin(0)
    T.tensor([3.,3.,4.,1.,4.]).cummax(0)
    m.cummax(1)
    m.cumsum(1)
    x.cumsum(1, dtype=T.int64)
    x.cumprod(1)
    T.tensor([-inf,-inf,1.,inf,2.]).logcumsumexp(0)
    T.tensor([1+3j,1+3j,-2+1j,3-3j,inf+1j,2.]).logcumsumexp(0)
    T.tensor([-inf+1j,-inf+2j,1+7j,1+3j,20.]).logcumsumexp(0)
    x.diff(2, 0)
    x.diff(n=0, prepend=x)
    x.diff(n=5)
    m.diff()
    x.diff(prepend=T.ones(3,1), append=T.zeros(3,2))
    T.gradient(x)
    T.gradient(x**2, spacing=(1.,2.), edge_order=2)
    T.gradient(x**2, dim=1, spacing=(T.tensor([0.,1.,3.,4.]),))
    T.trapezoid(x)
    T.trapezoid(x, dx=2, dim=0)
    T.trapezoid(x, T.tensor([0.,1.,3.,4.]))
    T.cumulative_trapezoid(x, x**2)
    T.trapezoid(x[:,:0])
    x.std()
    x.std(False)
    x.std(0, False, True)
    x.std(axis=0, unbiased=True)
    x.var((0,1), correction=1.5)
    T.std_mean(x, 1, correction=0, keepdim=True)
    T.var_mean(x)
    T.var(x+1j*x)
    T.std(x[:0])
    x[:1,:1].std()
    T.quantile(x, 0.3)
    T.quantile(x, T.tensor([0.1,0.5,1.]), 1, True)
    T.quantile(x, 0.3, dim=1, interpolation='nearest')
    T.quantile(x, 0.5, dim=1, interpolation='midpoint')
    T.quantile(T.tensor([1.,nan,2.]), T.tensor([0.,.5]))
    T.nanquantile(T.tensor([[1.,nan,2.],[nan,nan,nan]]), T.tensor([0.,.5]), dim=1)
    T.cov(x)
    T.cov(x, correction=0, fweights=T.tensor([1,2,3,1]), aweights=T.tensor([1.,2,3,0.5]))
    T.corrcoef(x*x)
    x.norm()
    x.norm(1, 0)
    x.norm('fro', dim=(0,1), keepdim=True)
    x.norm(inf)
    T.norm(x, p=-1)
    T.norm(x, 0, 1, dtype=T.float64)
    T.linalg.vector_norm(x, 3, (0,)) if hasattr(T.linalg, 'vector_norm') else None
    x.dist(x+1, 3)
    x.renorm(2, 0, 5.)
    x.renorm(1, -1, 1.)
    T.cdist(x, x+1)
    T.cdist(x, x+1, p=1)
    T.cdist(x, x+1, p=inf)
    T.cdist(T.ones(30,4), x)
    T.pdist(x)
    F.normalize(x, p=1, dim=0, eps=3.)
    F.pairwise_distance(x, x[0], p=1, keepdim=True)
    F.cosine_similarity(x, x[0])
    x.softmax(0)
    T.softmax(x.long(), 1, dtype=T.float64)
    F.softmin(x, 1)
    F.log_softmax(x, 0, dtype=T.float64)
    T.softmax(T.tensor([[-inf,-inf],[inf,1.],[-inf,2.]]), 1)
    T.log_softmax(T.tensor([[-inf,-inf],[inf,1.],[-inf,2.]]), 1)
    """
)

GRADIENTS = table(
    """
    w.sum()
    w.sum((0,1))
    w.mean()
    w.mean(1)
    w.prod(1)
    v.prod()
    (v*T.tensor([0.,1,1,1])).prod()
    (v*T.tensor([0.,1,0,1])).prod(0)
    (v*T.tensor([1.,0,1,1])).cumprod(0)
    (v*T.tensor([1.,0,0,1])).cumprod(0)
    v.cumprod(0)
    v.cumsum(0)
    w.logcumsumexp(1)
    (v-v).max()
    (v-v).max(0)
    (v-v).min(0)[0]
    (v-v).amax(0)
    T.maximum(v, v.detach())
    w.max(1)
    w.amin((0,1))
    (v-v).aminmax()
    w.aminmax(dim=0)
    w.cummax(1)
    (v-v).cummin(0)
    w.logsumexp(1)
    w.nansum(0)
    (v*T.tensor([1.,nan,1,1])).nansum()
    (v*T.tensor([1.,nan,1,nan])).max()
    w.softmax(1)
    T.softmax(w, 0, dtype=T.float32)
    w.log_softmax(0)
    w.std()
    w.std(0)
    w.var(1, correction=2)
    (v-v).std()
    (v-v).var()
    v.var(correction=4)
    v.var(0, correction=5)
    T.std_mean(w, 0)
    T.var_mean(w)
    w.norm()
    w.norm(1)
    w.norm(1.5, 1)
    w.norm(3, 0)
    w.norm(inf)
    w.norm(.5)
    (v-v).norm()
    (v-v).norm(1)
    (v-v).norm(3)
    (v-v).norm(inf)
    (v*T.tensor([1.,0,1,0])).norm(.5)
    w.dist(v)
    w.renorm(2, 0, .7)*1
    w.diff()*1
    T.trapezoid(w, v)*1
    (T.quantile(w, 0.3, dim=1)*1)
    (T.quantile(w, v.sigmoid(), dim=1)*1)
    T.cov(w)*1
    F.normalize(w)*1
    F.normalize(v-v, dim=0)*1
    F.cosine_similarity(w, v)*1
    F.cosine_similarity(v-v, v, dim=0)*1
    F.pairwise_distance(w, v)*1
    T.cdist(w, w.detach()+1)
    T.cdist(w, w.detach())
    T.cdist(w, v[None], p=1)
    T.cdist(w, v[None], p=3)
    T.cdist(w, v[None], p=inf)
    T.pdist(w)
    T.pdist(w, 1)
    """
)

ERRORS = table(
    """
    x.sum(0, 1)
    x.sum(5)
    x.sum((0,0))
    i.mean()
    x.mean(dtype=T.int64)
    x[:0].max()
    x[:0].min()
    x[:0].max(0)
    x[:0].amax()
    x[:0].amin(0)
    x[:0].aminmax()
    x[:0].aminmax(dim=0)
    x[:0].argmax()
    T.max(x, 2)
    (x+1j).max()
    (x+1j).max(0)
    (x+1j).amax()
    x.amax((0,0))
    (x+1j).nansum()
    i.nanmean()
    x[0,0].sum(1)
    i.std()
    T.var_mean(m)
    i.norm()
    T.norm(x, 'abc')
    T.norm(x, 'nuc', dim=0)
    x[:0].norm(inf)
    x[:0].norm(inf, 0)
    x.renorm(0, -1, 1.)
    x.renorm(2, -1, -1.)
    i.renorm(2, 0, 1.)
    x.dist(T.ones(3))
    x.cumsum(3)
    (x+1j).cummax(0)
    i.logcumsumexp(0)
    x.diff(n=-1)
    x[0,0].diff()
    x.diff(append=T.ones(2))
    x.diff(append=T.ones(4,1))
    T.gradient(x, edge_order=3)
    T.gradient(x, spacing=(1.,))
    T.gradient(T.ones(1))
    T.trapezoid(x, T.ones(2))
    T.trapezoid(m)
    T.quantile(x, 0.5, interpolation='foo')
    T.quantile(x, 1.5)
    T.quantile(x, T.tensor([1.5]))
    T.quantile(i, 0.5)
    T.quantile(x[:0], 0.5)
    T.cov(T.ones(2,2,2))
    T.cov(m)
    T.cov(x, fweights=T.ones(4))
    T.cov(x, fweights=i)
    T.corrcoef(T.ones(2,2,2))
    T.softmax(i, 0)
    T.log_softmax(m, 1)
    x.softmax(5)
    T.cdist(x, T.ones(2,3))
    T.cdist(x, x[0])
    T.cdist(x, x, p=-1)
    T.cdist(i[None], i[None])
    T.cdist(x, x.double())
    T.pdist(x[0])
    F.cosine_similarity(i, i, 0)
    """
)


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize("expression", VALUES)
def test_values(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize("expression", GRADIENTS)
def test_gradients(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize("method", ["cumsum", "cumprod"])
def test_running_operations_write_in_place(method: str) -> None:
    x = flambeau.tensor([1.0, 2.0, 3.0])
    view = x[1:]
    assert getattr(x, f"{method}_")(0) is x
    expected = getattr(torch.tensor([1.0, 2.0, 3.0]), method)(0)
    assert view.tolist() == expected[1:].tolist()


def test_results_can_be_written_into_tensors() -> None:
    values, indices = flambeau.empty(0), flambeau.empty(0, dtype=flambeau.int64)
    found = flambeau.max(flambeau.tensor([[1.0, 4.0], [3.0, 2.0]]), 1, out=(values, indices))
    assert found.values is values
    assert (values.tolist(), indices.tolist()) == ([4.0, 3.0], [1, 0])


def test_sums_of_half_precision_are_rounded_once() -> None:
    ones = flambeau.ones(4096, dtype=flambeau.bfloat16)
    assert ones.sum().item() == 4096


def test_named_results_are_tuples_that_print_and_pickle_as_themselves() -> None:
    ours, theirs = (library.tensor([[1.0, 5.0]]).max(1) for library in (flambeau, torch))
    assert repr(ours) == repr(theirs)
    values, _indices = ours
    assert values is ours.values is ours[0]
    copy = pickle.loads(pickle.dumps(ours))
    assert type(copy) is flambeau.return_types.max
    assert copy.indices.tolist() == [1]


def test_a_named_result_has_a_fixed_length_and_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match=r"max\(\) takes a 2-sequence \(1-sequence given\)"):
        flambeau.return_types.max((1,))
    with pytest.raises(AttributeError, match="readonly attribute"):
        flambeau.return_types.max((1, 2)).values = 3


def test_softmax_without_a_dimension_warns() -> None:
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax has been deprecated"):
        assert flambeau.nn.functional.softmax(flambeau.zeros(2, 2)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_a_variance_without_degrees_of_freedom_warns() -> None:
    with pytest.warns(UserWarning, match=r"var\(\): degrees of freedom is <= 0"):
        flambeau.ones(1).var()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_wider_dtype_is_computed_in(name: str, dtype: str) -> None:
    x = torch.randn(5, 50, dtype=getattr(torch, dtype))
    expected = getattr(x, name)(1, dtype=torch.float64)
    own = flambeau.tensor(x.double().tolist(), dtype=getattr(flambeau, dtype))
    found = getattr(own, name)(1, dtype=flambeau.float64)
    assert torch.allclose(torch.tensor(found.tolist(), dtype=torch.float64), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [np.float32, np.complex64])
def test_gradients_of_logcumsumexp_where_terms_cancel(kind: type) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.uniform(-9, 9, (25, 5, 5)), rng.standard_normal((25, 5, 5))
    if kind is np.complex64:
        x, g = x + 1j * rng.uniform(-9, 9, x.shape), g + 1j * rng.standard_normal(g.shape)
    x, g = x.astype(kind), g.astype(kind)
    found = []
    for library in (torch, flambeau):
        leaf = library.tensor(x, requires_grad=True)
        library.logcumsumexp(leaf, 2).backward(library.tensor(g))
        found.append(leaf.grad.resolve_conj().numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=3e-5)
