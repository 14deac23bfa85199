"""The documentation site, as Sphinx builds it. ``scripts/docs`` is the command, CONTRIBUTING.md has the rest."""

from __future__ import annotations

import argparse
import inspect
import os
from pathlib import Path

import pandas as pd

import hsframe
from hsframe.analysis.accessor import FrameAccessor, SeriesAccessor
from hsframe.cli.parser import parser as command_line

HERE = Path(__file__).parent

project = "hsframe"
author = "the developers of hsframe"
project_copyright = author
version = release = hsframe.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "templates"]
templates_path = ["templates"]

# A link that leads nowhere is an error, also between pages and to their headings: scripts/docs builds with -W and -n.
nitpicky = True
# What docstrings name that is Python's, pandas' or another package's: nothing is downloaded to know their pages.
nitpick_ignore_regex = [(r"py:.*", r"(pandas|pd|numpy|np|pyarrow|pa|dask|aiohttp|ssl|asyncio|datetime|hypothesis)\..*")]

html_theme = "pydata_sphinx_theme"
html_title = "hsframe"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {"index": [], "start": []}  # they are one page each: a side bar of one line helps nobody
html_theme_options = {
    "logo": {"text": "hsframe"},
    "navbar_align": "left",
    "navbar_persistent": [],
    "navbar_end": ["search-button", "navbar-icon-links", "theme-switcher"],
    "icon_links": [
        {"name": "Repository", "url": "https://github.com/hsframe/hsframe", "icon": "fa-brands fa-github"},
    ],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["version"],
}
pygments_style = "default"
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div:not(.output, .highlight-output) > div.highlight > pre"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the outputs are those of the file, which the tests compare with a run
nb_ipywidgets_js = {}  # they would be loaded from a server of others
suppress_warnings = ["mystnb.unknown_mime_type"]

numpydoc_show_class_members = False  # the pages of the reference have their own lists
# A section that numpydoc does not know, or that stands in another order.
numpydoc_validation_checks = {"GL06", "GL07"}
numpydoc_validation_exclude = {r"\.history_grids$"}  # Hypothesis makes it: it has no source to look at
autodoc_typehints = "none"  # the types stand in the docstrings, in words
autodoc_member_order = "bysource"
autosummary_generate = True
add_module_names = False
toc_object_entries_show_parents = "hide"


def bring_notebooks() -> None:
    """Copy the notebooks of the top folder beside the page that lists them: Sphinx reads what is below docs/."""
    folder = HERE / "tutorials"
    kept = {path.name: path for path in (HERE.parent / "notebooks").glob("*.ipynb")}
    for copy in folder.glob("*.ipynb"):
        if copy.name not in kept:
            copy.unlink()
    for name, path in kept.items():
        copy = folder / name
        # They come with the package too, so they name the pages of the repository: here these are beside them.
        text = path.read_text("utf-8").replace("https://github.com/hsframe/hsframe/blob/main/docs/", "../")
        if not copy.exists() or copy.read_text("utf-8") != text:
            copy.write_text(text, "utf-8")


def write_command_line() -> None:
    """Write the help of each command, as `hsframe COMMAND --help` prints it, for the page that has it."""
    os.environ["COLUMNS"] = "100"
    parser = command_line()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    text = f"```text\n{parser.format_help()}```\n"
    for name, command in commands.choices.items():
        text += f"\n## hsframe {name}\n\n```text\n{command.format_help()}```\n"
    page = HERE / "reference" / "_generated" / "command-line.txt"
    page.parent.mkdir(exist_ok=True)
    if not page.exists() or page.read_text("utf-8") != text:
        page.write_text(text, "utf-8")


def members_of(cls: type) -> list[str]:
    """The names of a class that are for users, in the order of the class and then of its bases."""
    names = dict.fromkeys(name for base in cls.__mro__[:-1] for name in vars(base) if not name.startswith("_"))
    return [name for name in names if isinstance(getattr(cls, name), property) or callable(getattr(cls, name))]


def is_verb(cls: type, name: str) -> bool:
    """Whether a method is documented as a function of the package: it has the same text."""
    function = getattr(hsframe, name, None) if name in hsframe.__all__ else None
    return function is not None and inspect.getdoc(function) == inspect.getdoc(getattr(cls, name))


# pandas calls a function for it; autodoc shall find the methods where users do.
pd.DataFrame.hs, pd.Series.hs = FrameAccessor, SeriesAccessor  # type: ignore[attr-defined]

# Where each class of many methods stands, as autodoc has it.
CLASSES = {
    "Session": ("hsframe", hsframe.Session),
    "AsyncSession": ("hsframe", hsframe.AsyncSession),
    "Archive": ("hsframe", hsframe.Archive),
    "Client": ("hsframe", hsframe.Client),
    "DataFrame.hs": ("pandas", FrameAccessor),
    "Series.hs": ("pandas", SeriesAccessor),
}
# The pages of functions say of which classes they are methods too.
autosummary_context = {
    "verbs_of": {name: [each for each in members_of(cls) if is_verb(cls, each)] for name, (_, cls) in CLASSES.items()},
}


def list_members(app: object, docname: str, source: list[str]) -> None:
    """In a page `MEMBERS(Session)` becomes the names of its methods, `EACH(Session)` those that have no page."""
    for name, (module, cls) in CLASSES.items() if docname.startswith("reference/") else ():
        members = members_of(cls)
        each = [
            f".. auto{'property' if isinstance(getattr(cls, member), property) else 'method'}:: "
            f"{module}::{name}.{member}"
            for member in members
            if not is_verb(cls, member)
        ]
        listed = "\n   ".join(f"{name}.{member}" for member in members)
        source[0] = source[0].replace(f"MEMBERS({name})", listed).replace(f"EACH({name})", "\n\n".join(each))


def setup(app: object) -> None:
    """Make what stands outside of docs/ or in code a part of it."""
    bring_notebooks()
    write_command_line()
    app.connect("source-read", list_members)  # type: ignore[attr-defined]
