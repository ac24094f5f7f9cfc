"""X and y to tensors: shapes, value ranges and sizes, augmentation, the rows to train on."""
