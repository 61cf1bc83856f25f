"""The manual as a site: `python -m sphinx -W --keep-going -q docs build/site`, after `pip install ".[docs]"`."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

import mien
from mien.web import runtime
from mien.web.page import write_page

ROOT = Path(__file__).parents[1]

project = "mien"
author = "The mien authors"
copyright = author
version = release = mien.__version__
language = "en"
smartquotes_action = "D"  # dashes alone: a quotation mark may be one of code

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
# Every page of docs/ is in the navigation, and one that is not ends the build. These hold no pages:
exclude_patterns = ["_static", "images"]
if runtime.is_there():
    tags.add("demo")  # type: ignore[name-defined]  # noqa: F821 - Sphinx hands it in

default_role = "py:obj"  # in docstrings `x` is code, and a link where the site describes x
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_mock_imports = ["keras", "onnx", "psutil"]  # which the site is built without
autosummary_generate = False
add_module_names = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "mien"
html_static_path = ["_static"]
html_css_files = ["mien.css"]
html_js_files = ["files.js"]
html_copy_source = False
html_use_index = html_domain_indices = False
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
# Which of Furo's colours are which of a report's.
_COLOURS = {
    "ground": ("background-primary",),
    "panel": ("background-secondary", "code-background", "api-background"),
    "ink": ("foreground-primary", "code-foreground", "api-name"),
    "ink-faint": ("foreground-secondary", "foreground-muted", "api-pre-name"),
    "rule": ("background-border", "table-border"),
    "first": ("brand-primary", "brand-content", "brand-visited"),
}


def _variables(css: str) -> dict[str, str]:
    """Furo's variables, from the colours that a part of a report's style sheet sets."""
    said = dict(re.findall(r"--([\w-]+): (#\w+);", css))
    return {f"color-{name}": said[ours] for ours, names in _COLOURS.items() for name in names} | {"font-stack": _FONT}


_light, _, _dark = (ROOT / "src/mien/report/templates/report.css").read_text(encoding="utf-8").partition("@media")


html_theme_options: dict[str, Any] = {
    "top_of_page_buttons": [],
    "light_css_variables": _variables(_light),
    "dark_css_variables": _variables(_dark.partition("body {")[0]),
}

# Files beside docs/ that are pages of the site, each by the page that shows it.
PAGES = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changelog"}


class Links(SphinxTransform):
    """Lets links that leave docs/ work on the site as they do in the repository, and names of classes lead to them.

    What leaves docs/ is a page of the site, or a report, which the site holds at the same place. Any other file becomes
    a download; MyST has seen to that already.
    """

    default_priority = 10  # before what is to be downloaded is gathered

    def apply(self, **_: Any) -> None:
        """Turn the links of one page."""
        for link in self.document.findall(addnodes.pending_xref):
            target = link["reftarget"]
            if os.path.isabs(target):
                link["reftarget"] = PAGES.get(os.path.relpath(target, ROOT), target)
            elif link["refdomain"] == "py" and target[:1].isupper():
                link["refspecific"] = True  # wherever the class is described, not in this module alone
        for name in self.document.findall(nodes.field_name):
            if name.astext() == "Variables":
                name[:] = [nodes.Text("Attributes")]
        for link in list(self.document.findall(addnodes.download_reference)):
            page = Path(self.env.doc2path(self.env.docname))
            target = (page.parent / link["reftarget"]).resolve().relative_to(ROOT)
            if target.parts[0] == "results" and target.suffix == ".html":
                up = "../" * self.env.docname.count("/")
                link.replace_self(nodes.reference("", "", *link.children, refuri=up + target.as_posix()))


def keep_annotations(app: Sphinx, what: str, name: str, described: Any, *_: Any) -> None:
    """Show types as the source has them: `ArrayLike`, not the ten types that numpy makes of it."""
    if what in ("class", "function", "method"):
        function = described.__init__ if what == "class" else getattr(described, "__func__", described)
        types = dict(getattr(inspect.unwrap(function), "__annotations__", {}))
        if what == "class":
            types.pop("return", None)
        app.env.current_document.autodoc_annotations[name] = types


def before_napoleon(app: Sphinx, what: str, name: str, described: Any, options: Any, lines: list[str]) -> None:
    """Keep it from taking what stands before a colon in a property's sentence for its type."""
    if what in ("property", "attribute"):
        lines[:0] = ["..", ""]  # an empty comment


def after_napoleon(app: Sphinx, what: str, name: str, described: Any, options: Any, lines: list[str]) -> None:
    """Show the types of attributes as the source has them, too."""
    for number, line in enumerate(lines):
        if match := re.match(r":vartype (\w+):", line):
            annotation = str(inspect.get_annotations(described).get(match[1], ""))
            lines[number] = f"{match[0]} {annotation}".replace("_]", "\\_]")


def add_what_is_made(app: Sphinx, error: Exception | None) -> None:
    """Put the reports of the committed results, and the page that reads photos, into the site."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for report in sorted((ROOT / "results").glob("**/report")):
        shutil.copytree(report, site / report.relative_to(ROOT), dirs_exist_ok=True)
    if runtime.is_there():
        write_page(site / "page")


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_transform(Links)
    app.connect("autodoc-process-signature", keep_annotations, priority=600)
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
    app.connect("build-finished", add_what_is_made)
    return {"parallel_read_safe": True}
