"""The reference recipe against a plain PyTorch loop of the same network and batches."""

import numpy as np
import torch
from torch.nn import functional

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri

N_SAMPLES = 256


class PlainTorch:
    """The loop that a tutorial would write: TensorDataset, DataLoader, float images."""

    def __init__(self, channels, size, n_classes):
        torch.manual_seed(0)
        self.module = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(32, 64, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(64, 128, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(128 * (size // 8) ** 2, 256),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(256, n_classes),
        )

    def fit(self, X, y):
        """Train one epoch."""
        images = torch.from_numpy(X).unsqueeze(1).float() / 255 * 2 - 1
        codes = torch.from_numpy(np.unique(y, return_inverse=True)[1])
        data = torch.utils.data.TensorDataset(images, codes)
        optimizer = torch.optim.AdamW(self.module.parameters(), lr=1e-4)
        self.module.train()
        for batch, target in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            functional.cross_entropy(self.module(batch), target).backward()
            optimizer.step()
        return self

    def predict(self, X):
        """Return the codes of the most probable classes."""
        self.module.eval()
        images = torch.from_numpy(X).unsqueeze(1).float() / 255 * 2 - 1
        with torch.no_grad():
            return torch.cat([self.module(part).argmax(1) for part in images.split(256)]).numpy()


class Reference:
    """One epoch and a prediction of the reference network on gray slices."""

    params = (["TumorCNNClassifier", "plain PyTorch"], [64, 128])
    param_names = ("implementation", "image_size")
    number = 1
    repeat = (3, 5, 60.0)
    warmup_time = 0

    def setup(self, implementation, image_size):
        """Make the slices and a classifier that has seen them once."""
        self.X, self.y = make_brain_mri(N_SAMPLES, image_size=image_size, random_state=0)
        if implementation == "plain PyTorch":
            self.classifier = PlainTorch(1, image_size, 4)
        else:
            self.classifier = TumorCNNClassifier(max_epochs=1, random_state=0)
        self.classifier.fit(self.X, self.y)

    def time_epoch(self, implementation, image_size):
        """Seconds to fit one epoch."""
        self.classifier.fit(self.X, self.y)

    def time_predict(self, implementation, image_size):
        """Seconds to predict the training slices."""
        self.classifier.predict(self.X)
