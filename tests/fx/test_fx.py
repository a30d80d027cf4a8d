"""Graphs of programs beside PyTorch's: tracing, printing, rewriting, running."""

import copy
import math
import operator
import pickle
import sys

import pytest
from side_by_side import compared

import flambeau
from flambeau import fx as ours


def network(torch):
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
            self.scale = nn.Parameter(torch.ones(2))
            self.register_buffer("shift", torch.ones(1))
            self.list = nn.ModuleList([nn.Identity(), nn.Dropout()])

        def forward(self, input, y=1, *, k=None):
            x = self.layers(input) + self.shift
            for layer in self.list:
                x = layer(x)
            z = F.relu(torch.flatten(x, 1), inplace=True)
            a = x.shape[0]
            q = x.view(x.size(0), -1) * self.scale.sum()
            q += 1
            both = torch.cat([q, z], dim=1)
            first, second = both.split(1, 0)
            constant = q @ torch.ones(18, 1)
            normed = F.layer_norm(x, (3,)).mT
            return (
                {"a": both, "b": (-q, 2 - q)},
                math.floor(a),
                q[..., 1:2, None],
                constant,
                y,
                q == z,
                q**2,
                first,
                second,
                normed,
            )

    torch.manual_seed(0)
    return Block().eval()


@compared
def test_a_module(torch, log):
    traced = torch.fx.symbolic_trace(network(torch))
    log(str(traced.graph), traced.code, str(traced))
    log(
        [
            (node.op, node.name, str(node.args), str(node.kwargs), len(node.users))
            for node in traced.graph.nodes
        ]
    )
    log(list(traced.state_dict()), type(traced).__name__, traced.training)
    image = torch.arange(50.0).reshape(2, 1, 5, 5)
    result = traced(image)
    log(result[0]["a"], result[3], result[4], result[-1])
    assert torch.equal(result[0]["a"], network(torch)(image)[0]["a"])


@compared
def test_functions(torch, log):
    F = torch.nn.functional

    def annotated(x: torch.Tensor, n: int = 2) -> torch.Tensor:
        return x + n

    def stars(x, *args, **kwargs):
        return x + args[0] + kwargs["a"]

    def constants(x):
        y = F.dropout(x, 0.5, x.is_cuda)
        return (
            x.to(torch.float64).sum(dim=[0, 1]) + math.pi,
            x[1:],
            torch.ones_like(x),
            x.shape,
            torch.stack((x, x)),
            y,
        )

    def layers(x):
        found = [
            F.relu(x),
            F.softmax(x, 1),
            F.interpolate(x, scale_factor=2.0),
            F.dropout(x),
            F.leaky_relu(x),
            F.pad(x, (1, 1)),
        ]
        found += [
            F.batch_norm(x, None, None, training=True),
            F.mse_loss(x, x),
            F.cross_entropy(x, x),
            torch.softmax(x, 1),
        ]
        found += [
            F.log_softmax(x, -1),
            F.silu(x),
            F.conv2d(x, x),
            F.embedding(x, x),
            F.hardtanh(x),
            F.normalize(x),
        ]
        found += [
            F.elu(x),
            F.hardswish(x),
            F.group_norm(x, 2),
            F.glu(x),
            F.prelu(x, x),
            F.relu6(x),
            F.mish(x),
            F.unfold(x, 2),
        ]
        return [*found, F.adaptive_avg_pool2d(x, 1), F.pixel_shuffle(x, 2)]

    for function in (annotated, stars, constants, layers):
        traced = torch.fx.symbolic_trace(function)
        log(str(traced.graph), traced.code)


def dependent(x, flag=True, z=None):
    return x + 1 if flag and z is None else x


@compared
def test_arguments_that_are_known(torch, log):
    for known in ({"flag": True}, {"flag": False, "z": None}):
        traced = torch.fx.symbolic_trace(dependent, concrete_args=known)
        log(str(traced.graph), traced.code, traced(torch.ones(1), *known.values()))
    log.result(lambda: traced(torch.ones(1), True))


@compared
def test_what_cannot_be_traced(torch, log):
    def branch(x):
        return x if x else -x

    def loop(x):
        return list(map(abs, x))

    def length(x):
        return len(x)

    def by_name(x):
        return dict(**x)

    def unknown(x):
        return x + object()

    for function in (branch, loop, length, by_name, unknown):
        log.result(lambda function=function: torch.fx.symbolic_trace(function))


@compared
def test_rewriting(torch, log):
    def program(x, y):
        unused = torch.sin(x)  # noqa: F841
        return torch.add(x, y).relu() + torch.add(x, 1)

    traced = torch.fx.symbolic_trace(program)
    graph = traced.graph
    for node in graph.find_nodes(op="call_function", target=torch.add):
        node.target = torch.mul
    log(graph.eliminate_dead_code(), str(graph))
    (relu,) = graph.find_nodes(op="call_method", target="relu")
    with graph.inserting_after(relu):
        new = graph.call_function(torch.tanh, (relu,))
        relu.replace_all_uses_with(new)
        new.args = (relu,)
    with graph.inserting_before(graph.output_node()):
        graph.call_function(operator.neg, args=(new,))
    log.result(lambda: graph.erase_node(relu))
    log(str(graph), relu.next is new, new.prev is relu, relu.all_input_nodes, list(relu.users))
    log.result(graph.lint)
    traced.recompile()
    log(traced.code, traced(torch.ones(2), torch.ones(2) * 3))
    graph.output_node().prepend(relu)
    log.result(graph.lint)


@compared
def test_graphs_by_hand(torch, log):
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    w = graph.get_attr("part.w")
    total = graph.call_function(torch.add, (x, w), {"alpha": 2})
    named = graph.create_node("call_method", "sum", (total,), {"dim": 0}, name="total")
    graph.output((named, graph.call_module("linear", (x,))))
    linear = torch.nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.fill_(1)
        linear.bias.fill_(2)
    module = torch.fx.GraphModule({"part.w": torch.ones(2), "linear": linear}, graph, "Made")
    log(str(graph), module.code, type(module).__name__, module(torch.ones(3, 2)), list(module.state_dict()))
    log(
        module.add_submodule("part.more", torch.nn.ReLU()),
        module.delete_submodule("nothing"),
        [n for n, _ in module.named_modules()],
    )
    module.delete_all_unused_submodules()
    log([n for n, _ in module.named_modules()])
    log.result(lambda: torch.fx.GraphModule({}, graph))
    log.first_line(lambda: total.kwargs.update({}))
    copied, seen = torch.fx.Graph(), {}
    result = copied.graph_copy(graph, seen)
    copied.output(result)
    log(str(copied), len(copied.nodes), [node.name for node in reversed(copied.nodes)])


@compared
def test_running_node_by_node(torch, log):
    class Logging(torch.fx.Interpreter):
        def call_function(self, target, args, kwargs):
            log(target.__name__)
            return super().call_function(target, args, kwargs)

    def program(x, y=2):
        return (torch.relu(x) + y).sum(), x.neg()

    traced = torch.fx.symbolic_trace(program)
    log(Logging(traced).run(torch.ones(2)), torch.fx.Interpreter(traced).run(torch.ones(2), 3))
    log.first_line(lambda: Logging(traced).run())
    log(Logging(traced).boxed_run([torch.ones(1), 4]))
    log.first_line(lambda: Logging(traced).boxed_run([torch.ones(1)]))


@compared
def test_transformers(torch, log):
    class NegToSigmoid(torch.fx.Transformer):
        def call_method(self, target, args, kwargs):
            return super().call_method("sigmoid" if target == "neg" else target, args, kwargs)

        def call_function(self, target, args, kwargs):
            if target is torch.relu:
                return torch.tanh(args[0]) * 2
            return super().call_function(target, args, kwargs)

    traced = torch.fx.symbolic_trace(lambda x: (torch.relu(x) + 1, x.neg()))
    changed = NegToSigmoid(traced).transform()
    log(changed.code, changed(torch.zeros(1)))
    whole = torch.fx.Transformer(torch.fx.symbolic_trace(network(torch))).transform()
    log(whole.code)


@compared
def test_leaves_of_a_tracer(torch, log):
    class Whole(torch.fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return isinstance(m, torch.nn.Sequential) or super().is_leaf_module(m, module_qualified_name)

    net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 2)), torch.nn.ReLU())
    log(str(Whole().trace(net[0])), str(torch.fx.symbolic_trace(net).graph))
    outer = torch.nn.ModuleDict({"a": net})
    outer.forward = None

    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)

    log(str(Whole().trace(Outer())))


def kept_whole(x):
    return x * 2


ours.wrap("kept_whole")


def test_functions_that_are_kept_whole():
    traced = ours.symbolic_trace(lambda x: kept_whole(x) + 1)
    assert 'torch.fx._symbolic_trace.wrap("' in traced.code
    assert [node.target for node in traced.graph.nodes][1] is kept_whole
    assert traced(flambeau.ones(1)).item() == 3
    assert kept_whole is sys.modules[__name__].kept_whole


def test_copies_and_pickles():
    traced = ours.symbolic_trace(network(flambeau))
    image = flambeau.arange(50.0).reshape(2, 1, 5, 5)
    expected = traced(image)[0]["a"]
    for copied in (copy.deepcopy(traced), copy.copy(traced), pickle.loads(pickle.dumps(traced))):
        assert flambeau.equal(copied(image)[0]["a"], expected)
        assert copied.code == traced.code
        assert type(copied).__name__ == "Block"
        assert list(copied.state_dict()) == list(traced.state_dict())
    deep = copy.deepcopy(traced)
    assert deep.scale is not traced.scale
    deep.graph.output_node().args = (0,)
    deep.recompile()
    assert (deep(image), traced(image)[0]["a"].shape) == (0, expected.shape)


def test_gradients_and_training_go_through_a_traced_module():
    layer = flambeau.nn.Linear(3, 1)
    traced = ours.symbolic_trace(flambeau.nn.Sequential(layer, flambeau.nn.Tanh()))
    traced(flambeau.ones(2, 3)).sum().backward()
    assert getattr(traced, "0").weight.grad is layer.weight.grad is not None


def test_nothing_is_left_of_a_trace_that_fails():
    def fails(x):
        flambeau.flatten(x)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ours.symbolic_trace(fails)
    assert flambeau.flatten(flambeau.ones(1, 2)).shape == (2,)
    assert math.floor(1.5) == 1
    assert not hasattr(math.floor, "_fx_original")
    layer = flambeau.nn.Linear(1, 1)
    assert layer(flambeau.ones(1, 1)).shape == (1, 1)
    assert isinstance(layer.weight, flambeau.nn.Parameter)
