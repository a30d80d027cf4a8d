import pickle

import pytest
from side_by_side import compared

import flambeau


@compared
def test_steps_grow_shrink_and_are_left_out(torch, log):
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    for number in range(7):
        optimizer.zero_grad()
        loss = (weight * (float("inf") if number in (2, 5) else 1.0)).sum()
        scaler.scale(loss).backward()
        log(weight.grad)
        log(scaler.step(optimizer))
        scaler.update()
        log(weight, weight.grad, scaler.get_scale(), scaler._get_growth_tracker(), scaler.state_dict())


@compared
def test_gradients_are_unscaled_for_clipping(torch, log):
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale((weight**2).sum()).backward()
    scaler.unscale_(optimizer)
    log(torch.nn.utils.clip_grad_norm_([weight], 1.0), weight.grad)
    log.result(lambda: scaler.unscale_(optimizer))
    scaler.step(optimizer)
    log(weight)
    log.result(lambda: scaler.step(optimizer))
    log.result(lambda: scaler.unscale_(optimizer))
    log.result(lambda: scaler.step(optimizer, closure=lambda: 1))
    scaler.update()
    scaler.update(8.0)
    log(scaler.get_scale())
    scaler.update(torch.tensor(16.0))
    log(scaler.get_scale())


@compared
def test_settings_and_state(torch, log):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    log(scaler.is_enabled(), scaler.get_scale(), scaler.state_dict())
    log(scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval())
    log.result(lambda: scaler.update())
    log.result(lambda: scaler.unscale_(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)))
    log([each.item() for each in scaler.scale([torch.ones(()), torch.ones(()) * 2])])
    log.result(lambda: scaler.scale(3))
    log.result(lambda: scaler.update())
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.1)
    scaler.set_growth_interval(7)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    log(other.state_dict())
    log.result(lambda: other.load_state_dict({}))
    off = torch.amp.GradScaler("cpu", enabled=False)
    log(off.state_dict(), off.get_scale(), off.is_enabled(), off.scale(torch.ones(1)))
    log.result(lambda: torch.amp.GradScaler("cpu", growth_factor=1.0))
    log.result(lambda: torch.amp.GradScaler("cpu", backoff_factor=1.0))
    log.result(lambda: torch.amp.GradScaler().is_enabled())


@compared
def test_gradients_in_float16_are_refused(torch, log):
    weight = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(weight.sum()).backward()
    log.result(lambda: scaler.unscale_(torch.optim.SGD([weight], lr=0.1)))


def test_scaler_is_pickled_between_steps():
    weight = flambeau.nn.Parameter(flambeau.ones(2))
    optimizer = flambeau.optim.SGD([weight], lr=0.1)
    scaler = flambeau.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(weight.sum()).backward()
    scaler.step(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled at the beginning of an iteration"):
        pickle.dumps(scaler)
    scaler.update()
    assert pickle.loads(pickle.dumps(scaler)).state_dict() == scaler.state_dict()
