"""Synthetic axial brain slices of the four classes of the public brain tumour set."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import zoom
from sklearn.utils import check_random_state

from skextra._sklearn import Interval, validate_params

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skextra._types import RandomState

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")

# Lengths are in units of half the head's height; intensities run from 0 (black) to 1 (white).
_BRAIN_EDGE = 0.85


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "image_size": [Interval(Integral, 16, 512, closed="both")],
        "noise": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_brain_mri(
    n_samples: int = 400,
    *,
    image_size: int = 128,
    noise: float = 0.05,
    random_state: RandomState = None,
) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Make synthetic brain slices of four classes, three with a tumour.

    Each slice is a schematic head seen from above, nose up: a bright scalp around a dark skull, a
    brain of two hemispheres parted by a dark fissure, winding sulci and dark ventricles. The
    classes differ by what lies in it:

    - ``"glioma"``: an irregular, patchy mass inside one hemisphere, with a soft rim (edema);
    - ``"meningioma"``: a round, bright, even mass against the inside of the skull;
    - ``"notumor"``: nothing;
    - ``"pituitary"``: a small, bright, round mass on the midline, at the base of the picture.

    Position, tilt, size and outline of the head, contrast, brightness over the field, ventricles
    and noise vary from slice to slice, and every class has bright vessels, soft patches and a
    scalp of uneven thickness, so that neither mean brightness nor a single pixel tells the class.

    It is data for examples and tests, a programming exercise and never medical advice.

    Parameters
    ----------
    n_samples : int, default=400
        Number of slices, at least 1. The classes are balanced: their counts differ by one at most.

    image_size : int, default=128
        Height and width of a slice in pixels, from 16 to 512.

    noise : float, default=0.05
        Standard deviation of the noise in each of the two channels of the scanner, as a fraction
        of the full brightness range, from 0 to 1. The noise of a magnitude image is Rician [1]_.

    random_state : int, RandomState instance or None, default=None
        Determines the slices and their order. Pass an int for the same slices at each call.

    Returns
    -------
    X : ndarray of shape (n_samples, image_size, image_size) and dtype uint8
        The slices, in shuffled order.

    y : ndarray of shape (n_samples,) and dtype str
        The class of each slice.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
        A ``ValueError``, if a parameter is out of its range or of another type.

    See Also
    --------
    load_image_folder : Load real slices from a folder.

    References
    ----------
    .. [1] H. Gudbjartsson and S. Patz, "The Rician distribution of noisy MRI data", Magnetic
       Resonance in Medicine 34(6), 1995. :doi:`10.1002/mrm.1910340618`

    Examples
    --------
    >>> from skextra.datasets import make_brain_mri
    >>> X, y = make_brain_mri(8, image_size=64, random_state=0)
    >>> X.shape, X.dtype
    ((8, 64, 64), dtype('uint8'))
    >>> sorted(y.tolist())
    ['glioma', 'glioma', 'meningioma', 'meningioma', 'notumor', 'notumor', 'pituitary',
    'pituitary']
    """
    random_state = check_random_state(random_state)
    codes = random_state.permutation(np.arange(n_samples) % len(CLASSES))
    # A Generator draws float32 normals several times faster than a RandomState draws float64.
    rng = np.random.default_rng(random_state.randint(2**31, size=4))
    canvas = _Canvas(image_size)
    X = np.empty((n_samples, image_size, image_size), dtype=np.uint8)
    for image, code in zip(X, codes, strict=True):
        head = _Head(canvas, rng)
        _DRAW_TUMOR[CLASSES[code]](head, rng)
        _draw_distractors(head, rng)
        image[:] = _scan(head, noise, rng)
    return X, np.array(CLASSES)[codes]


class _Canvas:
    """What all slices of one size share: pixel coordinates and smooth random fields."""

    def __init__(self, size):
        self.size = size
        centres = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
        self.x, self.y = np.meshgrid(centres, centres)
        # Spline interpolation is linear: zooming the identity once gives its matrix, (knots,
        # size), and products with it then zoom a field much faster than scipy.ndimage does.
        self.splines = {
            knots: zoom(np.eye(knots, dtype=np.float32), (1, size / knots), order=3)
            for knots in (3, 5, 9, 16)
        }

    def fields(self, rng, knots, count=1):
        """Smooth normal fields, shape (count, size, size), with ``knots`` bumps a side."""
        coarse = rng.standard_normal((count, knots, knots), dtype=np.float32)
        spline = self.splines[knots]
        # einsum and not matmul: BLAS would start threads for these small products, and round
        # differently with their number.
        tall = np.einsum("ki,nkl->nil", spline, coarse)
        return np.einsum("nil,lj->nij", tall, spline)


class _Head:
    """A tumour-free head: ``x``, ``y`` and ``rho`` of each pixel, and its ``image``.

    ``rho`` is 0 in the middle and 1 on the outline. ``x`` and ``y`` are warped a little, so that
    everything drawn with them looks grown.
    """

    def __init__(self, canvas, rng):
        self.canvas = canvas
        scale = rng.uniform(0.8, 0.95)
        angle = np.float32(rng.uniform(-0.2, 0.2))
        cos, sin = np.cos(angle), np.sin(angle)
        shift = np.float32(rng.uniform(-0.05, 0.05, size=2))
        self.width = rng.uniform(0.76, 0.88)
        # Nothing is drawn finer than half a pixel, or small pictures would lose thin lines.
        self.finest = 1 / (canvas.size * scale)

        warp = canvas.fields(rng, 5, count=2) * np.float32(0.025)
        x, y = (canvas.x - shift[0]) / scale, (canvas.y - shift[1]) / scale
        self.x = cos * x + sin * y + warp[0]
        self.y = cos * y - sin * x + warp[1]
        self.rho = np.hypot(self.x / self.width, self.y)
        self.brain = self.inside(_BRAIN_EDGE - self.rho)
        self.image = self._draw(rng)

    def inside(self, depth, softness=0.03):
        """1 where depth is positive, 0 where negative, a ramp ``softness`` wide between."""
        softness = np.float32(max(softness, 2 * self.finest))
        return np.clip(depth / softness + np.float32(0.5), 0, 1)

    def distance(self, centre, axes=(1, 1), angle=0):
        """Distance of each pixel to a point, in units of the two axes of a tilted ellipse."""
        # A NumPy float64 among them would make every field of the size of the picture float64.
        centre, axes, angle = np.float32(centre), np.float32(axes), np.float32(angle)
        dx, dy = self.x - centre[0], self.y - centre[1]
        cos, sin = np.cos(angle), np.sin(angle)
        return np.hypot((cos * dx + sin * dy) / axes[0], (cos * dy - sin * dx) / axes[1])

    def paint(self, mask, intensity):
        """Blend towards an intensity (a number or a field) where the mask is 1."""
        self.image += mask * (intensity - self.image)

    def _draw(self, rng):
        self.white = rng.uniform(0.36, 0.52)
        gray = self.white * rng.uniform(0.72, 0.92)
        dark = rng.uniform(0.06, 0.16)
        x, y, rho, brain = self.x, self.y, self.rho, self.brain
        coarse, fine = self.canvas.fields(rng, 9)[0], self.canvas.fields(rng, 16)[0]

        # Scalp and bone: the bright ring is thicker here and thinner there, in every class.
        thickness = np.float32(0.06) + np.float32(0.012) * coarse
        scalp = self.inside(1 - rho) * self.inside(rho - (1 - thickness))
        image = np.full_like(rho, dark * 0.5) * self.inside(1 - rho)
        image += scalp * rng.uniform(0.55, 0.95)

        # White matter in the depth, gray matter around it, sulci winding through the cortex.
        white_matter = self.inside(np.float32(0.6) + np.float32(0.07) * fine - rho, 0.12)
        tissue = gray + (self.white - gray) * white_matter
        sulci = np.clip(1 - np.abs(fine) * np.float32(3.5), 0, 1) * self.inside(rho - 0.6, 0.2)
        fissure_width = max(rng.uniform(0.012, 0.025), self.finest)
        fissure = np.clip(np.float32(1.5) - np.abs(x) / fissure_width, 0, 1)
        fissure *= np.clip(np.abs(y) * np.float32(2), 0.25, 1)
        tissue *= 1 - rng.uniform(0.35, 0.65) * np.maximum(sulci, fissure)

        # Ventricles: two crescents back to back, one a little larger than the other.
        size = rng.uniform(0.7, 1.35) * np.where(
            x < 0, *np.float32(rng.uniform(0.85, 1.15, size=2))
        )
        centre_y = rng.uniform(-0.15, 0)
        bow = np.float32(0.09) + np.float32(0.35) * (y - centre_y) ** 2
        across, along = (np.abs(x) - bow * size) / (0.06 * size), (y - centre_y) / (0.3 * size)
        ventricles = self.inside(1 - np.hypot(across, along), 0.3)
        tissue += ventricles * (rng.uniform(0.04, 0.22) - tissue)
        image += brain * (tissue - image)
        return image.astype(np.float32, copy=False)


def _draw_glioma(head, rng):
    """Irregular and patchy, inside one hemisphere, in a soft rim of edema."""
    side = rng.choice([-1, 1])
    centre = side * rng.uniform(0.28, 0.42), rng.uniform(-0.42, 0.38)
    hemisphere = head.brain * head.inside(np.float32(side) * head.x)
    axes = rng.uniform(0.17, 0.27) * rng.uniform(0.8, 1.25, size=2)
    shape, patches = head.canvas.fields(rng, 9)[0], head.canvas.fields(rng, 16)[0]
    distance = head.distance(centre, axes, rng.uniform(0, np.pi))
    # Clipped, so that no outline shrinks to nothing.
    distance += np.float32(0.4) * np.clip(shape, -1, 1) + np.float32(0.1) * patches
    edema = np.clip(np.float32(1.9) - distance, 0, 1) * hemisphere
    head.paint(edema * np.float32(0.8), head.white * rng.uniform(0.6, 0.75))
    # Enhancing tissue, broken by patches, around a dead and darker core.
    core = rng.uniform(0.15, 0.4)
    enhanced = np.clip(distance * np.float32(1.6) + np.float32(0.35) * patches, 0, 1)
    inner = core + (rng.uniform(0.78, 1.0) - core) * enhanced
    head.paint(head.inside(1 - distance, 0.25) * hemisphere, inner)


def _draw_meningioma(head, rng):
    """Round, bright and even, against the inside of the skull."""
    radius = rng.uniform(0.15, 0.25)
    # Anywhere around the brain except at the very base, which is the pituitary's.
    angle = np.pi / 2 + rng.uniform(0.5, 2 * np.pi - 0.5)
    rho = _BRAIN_EDGE - 0.65 * radius
    centre = head.width * rho * np.cos(angle), rho * np.sin(angle)
    axes = radius * rng.uniform(0.92, 1.08, size=2)
    mask = head.inside(1 - head.distance(centre, axes), 0.15) * head.brain
    head.paint(mask, rng.uniform(0.78, 1.0))


def _draw_pituitary(head, rng):
    """Small, bright and round, on the midline near the base."""
    centre = rng.normal(scale=0.02), rng.uniform(0.46, 0.58)
    axes = rng.uniform(0.08, 0.125) * rng.uniform(0.88, 1.12, size=2)
    head.paint(head.inside(1 - head.distance(centre, axes), 0.25), rng.uniform(0.78, 1.0))


def _draw_notumor(head, rng):
    """Draw nothing."""


_DRAW_TUMOR = {
    "glioma": _draw_glioma,
    "meningioma": _draw_meningioma,
    "notumor": _draw_notumor,
    "pituitary": _draw_pituitary,
}


def _draw_distractors(head, rng):
    """Brightness that tells nothing: soft patches, vessels and the sinus of any brain."""
    for _ in range(rng.integers(1, 4)):
        patch = 1 - head.distance(rng.uniform(-0.6, 0.6, size=2), rng.uniform(0.2, 0.45, size=2))
        head.image += np.clip(patch, 0, 1) * head.brain * np.float32(rng.uniform(-0.2, 0.2))
    # The sinus sits on the rim at the back, where fissure and skull meet.
    vessels = [(rng.normal(scale=0.02), rng.uniform(0.79, 0.84), 0.045)]
    for _ in range(rng.integers(2, 7)):
        rho, angle = 0.8 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        radius = rng.uniform(0.018, 0.04)
        vessels.append((head.width * rho * np.cos(angle), rho * np.sin(angle), radius))
    for x, y, radius in vessels:
        dot = head.inside(1 - head.distance((x, y)) / radius, 0.8) * head.brain
        head.paint(dot, rng.uniform(0.6, 1.0))


def _scan(head, noise, rng):
    """Field inhomogeneity, contrast, Rician noise and rounding: the picture as uint8."""
    bias = np.exp(head.canvas.fields(rng, 3)[0] * np.float32(0.18))
    image = np.clip(head.image * bias, 0, None) ** np.float32(rng.uniform(0.75, 1.35))
    image *= np.float32(rng.uniform(0.7, 1.1))
    if noise > 0:
        channels = rng.standard_normal((2, *image.shape), dtype=np.float32) * np.float32(noise)
        image = np.hypot(image + channels[0], channels[1])
    return np.clip(image * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
