from importlib.metadata import version as installed_version

project = "skextra"
author = "The skextra developers"
copyright = "2026, the skextra developers"
release = version = installed_version("skextra")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "templates"]
templates_path = ["templates"]
html_theme = "pydata_sphinx_theme"
html_title = "skextra"
html_theme_options = {"show_toc_level": 2, "secondary_sidebar_items": ["page-toc"]}

autosummary_generate = True
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
}
