"""Joining samples into a batch, and turning NumPy data into tensors."""

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from flambeau._core.declare import registry
from flambeau._core.dtype import float64
from flambeau._core.tensor import Tensor
from flambeau._ops.construct import as_tensor, from_numpy, tensor

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]

_no_number = r"[SaUO]"
_unknown = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
_unequal_hint = (
    "The samples of one batch have to be of equal size. Pad them, or pass DataLoader(collate_fn=...) "
    "a function that joins the list of samples, for instance by nn.utils.rnn.pad_sequence."
)


def default_convert(data: Any) -> Any:
    """Turns NumPy arrays and numbers into tensors, also inside dicts, lists and tuples; leaves the rest."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if re.search(_no_number, data.dtype.str) else as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        return _rebuild_tuple(data, [default_convert(item) for item in data])
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def default_collate(batch: Any) -> Any:
    """Joins a list of samples into one batch.

    Tensors and arrays are stacked along a new first dimension, numbers become a tensor, strings stay a list,
    and dicts, named tuples and sequences are joined entry by entry.

    Raises: TypeError, for samples of another type; RuntimeError, if sizes differ.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Joins samples as `default_collate` does, looking up by type in `collate_fn_map` how.

    The functions in the map are called as `function(batch, collate_fn_map=collate_fn_map)`.
    """
    first = batch[0]
    join = _function_for(type(first), collate_fn_map or {})
    if join is not None:
        return join(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        joined = {key: collate([s[key] for s in batch], collate_fn_map=collate_fn_map) for key in first}
        return _rebuild_mapping(first, joined)
    if isinstance(first, Sequence):
        return _collate_sequences(batch, first, collate_fn_map)
    raise TypeError(_unknown.format(type(first)))


def _function_for(kind: type, collate_fn_map: CollateMap) -> Callable[..., Any] | None:
    if kind in collate_fn_map:
        return collate_fn_map[kind]
    return next((join for types, join in collate_fn_map.items() if issubclass(kind, types)), None)


def _collate_sequences(batch: Any, first: Sequence[Any], collate_fn_map: CollateMap | None) -> Any:
    lengths = [len(sample) for sample in batch]
    if any(length != lengths[0] for length in lengths) and not _is_named_tuple(first):
        error = RuntimeError("each element in list of batch should be of equal size")
        error.add_note(f"Their lengths are {lengths}. {_unequal_hint}")
        raise error
    joined = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)]
    if isinstance(first, tuple) and not _is_named_tuple(first):
        return joined
    return _rebuild_tuple(first, joined) if isinstance(first, tuple) else _rebuild_sequence(first, joined)


def _rebuild_mapping(like: Mapping[Any, Any], entries: dict[Any, Any]) -> Any:
    try:
        if isinstance(like, MutableMapping):
            # A copy keeps what the class holds besides, as a defaultdict's factory.
            clone = copy.copy(like)
            clone.update(entries)
            return clone
        return type(like)(entries)  # type: ignore[call-arg]
    except TypeError:  # the class is made or filled in another way
        return entries


def _rebuild_tuple(like: tuple[Any, ...], items: list[Any]) -> Any:
    return type(like)(*items) if _is_named_tuple(like) else items


def _rebuild_sequence(like: Sequence[Any], items: list[Any]) -> Any:
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for index, item in enumerate(items):
                clone[index] = item
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:  # as for a range: not made from a list
        return items


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    try:
        return registry["stack"](list(batch), 0)
    except RuntimeError as error:
        if "equal size" in str(error):
            error.add_note(_unequal_hint)
        raise


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    first = batch[0]
    if re.search(_no_number, first.dtype.str):
        raise TypeError(_unknown.format(first.dtype))
    alike = all(
        isinstance(array, np.ndarray) and array.shape == first.shape and array.dtype == first.dtype
        for array in batch
    )
    if alike:  # one copy by NumPy, rather than a tensor for each
        return from_numpy(np.stack(batch))
    return collate([as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    return from_numpy(np.asarray(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    return tensor(batch, dtype=float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    return batch


default_collate_fn_map: CollateMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
