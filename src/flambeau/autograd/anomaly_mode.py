"""Finding the operation whose gradient fails or is nan."""

from __future__ import annotations

import warnings

from flambeau._core.modes import modes


class set_detect_anomaly:
    """Switches anomaly mode at once, and back at the end of a `with` block.

    In this mode each node notes the user's line of its forward call, and `backward` raises where a gradient is nan.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._previous = modes.anomaly, modes.anomaly_check_nan
        modes.set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        modes.set_anomaly(*self._previous)


class detect_anomaly:
    """Context in which a failing or nan gradient names the line of the forward call that it belongs to.

    >>> import flambeau
    >>> x = flambeau.zeros(1, requires_grad=True)
    >>> try:
    ...     with flambeau.autograd.set_detect_anomaly(True):
    ...         (x / x).sum().backward()
    ... except RuntimeError as error:
    ...     print(error)
    Function 'DivBackward0' returned nan values in its 1th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._previous = modes.anomaly, modes.anomaly_check_nan
        modes.set_anomaly(True, self._check_nan)

    def __exit__(self, *error: object) -> None:
        modes.set_anomaly(*self._previous)
