"""Which class a heat map explains, and Grad-CAM at the size of the images that are shown."""

import numpy as np
from scipy.ndimage import zoom

from skextra._drawing import as_images


def grad_cam_maps(network, rows, shape, codes, layer):
    """Return Grad-CAM at the size of the images that are shown, divided by its maximum."""
    if getattr(network, "net_", None) is None:
        raise ValueError(
            f"Grad-CAM looks into the network of a TumorCNNClassifier, and this "
            f"{type(network).__name__} has none: use method='occlusion'."
        )
    from skextra.inspection._grad_cam import grad_cam

    maps = grad_cam(network, as_images(rows, None, network), codes, layer)
    if maps.shape[1:] != shape:  # a step before the network has resized the images
        scale = (1, shape[0] / maps.shape[1], shape[1] / maps.shape[2])
        maps = np.maximum(zoom(maps, scale, order=1, grid_mode=True, mode="nearest"), 0)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return maps / np.where(largest == 0, 1, largest)


def target_codes(target, classes, probabilities):
    """Return the index of the class to explain for each image."""
    if target is None:
        return probabilities.argmax(axis=1)
    targets = np.asarray(target)
    if targets.shape not in ((), (len(probabilities),)):
        raise ValueError(
            f"target has shape {targets.shape}, but X holds {len(probabilities)} images. Give one "
            "label, or one for each."
        )
    targets = np.broadcast_to(targets, len(probabilities))
    unknown = np.setdiff1d(targets, classes)
    if len(unknown):
        raise ValueError(
            f"target has {unknown.tolist()}, which are not among the classes {classes.tolist()}."
        )
    return np.searchsorted(classes, targets)
