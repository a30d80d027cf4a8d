"""Attention and the Transformer beside PyTorch's: the same seed, inputs, masks, gradients and refusals."""

from __future__ import annotations

import warnings

import pytest
from side_by_side import assert_same


def log_outputs(log, layer, *inputs, **named):
    output = layer(*inputs, **named)
    log(output)
    first = output[0] if isinstance(output, tuple) else output
    layer.zero_grad()
    (first * first).sum().backward()
    log([parameter.grad for parameter in layer.parameters()])


def attention(torch, log):
    kinds = [
        {},
        {"bias": False},
        {"kdim": 3, "vdim": 5, "add_bias_kv": True},
        {"add_zero_attn": True, "batch_first": True},
    ]
    for kind in kinds:
        torch.manual_seed(1)
        layer = torch.nn.MultiheadAttention(4, 2, **kind)
        log(layer, layer.state_dict(), sorted(set(layer.__dict__)))
        query = torch.rand(3, 3, 4)
        key, value = torch.rand(3, 3, layer.kdim), torch.rand(3, 3, layer.vdim)
        log_outputs(log, layer, query, key, value)
        log_outputs(log, layer, query, key, value, need_weights=False)
        log_outputs(log, layer, query[:, 0], key[:, 0], value[:, 0], average_attn_weights=False)


def attention_masks(torch, log):
    torch.manual_seed(1)
    layer = torch.nn.MultiheadAttention(4, 2)
    x, memory = torch.rand(3, 2, 4), torch.rand(3, 2, 4)
    causal = torch.nn.Transformer.generate_square_subsequent_mask(3)
    padding = torch.tensor([[False, False, True], [False, True, True]])
    for need_weights in (True, False):
        log_outputs(log, layer, x, x, x, attn_mask=causal, need_weights=need_weights)
        log_outputs(log, layer, x, x, x, attn_mask=causal, is_causal=True, need_weights=need_weights)
        log_outputs(log, layer, x, memory, memory, key_padding_mask=padding, need_weights=need_weights)
        log_outputs(log, layer, x, x, x, attn_mask=causal.isinf(), key_padding_mask=padding)
        each_head = torch.rand(4, 3, 3)
        log_outputs(log, layer, x, x, x, attn_mask=each_head, need_weights=need_weights)


def attention_refusals(torch, log):
    zeros, layer = torch.zeros, torch.nn.MultiheadAttention(4, 2)
    log.first_line(lambda: torch.nn.MultiheadAttention(5, 2))
    log.first_line(lambda: torch.nn.MultiheadAttention(0, 2))
    x = zeros(3, 2, 4)
    calls = [
        ((zeros(3), zeros(3), zeros(3)), {}),
        ((x, zeros(3, 4), zeros(3, 4)), {}),
        ((zeros(3, 4), x, zeros(3, 4)), {}),
        ((zeros(3, 2, 5), zeros(3, 2, 5), zeros(3, 2, 5)), {}),
        ((x, zeros(5, 2, 4), zeros(4, 2, 4)), {}),
        ((x, x, x), {"attn_mask": zeros(2, 2)}),
        ((x, x, x), {"attn_mask": zeros(2, 2, 2)}),
        ((x, x, x), {"attn_mask": zeros(3)}),
        ((x, x, x), {"key_padding_mask": zeros(2, 2)}),
        ((x, x, x), {"key_padding_mask": zeros(3)}),
        ((x, x, x), {"key_padding_mask": zeros(2, 3).long()}),
        ((x, x, x), {"is_causal": True}),
        ((zeros(3, 4), zeros(3, 4), zeros(3, 4)), {"attn_mask": zeros(3, 3, 3)}),
        ((zeros(3, 4), zeros(3, 4), zeros(3, 4)), {"key_padding_mask": zeros(1, 3)}),
    ]
    for arguments, named in calls:
        log.first_line(lambda arguments=arguments, named=named: layer(*arguments, **named))


def layers(torch, log):
    for kind in ({}, {"norm_first": True, "activation": "gelu"}, {"bias": False, "batch_first": True}):
        torch.manual_seed(1)
        encoder = torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0, **kind)
        decoder = torch.nn.TransformerDecoderLayer(4, 2, 8, 0.0, **kind)
        log(encoder, encoder.state_dict(), decoder, decoder.state_dict())
        x, memory = torch.rand(3, 3, 4), torch.rand(3, 3, 4)
        padding = torch.tensor([[False, False, True]] * 3)
        causal = torch.nn.Transformer.generate_square_subsequent_mask(3)
        log_outputs(log, encoder, x)
        log_outputs(log, encoder, x, src_mask=causal, is_causal=True)
        log_outputs(log, encoder, x, src_key_padding_mask=padding)
        log_outputs(log, decoder, x, memory, tgt_mask=causal, memory_key_padding_mask=padding)
    log.first_line(lambda: torch.nn.TransformerEncoderLayer(4, 2, activation="foo"))


def stacks(torch, log):
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    x = torch.rand(2, 3, 4)
    padding = torch.tensor([[False, False, True], [False, True, True]])
    stack = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(4))
    log_outputs(log, stack, x, src_key_padding_mask=padding)
    stack.eval()
    with torch.no_grad():
        log(stack(x), stack(x, src_key_padding_mask=padding))
    for kind in (
        {},
        {"norm_first": True, "batch_first": True},
        {"activation": torch.tanh, "batch_first": True},
    ):
        log.result(
            lambda kind=kind: torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4, 2, **kind), 1)
        )


def transformer(torch, log):
    torch.manual_seed(1)
    model = torch.nn.Transformer(4, 2, 1, 2, 8, 0.0, batch_first=True)
    log(model, model.state_dict())
    source, target = torch.rand(2, 5, 4), torch.rand(2, 3, 4)
    log_outputs(log, model, source, target)
    mask = model.generate_square_subsequent_mask(3)
    log_outputs(log, model, source, target, tgt_mask=mask, tgt_is_causal=True)
    log.first_line(lambda: model(source, torch.rand(3, 3, 4)))
    log.first_line(lambda: model(torch.rand(2, 3, 5), torch.rand(2, 3, 5)))


def dropout(torch, log):
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(4, 2, 8, 0.3)
    log_outputs(log, layer, torch.rand(3, 2, 4))
    heads = torch.nn.MultiheadAttention(4, 2, dropout=0.3)
    x = torch.rand(3, 2, 4)
    log_outputs(log, heads, x, x, x)


SCENARIOS = [attention, attention_masks, attention_refusals, layers, stacks, transformer, dropout]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_as_in_pytorch(scenario):
    def quiet(torch, log):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scenario(torch, log)

    assert_same(quiet, tolerance=2e-5)
