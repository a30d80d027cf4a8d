"""L-BFGS."""

from collections.abc import Callable
from typing import Any

from flambeau._core.modes import enable_grad, no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import zeros
from flambeau._ops.join import cat
from flambeau._ops.parts import view_as_real
from flambeau.optim._line_search import Point, strong_wolfe
from flambeau.optim.optimizer import (
    Optimizer,
    ParamsT,
    State,
    as_number,
    check_range,
    check_single_element,
)

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Follows the gradient bent by an estimate of the loss's curvature, which recent steps give.

    One step evaluates the loss several times, so it needs a closure. All parameters form one group.

    Args:
        params: tensors, or (name, tensor) pairs.
        lr: the size of a step, or where the line search begins.
        max_iter: how many directions are taken in one step.
        max_eval: how often the loss may be evaluated in one step; by default 1.25 times `max_iter`.
        tolerance_grad: a step ends when no element of the gradient is larger.
        tolerance_change: a step ends when neither the parameters nor the loss change by more.
        history_size: how many recent steps the estimate is made of.
        line_search_fn: "strong_wolfe", or None to go `lr` in each direction.

    Raises: ValueError, for several groups or values out of range.
    Source: Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization".

    >>> import flambeau
    >>> weight = flambeau.tensor([3.0, 4.0], requires_grad=True)
    >>> optimizer = LBFGS([weight], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((weight - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(13., grad_fn=<SumBackward0>)
    >>> weight
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        defaults = dict(
            lr=lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes up to `max_iter` steps.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns it; the first one
                is returned.
        """
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        if len(self.param_groups) != 1:
            raise AssertionError(f"Expected exactly one param_group, but got {len(self.param_groups)}")
        evaluate = enable_grad()(closure)
        group = self.param_groups[0]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = evaluate()
        loss = float(first_loss)
        state["func_evals"] += 1
        grad = self._flat_grad()
        if grad.abs().max() > group["tolerance_grad"]:
            # Kept apart until the end: a step that fails leaves the state as it was.
            memory = _Memory(state, group["history_size"])
            self._iterate(evaluate, state, memory, loss, grad)
            memory.save(state)
        return first_loss

    def _iterate(
        self, closure: Callable[[], Any], state: State, memory: "_Memory", loss: float, grad: Tensor
    ) -> None:
        group = self.param_groups[0]
        lr, tolerance = as_number(group["lr"]), group["tolerance_change"]
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            is_first = state["n_iter"] == 1
            direction = memory.first(grad) if is_first else memory.next(grad, state)
            memory.keep(grad, loss)
            t = min(1.0, 1.0 / grad.abs().sum()) * lr if is_first else lr
            memory.t = t
            slope = grad.dot(direction)
            if slope > -tolerance:
                return
            made = 0
            if group["line_search_fn"] is not None:
                here = Point(0, loss, grad, slope)
                budget = group["max_eval"] - evaluations
                found, made = self._search(closure, here, t, direction, budget)
                loss, grad, memory.t = found.loss, found.grad, found.t
                self._move(memory.t, direction)
            else:
                self._move(t, direction)
                # What the last one would find, nobody would use.
                if iteration != group["max_iter"]:
                    loss, grad, made = float(closure()), self._flat_grad(), 1
            evaluations += made
            state["func_evals"] += made
            if iteration == group["max_iter"] or evaluations >= group["max_eval"]:
                return
            if (
                grad.abs().max() <= group["tolerance_grad"]
                or (direction * memory.t).abs().max() <= tolerance
                or abs(loss - memory.loss) < tolerance
            ):
                return

    def _search(
        self, closure: Callable[[], Any], here: Point, t: Any, direction: Tensor, budget: int
    ) -> tuple[Point, int]:
        group = self.param_groups[0]
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        origin = [param.clone() for param in self._params]

        def evaluate(t: Any) -> Point:
            self._move(t, direction)
            loss, grad = float(closure()), self._flat_grad()
            for param, value in zip(self._params, origin, strict=True):
                param.copy_(value)
            return Point(t, loss, grad, grad.dot(direction))

        return strong_wolfe(evaluate, here, t, direction.abs().max(), group["tolerance_change"], budget)

    def _flat_grad(self) -> Tensor:
        """All gradients in one row; zeros where there is none, complex numbers as pairs."""
        parts = []
        for param in self._params:
            grad = param.grad
            if grad is None:
                grad = zeros(param.numel(), dtype=param.dtype, device=param.device)
            flat = grad.reshape(-1)
            parts.append(view_as_real(flat).reshape(-1) if flat.is_complex() else flat)
        return cat(parts, 0)

    def _move(self, t: Any, direction: Tensor) -> None:
        start = 0
        for param in self._params:
            target = view_as_real(param) if param.is_complex() else param
            target.add_(direction[start : start + target.numel()].view_as(target), alpha=as_number(t))
            start += target.numel()


class _Memory:
    """The recent steps, and the estimate of the inverse Hessian that they are."""

    def __init__(self, state: State, size: int) -> None:
        self.size = size
        self.direction = state.get("d")
        self.t = state.get("t")
        self.grad_changes: list[Tensor] = state.get("old_dirs", [])
        self.moves: list[Tensor] = state.get("old_stps", [])
        self.inverse_products: list[Tensor] = state.get("ro", [])
        self.scale = state.get("H_diag")
        self.grad = state.get("prev_flat_grad")
        self.loss: Any = state.get("prev_loss")

    def save(self, state: State) -> None:
        state["d"] = self.direction
        state["t"] = self.t
        state["old_dirs"] = self.grad_changes
        state["old_stps"] = self.moves
        state["ro"] = self.inverse_products
        state["H_diag"] = self.scale
        state["prev_flat_grad"] = self.grad
        state["prev_loss"] = self.loss

    def keep(self, grad: Tensor, loss: float) -> None:
        self.grad, self.loss = grad.clone(), loss

    def first(self, grad: Tensor) -> Tensor:
        self.grad_changes, self.moves, self.inverse_products, self.scale = [], [], [], 1
        self.direction = -grad
        return self.direction

    def next(self, grad: Tensor, state: State) -> Tensor:
        """The direction: the estimate times the gradient, downwards."""
        self._learn(grad)
        weights = state.setdefault("al", [None] * self.size)
        direction = -grad
        steps = list(zip(self.grad_changes, self.moves, self.inverse_products, strict=True))
        for i, (change, move, inverse) in reversed(list(enumerate(steps))):
            weights[i] = move.dot(direction) * inverse
            direction = direction - weights[i] * change
        direction = direction * self.scale
        for i, (change, move, inverse) in enumerate(steps):
            direction = direction + (weights[i] - change.dot(direction) * inverse) * move
        self.direction = direction
        return direction

    def _learn(self, grad: Tensor) -> None:
        """Takes in the last step, unless the loss curves downwards there."""
        assert self.direction is not None
        change, move = grad - self.grad, self.direction * self.t
        product = change.dot(move)
        if product > 1e-10:
            if len(self.moves) == self.size:
                for each in (self.grad_changes, self.moves, self.inverse_products):
                    each.pop(0)
            self.grad_changes.append(change)
            self.moves.append(move)
            self.inverse_products.append(1.0 / product)
            self.scale = product / change.dot(change)
