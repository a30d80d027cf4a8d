"""`nn.utils` beside PyTorch's, scenario by scenario."""

from __future__ import annotations

import pytest
from side_by_side import assert_same

import flambeau
from flambeau.nn.utils.stateless import _functional_call


def with_gradients(torch, *gradients):
    parameters = []
    for values in gradients:
        parameter = torch.nn.Parameter(torch.zeros(len(values)))
        parameter.grad = torch.tensor(values)
        parameters.append(parameter)
    return parameters


def clip_norm(torch, log):
    utils = torch.nn.utils
    for max_norm, norm_type in [(1.0, 2.0), (100.0, 2.0), (1.0, "inf"), (1.0, 1), (2.0, 3.0)]:
        parameters = with_gradients(torch, [3.0, 4.0], [0.5])
        log(utils.clip_grad_norm_(parameters, max_norm, norm_type), [each.grad for each in parameters])
    log.result(lambda: utils.clip_grad_norm_([], 1.0))
    log.result(lambda: utils.clip_grad_norm_((each for each in []), 1.0))
    log.result(lambda: utils.clip_grad_norm(with_gradients(torch, [3.0, 4.0]), 1.0))
    broken = with_gradients(torch, [float("nan"), 1.0])
    log.result(lambda: utils.clip_grad_norm_(broken, 1.0, error_if_nonfinite=True))
    parameters = with_gradients(torch, [3.0, 4.0])
    utils.clip_grads_with_norm_(parameters[0], 1.0, torch.tensor(5.0))
    log(parameters[0].grad)
    log(utils.get_total_norm([torch.ones(2), torch.ones(2)]))
    log(utils.get_total_norm(torch.ones(2, dtype=torch.float64)))


def clip_value(torch, log):
    parameters = with_gradients(torch, [3.0, -4.0], [0.5])
    parameters.append(torch.nn.Parameter(torch.zeros(1)))
    log(torch.nn.utils.clip_grad_value_(parameters, 1))
    log([each.grad for each in parameters])


def vectors(torch, log):
    utils = torch.nn.utils
    parameters = [torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.ones(3))]
    log(utils.parameters_to_vector(parameters))
    utils.vector_to_parameters(torch.arange(7.0), parameters)
    log(parameters)
    log.result(lambda: utils.vector_to_parameters([1], parameters))
    log.first_line(lambda: utils.vector_to_parameters(torch.ones(1), parameters))


def skipping(torch, log):
    utils = torch.nn.utils
    log(utils.skip_init(torch.nn.Linear, 2, 3), utils.skip_init(torch.nn.Linear, 2, 3).weight.device)
    log.result(lambda: utils.skip_init(torch.nn.ReLU))
    log.result(lambda: utils.skip_init(int))


def fusing(torch, log):
    nn, utils = torch.nn, torch.nn.utils
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    norm.running_mean.uniform_()
    norm.running_var.uniform_()
    x = torch.rand(1, 2, 5, 5)
    for conv in (nn.Conv2d(2, 4, 3), nn.Conv2d(2, 4, 3, bias=False)):
        log(utils.fuse_conv_bn_eval(conv.eval(), norm.eval())(x))
    log(utils.fuse_conv_bn_eval(nn.ConvTranspose2d(2, 4, 3).eval(), norm.eval(), transpose=True)(x))
    flat = nn.BatchNorm1d(3).eval()
    log(utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), flat)(torch.rand(4, 2)))
    log.result(lambda: utils.fuse_linear_bn_eval(nn.Linear(2, 4).eval(), flat))
    log.result(lambda: utils.fuse_conv_bn_eval(nn.Conv2d(2, 4, 3), norm))


def stateless_calls(torch, log):
    nn, call = torch.nn, torch.nn.utils.stateless._functional_call
    layer = nn.Linear(2, 2)
    x = torch.ones(1, 2)
    weight = torch.full((2, 2), 3.0)
    log(call(layer, {"weight": weight}, x), layer(x))
    log.first_line(lambda: call(layer, {"weight": 3}, x))
    log.first_line(lambda: call(layer, {"a.b": weight}, x))
    log.result(lambda: call(layer, {"weightx": weight}, x, strict=True))
    tied = nn.Sequential(layer, nn.Sequential(layer))
    log(call(tied, {"0.weight": weight}, x), call(tied, {"0.weight": weight}, x, tie_weights=False))
    log.first_line(lambda: call(tied, {"0.weight": weight, "1.0.weight": weight + 1}, x))
    norm = nn.BatchNorm1d(2)
    mean = torch.zeros(2)
    call(norm, {"running_mean": mean}, torch.ones(3, 2))
    log(norm.running_mean, mean, norm.num_batches_tracked)
    log.result(lambda: torch.nn.utils.stateless.functional_call(layer, {"weight": weight}, x).shape)


def padding(torch, log):
    rnn = torch.nn.utils.rnn
    sequences = [torch.arange(6.0).view(3, 2), torch.ones(1, 2), torch.full((2, 2), 7.0)]
    log(rnn.pad_sequence(sequences), rnn.pad_sequence(sequences, True, -1.0, "left"))
    padded = rnn.pad_sequence(sequences, batch_first=True)
    log(rnn.unpad_sequence(padded, torch.tensor([3, 1, 2]), batch_first=True))
    log.result(lambda: rnn.pad_sequence(3))
    log.result(lambda: rnn.pad_sequence([]))
    log.result(lambda: rnn.pad_sequence(sequences, padding_side="x"))


def packing(torch, log):
    rnn = torch.nn.utils.rnn
    padded = torch.arange(24.0).view(4, 3, 2)
    for lengths, is_sorted in [([4, 2, 1], True), ([2, 4, 1], False), (torch.tensor([3, 2, 2]), True)]:
        packed = rnn.pack_padded_sequence(padded, lengths, enforce_sorted=is_sorted)
        log(list(packed))
        log(rnn.pad_packed_sequence(packed), rnn.pad_packed_sequence(packed, True, 9.0, 6))
        log(rnn.unpack_sequence(packed), packed.double().data, packed.to("cpu") is packed)
    log(list(rnn.pack_sequence([torch.ones(2), torch.ones(3)], enforce_sorted=False)))
    log(rnn.invert_permutation(torch.tensor([2, 0, 1])))
    for lengths in ([2, 4, 1], [4, 2], [4, 2, 0], torch.tensor([[4, 2, 1]])):
        log.result(lambda lengths=lengths: rnn.pack_padded_sequence(padded, lengths))
    log.result(lambda: rnn.pad_packed_sequence(packed, total_length=2))
    log.result(lambda: rnn.PackedSequence(torch.ones(2)))


def test_functional_call_puts_back_what_it_replaced():
    layer = flambeau.nn.Linear(2, 2)
    weight = layer.weight
    tied = flambeau.nn.Sequential(layer, flambeau.nn.Sequential(layer))
    _functional_call(tied, {"0.weight": flambeau.ones(2, 2)}, flambeau.ones(1, 2))
    assert layer.weight is weight


SCENARIOS = [clip_norm, clip_value, vectors, skipping, fusing, stateless_calls, padding, packing]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_as_in_pytorch(scenario):
    assert_same(scenario, tolerance=2e-6)
