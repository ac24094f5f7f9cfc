"""The skorch net and its optimizers and schedules, a fit in progress, checkpoints, the device."""
