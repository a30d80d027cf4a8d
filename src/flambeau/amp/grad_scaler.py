"""`GradScaler`: losses are scaled up, so that small gradients in float16 do not become zero."""

from __future__ import annotations

import enum
import math
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

from flambeau._core.device import is_available as _device_is_available
from flambeau._core.dtype import DTYPES
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import full

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """How far an optimizer is between two calls of `update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Scales losses before `backward` and gradients back before the step, and leaves out steps with inf or nan.

    The scale is halved (`backoff_factor`) after a step that was left out, and doubled (`growth_factor`) after
    `growth_interval` steps in a row that were not.

    Args:
        device: type of device; "cuda" without a GPU turns the scaler off, with a warning.
        init_scale: the first scale.
        growth_factor: what the scale grows by.
        backoff_factor: what it shrinks by.
        growth_interval: after how many steps it grows.
        enabled: False makes `step` call the optimizer's, and all else do nothing.

    >>> weight = flambeau.nn.Parameter(flambeau.ones(1))
    >>> optimizer = flambeau.optim.SGD([weight], lr=0.5)
    >>> scaler = flambeau.amp.GradScaler("cpu", init_scale=8.0)
    >>> scaler.scale(weight.sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> weight.item(), weight.grad.item(), scaler.get_scale()
    (0.5, 1.0, 8.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda" and not _device_is_available("cuda"):
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        # Made when the first loss tells the device.
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._per_optimizer_states: dict[int, dict[str, Any]] = {}

    def _tensors(self, caller: str) -> tuple[Tensor, Tensor]:
        """The scale and the count of steps since it changed.

        Raises: AssertionError, if no loss was scaled yet.
        """
        fix = "This may indicate your script did not use scaler.scale(loss or outputs) earlier in the iteration."
        if self._scale is None:
            raise AssertionError(f"Attempted {caller} but _scale is None.  {fix}")
        if self._growth_tracker is None:
            raise AssertionError(f"Attempted {caller} but _growth_tracker is None.  {fix}")
        return self._scale, self._growth_tracker

    def _state_of(self, optimizer: Any) -> dict[str, Any]:
        fresh = {"stage": OptState.READY, "found_inf_per_device": {}}
        return self._per_optimizer_states.setdefault(id(optimizer), fresh)

    # -- losses ----------------------------------------------------------------------------------

    def scale(self, outputs: Any) -> Any:
        """A loss, or all tensors of an iterable, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._make_tensors(outputs.device)
            assert self._scale is not None
            return outputs * self._scale.to(outputs.device, non_blocking=True)  # type: ignore[attr-defined]
        if isinstance(outputs, Iterable):
            scaled = [self.scale(each) for each in outputs]
            if isinstance(outputs, (list, tuple)):
                return type(outputs)(scaled)
            return iter(scaled)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _make_tensors(self, device: Any) -> None:
        self._scale = full((), self._init_scale, dtype=DTYPES["float32"], device=device)
        self._growth_tracker = full((), self._init_growth_tracker, dtype=DTYPES["int32"], device=device)

    # -- steps -----------------------------------------------------------------------------------

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of an optimizer's parameters by the scale, in place: before they are clipped, say.

        Raises: RuntimeError the second time, or after `step`; ValueError for gradients in float16.
        """
        if not self._enabled:
            return
        scale, _ = self._tensors("unscale_")
        state = self._state_of(optimizer)
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf_per_device"] = self._unscale_grads_(
            optimizer, scale.double().reciprocal().float(), allow_fp16=False  # type: ignore[attr-defined]
        )  # fmt: skip
        state["stage"] = OptState.UNSCALED

    def _unscale_grads_(self, optimizer: Any, inverse_scale: Tensor, allow_fp16: bool) -> dict[Any, Tensor]:
        """Divides, and tells for each device whether there was an inf or nan (1.0) or not (0.0)."""
        found: dict[Any, Tensor] = {}
        with no_grad():
            for group in optimizer.param_groups:
                for param in group["params"]:
                    if not isinstance(param, Tensor):
                        raise AssertionError("params must be Tensors")
                    gradient = param.grad
                    if gradient is None:
                        continue
                    if gradient.dtype is DTYPES["float16"] and not allow_fp16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    bad = (~gradient.isfinite()).any().to(DTYPES["float32"])  # type: ignore[attr-defined]
                    before = found.get(gradient.device)
                    found[gradient.device] = bad if before is None else before.maximum(bad)  # type: ignore[attr-defined]
                    gradient.mul_(inverse_scale.to(gradient.device))  # type: ignore[attr-defined]
        return found

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls `optimizer.step(*args, **kwargs)` on gradients without the scale, unless one of them is inf or nan.

        Returns: what the optimizer's step returns; None where it was left out.

        Raises: RuntimeError for a closure, and a second time before `update`.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._tensors("step")
        state = self._state_of(optimizer)
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if not state["found_inf_per_device"]:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not sum(found.item() for found in state["found_inf_per_device"].values()):
            result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Ends a step: makes the scale larger or smaller as the gradients say, or sets it to `new_scale`."""
        if not self._enabled:
            return
        scale, tracker = self._tensors("update")
        if new_scale is not None:
            self._set_scale(scale, new_scale)
        else:
            found = [
                each
                for state in self._per_optimizer_states.values()
                for each in state["found_inf_per_device"].values()
            ]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._grow_or_shrink(scale, tracker, any(each.item() for each in found))
        self._per_optimizer_states.clear()

    def _set_scale(self, scale: Tensor, new_scale: float | Tensor) -> None:
        if not isinstance(new_scale, Tensor):
            scale.fill_(float(new_scale))  # type: ignore[attr-defined]
            return
        reason = (
            "new_scale should be a float or a 1-element torch.cuda.FloatTensor or torch.FloatTensor with "
            "requires_grad=False."
        )
        if new_scale.numel() != 1 or new_scale.requires_grad or not new_scale.is_floating_point():
            raise AssertionError(reason)
        scale.copy_(new_scale)  # type: ignore[attr-defined]

    def _grow_or_shrink(self, scale: Tensor, tracker: Tensor, found_inf: bool) -> None:
        if found_inf:
            scale.mul_(self._backoff_factor)  # type: ignore[attr-defined]
            tracker.fill_(0)  # type: ignore[attr-defined]
            return
        steps = int(tracker.item()) + 1
        if steps == self._growth_interval:
            grown = (scale * self._growth_factor).item()
            if math.isfinite(grown):
                scale.fill_(grown)  # type: ignore[attr-defined]
            steps = 0
        tracker.fill_(steps)  # type: ignore[attr-defined]

    # -- settings --------------------------------------------------------------------------------

    def _get_scale_async(self) -> Tensor | None:
        return self._scale

    def get_scale(self) -> float:
        """The scale; 1.0 where the scaler is off."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors, interval and the count of steps; empty where the scaler is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from another scaler's state.

        Raises: RuntimeError, if that one was off.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])  # type: ignore[attr-defined]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(state_dict["_growth_tracker"])  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                    "scaler.update()."
                )
            state.update(
                _init_scale=self.get_scale(),
                _init_growth_tracker=self._get_growth_tracker(),
                _scale=None,
                _growth_tracker=None,
            )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class DeprecatedGradScaler(GradScaler):
    """The scaler of one device under its older name, which warns that it is that."""

    _named: ClassVar[str]

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        device = self._named
        warnings.warn(
            f"`torch.{device}.amp.GradScaler(args...)` is deprecated. Please use `torch.amp.GradScaler('{device}', args...)` "
            "instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(device, init_scale, growth_factor, backoff_factor, growth_interval, enabled)
