"""Recurrent layers against PyTorch's: made from one seed, run padded and packed, differentiated, trained, refused."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from side_by_side import assert_same

import flambeau
from flambeau._core.trace import engine, local

LIBRARIES = (flambeau, torch)

# PyTorch's warning about its own speed.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

LAYERS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
    ("RNN", {"bias": False, "batch_first": True}),
    ("GRU", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("GRU", {"bias": False}),
    ("GRU", {"num_layers": 2, "dropout": 0.5}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"bias": False, "batch_first": True}),
    ("LSTM", {"num_layers": 3, "dropout": 0.5, "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "bias": False}),
]
CELLS = [
    "RNNCell(3, 4)",
    "RNNCell(3, 4, nonlinearity='relu')",
    "RNNCell(3, 4, bias=False)",
    "LSTMCell(3, 4)",
    "LSTMCell(3, 4, bias=False)",
    "GRUCell(3, 4)",
    "GRUCell(3, 4, bias=False)",
]


def made(library, kind, options, dtype="float32"):
    library.manual_seed(0)
    return getattr(library.nn, kind)(3, 4, dtype=getattr(library, dtype), **options)


def states(library, kind, options, dtype, size):
    """Random first states, as a list: one tensor, or for an LSTM two."""
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    sizes = [options.get("proj_size", 4)] + ([4] if kind == "LSTM" else [])
    kinds = {"dtype": getattr(library, dtype), "requires_grad": True}
    return [library.randn(count, *size, each, **kinds) for each in sizes]


def as_hx(kind, given):
    return tuple(given) if kind == "LSTM" else given[0]


def trial(library, kind, options, *, packed=False, with_states=False, batched=True, dtype="float32"):
    """Output, last states, and the gradients of everything."""
    layer = made(library, kind, options, dtype)
    batch_first = options.get("batch_first", False)
    sizes = ((3, 6) if batch_first else (6, 3)) if batched else (6,)
    x = library.randn(*sizes, 3, dtype=getattr(library, dtype), requires_grad=True)
    given = states(library, kind, options, dtype, (3,) if batched else ()) if with_states else []
    rnn = library.nn.utils.rnn
    input = x
    if packed:
        input = rnn.pack_padded_sequence(x, [3, 6, 2], batch_first=batch_first, enforce_sorted=False)
    output, last = layer(input, as_hx(kind, given) if given else None)
    if packed:
        output, _ = rnn.pad_packed_sequence(output, batch_first=batch_first)
    ends = list(last) if isinstance(last, tuple) else [last]
    weight = library.linspace(1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    ((output * weight).sum() + sum((end * end).sum() for end in ends)).backward()
    return [output, *ends, *[leaf.grad for leaf in (x, *given, *layer.parameters())]]


def assert_close(found, expected, tolerance=2e-5):
    for ours, theirs in zip(found, expected, strict=True):
        assert str(ours.dtype) == str(theirs.dtype)
        ours, theirs = (each.detach().double().numpy() for each in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance)


@pytest.mark.parametrize("with_states", [False, True], ids=["zeros", "hx"])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_values_and_gradients(kind, options, packed, with_states):
    how = {"packed": packed, "with_states": with_states}
    assert_close(*[trial(library, kind, options, **how) for library in LIBRARIES])


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_values_and_gradients_when_compiled(kind, packed, monkeypatch):
    monkeypatch.setattr(engine, "tier", 2)
    options = {"num_layers": 2, "bidirectional": True}
    assert_close(*[trial(library, kind, options, packed=packed) for library in LIBRARIES])


MANY = [
    ("RNN", {"nonlinearity": "relu"}),
    ("GRU", {}),
    ("LSTM", {}),
    ("LSTM", {"proj_size": 2, "bias": False}),
]


@pytest.mark.parametrize("tier", [0, 2])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize(("kind", "options"), MANY)
def test_many_sequences(kind, options, packed, tier, monkeypatch):
    """So many that each is a column in the loop."""

    def scenario(torch, log):
        layer = getattr(torch.nn, kind)(3, 4, bidirectional=True, dtype=torch.float64, **options)
        x = torch.randn(5, 17, 3, dtype=torch.float64, requires_grad=True)
        given = [each.requires_grad_() for each in _states(torch, kind, options, 17)]
        input = x
        if packed:
            input = torch.nn.utils.rnn.pack_padded_sequence(x, [5] * 9 + [3] * 6 + [1, 1])
        output, last = layer(input, as_hx(kind, given))
        data = output.data if packed else output
        ends = last if isinstance(last, tuple) else (last,)
        leaves = [x, *given, *layer.parameters()]
        total = (data**2).sum() + sum(end.sin().sum() for end in ends)
        gradients = torch.autograd.grad(total, leaves, create_graph=True)
        sum((gradient**2).sum() for gradient in gradients).backward()
        log(data, *ends, *gradients, *[leaf.grad for leaf in leaves])

    monkeypatch.setattr(engine, "tier", tier)
    assert_same(scenario, 1e-9)


def _states(torch, kind, options, batch):
    sizes = [options.get("proj_size", 4)] + ([4] if kind == "LSTM" else [])
    return [torch.randn(2, batch, size, dtype=torch.float64) for size in sizes]


@pytest.mark.parametrize("batch", [3, 17])
@pytest.mark.parametrize("kind", ["rnn_tanh", "gru", "lstm"])
def test_several_networks_at_once(kind, batch):
    """`vmap` over weights, states and input: the same as one after the other."""
    gates = {"rnn_tanh": 1, "gru": 3, "lstm": 4}[kind]
    flambeau.manual_seed(0)
    sizes = [(5, batch, 3), (gates * 4, 3), (gates * 4, 4), (1, batch, 4)]
    x, w_ih, w_hh, state = [flambeau.randn(2, *size) for size in sizes]

    def run(x, w_ih, w_hh, state):
        hx = (state, state) if kind == "lstm" else state
        output = getattr(flambeau, kind)(x, hx, [w_ih, w_hh], False, 1, 0.0, False, False, False)[0]
        return (output**2).sum()

    step = flambeau.func.grad(run, argnums=(0, 1, 2, 3))
    found = flambeau.func.vmap(step)(x, w_ih, w_hh, state)
    for gradients, expected in zip(zip(*found, strict=True), map(step, x, w_ih, w_hh, state), strict=True):
        assert_close(gradients, expected)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bidirectional": True}], ids=str)
def test_unbatched(kind, options):
    how = {"batched": False, "with_states": True, "dtype": "float64"}
    assert_close(*[trial(library, kind, options, **how) for library in LIBRARIES], tolerance=1e-12)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_half_precision(kind):
    assert_close(*[trial(library, kind, {}, dtype="bfloat16") for library in LIBRARIES], tolerance=0.06)


@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_same_seed_makes_the_same_layer(kind, options):
    mine, theirs = (made(library, kind, options) for library in LIBRARIES)
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for ours, reference in zip(mine.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), reference.detach().numpy())
    shapes = [[[tuple(w.shape) for w in group] for group in layer.all_weights] for layer in (mine, theirs)]
    assert shapes[0] == shapes[1]
    assert mine._flat_weights_names == theirs._flat_weights_names
    assert all(
        ours is getattr(mine, name)
        for ours, name in zip(mine._flat_weights, mine._flat_weights_names, strict=True)
    )
    public = [{k: v for k, v in layer.__dict__.items() if not k.startswith("_")} for layer in (mine, theirs)]
    assert public[0] == public[1]


@pytest.mark.parametrize("text", CELLS)
@pytest.mark.parametrize("with_states", [False, True], ids=["zeros", "hx"])
@pytest.mark.parametrize("size", [(2,), ()], ids=["batched", "unbatched"])
def test_cells(text, with_states, size):
    def scenario(torch, log):
        cell = eval("torch.nn." + text, {"torch": torch})
        x = torch.randn(*size, 3, requires_grad=True)
        given = [torch.randn(*size, 4, requires_grad=True) for _ in range(2 if "LSTM" in text else 1)]
        found = cell(x, as_hx(text[:4], given)) if with_states else cell(x)
        ends = found if isinstance(found, tuple) else (found,)
        sum((end * end * torch.arange(4)).sum() for end in ends).backward()
        log(cell, *ends, x.grad, *[p.grad for p in cell.parameters()], *[each.grad for each in given])

    assert_same(scenario, 1e-5)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_second_derivatives(kind):
    def scenario(torch, log):
        layer = getattr(torch.nn, kind)(3, 4, bidirectional=True, dtype=torch.float64)
        x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, [5, 2])
        output, _ = layer(packed)
        (gradient,) = torch.autograd.grad((output.data**2).sum(), x, create_graph=True)
        (gradient**2).sum().backward()
        log(gradient, x.grad, *[p.grad for p in layer.parameters()])

    assert_same(scenario, 1e-10)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_training_from_one_seed_gives_the_same_losses(kind):
    def losses(library):
        library.manual_seed(0)
        layer = getattr(library.nn, kind)(5, 8, num_layers=2, dropout=0.2, batch_first=True)
        head = library.nn.Linear(8, 1)
        optimizer = library.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.01)
        found = []
        for _ in range(20):
            x = library.randn(4, 7, 5)
            loss = ((head(layer(x)[0])[..., 0] - x.sum(-1)) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    np.testing.assert_allclose(losses(flambeau), losses(torch), rtol=1e-4)


def test_sequences_of_one_length_and_long_ones_may_be_packed():
    def scenario(torch, log):
        layer = torch.nn.GRU(2, 3, bidirectional=True)
        for lengths in ([4, 4], [37, 30, 1], [1]):
            sequences = [torch.randn(length, 2) for length in lengths]
            output, hidden = layer(torch.nn.utils.rnn.pack_sequence(sequences))
            log(output.data, output.batch_sizes, output.sorted_indices, hidden)

    assert_same(scenario, 1e-5)


def test_packed_results_keep_their_order():
    def scenario(torch, log):
        layer = torch.nn.LSTM(2, 3)
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            torch.randn(4, 3, 2), [2, 4, 3], enforce_sorted=False
        )
        output, _ = layer(packed)
        log(type(output).__name__, output.sorted_indices, output.unsorted_indices, output.batch_sizes)
        log(output.sorted_indices is packed.sorted_indices)

    assert_same(scenario)


def test_an_lstm_on_meta_knows_its_sizes():
    def scenario(torch, log):
        layer = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, device="meta")
        output, (hidden, cell) = layer(torch.empty(5, 2, 3, device="meta"))
        log(output, hidden, cell)
        packed = torch.nn.utils.rnn.PackedSequence(torch.empty(5, 3, device="meta"), torch.tensor([3, 2]))
        log(layer(packed)[0].data)
        log(torch.nn.GRUCell(3, 4, device="meta")(torch.empty(2, 3, device="meta")))

    assert_same(scenario)


def test_outputs_may_be_overwritten_where_pytorch_allows_it():
    def scenario(torch, log):
        for kind, options in (("RNN", {}), ("GRU", {}), ("LSTM", {}), ("LSTM", {"bidirectional": True})):
            x = torch.randn(4, 2, 3, requires_grad=True)
            output, _ = getattr(torch.nn, kind)(3, 5, **options)(x)
            output.mul_(2)
            log.first_line(lambda output=output, x=x: torch.autograd.grad(output.sum(), x)[0].shape)

    assert_same(scenario)


def test_gradients_go_on_from_hidden_states_that_were_overwritten():
    def scenario(torch, log):
        for kind in ("RNN", "GRU"):
            for overwrite in (lambda y: y.mul_(2), lambda y: y.detach().zero_(), lambda y: y.data.zero_()):
                torch.manual_seed(0)
                layer = getattr(torch.nn, kind)(3, 5)
                output, last = layer(torch.randn(4, 2, 3))
                (output.sin().sum() + last.sum()).backward(retain_graph=True)
                overwrite(output)
                layer.zero_grad()
                (output.sum() + last.sum()).backward()
                log(*[parameter.grad for parameter in layer.parameters()])

    assert_same(scenario, 1e-4)


def test_a_layer_gives_its_hidden_states_once():
    layer = flambeau.nn.GRU(2, 3)
    before = len(local.trace.nodes)
    layer(flambeau.ones(4, 1, 2))
    (call,) = [call for call in local.trace.nodes[before:] if call.name == "gru_layer"]
    assert [meta.shape for meta in call.results] == [(4, 1, 3), (1, 3), (4, 1, 12)]


# -- copies, casts, replaced weights ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_copies_and_pickles_run_alike(kind):
    layer = made(flambeau, kind, {"num_layers": 2})
    x = flambeau.randn(5, 2, 3)
    saved = io.BytesIO()
    flambeau.save(layer, saved)
    saved.seek(0)
    twins = [
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        flambeau.load(saved, weights_only=False),
    ]
    for twin in twins:
        assert all(ours is not own for ours, own in zip(twin._flat_weights, layer._flat_weights, strict=True))
        assert flambeau.equal(twin(x)[0], layer(x)[0])
        flambeau.nn.init.zeros_(twin.weight_ih_l0)
        assert not flambeau.equal(twin(x)[0], layer(x)[0])


def test_flat_weights_follow_what_replaces_the_parameters():
    def scenario(torch, log):
        layer = torch.nn.GRU(2, 2)
        x = torch.ones(3, 1, 2)
        layer.weight_hh_l0 = torch.nn.Parameter(torch.zeros(6, 2))
        log(layer(x)[0], layer._flat_weights[1])
        layer.double()
        log(layer(x.double())[0], layer._flat_weights[0].dtype)
        layer.load_state_dict({key: value * 0 for key, value in layer.state_dict().items()})
        log(layer(x.double())[0])
        state = {key: value + 1 for key, value in layer.state_dict().items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log(torch.nn.utils.stateless.functional_call(layer, state, (x.double(),))[0])
        log(layer.flatten_parameters())

    assert_same(scenario, 1e-6)


def test_a_layer_pickled_by_an_old_version_comes_to_life():
    def scenario(torch, log):
        layer = torch.nn.LSTM(2, 3, bidirectional=True)
        state = layer.__getstate__()
        state["_all_weights"] = [[getattr(layer, name) for name in names] for names in layer._all_weights]
        del state["proj_size"], state["_flat_weights_names"], state["_flat_weights"]
        old = torch.nn.LSTM.__new__(torch.nn.LSTM)
        old.__setstate__(state)
        log(old, old._all_weights, old(torch.ones(4, 1, 2))[0])

    assert_same(scenario, 1e-6)


# -- refusals --------------------------------------------------------------------------------------

REFUSED = [
    "LSTM(3, 4, dropout=0.5)",
    "LSTM(3, 4, dropout=2)",
    "LSTM(3, 4, dropout=True)",
    "LSTM(3, 4, bias=1)",
    "LSTM(3, 4, batch_first=None)",
    "LSTM(3.0, 4)",
    "LSTM(3, 4.0)",
    "LSTM(0, 4)",
    "LSTM(3, -4)",
    "LSTM(3, 4, num_layers=0)",
    "LSTM(3, 4, proj_size=-1)",
    "LSTM(3, 4, proj_size=4)",
    "GRU(3, 4, proj_size=2)",
    "RNN(3, 4, proj_size=2)",
    "RNN(3, 4, nonlinearity='sigmoid')",
    "RNN(3, 4, 1, 'relu')",
    "RNNBase('NEW', 3, 4)",
    "RNNBase('LSTM', 3, 4)(torch.zeros(5, 2, 3))",
    "LSTM(3, 4)(torch.zeros(5))",
    "GRU(3, 4)(torch.zeros(5, 2, 3, 1))",
    "LSTM(3, 4)(torch.zeros(5, 2, 7))",
    "GRU(3, 4)(torch.zeros(5, 2, 7))",
    "GRU(3, 4)(torch.zeros(5, 2, 3, dtype=torch.float64))",
    "GRU(3, 4)(torch.zeros(5, 2, 3), torch.zeros(1, 5, 4))",
    "GRU(3, 4)(torch.zeros(5, 2, 3), torch.zeros(2, 4))",
    "GRU(3, 4)(torch.zeros(5, 3), torch.zeros(1, 1, 4))",
    "LSTM(3, 4)(torch.zeros(5, 2, 3), (torch.zeros(1, 2, 4), torch.zeros(1, 2, 5)))",
    "LSTM(3, 4)(torch.zeros(5, 2, 3), (torch.zeros(1, 3, 4), torch.zeros(1, 2, 4)))",
    "LSTM(3, 4)(torch.zeros(5, 2, 3), (torch.zeros(2, 4), torch.zeros(2, 4)))",
    "LSTM(3, 4)(torch.zeros(5, 3), (torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)))",
    "LSTM(3, 4, dtype=torch.float64)(torch.zeros(0, 2, 3, dtype=torch.float64))",
    "utils.rnn.pack_padded_sequence(torch.zeros(5, 2, 3), [2, 5])",
    "utils.rnn.pack_padded_sequence(torch.zeros(5, 2, 3), [5, 0])",
    "GRU(3, 4)(torch.nn.utils.rnn.pack_sequence([torch.zeros(5, 7)]))",
    "LSTM(3, 4)(torch.nn.utils.rnn.pack_sequence([torch.zeros(5, 7), torch.zeros(4, 7)]))",
    "GRU(3, 4)(torch.nn.utils.rnn.pack_sequence([torch.zeros(5, 3)]), torch.zeros(1, 2, 4))",
    "LSTMCell(3, 4)(torch.zeros(1, 2, 3))",
    "LSTMCell(3, 4)(torch.zeros(2, 3), (torch.zeros(2, 4), torch.zeros(1, 2, 4)))",
    "GRUCell(3, 4)(torch.zeros(2, 3), torch.zeros(1, 2, 4))",
    "GRUCell(3, 4)(torch.zeros(2, 7))",
    "RNNCell(3, 4)(torch.zeros(2, 3), torch.zeros(3, 4))",
    "RNNCell(3, 4)(torch.zeros(2, 3), torch.zeros(2, 5))",
    "RNNCell(3, 4, nonlinearity='sigmoid')(torch.zeros(2, 3))",
    "modules.rnn.apply_permutation(torch.tensor([[1, 2]]), torch.tensor([1, 0]))",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_and_warnings(text):
    def scenario(torch, log):
        log.result(lambda: _first_line(lambda: eval("torch.nn." + text, {"torch": torch})))

    assert_same(scenario)


def _first_line(call):
    """What the call returns; its exception without the lines that ours add after PyTorch's words."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error).partition("\n")[0]


# What the functions are called with in the cases below.
NAMES = """
z = lambda *s: torch.zeros(*s, dtype=torch.float64)
gru = [z(15, 3), z(15, 5), z(15), z(15)]
lstm = [z(20, 3), z(20, 5), z(20), z(20)]
counts = torch.tensor([3, 3, 2, 1])
off = (0.0, False, False)
"""
CALLS = [
    "gru(z(7, 2, 3), z(1, 2, 5), gru, True, 1, *off, False)",
    "gru(z(2, 7, 3), z(1, 2, 5), gru, True, num_layers=1, dropout=0.0, train=False, bidirectional=False, batch_first=True)",
    "gru(z(7, 2, 3), z(2, 2, 5), gru, True, 1, *off, False)",
    "gru(z(7, 2, 3), z(1, 2, 5), gru[:2], True, 1, *off, False)",
    "gru(z(7, 2, 3), z(1, 2, 5), gru, False, 1, *off, False)",
    "gru(z(7, 2, 3), z(1, 2, 5), gru + gru, True, 1, 0.0, False, True, False)",
    "gru(z(7, 2, 4), z(1, 2, 5), gru, True, 1, *off, False)",
    "gru(z(7, 2, 3), z(1, 3, 5), gru, True, 1, *off, False)",
    "gru(z(7, 2, 3), z(1, 2, 4), gru, True, 1, *off, False)",
    "gru(z(0, 2, 3), z(1, 2, 5), gru, True, 1, *off, False)",
    "gru(z(9, 3), counts, z(1, 3, 5), gru, True, 1, *off)",
    "lstm(z(9, 3), counts, (z(1, 3, 5), z(1, 3, 5)), lstm, True, 1, *off)",
    "lstm(z(12, 3), counts, (z(1, 3, 5), z(1, 3, 5)), lstm, True, 1, *off)",
    "gru(z(12, 3), counts * 0 + 2, z(1, 2, 5), gru, True, 1, *off)",
    "lstm(z(9, 3), counts + 1, (z(1, 4, 5), z(1, 4, 5)), lstm, True, 1, *off)",
    "lstm(z(9, 3), counts, (z(1, 2, 5), z(1, 2, 5)), lstm, True, 1, *off)",
    "lstm(z(7, 2, 3), (z(1, 2, 5), z(1, 2, 5)), lstm, True, 2, *off, False)",
    "lstm(z(7, 2, 3), (z(1, 2, 5), z(1, 2, 5)), lstm[:3], True, 1, *off, False)",
    "lstm(z(7, 2, 3))",
    "lstm_cell(z(2, 3), (z(2, 5), z(2, 5)), *lstm)",
    "lstm_cell(z(2, 3), (z(2, 5), z(2, 5)), *lstm[:3])",
    "lstm_cell(z(2, 3), (z(2, 5), z(2, 6)), *lstm)",
    "lstm_cell(z(2, 3), (z(2, 5), z(3, 5)), *lstm)",
    "lstm_cell(z(2, 3), (z(2, 5),), *lstm)",
    "lstm_cell(z(2, 3), z(2, 5), *lstm)",
    "gru_cell(z(2, 4), z(2, 5), *gru)",
    "gru_cell(z(3), z(5), *gru)",
    "gru_cell(z(2, 3).float(), z(2, 5), *gru)",
    "gru_cell(z(2, 3), z(2, 5), gru[0][:-1], *gru[1:])",
    "gru_cell(z(2, 3), z(2, 5), gru[0], gru[1][:-1], *gru[2:])",
    "gru_cell(z(2, 3), z(2, 5), *gru[:2], gru[2][:-1], gru[3])",
    "rnn_tanh_cell(z(2, 3), z(2, 5), z(5, 3) + 0.1, z(5, 5), hx=None)",
    "rnn_relu_cell(z(2, 3) + 1, z(2, 5), z(5, 3) - 1, z(5, 5), b_hh=z(5) + 4)",
]  # fmt: skip


@pytest.mark.parametrize("text", CALLS)
def test_functions(text):
    def scenario(torch, log):
        names = {"torch": torch}
        exec(NAMES, names)
        log.result(lambda: _first_line(lambda: eval("torch." + text, names)))

    assert_same(scenario, 1e-9)
