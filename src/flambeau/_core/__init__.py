"""Dtypes, devices, storages, the trace, autograd and Tensor: what every operation stands on."""
