"""What is added to an exception that leaves a forward: where it happened, with which inputs, what to do.

Each `Module.__call__` that an exception passes on its way out extends the dotted path by one step, so the
finished note names the failing module as seen from the outermost one. The exception's own text stays
PyTorch's.
"""

from __future__ import annotations

import inspect
import re
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flambeau._core.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

MOST_CHILDREN_NAMED = 4
MOST_ARGUMENTS_NAMED = 6
LONGEST_REPR = 160


class Place(str):
    """The note itself, which remembers the module and the path that it tells of."""

    outermost: weakref.ref[Module]
    path: str
    rest: str

    def __new__(cls, module: Module, path: str, rest: str) -> Place:
        place = super().__new__(cls, f"in {path}: {rest}" if path else f"in {rest}")
        place.outermost = weakref.ref(module)
        place.path = path
        place.rest = rest
        return place

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception sent to another process takes the text along, not the module.
        return str, (str(self),)


def note_failure(error: Exception, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Note on the exception that it left a call of `module`, extending the note of a call inside."""
    notes: list[str] = getattr(error, "__notes__", [])
    for number, note in enumerate(notes):
        if isinstance(note, Place):
            notes[number] = _seen_from(module, note)
            return
    try:
        rest = f"{describe_module(module)}, called with {describe_inputs(args, kwargs)}"
        advice = remedy(str(error), module, args, kwargs)
    except Exception as another:  # such as of an extra_repr; it must not take the place of the first
        rest, advice = f"{type(module).__name__} (describing the call raised {another!r})", None
    error.add_note(Place(module, "", rest))
    if advice is not None:
        error.add_note(advice)


def _seen_from(module: Module, place: Place) -> Place:
    inner = place.outermost()
    step = _path_to(inner, module) if inner is not None and inner is not module else None
    if step is None:
        # Called without being registered, or already told; the path begins further inside.
        return place
    return Place(module, f"{step}.{place.path}" if place.path else step, place.rest)


def _path_to(inner: Module, outer: Module) -> str | None:
    """The dotted path from one module to another below it; None if there is none."""
    pending = [("", outer)]
    seen: set[int] = set()
    while pending:
        path, module = pending.pop()
        if module is inner:
            return path
        if id(module) not in seen:
            seen.add(id(module))
            children = [(name, child) for name, child in module._modules.items() if child is not None]
            pending += [(f"{path}.{name}" if path else name, child) for name, child in reversed(children)]
    return None


# -- describing ------------------------------------------------------------------------------------


def describe_module(module: Module) -> str:
    """The module's repr; of one with children just their names, since the whole could fill pages."""
    name = module._get_name()
    children = [
        f"{key}: {type(child).__name__}" for key, child in module._modules.items() if child is not None
    ]
    if children:
        more = ", ..." if len(children) > MOST_CHILDREN_NAMED else ""
        return f"{name}({', '.join(children[:MOST_CHILDREN_NAMED])}{more})"
    text = " ".join(repr(module).split())
    return text if len(text) <= LONGEST_REPR else f"{text[:LONGEST_REPR]}..."


def describe_inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The arguments of a call, tensors by shape and dtype: `a (2, 1800) float32 tensor, mask=None`."""
    parts = [describe_value(arg) for arg in args]
    parts += [f"{name}={describe_value(value)}" for name, value in kwargs.items()]
    if not parts:
        return "no arguments"
    more = ", ..." if len(parts) > MOST_ARGUMENTS_NAMED else ""
    return ", ".join(parts[:MOST_ARGUMENTS_NAMED]) + more


def describe_value(value: Any) -> str:
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {_sizes(value)} {dtype} tensor{where}"
    if isinstance(value, list | tuple) and value and all(isinstance(item, Tensor) for item in value):
        return f"a {type(value).__name__} of {len(value)} tensors, the first {describe_value(value[0])}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__}"


def _sizes(tensor: Tensor) -> str:
    return repr(tuple(tensor.shape))


# -- remedies --------------------------------------------------------------------------------------


def remedy(text: str, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """What to do about an error that is recognised by its text; None if it is not."""
    inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    for pattern, advise in REMEDIES:
        match = re.search(pattern, text)
        if match is not None:
            advice = advise(match, module, inputs)
            if advice is not None:
                return advice
    return None


def _features(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    expected = getattr(module, "in_features", None)
    if expected is None or not inputs or len(inputs[0].shape) == 0:
        return None
    got = inputs[0].shape[-1]
    advice = (
        f"its input has {got} features in the last dimension where in_features={expected}: "
        f"in_features={got} would fit"
    )
    if len(inputs[0].shape) > 2 and expected == _product(inputs[0].shape[1:]):
        return f"{advice}, or flatten the input first: x.flatten(1) has {expected} features"
    if got == 1 and expected == 1:
        return None
    return advice


def _product(sizes: Any) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _channels(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    expected, got = int(match[1]), int(match[2])
    shape = tuple(inputs[0].shape) if inputs else ()
    batched = len(shape) == _spatial_dims(module) + 2
    if len(shape) > 2 and shape[-1] == expected and _spatial_dims(module) > 0:
        first = (
            [0, len(shape) - 1, *range(1, len(shape) - 1)]
            if batched
            else [len(shape) - 1, *range(len(shape) - 1)]
        )
        order = ", ".join(map(str, first))
        letters = "N" * batched + "C" + "DHW"[3 - _spatial_dims(module) :]
        return (
            f"the input looks channels last: this layer takes channels first ({letters}), so "
            f"x.permute({order}) would fit"
        )
    if (expected, got) == (3, 1):
        return (
            "a grey image has one channel: make the layer with in_channels=1, or repeat it, x.expand(-1, "
            "3, -1, -1)"
        )
    return f"make the layer with in_channels={got}, or check what comes before it"


def _spatial_dims(module: Module) -> int:
    return len(getattr(module, "kernel_size", ()) or ()) if hasattr(module, "in_channels") else 0


def _dtypes(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    weights = {param.dtype for param in module.parameters() if param.is_floating_point()}
    if len(weights) != 1:
        return None
    weight = weights.pop()
    for tensor in inputs:
        if tensor.dtype != weight:
            name = str(weight)
            method = {
                "torch.float32": ".float()",
                "torch.float64": ".double()",
                "torch.float16": ".half()",
            }.get(name)
            cast = f"x{method} or x.to({name})" if method else f"x.to({name})"
            given = str(tensor.dtype).removeprefix("torch.")
            return (
                f"the input is {given}, the module's parameters are {name.removeprefix('torch.')}: convert "
                "the input, "
                f"{cast}, or the whole model, model.to(torch.{given})" + _numpy_hint(given)
            )
    return None


def _numpy_hint(given: str) -> str:
    return ". NumPy makes float64 unless told otherwise" if given == "float64" else ""


def _devices(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    homes = {str(param.device) for param in module.parameters()}
    strays = {str(tensor.device) for tensor in inputs} - homes
    if len(homes) != 1 or not strays:
        return None
    home = homes.pop()
    return (
        f"an input is on {strays.pop()}, the module on {home}: move the input, x.to('{home}'), or the "
        "model, model.to(...)"
    )


def _batch_of_one(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    return (
        "batch norm in training mode needs more than one value per channel: call model.eval() to use the "
        "running "
        "statistics, or give a larger batch (DataLoader(drop_last=True) drops a last batch of one)"
    )


def _vocabulary(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    rows = getattr(module, "num_embeddings", None)
    if rows is None:
        return None
    return (
        f"with num_embeddings={rows} the indices may be 0 to {rows - 1}: make the table larger or check "
        "the indices"
    )


def _integer_indices(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    return (
        "indices are integers: x.long(), that is x.to(torch.int64)"
        if hasattr(module, "num_embeddings")
        else None
    )


def _no_forward(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    from flambeau.nn.modules.module import Module

    if type(module).__module__ == f"{Module.__module__.rpartition('.')[0]}.container":
        return (
            f"a {match[1]} only holds modules: call the ones in it, or use nn.Sequential to run them in order"
        )
    return f"define forward(self, ...) in {match[1]}; check its spelling and indentation"


def _signature(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    if match[1] != type(module).__name__:
        return None
    return f"its forward takes {inspect.signature(module.forward)}"


def _recurrent_size(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    expected, got = int(match[1]), int(match[2])
    if inputs and inputs[0].dim() == 3 and inputs[0].shape[1] == expected:
        return "features stand last, after steps and batch: x.transpose(1, 2) would fit"
    return f"the last dimension holds the features: make the layer with input_size={got}, or check the input"


def _recurrent_state(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    steps_first = not getattr(module, "batch_first", True)
    expected, got = (
        [int(size) for size in sizes.split(",") if size.strip()] for sizes in (match[1], match[2])
    )
    if steps_first and inputs and inputs[0].dim() == 3 and len(got) == 3 and got[1] == inputs[0].shape[0]:
        return (
            f"the input's second dimension, {expected[1]}, is taken as the batch: make the layer with "
            "batch_first=True if the batch stands first"
        )
    return "a state has the shape (num_layers * directions, batch, features)"


def _kernel(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    return (
        "add padding, take a smaller kernel_size, or pool less before it: each layer makes the input smaller"
    )


def _running_statistics(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str | None:
    if getattr(module, "num_features", None) is None:
        return None
    return f"make the layer with num_features={match[1]}, the size of the input's dimension 1"


def _target_size(match: re.Match[str], module: Module, inputs: list[Tensor]) -> str:
    return (
        "give both one shape: input.squeeze(-1) drops a last dimension of one, target.unsqueeze(-1) adds it"
    )


Advise = Callable[["re.Match[str]", "Module", list[Tensor]], "str | None"]
REMEDIES: list[tuple[str, Advise]] = [
    (r"mat1 and mat2 shapes cannot be multiplied|size mismatch, got input", _features),
    (r"to have (\d+) channels, but got (\d+) channels instead", _channels),
    (r"same dtype|expected scalar type|should be the same|must have the same", _dtypes),
    (r"on the same device|device type|should be the same", _devices),
    (r"Expected more than 1 value per channel when training", _batch_of_one),
    (r"index out of range", _vocabulary),
    (r"to have one of the following scalar types: Long, Int", _integer_indices),
    (r'Module \[(\w+)\] is missing the required "forward" function', _no_forward),
    (r"must be equal to input_size\. Expected (\d+), got (\d+)", _recurrent_size),
    (r"Expected hidden(?:\[\d\])? size \(([\d, ]+)\), got \[([\d, ]+)\]", _recurrent_state),
    (r"Kernel size can't be greater than actual input size", _kernel),
    (r"running_mean should contain (\d+) elements", _running_statistics),
    (r"Using a target size .* different to the input size", _target_size),
    (r"(\w+)\.forward\(\) (?:missing|takes|got an unexpected|got multiple)", _signature),
]
