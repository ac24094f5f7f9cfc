"""What pictures share: axes to draw into, text that fits, images, colours for any eye."""

from skextra._drawing._axes import divide, require_pyplot
from skextra._drawing._images import as_images, show_image
from skextra._drawing._legend import fit_labels, legend
from skextra._drawing._looks import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    class_looks,
    ink,
    outlined,
)
from skextra._drawing._picture_grid import Captions, picture_grid
from skextra._drawing._text import SIZES, fitted_to_box, literal, one_line

__all__ = [
    "BLUE",
    "GREEN",
    "ORANGE",
    "PURPLE",
    "SIZES",
    "SKY",
    "VERMILION",
    "Captions",
    "as_images",
    "class_looks",
    "divide",
    "fit_labels",
    "fitted_to_box",
    "ink",
    "legend",
    "literal",
    "one_line",
    "outlined",
    "picture_grid",
    "require_pyplot",
    "show_image",
]
