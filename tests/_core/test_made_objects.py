"""What a compiled function returns: at each call containers and objects of its own, as those of PyTorch run eagerly."""

from __future__ import annotations

import collections
import dataclasses
import functools
import gc
import types
import typing

import pytest
import torch

import flambeau

CALLS = 5


@dataclasses.dataclass
class Output:
    logits: typing.Any
    loss: typing.Any = None
    names: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    first: typing.Any
    second: typing.Any


class ModelOutput(collections.OrderedDict):
    """As in transformers: attributes and items are the same, by `__setitem__`."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        super().__setattr__(key, value)

    def __setattr__(self, name, value):
        if name in self and value is not None:
            super().__setitem__(name, value)
        super().__setattr__(name, value)


@dataclasses.dataclass
class Causal(ModelOutput):
    loss: typing.Any = None
    logits: typing.Any = None
    hidden_states: typing.Any = None


class Slotted:
    __slots__ = ("__dict__", "__private", "kept", "unset")

    def __init__(self, value):
        self.kept = value
        self.__private = value + 1
        self.free = "free"

    def sum(self):
        return self.kept + self.__private


class Tree:
    def __init__(self, value, parent=None):
        self.value, self.parent, self.children = value, parent, []

    def grow(self, value):
        self.children.append(Tree(value, self))
        return self


class Rows(list):
    title = "rows"

    def extend(self, items):
        raise AssertionError("no code of the class runs")


class Pair(tuple):
    def __new__(cls, one, two):
        return super().__new__(cls, (one, two))


class Point(typing.NamedTuple):
    x: typing.Any
    y: typing.Any


class Default(collections.defaultdict):
    pass


def with_attribute(it, **names):
    it.__dict__.update(names)
    return it


def default(x):
    found = Default(list)
    found["a"].append(x * 2)
    return found


def moved(x):
    found = collections.OrderedDict(a=x, b=x * 2)
    found.move_to_end("a")
    return found


def closing(x):
    y = x * 2
    return lambda: y + x


def recursive(x):
    def power(n):
        return x if n == 1 else x * power(n - 1)

    return power


def scaled(x, by):
    return x * by


# Each with a function that gives the tensors of the result, in order.
RESULTS = {
    "dataclass": (lambda x: Output(x * 2, names=["a", x.sum()]), lambda o: [o.logits, o.names[1]]),
    "frozen, slots": (lambda x: Frozen(x * 2, (x, 3)), lambda o: [o.first, o.second[0]]),
    "model output": (
        lambda x: Causal(logits=x * 2, hidden_states=(x, x + 1)),
        lambda o: [next(iter(o.values())), o["logits"], o.logits, *o.hidden_states],
    ),
    "namespace": (lambda x: types.SimpleNamespace(a=x * 2, b={"c": [x - 1]}), lambda o: [o.a, o.b["c"][0]]),
    "slots": (lambda x: Slotted(x * 2), lambda o: [o.kept, o.sum()]),
    "cycle": (lambda x: Tree(x).grow(x * 2).grow(x * 3), lambda o: [c.parent.children[1].value for c in o.children]),
    "list": (lambda x: with_attribute(Rows([x * 2, x]), note=x + 5), lambda o: [*o, o.note]),
    "tuple": (lambda x: with_attribute(Pair(x * 2, x), note=x + 5), lambda o: [*o, o.note]),
    "named tuple": (lambda x: Point(x * 2, Output(x - 3)), lambda o: [o.x, o.y.logits]),
    "default dict": (default, lambda o: [o["a"][0]]),
    "ordered dict": (moved, lambda o: list(o.values())),
    "set": (lambda x: {x * 2}, lambda o: list(o)),
    "frozen set": (lambda x: frozenset([x * 2]), lambda o: list(o)),
    "deque": (lambda x: collections.deque([x, x * 2, x * 3], maxlen=2), lambda o: list(o)),
    "tensor as key": (lambda x: {x: 1, x * 2: 2}, lambda o: list(o)),
    "in containers": (lambda x: [(Output(x * 2),), {"k": Output(x)}], lambda o: [o[0][0].logits, o[1]["k"].logits]),
    "closure": (closing, lambda o: [o()]),
    "defaults": (lambda x: lambda y=x * 2, *, z=x + 1: y + z, lambda o: [o()]),
    "recursive closure": (recursive, lambda o: [o(3)]),
    "partial": (lambda x: functools.partial(scaled, x * 2, by=x), lambda o: [o()]),
    "method": (lambda x: Slotted(x * 2).sum, lambda o: [o()]),
    "no tensors": (lambda x: Output(3.5, names=["a"]), lambda o: []),
}  # fmt: skip


def shape_of(it, seen=()):
    """What a result is, without its tensors: classes, keys, scalars, and which objects are the same."""
    if isinstance(it, (torch.Tensor, flambeau.Tensor)):
        return "tensor"
    if isinstance(it, (int, float, str, type(None))):
        return it
    if any(it is other for other in seen):
        return "seen"
    seen = (*seen, it)
    found = [type(it)]
    if isinstance(it, dict):
        found += [(shape_of(key), shape_of(value, seen)) for key, value in it.items()]
    elif isinstance(it, (list, tuple, set, frozenset, collections.deque)):
        found += [shape_of(each, seen) for each in it]
    for name, value in getattr(it, "__dict__", {}).items():
        found.append((name, shape_of(value, seen)))
    return found


@pytest.mark.parametrize("name", RESULTS)
def test_objects_are_made_anew(name):
    function, tensors = RESULTS[name]
    compiled = flambeau.compile(function)
    results = []
    for number in range(CALLS):
        x, y = (library.arange(3.0) + number for library in (flambeau, torch))
        found, expected = compiled(x), function(y)
        results.append(found)
        assert shape_of(found) == shape_of(expected)
        assert [t.tolist() for t in tensors(found)] == [t.tolist() for t in tensors(expected)]
    assert len({id(found) for found in results}) == CALLS
    # Those of earlier calls are still what they were.
    for number, found in enumerate(results):
        expected = tensors(function(torch.arange(3.0) + number))
        assert [t.tolist() for t in tensors(found)] == [t.tolist() for t in expected]


def test_what_is_one_object_stays_one():
    def function(x):
        one = Output(x * 2)
        return one, [one], {"again": one, "logits": one.logits}

    compiled = flambeau.compile(function)
    for _ in range(CALLS):
        one, (two,), others = compiled(flambeau.ones(2))
        assert one is two is others["again"]
        assert one.logits is others["logits"]


def test_gradients_flow_from_an_object():
    weight = flambeau.ones(3, requires_grad=True)
    compiled = flambeau.compile(lambda x: Causal(loss=(x * weight).sum(), logits=x * weight))
    for number in range(CALLS):
        weight.grad = None
        output = compiled(flambeau.full((3,), float(number)))
        (output.loss + output["logits"].sum()).backward()
        assert weight.grad.tolist() == [2.0 * number] * 3


def test_an_object_that_a_function_of_the_package_makes():
    compiled = flambeau.compile(lambda x: flambeau.distributions.Normal(x * 2, x.exp()))
    for number in range(CALLS):
        found = compiled(flambeau.full((2,), float(number)))
        expected = torch.distributions.Normal(*(torch.full((2,), v) for v in (2.0 * number, 1.0)))
        assert found.mean.tolist() == expected.mean.tolist()
        assert found.sample().shape == (2,)


def test_what_was_there_before_is_returned_as_it_is():
    holder = types.SimpleNamespace(model=flambeau.nn.Linear(2, 2), settings={"a": [1]}, cache={})

    @flambeau.compile
    def compiled(x, pair, output):
        holder.cache["x"] = x * 2
        return holder.model, holder.settings, holder.cache, holder, Output(holder.model), output

    output = Output(3)
    for number in range(CALLS):
        x = flambeau.full((2,), float(number))
        model, settings, cache, all_of_it, made, given = compiled(x, (x, [x]), output)
        assert (model, all_of_it) == (holder.model, holder)
        assert settings is holder.settings
        assert cache is holder.cache
        assert cache["x"].tolist() == [2.0 * number] * 2
        assert made.logits is holder.model
        assert given is output


def test_a_collection_during_the_call_changes_nothing():
    def function(x):
        first = Output(x * 2)
        gc.collect()
        return first, Output(x)

    compiled = flambeau.compile(function)
    results = [compiled(flambeau.full((1,), float(n))) for n in range(CALLS)]
    assert [(a.logits.item(), b.logits.item()) for a, b in results] == [(2.0 * n, n) for n in range(CALLS)]


counted = 0


def _count(phase, info):
    global counted
    counted += 1


def test_what_others_do_at_a_collection_is_no_part_of_the_call():
    gc.callbacks.append(_count)
    try:
        test_a_collection_during_the_call_changes_nothing()
    finally:
        gc.callbacks.remove(_count)
    assert counted


def test_nothing_of_the_recorded_call_stays_alive():
    compiled = flambeau.compile(lambda x: Output(x * 2))
    for _ in range(4):
        compiled(flambeau.ones(2))
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Output]


def test_python_values_that_differ_are_found_out():
    counts = iter(range(100))
    compiled = flambeau.compile(lambda x: Output(x, loss=next(counts)))

    def calls():
        for _ in range(CALLS):
            compiled(flambeau.ones(1))

    with pytest.raises(RuntimeError, match=r"did something else .*: it returned 1 and returns 2\."):
        calls()


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: Output(each * 2 for each in [x]), "generator"),
        (lambda x: [iter([x * 2]), x], "list_iterator"),
    ],
)
def test_what_cannot_be_made_anew_is_an_error(function, kind):
    compiled = flambeau.compile(function)
    x = flambeau.ones(2, requires_grad=True)
    compiled(x)
    with pytest.raises(RuntimeError, match=rf"cannot make a {kind} \(its result.*\) for each call"):
        compiled(x)


def test_containers_that_are_given_are_those_that_are_changed_and_returned():
    def function(cache, window, x):
        cache["x"] = x * 2
        window.append(x)
        window[0] = window[0] + 1
        return cache, [window]

    compiled = flambeau.compile(function)
    kept = []
    for number in range(CALLS):
        found = []
        for call, library in ((compiled, flambeau), (function, torch)):
            x = library.full((2,), float(number))
            cache, window = {"y": x}, [x * 3, x]
            first, (second,) = call(cache, window, x)
            assert first is cache
            assert second is window
            found.append([each.tolist() for each in (*cache.values(), *window)])
            kept.append((library, cache, window, found[-1]))
        assert found[0] == found[1]
    for _, cache, window, values in kept:
        assert values == [each.tolist() for each in (*cache.values(), *window)]


def test_a_list_that_was_empty_is_filled():
    compiled = flambeau.compile(lambda items, x: items.append(x * 2))
    for number in range(CALLS):
        items = []
        compiled(items, flambeau.full((1,), float(number)))
        assert [each.item() for each in items] == [2 * number]


def test_objects_of_the_call_may_count():
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, x):
            self.count += 1
            return x * self.count

    def function(x):
        counter = Counter()
        return counter.add(x) + counter.add(x), counter

    compiled = flambeau.compile(function)
    for _ in range(CALLS):
        y, counter = compiled(flambeau.ones(1))
        assert (y.item(), counter.count) == (3, 2)
        counter.add(y)  # of this call alone


def test_functions_without_tensors_of_the_call_are_returned():
    weight = flambeau.nn.Parameter(flambeau.ones(2))
    compiled = flambeau.compile(lambda x: (x, functools.partial(flambeau.add, weight)))
    for _ in range(CALLS):
        x, add = compiled(flambeau.ones(2))
        assert add(x).tolist() == [2, 2]
