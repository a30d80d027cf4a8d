"""DataParallel: a module that would split its batch over GPUs. Over none or one it runs the module as it is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from flambeau._core.device import device as Device
from flambeau._core.device import device_count
from flambeau._core.tensor import Tensor
from flambeau.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


def _chosen(device_ids: Sequence[int | Device] | None) -> list[int]:
    """The numbers of the GPUs to use; none, if there are none.

    Raises: NotImplementedError for more than one.
    """
    if not device_count("cuda"):
        return []
    given = range(device_count("cuda")) if device_ids is None else device_ids
    numbers = [each if isinstance(each, int) else each.index or 0 for each in given]
    if len(numbers) > 1:
        raise NotImplementedError(
            f"DataParallel over {len(numbers)} GPUs is not there: flambeau would have to split the batch. Pass "
            "device_ids=[0] to use one."
        )
    return numbers


def _moved(value: Any, device: Device) -> Any:
    """The value with all tensors in it on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return type(value)((key, _moved(each, device)) for key, each in value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_moved(each, device) for each in value])
    if isinstance(value, list | tuple):
        return type(value)(_moved(each, device) for each in value)
    return value


def _run(module: Module, device: Device, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    for each in itertools.chain(module.parameters(), module.buffers()):
        if each.device != device:
            raise RuntimeError(
                f"module must have its parameters and buffers on device {device} (device_ids[0]) but found one of "
                f"them on device: {each.device}"
            )
    return module(*_moved(inputs, device), **_moved(kwargs, device))


class DataParallel(Module):
    """A module whose batches are split over GPUs. Without a GPU, and with one, it runs the module as it is.

    Args:
        module: what is run.
        device_ids: numbers of the GPUs; by default all.
        output_device: where the results go.
        dim: the dimension of the batch.

    Raises: NotImplementedError, if there is more than one GPU to use.

    >>> list(nn.DataParallel(nn.Linear(2, 2)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[int | Device] | None = None,
        output_device: int | Device | None = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        numbers = _chosen(device_ids)
        self.module = module
        self.device_ids = numbers
        if numbers:
            self.dim = dim
            self.output_device = numbers[0] if output_device is None else output_device
            self.src_device_obj = Device("cuda", numbers[0])
            module.to(self.src_device_obj)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        return _run(self.module, self.src_device_obj, inputs, kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[int | Device] | None = None,
    output_device: int | Device | None = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Run a module with its batch split over GPUs; see `DataParallel`.

    Raises: RuntimeError without a GPU, NotImplementedError for more than one.
    """
    numbers = _chosen(device_ids)
    if not numbers:
        raise RuntimeError("device type could not be determined")
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return _run(module, Device("cuda", numbers[0]), given, module_kwargs or {})
