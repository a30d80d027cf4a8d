"""PyTorch's API on JAX and XLA."""
