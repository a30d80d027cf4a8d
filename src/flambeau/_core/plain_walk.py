"""`backward` through a plain graph: the whole walk as one recorded block.

A graph is plain when all that it needs is in its calls: no hooks, nothing to differentiate again. Then the walk follows from
its shape alone, so it is worked out once for each shape; afterwards only the saved values are gathered. `walk.py` walks all
other graphs node by node.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from flambeau._core.autograd import AccumulateGrad, Node, OpNode, add_call
from flambeau._core.block import Block, BlockBuilder
from flambeau._core.remembered import Remembered
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local, record
from flambeau._core.value import Meta, Value

_blocks: Remembered[tuple[Block, tuple[int, ...]]] = Remembered(500)


def run_plain(start: tuple[Node, int, Value], keep_graph: bool) -> bool:
    """Accumulates gradients into the leaves, from an output of a node and its cotangent; False if the graph is not plain."""
    root, index, cotangent = start
    found = _collect(root)
    if found is None:
        return False
    nodes, leaves = found
    values = [cotangent]
    for node in nodes:
        saved = node.saved
        if saved is None:
            return False
        if saved:
            for storage, version, _, hidden, _ in node.guards:
                if storage.version != version or storage.hidden != hidden:
                    return False
            values += saved
    signature = _signature(nodes, leaves, index)
    if not Storage.direct:
        for leaf in leaves:
            local.trace.note_gradient(leaf.variable)
    for leaf in leaves:
        grad = leaf.variable._grad
        if grad is not None:
            if grad._meta is not leaf.variable._meta or grad._rg:
                return False
            values.append(grad._read())
    block, reached = _blocks.find(
        signature, lambda: _build(nodes, leaves, index, [value.meta for value in values])
    )
    numbers: list[Any] = []
    for node in nodes:
        if node.numbers:
            numbers += node.numbers
    gradients = record(block, values, numbers) if reached else []
    for number, gradient in zip(reached, gradients, strict=True):
        variable = leaves[number].variable
        if variable._grad is None:
            variable._grad = Tensor._of(gradient)
        else:
            variable._grad._write(gradient)
    if not keep_graph:
        for node in nodes:
            node.release()
    return True


def _collect(root: Node) -> tuple[list[OpNode], list[AccumulateGrad]] | None:
    """The nodes that the walk visits, in its order, and the leaves that it reaches; None if something is not plain."""
    nodes: list[OpNode] = []
    leaves: list[AccumulateGrad] = []
    seen, stack = {root}, [root]
    while stack:
        node: Any = stack.pop()
        if node.hooks or node.prehooks or node.tensor_hooks or node.retained:
            return None
        if node.kind is not None:
            if node.packed:
                return None
            nodes.append(node)
            for edge in node.edges:
                if edge is not None and edge[0] not in seen:
                    seen.add(edge[0])
                    stack.append(edge[0])
        elif type(node) is AccumulateGrad and not node.variable._post_hooks:
            leaves.append(node)
        else:
            return None
    if not nodes:
        return None
    # Every edge leads to an older node, so from the newest to the oldest each comes after all that lead to it.
    nodes.sort(key=_sequence_of, reverse=True)
    return nodes, leaves


_sequence_of = attrgetter("sequence")


def _signature(nodes: Sequence[OpNode], leaves: Sequence[AccumulateGrad], index: int) -> tuple[Any, ...]:
    """The graph's shape: what each node is, where its edges lead, and which leaves have a grad to add to."""
    place: dict[Node, int] = dict(zip(nodes, range(len(nodes)), strict=True))
    place.update(zip(leaves, range(-1, -1 - len(leaves), -1), strict=True))
    signature: list[Any] = [index]
    for node in nodes:
        signature.append(node.kind)
        for edge in node.edges:
            if edge is not None:
                signature.append(place[edge[0]])
                signature.append(edge[1])
    signature += [leaf.variable._grad is None for leaf in leaves]
    return tuple(signature)


def _build(
    nodes: Sequence[OpNode], leaves: Sequence[AccumulateGrad], index: int, metas: Sequence[Meta]
) -> tuple[Block, tuple[int, ...]]:
    """The walk's calls on the slots of (cotangent, saved values, old grads), and which leaves its results are for."""
    builder = BlockBuilder()
    for meta in metas:
        builder.input(meta)
    buffers: dict[Node, list[int | None]] = {node: [None] * len(node.results) for node in (*nodes, *leaves)}
    buffers[nodes[0]][index] = 0
    free = 1  # the first input not yet used
    for node in nodes:
        saved = range(free, free + len(node.saved or ()))
        free = saved.stop
        numbers_at = builder.add_numbers(node.call.numbers)
        given = [slot for slot in buffers[node] if slot is not None]
        if not given or True not in node.kind.needs:
            continue
        call = node.kind.backward(tuple([slot is not None for slot in buffers[node]]))
        gradients = iter(builder.call(call, [*given, *saved], numbers_at))
        for edge, wanted in zip(node.edges, node.kind.needs, strict=True):
            if edge is not None and wanted:
                _accumulate(builder, buffers[edge[0]], edge[1], next(gradients))
    outputs, reached = [], []
    for number, leaf in enumerate(leaves):
        (slot,) = buffers[leaf]
        if leaf.variable._grad is not None:
            if slot is not None:
                slot = _sum(builder, free, slot)
            free += 1
        if slot is not None:
            outputs.append(slot)
            reached.append(number)
    return Block("backward", builder, outputs, metas[0].device), tuple(reached)


def _accumulate(builder: BlockBuilder, buffer: list[int | None], index: int, slot: int) -> None:
    before = buffer[index]
    buffer[index] = slot if before is None else _sum(builder, before, slot)


def _sum(builder: BlockBuilder, a: int, b: int) -> int:
    return builder.call(add_call(builder.metas[a]), (a, b), (0, 0))[0]
