"""Operators that programs define: their schemas, and which of their kernels a call runs."""
