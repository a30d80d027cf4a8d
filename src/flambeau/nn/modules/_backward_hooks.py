"""The backward hooks of modules: identity nodes around a forward that call the hooks when gradients pass.

A module with full backward hooks gets one identity node behind its inputs and one before its output:

    inputs -> [InputGate] -> forward -> [OutputGate] -> output

In the backward pass gradients reach the OutputGate first: it runs the pre-hooks and keeps `grad_output`. When
they reach the InputGate both gradients are known, and the hooks run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flambeau._core.function import Function
from flambeau._core.modes import is_grad_enabled
from flambeau._core.tensor import Tensor
from flambeau.nn.modules._hooks import Hook, _WrappedHook

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

Gradients = tuple["Tensor | None", ...]
AtBackward = Callable[[Gradients, Callable[[Gradients], Gradients]], Gradients]

NO_INPUT_GRADIENTS = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
    "require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
    "#torch.nn.Module.register_full_backward_hook for more details."
)


class BackwardHookFunction(Function):
    """The identity on tensors; in the backward pass the gradients go through `at_backward`."""

    of_operations = True

    @staticmethod
    def forward(ctx: Any, at_backward: AtBackward, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.at_backward = at_backward
        # Hooks are told which gradients are absent, so zeros come in only after them.
        ctx.set_materialize_grads(False)
        ctx.properties = [(tensor.shape, tensor.dtype, tensor.device) for tensor in tensors]
        ctx.mark_non_differentiable(*(tensor for tensor in tensors if not tensor.requires_grad))
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        present = next(gradient for gradient in gradients if gradient is not None)

        def with_zeros(gradients: Gradients) -> Gradients:
            return tuple(
                present.new_zeros(shape, dtype=dtype, device=device) if gradient is None else gradient
                for gradient, (shape, dtype, device) in zip(gradients, ctx.properties, strict=True)
            )

        return None, *ctx.at_backward(gradients, with_zeros)


class BackwardHook:
    """Runs the full backward hooks of one call of one module.

    Args:
        module: handed to the hooks as their first argument.
        user_hooks: called as `hook(module, grad_input, grad_output)`; may return a new `grad_input`.
        user_pre_hooks: called as `hook(module, grad_output)`; may return a new `grad_output`.
    """

    def __init__(self, module: Module, user_hooks: Sequence[Hook], user_pre_hooks: Sequence[Hook]) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: Gradients | None = None
        # Places of the tensors among the arguments; None while no input takes part in the backward pass.
        self.input_places: list[int] | None = None
        self.input_count = -1
        self.output_places: list[int] = []
        self.output_count = -1

    def setup_input_hook(self, args: tuple[Any, ...]) -> Any:
        """Put the gate behind the inputs and return what the forward is to be called with."""
        gated, places = self._gate(args, self._at_input)
        self.input_count = len(args)
        self.input_places = places
        return gated

    def setup_output_hook(self, result: Any) -> Any:
        """Put the gate before the output, a Tensor or a tuple, and return what the call is to return."""
        is_single = isinstance(result, Tensor)
        outputs = (result,) if is_single else result
        gated, places = self._gate(outputs, self._at_output)
        self.output_count = len(outputs)
        self.output_places = places or []
        return gated[0] if is_single else gated

    def _gate(self, args: Any, at_backward: AtBackward) -> tuple[Any, list[int] | None]:
        places = [place for place, arg in enumerate(args) if isinstance(arg, Tensor)]
        tensors = [args[place] for place in places]
        if not (is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
            return args, None
        replaced = list(args)
        for place, tensor in zip(places, BackwardHookFunction.apply(at_backward, *tensors), strict=True):
            replaced[place] = tensor
        # A named tuple takes its fields one by one.
        return (tuple(replaced) if type(args) is tuple else type(args)(*replaced)), places

    def _at_output(self, gradients: Gradients, with_zeros: Callable[[Gradients], Gradients]) -> Gradients:
        self.grad_outputs = _spread(gradients, self.output_places, self.output_count)
        for hook in self.user_pre_hooks:
            answer = hook(self.module, self.grad_outputs)
            if answer is not None:
                self.grad_outputs = _same_number(
                    answer, self.grad_outputs, "Backward pre hook", "grad_output"
                )
        outputs = self.grad_outputs
        if self.input_places is None:
            self._run_without_inputs()
        return with_zeros(tuple(outputs[place] for place in self.output_places))

    def _at_input(self, gradients: Gradients, with_zeros: Callable[[Gradients], Gradients]) -> Gradients:
        gradients = with_zeros(gradients)
        if self.grad_outputs is None:
            # The backward pass began inside the module, so there is no gradient of its output to tell of.
            return gradients
        places = self.input_places or []
        grad_inputs = _spread(gradients, places, self.input_count)
        for hook in self.user_hooks:
            answer = hook(self.module, grad_inputs, self.grad_outputs)
            if answer is not None:
                grad_inputs = _same_number(answer, grad_inputs, "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(grad_inputs[place] for place in places)

    def _run_without_inputs(self) -> None:
        warnings.warn(NO_INPUT_GRADIENTS, stacklevel=2)
        grad_inputs = (None,) * self.input_count
        for hook in self.user_hooks:
            answer = hook(self.module, grad_inputs, self.grad_outputs)
            if answer is not None and not (
                isinstance(answer, tuple) and all(part is None for part in answer)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None "
                    "or None for all gradients."
                )
        self.grad_outputs = None


def _spread(gradients: Gradients, places: Iterable[int], count: int) -> Gradients:
    """Put gradients where their tensors stood among `count` arguments; the others get None."""
    spread: list[Tensor | None] = [None] * count
    for place, gradient in zip(places, gradients, strict=True):
        spread[place] = gradient
    return tuple(spread)


def _same_number(answer: Any, replaced: Gradients, hook: str, name: str) -> Gradients:
    if len(answer) != len(replaced):
        raise RuntimeError(
            f"{hook} returned an invalid number of {name}, got {len(answer)}, but expected {len(replaced)}"
        )
    return answer


# -- the old kind, `register_backward_hook` --------------------------------------------------------


def attach_legacy_hooks(module: Module, hooks: Sequence[Hook], args: Any, result: Any) -> None:
    """Hang hooks of the old kind on the forward's last node; warn where that tells less than it seems."""
    tensor = result
    while not isinstance(tensor, Tensor):
        if isinstance(tensor, dict):
            tensor = next(value for value in tensor.values() if isinstance(value, Tensor))
        else:
            tensor = tensor[0]
    node = tensor.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(_WrappedHook(hook, module))
    warn_where_imprecise(args, result, node)


def warn_where_imprecise(args: Any, result: Any, node: Any) -> None:
    warning = _imprecision(args, result, node)
    if warning is not None:
        warnings.warn(warning, FutureWarning, stacklevel=2)


def _imprecision(args: Any, result: Any, node: Any) -> str | None:
    results = result if isinstance(result, tuple) else (result,)
    given = args if isinstance(args, tuple) else (args,)
    if not all(isinstance(part, Tensor) for part in results):
        return (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of "
            "Tensors "
            "is deprecated and will be removed in future versions. This hook will be missing some of the "
            "grad_output. Please use register_full_backward_hook to get the documented behavior."
        )
    if not all(isinstance(part, Tensor) for part in given):
        return (
            "Using non-full backward hooks on a Module that does not take as input a single Tensor or a "
            "tuple of "
            "Tensors is deprecated and will be removed in future versions. This hook will be missing some "
            "of the "
            "grad_input. Please use register_full_backward_hook to get the documented behavior."
        )
    nodes = {part.grad_fn for part in results if part.grad_fn is not None}
    if not nodes or (len(nodes) == 1 and node not in nodes):
        return (
            "Using a non-full backward hook when outputs are nested in python data structure is "
            "deprecated and will "
            "be removed in future versions. This hook will be missing some grad_output."
        )
    if len(nodes) > 1:
        return (
            "Using a non-full backward hook when outputs are generated by different autograd Nodes is "
            "deprecated "
            "and will be removed in future versions. This hook will be missing some grad_output. Please use "
            "register_full_backward_hook to get the documented behavior."
        )
    input_nodes = {part.grad_fn for part in given if part.grad_fn is not None}
    if input_nodes != {following[0] for following in node.next_functions}:
        return (
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is "
            "deprecated and "
            "will be removed in future versions. This hook will be missing some grad_input. Please use "
            "register_full_backward_hook to get the documented behavior."
        )
    return None
