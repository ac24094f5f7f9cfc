"""What a notebook shows of a fitted network."""

import numpy as np


class NotebookTableMixin:
    """Add the recipe and the number of parameters to scikit-learn's table in notebooks."""

    @property
    def n_parameters_(self) -> int:
        """Number of weights and biases of the network."""
        if self.net_ is None:
            return 0
        return sum(weights.numel() for weights in self.net_.module_.parameters())

    def _get_fitted_attr_html(self, doc_link=""):
        """Give each setting of the recipe a row: in one cell scikit-learn cuts them short."""
        table = super()._get_fitted_attr_html(doc_link)
        if getattr(self, "net_", None) is not None:
            table["net_"]["value"] = _whole(type(self.net_.module_).__name__)
        recipe = table.pop("recipe_", {"value": {}})  # a fit that failed may have left none
        for name, value in recipe["value"].items():
            table[f"recipe_[{name!r}]"] = {"type_name": type(value).__name__, "value": value}
            if not isinstance(value, (bool, int, float, type(None))):
                table[f"recipe_[{name!r}]"]["value"] = _whole(value)
        return table


def _whole(value):
    """Return a text that the table does not cut: it cuts str at 9 characters, arrays not."""
    return np.array(value if isinstance(value, str) else getattr(value, "__name__", repr(value)))
