"""Transforms of short stretches of a signal, and back: `stft` and `istft`."""

from __future__ import annotations

from typing import Any

from flambeau._core.declare import registry
from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor
from flambeau._core.warn import warn

_LEGACY = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int32": "Int",
           "int64": "Long", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}  # fmt: skip


def _word(tensor: Tensor, end: str) -> str:
    return f"{_LEGACY.get(tensor.dtype.name, tensor.dtype.name)}{end}"


def _shown(value: Any) -> str:
    return "None" if value is None else str(int(value))


def _window(tensor: Tensor | None) -> str:
    return "None" if tensor is None else f"torch.{_word(tensor, 'Tensor')}{{{list(tensor.shape)}}}"


def _padded_window(
    input: Tensor, window: Tensor | None, n_fft: int, win_length: int, dtype: Any
) -> Tensor | None:
    """The window in the middle of `n_fft` places; None where it is all ones."""
    if win_length == n_fft:
        return window
    left = (n_fft - win_length) // 2
    found = input.new_zeros((n_fft,), dtype=dtype if window is None else window.dtype)  # type: ignore[attr-defined]
    pads = [left, n_fft - win_length - left]
    middle = found.new_ones((win_length,)) if window is None else window
    return registry["nn.functional.pad"](middle, pads)


@function("stft", "Tensor.stft", checked=True)
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The Fourier transforms of overlapping frames of a signal.

    Args:
        n_fft: size of a frame; `hop_length` (a quarter) is from one frame to the next.
        window: what each frame is multiplied by, `win_length` (`n_fft`) long and set in its middle.
        center: frame t is centered at `t * hop_length`; the signal is padded by `pad_mode`.
        normalized: divide by the root of `n_fft`.
        onesided: leave out the half that is conjugate to the other; the default for real signals.
        return_complex: complex numbers; otherwise pairs, which is deprecated.

    Shape: input `(time,)` or `(batch, time)`; the result is `(*, frequencies, frames)`.
    """
    if window is None:
        warn(
            "A window was not provided. A rectangular window will be applied,which is known to cause "
            "spectral leakage. "
            "Other windows such as torch.hann_window or torch.hamming_window are recommended to reduce "
            "spectral leakage."
            "To suppress this warning and use a rectangular window, explicitly set `window=torch.ones(n_fft, "
            "device=<device>)`.",
        )  # fmt: skip
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    signal = input.unsqueeze(0) if input.ndim == 1 else input  # type: ignore[attr-defined]
    if center and input.ndim in (1, 2):
        half = n_fft // 2
        padded = registry["nn.functional.pad"](signal.unsqueeze(1), [half, half], mode=pad_mode)
        signal = padded.squeeze(1)
    complex_input = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None:
        if not complex_input:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further "
                "require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    elif not return_complex:
        warn(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will return "
            "complex tensors "
            "for all inputs, and return_complex=False will raise an error.",
        )  # fmt: skip
    _check_stft(
        input, signal, n_fft, hop, width, window, normalized, onesided, return_complex, align_to_window
    )
    if onesided is None:
        onesided = not complex_input
    if onesided and complex_input:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if align_to_window and not center:
        left = (n_fft - width) // 2
        signal = registry["nn.functional.pad"](signal, [-left, n_fft - width - left])
    frames = signal.unfold(-1, n_fft, hop)  # type: ignore[attr-defined]
    full = _padded_window(
        input, window, n_fft, width, input.real.dtype if input.is_complex() else input.dtype
    )  # type: ignore[attr-defined]
    if full is not None:
        frames = frames * full
    norm = "ortho" if normalized else None
    found = registry["fft.rfft" if onesided else "fft.fft"](frames, norm=norm).transpose(1, 2)
    if input.ndim == 1:
        found = found.squeeze(0)
    return found if return_complex else registry["view_as_real"](found)


def _check_stft(
    input: Tensor, signal: Tensor, n_fft: int, hop: int, width: int, window: Tensor | None, normalized: bool,
    onesided: Any, return_complex: Any, align: Any,
) -> None:  # fmt: skip
    own = signal.squeeze(0) if input.ndim == 1 else signal  # type: ignore[attr-defined]
    call = (
        f"stft(torch.{_word(input, 'Tensor')}{list(own.shape)}, n_fft={n_fft}, hop_length={hop}, "
        f"win_length={width}, "
        f"window={_window(window)}, normalized={int(normalized)}, onesided={_shown(onesided)}, "
        f"return_complex={_shown(return_complex)}, align_to_window={_shown(align)}) "
    )
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(call + ": expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise RuntimeError(call + ": expected a 1D or 2D tensor")
    size = signal.shape[-1]
    if not 0 < n_fft <= size:
        raise RuntimeError(call + f": expected 0 < n_fft < {size}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(call + f": expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise RuntimeError(call + f": expected 0 < win_length <= n_fft, but got win_length={width}")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(
            call
            + f": expected a 1D window tensor of size equal to win_length={width}, but got window with size "
            f"{list(window.shape)}"
        )


@function("istft", "Tensor.istft", checked=True)
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal whose short-time transform this is (in the sense of least squares).

    The arguments are those that `stft` had; `length` cuts or fills the signal.
    Raises: RuntimeError, if the windows' squares do not cover the signal.
    Source: Griffin and Lim 1984.
    """
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if window is None:
        warn(
            "A window was not provided. A rectangular window will be applied.Please provide the same window "
            "used by stft "
            "to make the inversion lossless.To suppress this warning and use a rectangular window, "
            "explicitly set "
            "`window=torch.ones(n_fft, device=<device>)`.",
        )  # fmt: skip
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if input.ndim < 2:
        raise IndexError("Dimension out of range (expected to be in range of [-2, 1], but got -3)")
    spectrum = input.unsqueeze(0) if input.ndim == 2 else input  # type: ignore[attr-defined]
    call = (
        f"istft(CPU{_word(input, 'Type')}{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, "
        f"win_length={width}, "
        f"window={_window(window)}, center={int(center)}, normalized={int(normalized)}, "
        f"onesided={_shown(onesided)}, "
        f"length={'None' if length is None else length}, return_complex={int(return_complex)}) "
    )
    if onesided is None:
        onesided = spectrum.shape[1] != n_fft
    _check_istft(call, input, spectrum, n_fft, hop, width, window, onesided)
    if onesided and (return_complex or (window is not None and window.is_complex())):
        raise RuntimeError(
            "cannot have onesided output if window or input is complex"
            if not return_complex
            else "Cannot have onesided output if window or input is complex"
        )
    norm = "ortho" if normalized else None
    frames = spectrum.transpose(1, 2)  # type: ignore[attr-defined]
    if return_complex:
        frames = registry["fft.ifft"](frames, norm=norm)
    else:  # the upper half of two sides is not looked at, as in PyTorch
        frames = registry["fft.irfft"](frames, n_fft, norm=norm)
    real = input.real.dtype  # type: ignore[attr-defined]
    full = _padded_window(input, window, n_fft, width, real)
    if full is None:
        full = input.new_ones((n_fft,), dtype=real)  # type: ignore[attr-defined]
    return _overlapped(call, input, frames, full, n_fft, hop, center, length)


def _check_istft(
    call: str,
    input: Tensor,
    spectrum: Tensor,
    n_fft: int,
    hop: int,
    width: int,
    window: Tensor | None,
    onesided: bool,
) -> None:
    if not input.numel():
        raise RuntimeError(call + ": input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(call + f": expected a tensor with 2 or 3 dimensions, but got {input.ndim}")
    rows = spectrum.shape[1]
    where = ": expected the frequency dimension (3rd to the last) of the input tensor to match "
    if onesided and n_fft // 2 + 1 != rows:
        raise RuntimeError(call + where + f"n_fft / 2 + 1 when onesided=True, but got {rows}")
    if not onesided and n_fft != rows:
        raise RuntimeError(call + where + f"n_fft when onesided=False, but got {rows}")
    if not 0 < hop <= width:
        raise RuntimeError(call + ": expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(call + ": expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(call + ": Invalid window shape. window has to be 1D and length of `win_length`")


def _added(frames: Tensor, size: int, n_fft: int, hop: int) -> Tensor:
    """Frames `(batch, frames, n_fft)` added up where they overlap."""
    columns = frames.transpose(1, 2)  # type: ignore[attr-defined]
    if frames.is_complex():
        parts = [_added(part, size, n_fft, hop) for part in (frames.real, frames.imag)]  # type: ignore[attr-defined]
        return registry["complex"](*parts)
    folded = registry["nn.functional.fold"](columns, (1, size), (1, n_fft), stride=(1, hop))
    return folded.reshape(frames.shape[0], size)


def _overlapped(
    call: str,
    input: Tensor,
    frames: Tensor,
    window: Tensor,
    n_fft: int,
    hop: int,
    center: bool,
    length: int | None,
) -> Tensor:
    count = frames.shape[1]
    size = n_fft + hop * (count - 1)
    total = _added(frames * window, size, n_fft, hop)
    squares = (window * window).expand(1, count, n_fft)  # type: ignore[attr-defined]
    weight = _added(squares, size, n_fft, hop)
    start = n_fft // 2 if center else 0
    end = size - start if length is None and center else size if length is None else start + length
    total, weight = total[:, start : min(end, size)], weight[:, start : min(end, size)]
    if input.device.type != "meta" and not bool(weight.abs().min() > 1e-11):  # type: ignore[attr-defined]
        raise RuntimeError(call + "window overlap add min: 1\n[ CPUBoolType{} ]")
    found = total / weight
    if end > size:
        warn(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in "
            "the tail. "
            "Please check your center and hop_length settings.",
        )  # fmt: skip
        found = registry["nn.functional.pad"](found, [0, end - size])
    return found.squeeze(0) if input.ndim == 2 else found  # type: ignore[attr-defined]
