"""How Sphinx makes the documentation: ``make docs``.

The pages are Markdown; those of the API are made here, one for each module, from its docstrings.
"""

import sys
from pathlib import Path
from pkgutil import walk_packages

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sw import __version__  # noqa: E402  after the path is set

project = "firstspike"
author = "the firstspike developers"
copyright = f"{author}. Apache-2.0"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["results"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_custom_sections = [("Members", "params_style")]  # of a signature or layout
# Types in docstrings are plain names; of two classes of one name either will do
suppress_warnings = ["ref.python"]
autodoc_member_order = "bysource"
html_theme = "alabaster"
html_theme_options = {"description": "1-bit first-spike networks on chips", "page_width": "1100px"}
html_show_sourcelink = False

_PACKAGES = ("sw", "hw", "sim")
_MODULE = """\
{title}
{line}
.. automodule:: {module}
   :members:
"""
_PACKAGE = """
.. toctree::
   :maxdepth: 1

{pages}
"""


def _write_api(app: Sphinx) -> None:
    """Writes ``api/<module>.rst`` for each module, and leaves those alone that are the same."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    modules = {*_PACKAGES}
    for package in _PACKAGES:
        modules |= {found.name for found in walk_packages([str(ROOT / package)], f"{package}.")}
    pages = {}
    for module in modules:
        title = f"``{module}``"
        page = _MODULE.format(title=title, line="=" * len(title), module=module)
        inner = sorted(other for other in modules if other.rpartition(".")[0] == module)
        if inner:
            page += _PACKAGE.format(pages="\n".join(f"   {each}" for each in inner))
        pages[f"{module}.rst"] = page
    for stale in {path.name for path in folder.iterdir()} - set(pages):
        (folder / stale).unlink()
    for name, page in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text() != page:
            path.write_text(page)


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("builder-inited", _write_api)
