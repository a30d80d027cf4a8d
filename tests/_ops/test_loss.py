"""Losses beside PyTorch's: values, gradients at edges, errors and warnings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expressions import assert_agrees, table

import flambeau
from flambeau._core.trace import engine

F = flambeau.nn.functional


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


# `* 1` where PyTorch's last node depends on how it happens to put the loss together.
LOSSES = table(
    """
    F.mse_loss(w, v.expand(3,4))
    F.mse_loss(w, w.detach(), reduction='sum')
    F.mse_loss(w, x, reduction='none')
    F.mse_loss(w, x, weight=x)*1
    F.mse_loss(w, x.double())
    F.l1_loss(w, v.expand(3,4))
    F.l1_loss(w, w.detach())
    F.l1_loss(w, x, reduction='none')*1
    F.smooth_l1_loss(w, v.expand(3,4), beta=.7)
    F.smooth_l1_loss(w, w.detach(), beta=0)
    F.smooth_l1_loss(w, x, reduction='sum')
    F.huber_loss(w, v.expand(3,4), delta=.6)
    F.huber_loss(w, x, reduction='none')
    F.huber_loss(w, x, weight=x)*1
    F.linear_cross_entropy(w, x, i, linear_bias=v[:3]*1)*1
    F.linear_cross_entropy(w, x, i, options=T.nn.LinearCrossEntropyOptions(batch_chunk_size=2))*1
    F.linear_cross_entropy(w, x, i, reduction='none', options=T.nn.LinearCrossEntropyOptions())*1
    F.linear_cross_entropy(w[:2], z, T.tensor([[0, 1, 1], [1, 0, 0]]), label_smoothing=.1)*1
    F.binary_cross_entropy(w.sigmoid(), (v/4+.5).expand(3,4))
    F.binary_cross_entropy(w.sigmoid(), T.ones(3,4), weight=x, reduction='sum')
    F.binary_cross_entropy(w.sigmoid().round(), T.ones(3,4), reduction='none')
    F.binary_cross_entropy_with_logits(w, v.sigmoid().expand(3,4))
    F.binary_cross_entropy_with_logits(w, x/12, weight=x, pos_weight=x[1])
    F.binary_cross_entropy_with_logits(w*200, x/12, reduction='none')
    F.kl_div(w, v.sigmoid().expand(3,4), reduction='batchmean')*1
    F.kl_div(w, v.expand(3,4), reduction='sum', log_target=True)*1
    F.kl_div(w, x*0)*1
    F.nll_loss(w, T.tensor([0,3,1]))
    F.nll_loss(w, T.tensor([0,-100,1]), reduction='sum')
    F.nll_loss(w, T.tensor([0,2,1]), ignore_index=2, weight=T.tensor([.5,2,1,3]))
    F.nll_loss(w, T.tensor([0,2,1]).to(T.uint8), weight=T.tensor([.5,2,1,3]), reduction='none')
    F.nll_loss(w[0], T.tensor(2))
    F.nll_loss(w, T.tensor([-100,-100,-100]))
    F.nll_loss(w.view(1,3,2,2), T.tensor([[[0,2],[1,-100]]]))
    F.nll_loss(w.view(2,3,2), T.tensor([[0,2],[1,1]]), reduction='sum')
    F.cross_entropy(w, T.tensor([0,3,1]))
    F.cross_entropy(w*300, T.tensor([0,3,1]), reduction='none')
    F.cross_entropy(w, T.tensor([0,-100,1]))
    F.cross_entropy(w, T.tensor([0,3,1]), weight=T.tensor([.5,2,1,3]), reduction='sum')
    F.cross_entropy(w, T.tensor([0,-100,1]), weight=T.tensor([.5,2,1,3]), label_smoothing=.1)*1
    F.cross_entropy(w, T.tensor([0,-100,1]), label_smoothing=.1)*1
    F.cross_entropy(w, T.tensor([0,-100,1]), label_smoothing=.1, reduction='none')*1
    F.cross_entropy(w, T.tensor([-100,-100,-100]))
    F.cross_entropy(w[0], T.tensor(1))
    F.cross_entropy(w.view(1,3,2,2), T.tensor([[[0,2],[1,1]]]))
    F.cross_entropy(w.view(1,3,2,2), T.tensor([[[0,2],[1,1]]]), label_smoothing=.2, reduction='sum')*1
    F.cross_entropy(w, v.sigmoid().expand(3,4))*1
    F.cross_entropy(w, v.expand(3,4), label_smoothing=.1, weight=T.tensor([.5,2,1,3]))*1
    F.cross_entropy(w.view(1,3,2,2), x.view(1,3,2,2), reduction='none')*1
    F.cross_entropy(w[0], v, reduction='sum')*1
    F.multi_margin_loss(w, T.tensor([0,3,1]))
    F.multi_margin_loss(w, T.tensor([0,3,1]), p=2, margin=2., weight=T.tensor([.5,2,1,3]), reduction='none')
    F.multi_margin_loss(w[0], T.tensor(1), reduction='sum')
    F.multilabel_margin_loss(w, T.tensor([[0,2,-1,1],[-1,0,0,0],[3,2,1,0]]))
    F.multilabel_margin_loss(w[0], T.tensor([0,2,-1,1]), reduction='none')
    F.soft_margin_loss(w, x-5)
    F.soft_margin_loss(w, x-5, reduction='none')
    F.multilabel_soft_margin_loss(w, x/12, weight=T.tensor([.5,2,1,3]))*1
    F.hinge_embedding_loss(w, T.tensor([1,-1,0,1]), margin=.5)*1
    F.margin_ranking_loss(w, x.sin().flip(0), T.tensor([[1,-1,1,-1]]), margin=.2)*1
    F.margin_ranking_loss(v, v.detach(), T.ones(4))*1
    F.cosine_embedding_loss(w, x, T.tensor([1,-1,1]), margin=-.3)*1
    F.cosine_embedding_loss(v, x[0], T.tensor(-1))*1
    F.poisson_nll_loss(w, x)*1
    F.poisson_nll_loss(w.exp(), x, log_input=False, full=True)*1
    F.gaussian_nll_loss(w, x, v.exp().expand(3,4))*1
    F.gaussian_nll_loss(w, x, T.ones(3), full=True, reduction='none')*1
    F.gaussian_nll_loss(w, x, .5)*1
    F.triplet_margin_loss(w, v.expand(3,4), x)*1
    F.triplet_margin_loss(w, x.cos(), v.expand(3,4), swap=True, p=1, reduction='none')*1
    F.triplet_margin_with_distance_loss(w, x.cos(), (x*2).sin(), margin=2, swap=True)*1
    F.ctc_loss(w.view(3,1,4).log_softmax(2), T.tensor([[1,2]]), T.tensor([3]), T.tensor([2]))*1
    F.ctc_loss(w.view(3,1,4), T.tensor([[1,1]]), (3,), (2,), reduction='sum')*1
    F.ctc_loss(w.view(3,1,4), T.tensor([[1,1]]), (2,), (2,), zero_infinity=True, reduction='none')*1
    F.ctc_loss(w, T.tensor([3,1]), T.tensor(3), T.tensor(2), blank=2)*1
    F.ctc_loss(w.view(3,1,4), T.tensor([[1]]), (3,), (0,))*1
    T.kl_div(x, x/12, 2)
    T.poisson_nll_loss(x, x, True, False, 1e-8, 1)
    T.triplet_margin_loss(x, x, x)
    """
)

ERRORS = table(
    """
    F.kl_div(T.ones(2), T.ones(3))
    F.multi_margin_loss(T.ones(5,0),T.ones(5))
    F.multi_margin_loss(T.ones(0),T.ones(5))
    F.multi_margin_loss(T.ones(2,3,4),T.ones(2).long())
    F.multi_margin_loss(T.ones(4),T.ones(4).long())
    F.multi_margin_loss(T.ones(3,4),T.ones(2).long())
    F.multi_margin_loss(T.ones(3,4),T.ones(3))
    F.multi_margin_loss(T.ones(3,4),T.ones(3).long(),p=3)
    F.multi_margin_loss(T.ones(3,4).long(),T.ones(3).long())
    F.multi_margin_loss(T.ones(3,4),T.ones(3).long(),weight=T.ones(3))
    F.multi_margin_loss(T.ones(3,4),T.ones(3).long()*4)
    F.multilabel_margin_loss(T.ones(5,0),T.ones(5,4))
    F.multilabel_margin_loss(T.ones(0),T.ones(0))
    F.multilabel_margin_loss(T.ones(3,4),T.ones(3,4))
    F.multilabel_margin_loss(T.ones(3,4),T.ones(3,3).long())
    F.multilabel_margin_loss(T.ones(2,3,4),T.ones(2,3,4).long())
    F.multilabel_margin_loss(T.ones(4),T.ones(3).long())
    F.multilabel_margin_loss(T.ones(3,4),T.ones(3,4).long()*4)
    F.linear_cross_entropy(w, x[:, :2], i)
    F.linear_cross_entropy(z, x, i)
    F.linear_cross_entropy(w, x[0], i)
    F.linear_cross_entropy(w, x, i, linear_bias=v)
    F.linear_cross_entropy(w, x, i, options=T.nn.LinearCrossEntropyOptions(acc_dtype=T.float64))
    F.linear_cross_entropy(w, x, i, options=T.nn.LinearCrossEntropyOptions(False, 1, 'aspect_ratio'))
    F.mse_loss(x, T.ones(3))
    F.mse_loss(x, x, reduction='foo')
    F.mse_loss(x, x, weight=T.ones(3))
    F.mse_loss(i, i)
    F.smooth_l1_loss(x, x, beta=-1)
    F.huber_loss(x, x, delta=0)
    F.nll_loss(x, T.tensor([0,4,1]))
    F.nll_loss(x, T.tensor([0,-1,1]))
    F.nll_loss(x, T.tensor([0,1]))
    F.nll_loss(x, T.tensor([0.,1,2]))
    F.nll_loss(x, i.int())
    F.nll_loss(x.long(), i)
    F.nll_loss(x, i, weight=T.ones(2))
    F.nll_loss(x, i, weight=T.ones(4).double())
    F.nll_loss(x[0], T.tensor([0,1]))
    F.nll_loss(x[0,0], T.tensor(0))
    F.nll_loss(x[None], T.tensor([0]))
    F.cross_entropy(x, T.tensor([0,4,1]))
    F.cross_entropy(x, T.tensor([0,1]))
    F.cross_entropy(x, T.tensor([0.,1,2]))
    F.cross_entropy(x, x.long())
    F.cross_entropy(x, T.ones(3,5))
    F.cross_entropy(x, x, ignore_index=2)
    F.cross_entropy(x, i, label_smoothing=1.1)
    F.cross_entropy(x, i, weight=T.ones(2))
    F.cross_entropy(x.long(), i)
    F.cross_entropy(x, i, reduction='foo')
    F.cross_entropy(x, 3)
    F.binary_cross_entropy(x, x/12)
    F.binary_cross_entropy(x/12, x)
    F.binary_cross_entropy(x/12, x[0])
    F.binary_cross_entropy(x/12, x.double())
    F.binary_cross_entropy(x/12, x/12, weight=T.ones(3))
    F.binary_cross_entropy_with_logits(x, x[0])
    F.binary_cross_entropy_with_logits(x, x.long())
    F.cosine_embedding_loss(x, x, T.ones(3,1))
    F.cosine_embedding_loss(x, x[0], T.ones(3))
    F.margin_ranking_loss(x, x, T.tensor(1))
    F.soft_margin_loss(x, w)
    F.multi_margin_loss(x, i, p=3)
    F.multi_margin_loss(x, T.tensor([0,4,1]))
    F.multi_margin_loss(x, T.tensor([0,1]))
    F.multi_margin_loss(x, T.tensor([0.,1,2]))
    F.multi_margin_loss(x, i, weight=T.ones(2))
    F.multilabel_margin_loss(x, T.full((3,4), 4))
    F.multilabel_margin_loss(x, i)
    F.multilabel_margin_loss(x, x*0)
    F.poisson_nll_loss(x, x, reduction='foo')
    F.gaussian_nll_loss(x, x, -T.ones(3,4))
    F.gaussian_nll_loss(x, x, T.ones(5))
    F.gaussian_nll_loss(x, x, -.5)
    F.gaussian_nll_loss(x, x, T.ones(3,4), reduction='foo')
    F.triplet_margin_loss(x, x, x, margin=-1)
    F.triplet_margin_loss(x, x[0], x)
    F.triplet_margin_with_distance_loss(x, x, x, margin=0)
    F.ctc_loss(x[:,None], T.tensor([[1]]), (4,), (1,))
    F.ctc_loss(x[:,None], T.tensor([[1]]), (2,), (2,))
    F.ctc_loss(x[:,None], T.tensor([[1]]), (2,2), (1,))
    F.ctc_loss(x[:,None], T.tensor([[1]]), (2,), (1,1))
    F.ctc_loss(x[:,None], T.tensor([[1]]), (2,), (1,), blank=5)
    """
)


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize("expression", LOSSES)
def test_losses(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression: str) -> None:
    assert_agrees(expression)


def _notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def test_a_target_out_of_bounds_tells_the_number_of_classes() -> None:
    with pytest.raises(IndexError, match=r"Target 10 is out of bounds\.") as caught:
        F.cross_entropy(flambeau.zeros(4, 10), flambeau.tensor([1, 2, 10, 3]))
    assert "10 classes" in _notes(caught.value)
    assert "[0, 9]" in _notes(caught.value)


def test_a_target_computed_on_the_way_is_checked_too() -> None:
    target = flambeau.tensor([1, 2]) * 5
    with pytest.raises(IndexError, match=r"Target 5 is out of bounds\."):
        F.nll_loss(flambeau.zeros(2, 4), target)


def test_float_labels_are_told_how_to_become_classes() -> None:
    with pytest.raises(RuntimeError, match="to be Long or Byte, but got Float") as caught:
        F.nll_loss(flambeau.zeros(2, 3), flambeau.tensor([1.0, 2.0]))
    assert "target.long()" in _notes(caught.value)


def test_scores_given_as_probabilities_are_told_of_the_other_loss() -> None:
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1") as caught:
        F.binary_cross_entropy(flambeau.tensor([3.0]), flambeau.tensor([1.0]))
    assert "binary_cross_entropy_with_logits" in _notes(caught.value)


def test_sizes_that_broadcast_warn() -> None:
    with pytest.warns(UserWarning, match=r"Using a target size \(torch\.Size\(\[3\]\)\) that is different"):
        F.mse_loss(flambeau.zeros(2, 3), flambeau.zeros(3))


@pytest.mark.parametrize(
    ("flags", "reduction"),
    [({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"size_average": True}, "mean")],
)
def test_legacy_flags_warn_and_work(flags: dict[str, bool], reduction: str) -> None:
    a, b = flambeau.tensor([1.0, 2.0]), flambeau.tensor([3.0, 5.0])
    with pytest.warns(UserWarning, match=f"please use reduction='{reduction}' instead"):
        found = F.mse_loss(a, b, **flags)
    assert found.tolist() == F.mse_loss(a, b, reduction=reduction).tolist()


def test_the_ambiguous_mean_of_a_divergence_warns() -> None:
    with pytest.warns(
        UserWarning, match="divides the total loss by both the batch size and the support size"
    ):
        F.kl_div(flambeau.zeros(2, 2), flambeau.zeros(2, 2))


def test_cross_entropy_is_one_node() -> None:
    scores = flambeau.zeros(2, 3, requires_grad=True)
    loss = F.cross_entropy(scores, flambeau.tensor([0, 1]))
    assert loss.grad_fn.name() == "NllLossBackward0"
    assert loss.grad_fn.next_functions[0][0].name().endswith("AccumulateGrad")


def test_second_derivatives_of_cross_entropy_exist() -> None:
    scores = flambeau.tensor([[1.0, 2.0, 0.5]], requires_grad=True)
    loss = F.cross_entropy(scores, flambeau.tensor([1]))
    (slope,) = flambeau.autograd.grad(loss, scores, create_graph=True)
    (curvature,) = flambeau.autograd.grad(slope[0, 1], scores)
    p = scores.detach().softmax(1)[0]
    expected = [float(-p[1] * p[0]), float(p[1] * (1 - p[1])), float(-p[1] * p[2])]
    assert curvature[0].tolist() == pytest.approx(expected, abs=1e-6)
