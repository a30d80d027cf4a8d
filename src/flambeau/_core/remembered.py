"""What was worked out once and is kept for the next time: the least recently used goes when there is too much."""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


class Remembered(collections.OrderedDict[Hashable, T]):
    """Up to `limit` values by key. Several threads may use it: at worst something is worked out twice."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def find(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made now if it is not there."""
        found = self.get(key)
        if found is None:
            found = self[key] = make()
            if len(self) > self.limit:
                self.popitem(last=False)
            return found
        try:
            self.move_to_end(key)
        except KeyError:  # another thread has just dropped it
            self[key] = found
        return found
