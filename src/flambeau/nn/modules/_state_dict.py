"""Saving modules to state dicts and loading them back: the protocol, and what to say when keys do not match.

`Module.state_dict` and `Module.load_state_dict` walk the tree; each module writes and reads its own entries
in `_save_to_state_dict` and `_load_from_state_dict`, which subclasses may override.
"""

from __future__ import annotations

import difflib
import itertools
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau.nn.parameter import Parameter, is_lazy

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

EXTRA_STATE_KEY_SUFFIX = "_extra_state"
# Suggestions beyond these would bury the message they stand under.
MOST_SUGGESTIONS = 8
MOST_KEYS_COMPARED = 2000
PREFIX_ORIGINS = {
    "module.": "nn.DataParallel and DistributedDataParallel add it",
    "_orig_mod.": "compiling a module adds it",
}


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What did not match: keys of the module absent from the state dict, and the other way round."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


UNREACHABLE = (
    "Reached a code path in Module.{}_extra_state() that should never be called. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)

# -- saving ----------------------------------------------------------------------------------------


def save_own(
    module: Module, destination: dict[str, Any], prefix: str, keep_vars: bool, has_extra_state: bool
) -> None:
    """Write the module's own parameters, persistent buffers and extra state into `destination`."""
    for name, param in module._parameters.items():
        if param is not None:
            destination[prefix + name] = param if keep_vars else param.detach()
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            destination[prefix + name] = buffer if keep_vars else buffer.detach()
    if has_extra_state:
        destination[prefix + EXTRA_STATE_KEY_SUFFIX] = module.get_extra_state()


def save_tree(module: Module, destination: Any, prefix: str, keep_vars: bool) -> Any:
    """Write the module and all below it into `destination`, a new ordered dict if None; return that."""
    if destination is None:
        destination = OrderedDict()
        destination._metadata = OrderedDict()
    local_metadata = {"version": module._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = local_metadata
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook in module._state_dict_hooks.values():
        answer = hook(module, destination, prefix, local_metadata)
        if answer is None:
            continue
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError("state_dict post-hook must return None")
        destination = answer
    return destination


def from_positional(
    args: tuple[Any, ...], destination: Any, prefix: str, keep_vars: bool
) -> tuple[Any, str, bool]:
    """The arguments of `state_dict` when given by position, as was once usual; named ones win."""
    given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
    return (
        given.get("destination") if destination is None else destination,
        prefix or given.get("prefix", ""),
        keep_vars or given.get("keep_vars", False),
    )


# -- loading one module ----------------------------------------------------------------------------


def load_own(
    module: Module,
    state_dict: Mapping[str, Any],
    prefix: str,
    local_metadata: Mapping[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
    takes_extra_state: bool,
) -> None:
    """Read the module's own entries, those under `prefix`, and note in the three lists what did not fit."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
    assign = local_metadata.get("assign_to_params_buffers", False)
    expected = _loadable(module)
    for name, current in expected.items():
        key = prefix + name
        if key in state_dict:
            error = _load_entry(module, name, key, current, state_dict[key], assign)
            if error is not None:
                error_msgs.append(error)
        elif strict:
            missing_keys.append(key)
    extra_key = prefix + EXTRA_STATE_KEY_SUFFIX
    if takes_extra_state:
        if extra_key in state_dict:
            module.set_extra_state(state_dict[extra_key])
        elif strict:
            missing_keys.append(extra_key)
    elif strict and extra_key in state_dict:
        unexpected_keys.append(extra_key)
    if strict:
        unexpected_keys.extend(_unknown_keys(module, state_dict, prefix, expected))


def _loadable(module: Module) -> dict[str, Tensor]:
    buffers = (
        (name, buffer)
        for name, buffer in module._buffers.items()
        if name not in module._non_persistent_buffers_set
    )
    return {
        name: entry
        for name, entry in itertools.chain(module._parameters.items(), buffers)
        if entry is not None
    }


def _unknown_keys(
    module: Module, state_dict: Mapping[str, Any], prefix: str, expected: Mapping[str, Tensor]
) -> Iterable[str]:
    for key in state_dict:
        if not key.startswith(prefix) or key == prefix + EXTRA_STATE_KEY_SUFFIX:
            continue
        first, dot, _ = key[len(prefix) :].partition(".")
        # With a dot the key should lead into a submodule, without one it should be an entry of this module.
        if first not in (module._modules if dot else expected):
            yield key


def _load_entry(
    module: Module, name: str, key: str, current: Tensor, loaded: Any, assign: bool
) -> str | None:
    """Copy or assign one entry; return what went wrong, or None."""
    if not isinstance(loaded, Tensor) and not hasattr(type(loaded), "__torch_function__"):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from '
            f"checkpoint but received {type(loaded)}"
        )
    if not is_lazy(current):
        if len(current.shape) == 0 and tuple(loaded.shape) == (1,):
            loaded = loaded[0]  # PyTorch before 0.4 saved scalars with one dimension.
        if loaded.shape != current.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {loaded.shape} from checkpoint, "
                f"the shape in current model is {current.shape}."
            )
    if current.is_meta and not loaded.is_meta and not assign:
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the "
            "current "
            "model, which is a no-op. (Did you mean to pass `assign=True` to assign items in the state "
            "dictionary "
            "to their corresponding key in the module instead of copying them in place?)",
            stacklevel=2,
        )
    try:
        with no_grad():
            if assign:
                _assign(module, name, current, loaded)
            else:
                current.copy_(loaded)
    except Exception as error:  # gathered, so that one message tells of every entry that failed
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{current.size()} and "
            f"whose dimensions in the checkpoint are {loaded.size()}, an exception occurred : {error.args}."
        )
    return None


def _assign(module: Module, name: str, current: Tensor, loaded: Tensor) -> None:
    if isinstance(current, Parameter):
        if isinstance(loaded, Parameter):
            loaded.requires_grad_(current.requires_grad)
        else:
            loaded = Parameter(loaded, requires_grad=current.requires_grad)
    setattr(module, name, loaded)


# -- loading a tree --------------------------------------------------------------------------------


def load_tree(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> _IncompatibleKeys:
    """Read `state_dict` into the module and everything below it; raise RuntimeError if it does not fit."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    metadata = getattr(state_dict, "_metadata", None)
    # A copy, since hooks and overriding modules may rename entries while they load.
    entries: Any = OrderedDict(state_dict)
    if metadata is not None:
        entries._metadata = metadata
    keys = _IncompatibleKeys([], [])
    errors: list[str] = []
    _load_below(module, entries, "", metadata, assign, keys, errors)
    if strict:
        if keys.missing_keys:
            errors.insert(0, _list_keys("Missing key(s) in state_dict: ", keys.missing_keys))
        if keys.unexpected_keys:
            place = 1 if keys.missing_keys else 0
            errors.insert(place, _list_keys("Unexpected key(s) in state_dict: ", keys.unexpected_keys))
    if errors:
        raise _loading_error(module, errors, keys if strict else _IncompatibleKeys([], []))
    return keys


def _load_below(
    module: Module,
    entries: Any,
    prefix: str,
    metadata: Any,
    assign: bool,
    keys: _IncompatibleKeys,
    errors: list[str],
) -> None:
    local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        local_metadata["assign_to_params_buffers"] = assign
    module._load_from_state_dict(
        entries, prefix, local_metadata, True, keys.missing_keys, keys.unexpected_keys, errors
    )
    # Split only now: the module's hooks may have renamed entries of its children.
    entries_of = _split_by_child(entries, prefix)
    for name, child in module._modules.items():
        if child is not None:
            _load_below(child, entries_of.get(name, {}), f"{prefix}{name}.", metadata, assign, keys, errors)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                "values, if incompatible_keys need to be modified, it should be done inplace."
            )


def _split_by_child(entries: Mapping[str, Any], prefix: str) -> dict[str, dict[str, Any]]:
    split: dict[str, dict[str, Any]] = {}
    for key, entry in entries.items():
        if key.startswith(prefix):
            name, dot, _ = key[len(prefix) :].partition(".")
            if dot:
                split.setdefault(name, {})[key] = entry
    return split


def _list_keys(heading: str, keys: Iterable[str]) -> str:
    return heading + ", ".join(f'"{key}"' for key in keys) + ". "


# -- telling what did not fit ----------------------------------------------------------------------


def _loading_error(module: Module, errors: list[str], keys: _IncompatibleKeys) -> RuntimeError:
    joined = "\n\t".join(errors)
    error = RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{joined}")
    notes = _shape_notes(errors) + _key_notes(keys.missing_keys, keys.unexpected_keys)
    if notes:
        error.add_note("\n".join(notes))
    return error


def _shape_notes(errors: Iterable[str]) -> list[str]:
    """Every size mismatch as one line of a table, checkpoint beside model."""
    rows = []
    for error in errors:
        if error.startswith("size mismatch for ") and ": copying a param with shape " in error:
            key, rest = error.removeprefix("size mismatch for ").split(": copying a param with shape ", 1)
            loaded, current = rest.split(" from checkpoint, the shape in current model is ", 1)
            rows.append((key, _plain_shape(loaded), _plain_shape(current.rstrip("."))))
    if not rows:
        return []
    rows.insert(0, ("shapes that differ", "in the checkpoint", "in the model"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _plain_shape(text: str) -> str:
    return text.removeprefix("torch.Size(").removesuffix(")")


def _key_notes(missing: list[str], unexpected: list[str]) -> list[str]:
    if not missing or not unexpected:
        return []
    return _prefix_notes(missing, unexpected) or _nearest_notes(missing, unexpected)


def _prefix_notes(missing: list[str], unexpected: list[str]) -> list[str]:
    """Recognise keys that differ from the module's by one leading part, such as `module.` of DataParallel."""
    wanted, given = set(missing), set(unexpected)
    prefix = _common_prefix(unexpected)
    if prefix and {key.removeprefix(prefix) for key in given} & wanted:
        origin = f" ({PREFIX_ORIGINS[prefix]})" if prefix in PREFIX_ORIGINS else ""
        return [
            f"every unexpected key begins with '{prefix}'{origin}; remove that prefix and they match: "
            f"{{key.removeprefix('{prefix}'): value for key, value in state_dict.items()}}"
        ]
    prefix = _common_prefix(missing)
    if prefix and {key.removeprefix(prefix) for key in wanted} & given:
        child = prefix.removesuffix(".")
        return [
            f"every missing key begins with '{prefix}', and the state dict has them without that prefix. "
            f"Load it into the submodule, model.{child}.load_state_dict(...), or add the prefix: "
            f"{{'{prefix}' + key: value for key, value in state_dict.items()}}"
        ]
    return []


def _common_prefix(keys: list[str]) -> str:
    first, dot, _ = keys[0].partition(".")
    prefix = first + dot
    return prefix if dot and all(key.startswith(prefix) for key in keys) else ""


def _nearest_notes(missing: list[str], unexpected: list[str]) -> list[str]:
    """Name, for each missing key, the unexpected one that looks most like it."""
    left = unexpected[:MOST_KEYS_COMPARED]
    notes: list[str] = []
    for key in missing:
        if len(notes) == MOST_SUGGESTIONS:
            notes.append("(more keys are alike)")
            break
        nearest = difflib.get_close_matches(key, left, n=1, cutoff=0.75)
        if nearest:
            left.remove(nearest[0])
            notes.append(f"did you mean '{nearest[0]}' for '{key}'? It is the nearest of the unexpected keys")
    return notes
