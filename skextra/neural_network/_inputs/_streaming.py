"""Training images that are not kept in memory."""

import torch


class StreamedImages:
    """Training images that are read from X when an index asks for them.

    Parameters
    ----------
    transform : ImageTransform
        How rows become images.
    rows : Rows
        The rows of X that hold the images.
    """

    def __init__(self, transform, rows):
        self.transform, self.rows = transform, rows

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        """(n_samples, channels, height, width) of all images."""
        return len(self.rows), self.transform.image_shape[2], *self.transform.size

    def __getitem__(self, index):
        """Return images as a tensor that holds them all would, to the strides."""
        images = self.transform.load(self.rows[index.numpy()])
        return images[torch.arange(len(images))]
