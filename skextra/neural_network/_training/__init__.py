"""The skorch net and its optimizers and schedules, a fit in progress, checkpoints, the device."""


def __getattr__(name):
    if name == "TrainingNet":  # pickles of skextra 0.1.0 look for it here
        from skextra.neural_network._training._net import TrainingNet

        return TrainingNet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
