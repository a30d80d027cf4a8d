"""`torch.utils.model_zoo`, the older name of `torch.hub`'s downloads."""

from typing import Any

from flambeau import hub as _hub
from flambeau.hub import load_state_dict_from_url as load_url

__all__ = ["load_url"]


def __getattr__(name: str) -> Any:
    if name != "tqdm":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_hub, name)
