"""`torch.ao`, of which the markers of quantization are here."""

from flambeau.ao import quantization as quantization

__all__ = ["quantization"]
