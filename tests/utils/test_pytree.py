from collections import OrderedDict, defaultdict, deque, namedtuple

from side_by_side import compared

Point = namedtuple("Point", "x y")


@compared
def test_trees_are_taken_apart_and_put_together(torch, log):
    from importlib import import_module

    pytree = import_module(f"{torch.__name__}.utils._pytree")
    trees = [
        3, [1, 2], (1, [2, {"a": 3, "b": (4,)}]), {}, [], None, Point(1, [2]), OrderedDict(b=1, a=2),
        defaultdict(list, a=[1]), deque([1, 2], maxlen=3), {"b": 1, "a": [None, "text"]},
    ]  # fmt: skip
    for tree in trees:
        leaves, spec = pytree.tree_flatten(tree)
        log(leaves, spec.num_leaves, spec.is_leaf(), pytree.tree_leaves(tree))
        again = pytree.tree_unflatten(leaves, spec)
        assert (again, type(again)) == (tree, type(tree))
        assert spec == pytree.tree_structure(again)
        log(pytree.tree_leaves(pytree.tree_map(lambda leaf: (leaf, 0), tree)))
    assert pytree.tree_unflatten([1], pytree.tree_structure(deque([0], maxlen=3))).maxlen == 3


@compared
def test_functions_over_trees(torch, log):
    from importlib import import_module

    pytree = import_module(f"{torch.__name__}.utils._pytree")
    tree = {"a": [1, 2.0], "b": 3}
    log(pytree.tree_map(lambda a, b: a + b, tree, {"a": [10, 20], "b": 30}))
    log(pytree.tree_map_only(int, lambda n: -n, tree), pytree.tree_map_only((int, float), str, tree))
    log(pytree.tree_map(str, tree, is_leaf=lambda t: isinstance(t, list)))
    log(pytree.tree_all(lambda n: n > 0, tree), pytree.tree_any(lambda n: n > 2, tree))
    log.first_line(lambda: pytree.tree_unflatten([1], pytree.tree_structure([1, 2])) and None)
    try:
        pytree.tree_map(lambda a, b: a, [1, 2], [1])
    except ValueError as error:
        log(type(error).__name__)


@compared
def test_registered_classes_are_containers(torch, log):
    from importlib import import_module

    pytree = import_module(f"{torch.__name__}.utils._pytree")

    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda values, context: Pair(*values))
    mapped = pytree.tree_map(lambda n: n + 1, [Pair(1, (2,))])
    log(type(mapped[0]) is Pair, mapped[0].a, mapped[0].b)
    log.first_line(lambda: pytree.register_pytree_node(list, None, None))
