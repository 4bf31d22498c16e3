"""Sphinx configuration: `make docs`."""

from pymc_amortized import __version__ as release

project = "pymc_amortized"
author = "The pymc_amortized developers"
copyright = f"2026, {author}"

extensions = ["sphinx.ext.autodoc", "myst_parser", "numpydoc"]
exclude_patterns = ["_build"]

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"

autodoc_typehints = "none"  # numpydoc's sections have the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the reference lists them
numpydoc_validation_checks = {"all", "ES01", "EX01", "SA01", "SS05"}  # all but these

# Other packages' names are no links: their inventories would have to come over the network.
nitpick_ignore_regex = [
    (r"py:.*", r"(arviz|matplotlib|numpy|pandas|pymc|pytensor|tensorflow\w*|xarray)\..*")
]
