import os
import re
import tempfile
import zlib
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

# Progress bars in the output of examples are cut at the width of a terminal.
os.environ.setdefault("COLUMNS", "110")

project = "skextra"
author = "The skextra developers"
copyright = "2026, the skextra developers"
release = version = installed_version("skextra")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "myst_parser",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "templates"]
templates_path = ["templates"]
html_theme = "pydata_sphinx_theme"
html_title = "skextra"
html_math_renderer = "mathml"  # see `setup`
# The first page needs no list of its own pages: all its width is for code and picture.
html_sidebars = {"index": []}
html_static_path = ["_static"]
html_css_files = ["skextra.css"]
html_logo = html_favicon = "_static/logo.svg"
html_theme_options = {
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "logo": {"text": f"skextra {version}", "alt_text": "skextra, start page"},
    "footer_start": ["copyright"],
}
# Entries of the right column without the name of their class, which would be cut.
toc_object_entries_show_parents = "hide"


def _empty_inventory():
    """Write an inventory without names, for builds that reach no other documentation."""
    header = "# Sphinx inventory version 2\n# Project: none\n# Version: 0\n"
    header += "# The remainder of this file is compressed using zlib.\n"
    path = Path(tempfile.mkdtemp()) / "empty.inv"
    path.write_bytes(header.encode() + zlib.compress(b""))
    return str(path)


_OTHERS = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
    "joblib": "https://joblib.readthedocs.io/en/latest/",
    "torch": "https://pytorch.org/docs/stable/",
    "skorch": "https://skorch.readthedocs.io/en/stable/",
    "dask": "https://docs.dask.org/en/stable/",
    "distributed": "https://distributed.dask.org/en/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}
_NONE = _empty_inventory()
intersphinx_mapping = {name: (address, (None, _NONE)) for name, address in _OTHERS.items()}
intersphinx_timeout = 5

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say the types, and signatures stay short
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "api/generated/gallery",
    "doc_module": ("skextra",),
    "filename_pattern": r"plot_",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    # What a last line returns is shown only if it says something: displays and artists do not.
    "ignore_repr_types": r"matplotlib|skextra\.inspection|LeakageReport|class 'list'",
}


def _mathml(node, **options):
    tex = node.astext()
    if re.search(r"\\frac[^{]", tex):
        raise ValueError(f"{tex}: docutils takes \\frac12 for 12 over what follows")
    return tex2mathml(tex, **options)


def _add_formula(self, node):
    self.body.append(_mathml(node))
    raise nodes.SkipNode


def _add_displayed_formula(self, node):
    self.body.append(f'<div class="math">{_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Have formulas written as MathML, which browsers draw without a script from elsewhere."""
    app.add_html_math_renderer("mathml", (_add_formula, None), (_add_displayed_formula, None))
