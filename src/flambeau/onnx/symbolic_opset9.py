"""Rules of PyTorch's export to ONNX, of which flambeau has none: only their module can be imported."""
