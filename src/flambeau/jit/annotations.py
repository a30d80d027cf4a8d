"""Names of types as TorchScript's annotations write them; to Python they are those of `typing`."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035 - names that packages import

__all__ = [
    "Any", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "Dict", "List", "Optional", "Tuple", "Union",
]  # fmt: skip


class _BroadcastingList:
    """`BroadcastingList2[int]`: a list, or one number for all of its places."""

    def __getitem__(self, kind: Any) -> Any:
        return list[kind]


BroadcastingList1 = _BroadcastingList()
BroadcastingList2 = _BroadcastingList()
BroadcastingList3 = _BroadcastingList()
