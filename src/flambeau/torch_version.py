"""A version string that compares as versions do, so that `torch.__version__ >= "2.1"` is right."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["TorchVersion"]

# PEP 440, without epochs: 2.13.0, 2.13.0rc1, 2.13.0a0+git1234, 2.13.0.dev20260101+cpu.
_VERSION = (  # compiled when first used, as importing flambeau should be quick
    r"\s*v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<stage>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<number>\d*))?"
    r"(?P<post>[-_.]?(?:post|rev|r)[-_.]?\d*|-\d+)?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*"
)
_STAGES = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}
_FINAL = 4

Key = tuple[Any, ...]


@cache
def _key(version: str) -> Key | None:
    """What to order `version` by, or None if it is not a version."""
    match = re.fullmatch(_VERSION, version, re.IGNORECASE)
    if match is None:
        return None
    release = tuple(int(part) for part in match["release"].split("."))
    while release and release[-1] == 0:  # 2.13 == 2.13.0
        release = release[:-1]
    post = int(re.sub(r"\D", "", match["post"]) or 0) if match["post"] else -1
    stage = _STAGES[match["stage"].lower()] if match["stage"] else _FINAL
    if match["dev"] and stage == _FINAL and post < 0:
        stage = 0  # a development release comes before the first alpha
    dev = int(match["dev_number"] or 0) if match["dev"] else float("inf")
    local = re.split(r"[-_.]", match["local"].lower()) if match["local"] else []
    # A number in the local part comes after a word, and anything after nothing.
    ranked = tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in local)
    return release, stage, int(match["number"] or 0), post, dev, bool(local), ranked


def _text(other: Any) -> str | None:
    """`other` in writing: versions, strings and sequences such as `(2, 13)`; None for anything else."""
    if isinstance(other, str):
        return other
    if isinstance(other, tuple | list):
        return ".".join(str(part) for part in other)
    # packaging.version.Version, which is not a dependency
    return str(other) if hasattr(other, "release") and hasattr(other, "local") else None


def _comparison(name: str) -> Callable[[str, Any], Any]:
    as_strings = getattr(str, name)
    as_keys = getattr(tuple, name)

    def compare(self: str, other: Any) -> Any:
        text = _text(other)
        if text is None:
            return NotImplemented
        mine, theirs = _key(str(self)), _key(text)
        if mine is None or theirs is None:
            return as_strings(str(self), text)
        return as_keys(mine, theirs)

    compare.__name__ = compare.__qualname__ = name
    return compare


class TorchVersion(str):
    """A string that compares as a version, with strings, tuples of numbers and versions.

    Beside what is not a version it compares as the string it is.

    >>> TorchVersion("2.13.0") > "2.9", TorchVersion("2.13.0") >= (2, 13), "2.13.0" > "2.9"
    (True, True, False)
    """

    __slots__ = ()

    __eq__ = _comparison("__eq__")
    __ne__ = _comparison("__ne__")
    __lt__ = _comparison("__lt__")
    __le__ = _comparison("__le__")
    __gt__ = _comparison("__gt__")
    __ge__ = _comparison("__ge__")
    __hash__ = str.__hash__
