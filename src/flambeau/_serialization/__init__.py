"""PyTorch's file format: the archive, the pickles in it, and tensors as bytes."""
