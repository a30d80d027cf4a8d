"""The parts of a `DataLoader`: reading samples, joining them into batches, workers."""
