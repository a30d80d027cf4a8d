"""Beside PyTorch's autocast on the CPU, in bfloat16: dtypes of results exactly, values to the precision of bfloat16."""

import warnings

import numpy as np
import pytest
import torch
from side_by_side import compared

import flambeau
from flambeau._core import autocast


def numbers(*shape, low=False, positive=False, seed=0):
    """float32 or bfloat16 numbers, the same for both libraries."""
    values = np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
    values = np.abs(values) * 0.2 + 0.1 if positive else values

    def make(t):
        tensor = t.from_numpy(values.copy())
        return tensor.bfloat16() if low else tensor

    return make


X, Y, V = numbers(4, 4), numbers(4, 4, seed=1), numbers(4, seed=2)
B, C = numbers(2, 3, 4), numbers(2, 4, 5)
LOW, LOW_P, LOW_V = numbers(4, 4, low=True), numbers(4, 4, low=True, positive=True), numbers(4, low=True)
P = numbers(4, 4, positive=True)
SIGNAL, IMAGE, VOLUME = numbers(2, 3, 8), numbers(2, 3, 6, 6), numbers(1, 2, 5, 5, 5)
LOW_SIGNAL, LOW_IMAGE, LOW_VOLUME = (
    numbers(2, 3, 8, low=True),
    numbers(2, 3, 6, 6, low=True),
    numbers(1, 2, 5, 5, 5, low=True),
)


def labels(t):
    return t.tensor([0, 1, 2, 3])


def definite(t):
    """A matrix that is symmetric and positive definite, in bfloat16."""
    x = X(t)
    return (x @ x.T + 4 * t.eye(4)).bfloat16()


CASES = {
    "addbmm": lambda t, F: t.addbmm(t.zeros(3, 5), B(t), C(t)),
    "addmm": lambda t, F: t.addmm(V(t), X(t), Y(t)),
    "Tensor.addmm": lambda t, F: X(t).addmm(X(t), Y(t), alpha=2),
    "baddbmm": lambda t, F: t.baddbmm(t.zeros(2, 3, 5), B(t), C(t)),
    "bmm": lambda t, F: B(t).bmm(C(t)),
    "conv1d": lambda t, F: F.conv1d(SIGNAL(t), numbers(2, 3, 3)(t), numbers(2)(t)),
    "conv2d": lambda t, F: F.conv2d(IMAGE(t), numbers(2, 3, 3, 3)(t)),
    "conv3d": lambda t, F: F.conv3d(VOLUME(t), numbers(2, 2, 3, 3, 3)(t)),
    "conv_transpose2d": lambda t, F: F.conv_transpose2d(IMAGE(t), numbers(3, 2, 3, 3)(t)),
    "vecdot": lambda t, F: t.linalg.vecdot(X(t), Y(t)),
    "linear": lambda t, F: F.linear(X(t), Y(t), V(t)),
    "linear of both": lambda t, F: F.linear(LOW(t), Y(t), V(t)),
    "matmul": lambda t, F: X(t) @ Y(t),
    "matmul of a vector": lambda t, F: t.matmul(X(t), V(t)),
    "mm": lambda t, F: t.mm(X(t), Y(t)),
    "prelu": lambda t, F: F.prelu(X(t), t.tensor([0.2])),
    "attention": lambda t, F: F.scaled_dot_product_attention(B(t), B(t), B(t)),
    "einsum": lambda t, F: t.einsum("ij,jk->ik", X(t), Y(t)),
    "tensordot": lambda t, F: t.tensordot(X(t), Y(t), 1),
    "multi_dot": lambda t, F: t.linalg.multi_dot([X(t), Y(t), X(t)]),
    "inner": lambda t, F: t.inner(X(t), Y(t)),
    "mv, not listed": lambda t, F: t.mv(X(t), V(t)),
    "dot, not listed": lambda t, F: t.dot(V(t), V(t)),
    "outer, not listed": lambda t, F: t.outer(V(t), V(t)),
    "cat": lambda t, F: t.cat([X(t), LOW(t)]),
    "cat of the same": lambda t, F: t.cat([LOW(t), LOW(t)]),
    "stack": lambda t, F: t.stack([X(t), LOW(t)]),
    "hstack": lambda t, F: t.hstack([X(t), LOW(t)]),
    "index_copy": lambda t, F: t.index_copy(X(t), 0, labels(t), LOW(t)),
    "exp, not listed": lambda t, F: LOW(t).exp(),
    "softmax, not listed": lambda t, F: F.softmax(LOW(t), -1),
    "layer_norm, not listed": lambda t, F: F.layer_norm(LOW(t), (4,), V(t), V(t)),
    "batch_norm, not listed": lambda t, F: t.nn.BatchNorm2d(3)(LOW_IMAGE(t)),
    "group_norm, not listed": lambda t, F: t.nn.GroupNorm(3, 3)(LOW_IMAGE(t)),
    "sum, not listed": lambda t, F: LOW(t).sum(),
    "add, not listed": lambda t, F: X(t) + LOW(t),
    "max_pool2d, not listed": lambda t, F: F.max_pool2d(LOW_IMAGE(t), 2),
    "adaptive_avg_pool3d": lambda t, F: F.adaptive_avg_pool3d(LOW_VOLUME(t), 2),
    "avg_pool3d": lambda t, F: F.avg_pool3d(LOW_VOLUME(t), 2),
    "max_pool3d": lambda t, F: F.max_pool3d(LOW_VOLUME(t), 2),
    "binary_cross_entropy": lambda t, F: F.binary_cross_entropy(LOW_P(t), P(t)),
    "with logits": lambda t, F: F.binary_cross_entropy_with_logits(LOW(t), P(t)),
    "cdist": lambda t, F: t.cdist(LOW(t), LOW_P(t)),
    "cholesky": lambda t, F: t.linalg.cholesky(definite(t)),
    "cross_entropy": lambda t, F: F.cross_entropy(LOW(t), labels(t), label_smoothing=0.1),
    "nll_loss": lambda t, F: F.nll_loss(LOW(t), labels(t)),
    "cosine_embedding": lambda t, F: F.cosine_embedding_loss(LOW(t), LOW_P(t), t.ones(4)),
    "fft": lambda t, F: t.view_as_real(t.fft.rfft(LOW(t))),
    "grid_sample": lambda t, F: F.grid_sample(
        LOW_IMAGE(t), numbers(2, 3, 3, 2, low=True)(t), align_corners=False
    ),
    "hinge": lambda t, F: F.hinge_embedding_loss(LOW(t), t.ones(4, 4)),
    "huber": lambda t, F: F.huber_loss(LOW(t), LOW_P(t)),
    "inv": lambda t, F: t.linalg.inv(definite(t)),
    "Tensor.inverse": lambda t, F: definite(t).inverse(),
    "kl_div": lambda t, F: F.kl_div(LOW(t), LOW_P(t), reduction="sum"),
    "l1": lambda t, F: F.l1_loss(LOW(t), LOW_P(t)),
    "mse": lambda t, F: F.mse_loss(LOW(t), P(t)),
    "smooth_l1": lambda t, F: F.smooth_l1_loss(LOW(t), P(t)),
    "margin_ranking": lambda t, F: F.margin_ranking_loss(LOW_V(t), LOW_V(t) * 2, t.ones(4)),
    "multi_margin": lambda t, F: F.multi_margin_loss(LOW(t), labels(t)),
    "poisson": lambda t, F: F.poisson_nll_loss(LOW(t), LOW_P(t)),
    "soft_margin": lambda t, F: F.soft_margin_loss(LOW(t), t.ones(4, 4)),
    "triplet": lambda t, F: F.triplet_margin_loss(LOW(t), LOW_P(t), LOW(t) * 2),
    "prod": lambda t, F: LOW(t).prod(1),
    "quantile": lambda t, F: t.quantile(LOW(t), 0.3),
    "trace": lambda t, F: t.trace(LOW(t)),
    "svdvals": lambda t, F: t.linalg.svdvals(LOW(t)),
    "solve": lambda t, F: t.linalg.solve(definite(t), LOW(t)),
    "pad by reflection": lambda t, F: F.pad(LOW_IMAGE(t), (1, 1, 1, 1), "reflect"),
    "pad by repeating": lambda t, F: F.pad(LOW_SIGNAL(t), (1, 1), "replicate"),
    "pad by a number": lambda t, F: F.pad(LOW_IMAGE(t), (1, 1)),
    "in place": lambda t, F: X(t).addmm_(X(t), Y(t)),
    "out=": lambda t, F: t.mm(X(t), Y(t), out=t.empty(4, 4)),
    "out= of a function": lambda t, F: t.addmm(X(t), X(t), Y(t), out=t.empty(4, 4)),
    "float64": lambda t, F: X(t).double() @ Y(t).double(),
    "integers": lambda t, F: t.ones(2, 2, dtype=t.int64) @ t.ones(2, 2, dtype=t.int64),
    "gru_cell": lambda t, F: t.gru_cell(B(t)[0], X(t)[:3], numbers(12, 4)(t), numbers(12, 4)(t)),
    "rnn_tanh_cell": lambda t, F: t.rnn_tanh_cell(B(t)[0], X(t)[:3], X(t), X(t)),
    "no_grad": lambda t, F: t.no_grad()(lambda: F.linear(X(t), Y(t)))(),
    "disabled inside": lambda t, F: t.autocast("cpu", enabled=False)(lambda: X(t) @ Y(t))(),
    "float16 inside": lambda t, F: t.autocast("cpu", dtype=t.float16)(lambda: X(t) @ Y(t))(),
}


@pytest.mark.parametrize("name", CASES)
def test_result_has_the_dtype_and_value_of_pytorchs(name):
    found = []
    for t in (torch, flambeau):
        with t.autocast("cpu"):
            found.append(CASES[name](t, t.nn.functional))
    theirs, ours = found
    assert str(ours.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(
        ours.detach().double().numpy(), theirs.detach().double().numpy(), rtol=2e-2, atol=2e-2
    )


def test_nothing_changes_outside():
    x = flambeau.ones(2, 2)
    with flambeau.autocast("cpu"):
        pass
    assert (x @ x).dtype is flambeau.nn.functional.mse_loss(x, x).dtype is flambeau.float32
    assert autocast.castable_types
    assert flambeau.Tensor in autocast.castable_types


def trained(t, enabled):
    t.manual_seed(0)
    model = t.nn.Sequential(
        t.nn.Conv2d(3, 4, 3), t.nn.BatchNorm2d(4), t.nn.ReLU(), t.nn.Flatten(), t.nn.Linear(64, 8), t.nn.LayerNorm(8),
        t.nn.GELU(), t.nn.Linear(8, 4),
    )  # fmt: skip
    optimizer = t.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        with t.autocast("cpu", enabled=enabled):
            loss = t.nn.functional.cross_entropy(model(numbers(4, 3, 6, 6)(t)), labels(t))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    dtypes = {str(p.grad.dtype) for p in model.parameters()}
    return losses, dtypes


def test_network_trains_as_in_pytorch():
    (theirs, their_dtypes), (ours, dtypes) = trained(torch, True), trained(flambeau, True)
    assert dtypes == their_dtypes == {"torch.float32"}
    np.testing.assert_allclose(ours, theirs, rtol=2e-2)
    exact, _ = trained(flambeau, False)
    assert ours != exact
    np.testing.assert_allclose(ours, exact, rtol=5e-2)


def test_weight_is_cast_once_in_the_outermost_block():
    layer, x = flambeau.nn.Linear(4, 4), flambeau.ones(2, 4)
    with flambeau.autocast("cpu"):
        first, second = layer(x), layer(x)
        kept = dict(autocast.state.cache)
        with flambeau.autocast("cpu"):
            layer(x)
        assert dict(autocast.state.cache) == kept
        assert id(layer.weight) in kept
    assert not autocast.state.cache
    (first.sum() + second.sum()).backward()
    assert layer.weight.grad.dtype is flambeau.float32
    with flambeau.autocast("cpu", cache_enabled=False):
        layer(x)
        assert not autocast.state.cache


@compared
def test_contexts_and_decorators(torch, log):
    x = torch.ones(2, 2)
    log.result(lambda: torch.autocast("cuda", enabled=False) and None)
    for arguments in ((3,), (), ("meta",)):
        log.result(lambda arguments=arguments: torch.autocast(*arguments) and None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        context = torch.autocast("cpu", dtype=torch.float32)
    log(len(caught), context._enabled)

    @torch.autocast("cpu")
    def product(x):
        return (x @ x).dtype

    log(str(product(x)), str((x @ x).dtype))
    try:
        with torch.autocast("cpu"):
            raise KeyError
    except KeyError:
        log(torch.is_autocast_enabled("cpu"))
    with torch.autocast("cpu", dtype=torch.float16) as entered:
        log(type(entered).__name__, torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda"))
        log(str(torch.get_autocast_dtype("cpu")), str(torch.get_autocast_dtype("cuda")))
        with torch.autocast("cuda", enabled=False):
            log(str((x @ x).dtype))
    log(str(torch.get_autocast_dtype("cpu")), torch.is_autocast_cache_enabled())
    log(torch.amp.is_autocast_available("cpu"), torch.amp.is_autocast_available("meta"))


@compared
def test_state_is_asked_and_set(torch, log):
    torch.set_autocast_enabled("cpu", True)
    log(torch.is_autocast_enabled("cpu"), str((torch.ones(2, 2) @ torch.ones(2, 2)).dtype))
    torch.set_autocast_dtype("cpu", torch.float16)
    log(str((torch.ones(2, 2) @ torch.ones(2, 2)).dtype))
    torch.set_autocast_dtype("cpu", torch.bfloat16)
    torch.set_autocast_enabled("cpu", False)
    log(torch.is_autocast_enabled(), torch.autocast_increment_nesting(), torch.autocast_decrement_nesting())
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(False)
    log(torch.is_autocast_cache_enabled())
    torch.set_autocast_cache_enabled(True)
    log.result(lambda: torch.get_autocast_dtype("meta"))


@compared
def test_custom_functions_keep_the_autocast_of_their_forward(torch, log):
    def function(cast_inputs):
        class Product(torch.autograd.Function):
            @staticmethod
            @torch.amp.custom_fwd(device_type="cpu", cast_inputs=cast_inputs)
            def forward(ctx, x, y):
                log(str(x.dtype), str(y.dtype), torch.is_autocast_enabled("cpu"))
                return x @ y

            @staticmethod
            @torch.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                log(torch.is_autocast_enabled("cpu"))
                return g, g

        return Product.apply

    x = torch.ones(2, 2, requires_grad=True)
    for cast_inputs in (None, torch.float32, torch.bfloat16):
        with torch.autocast("cpu"):
            y = function(cast_inputs)(x, x.bfloat16())
        log(str(y.dtype))
        y.sum().backward()
    function(torch.bfloat16)(x, x)
    log.result(lambda: torch.amp.custom_fwd(lambda x: x, device_type=3))


@compared
def test_checkpoint_runs_again_under_the_same_autocast(torch, log):
    w, x = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    for form in (True, False):
        with torch.autocast("cpu"):
            y = torch.utils.checkpoint.checkpoint(lambda w: (w @ x).exp(), w, use_reentrant=form)
        log(str(y.dtype))
        y.sum().backward()
        log(w.grad)


def test_older_names_warn():
    import torch.cpu.amp
    import torch.cuda.amp

    for place, name in (
        ("cuda", "autocast"),
        ("cpu", "autocast"),
        ("cpu", "GradScaler"),
        ("cuda", "GradScaler"),
    ):
        texts = []
        for t in (torch, flambeau):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                getattr(getattr(t, place).amp, name)()
            texts.append([str(warning.message) for warning in caught])
        assert texts[0] == texts[1]


def test_lists_name_what_there_is():
    from flambeau._core.declare import registry

    private = {"reflection_pad", "replication_pad"}
    unknown = [
        name
        for name in autocast._RULES
        if not {name, f"nn.functional.{name}", f"Tensor.{name}"} & registry.keys() and name not in private
    ]
    assert not unknown


def test_gpus_have_a_list_of_their_own():
    rules = {name: found.get("cuda") for name, found in autocast._RULES.items()}
    assert rules["softmax"] is rules["sum"] is autocast.FLOAT32_SUM
    assert (rules["addmv"], rules["exp"], rules["addcmul"]) == (
        autocast.LOWER,
        autocast.FLOAT32,
        autocast.PROMOTE,
    )
    with pytest.raises(RuntimeError, match="are unsafe to autocast"):
        autocast.cast([flambeau.ones(1)], rules["binary_cross_entropy"], "cuda")
    low = flambeau.ones(2, dtype=flambeau.bfloat16)
    given = autocast.cast([low, flambeau.float64], autocast.FLOAT32_SUM, "cpu")
    assert given[0] is low
    assert autocast.cast([low, None], autocast.FLOAT32_SUM, "cpu")[0].dtype is flambeau.float32


def test_custom_operators_are_cast_as_registered():
    @flambeau.library.custom_op("zoo_autocast::double", mutates_args=())
    def double(x: flambeau.Tensor) -> flambeau.Tensor:
        assert not flambeau.is_autocast_enabled("cpu")
        return x * 2

    double.register_autocast("cpu", flambeau.bfloat16)
    with flambeau.autocast("cpu"):
        assert double(flambeau.ones(2)).dtype is flambeau.bfloat16
    library = flambeau.library.Library("zoo_autocast_keys", "DEF")
    library.define("f(Tensor x) -> Tensor")
    library.impl("f", lambda x: x + 1, "CPU")
    library.impl("f", lambda x: x + 10, "AutocastCPU")
    call = flambeau.ops.zoo_autocast_keys.f
    keys = flambeau._C.DispatchKeySet(flambeau._C.DispatchKey.AutocastCPU)
    with flambeau.autocast("cpu"):
        assert call(flambeau.zeros(1)).item() == 10
        with flambeau._C._ExcludeDispatchKeyGuard(keys):
            assert call(flambeau.zeros(1)).item() == 1
    assert call(flambeau.zeros(1)).item() == 1
