"""`torch.utils._pytree`: nested containers taken apart into leaves and put together again."""

from flambeau._core.pytree import (
    SUPPORTED_NODES,
    LeafSpec,
    PyTree,
    TreeSpec,
    _get_node_type,
    _register_pytree_node,
    register_pytree_node,
    tree_all,
    tree_any,
    tree_flatten,
    tree_leaves,
    tree_map,
    tree_map_,
    tree_map_only,
    tree_structure,
    tree_unflatten,
)

__all__ = [
    "SUPPORTED_NODES", "LeafSpec", "PyTree", "TreeSpec", "_get_node_type", "_register_pytree_node", "register_pytree_node",
    "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_structure",
    "tree_unflatten",
]  # fmt: skip
