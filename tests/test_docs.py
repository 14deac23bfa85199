"""The documents tell the truth of today: README and docstrings run, paths and links exist, reasons are given."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import tomllib
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args

import dask
import pytest

import hsframe
from hsframe.cli.parser import parser
from hsframe.cli.program import main
from hsframe.intervals import rules
from hsframe.testing import quirks
from hsframe.testing.server import running_server
from tests import doc_results, doc_servers

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).resolve().parent.parent
# A page is a file in a folder of docs/; docs/_* is what scripts/docs makes.
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "docs").rglob("*.md")
    if not any(part.startswith("_") for part in path.relative_to(ROOT).parts)
)
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", *PAGES)
# A package index shows README.md without the rest of the tree, so its links name the repository.
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
OURS = re.compile(r"https://(?:github\.com/hsframe/hsframe/blob|raw\.githubusercontent\.com/hsframe/hsframe)/main/")
# Examples that open a socket or write a file say so with a doctest skip; everything else runs.
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[str]:
    """Every module of the package; __main__ would run the program."""
    found = ["hsframe", *(info.name for info in pkgutil.walk_packages(hsframe.__path__, "hsframe."))]
    return [name for name in found if not name.endswith("__main__")]


def blocks(document: str, language: str) -> list[str]:
    """The fenced code blocks of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", modules())
def test_docstring_examples_run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} fail; the output is above"


def test_docstrings_have_examples() -> None:
    """The test above is worth something: examples are there to be run."""
    finder = doctest.DocTestFinder()
    found = [test for name in modules() for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 20


def parameters_of(documented: Any) -> list[str]:
    """The names in the section Parameters of a numpydoc docstring."""
    text = inspect.cleandoc(getattr(documented, "__doc__", None) or "")
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^\S.*", section[1], re.MULTILINE) if section else []
    names = [name.strip(" *`") for line in lines for name in line.partition(" :")[0].split(",")]
    return [name for name in names if name != "..."]


def test_documented_parameters_exist() -> None:
    seen = 0
    for module in map(importlib.import_module, modules()):
        for name, found in inspect.getmembers(module):
            members = [found, *vars(found).values()] if inspect.isclass(found) else [found]
            for documented in members:
                ours = callable(documented) and str(getattr(documented, "__module__", "")).startswith("hsframe.")
                if ours and (names := parameters_of(documented)):
                    seen += 1
                    missing = set(names) - set(inspect.signature(documented).parameters)
                    assert not missing, f"{module.__name__}.{name}: {documented} has no {missing}"
    assert seen > 50


class Step(NamedTuple):
    """A block that is run, and the block below it, if that shows what comes out: see `tests/doc_results.py`."""

    language: str
    block: str
    result_language: str = ""
    result: str = ""


# A block of code, or the rows of a table whose last header is hsframe: what one writes here, for what is left of it.
STEP = re.compile(
    r"^```(python|sh)\n(.*?)^```$(?:\n\n```(output|text)\n(.*?)^```$)?"
    r"|^\|[^\n]* hsframe \|\n\|[-|]+\|\n((?:\|[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)


def steps(document: str) -> list[Step]:
    """What is run of a document, in its order: Python, also in the last column of tables, and commands of hsframe."""
    found = list[Step]()
    for language, block, result_language, result, rows in STEP.findall((ROOT / document).read_text("utf-8")):
        if rows:
            found += [Step("python", code) for code in re.findall(r"\| `([^`]+)` \|$", rows, re.MULTILINE)]
        elif language == "python" or commands(block):
            found.append(Step(language, block, result_language, result))
    return found


def commands(block: str) -> list[list[str]]:
    """The words of each command of hsframe, and of each export, in a block of sh."""
    lines = (shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines())
    found = [words for words in lines if words[:1] in (["hsframe"], ["export"])]
    return found if any(words[0] == "hsframe" for words in found) else []


def run_commands(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run them in this process: each ends with 0; of a server, which would not end, the arguments are read."""
    for name, *words in commands(block):
        if name == "export":
            for setting in words:
                monkeypatch.setenv(*setting.split("=", 1))
        elif words[0] == "serve" or (words[0] == "demo" and "--once" not in words):
            parser().parse_args(words)
        else:
            args, file = (words[:-2], words[-1]) if words[-2:-1] == [">"] else (words, os.devnull)
            with open(file, "w", encoding="utf-8") as out, redirect_stdout(out), monkeypatch.context() as patch:
                patch.setattr("hsframe.session.default._default", None)  # a command is another process
                assert main(args) == 0, args


# One recipe warns, and says so. In others it is the day of the run that decides whether the demo's gaps are too long.
INCOMPLETE_MATRIX = pytest.mark.filterwarnings("ignore:.* cells of the matrix:hsframe.ReadWarning")
LONG_GAPS = pytest.mark.filterwarnings("ignore:.* has degree days:hsframe.GapWarning")


MARKS = {"docs/how-to/recipes.md": [INCOMPLETE_MATRIX, LONG_GAPS]}
# What is there when the document has run.
PROMISED = {
    "README.md": "*.parquet",
    "docs/how-to/recipes.md": "*.csv",
    "docs/how-to/ten-tasks.md": "year.parquet",
    "docs/how-to/beyond-one-machine.md": "trends",
    "docs/how-to/testing.md": "report.csv",
}


@pytest.mark.parametrize(
    "document",
    [pytest.param(name, marks=MARKS.get(name, [])) for name in ("README.md", *PAGES) if steps(name)],
)
def test_a_document_runs_as_it_stands(document: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All steps, one after the other in one namespace, against the demo server on a free port, or the page's own."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    for name, value in {"URI": "", "USER": "", "PASSWORD": "demo"}.items():  # a document may set them
        monkeypatch.setenv(f"HSFRAME_{name}", value)
    with doc_servers.served(document, tmp_path) as places, dask.config.set(scheduler="sync"):  # no threads are left
        namespace: dict[str, Any] = {"__name__": "readme"}
        try:
            for number, (language, block, result_language, result) in enumerate(steps(document), 1):
                name = f"{document}, step {number}: {block[:60]}"
                for written, there in places.items():
                    block = block.replace(written, there)
                if language == "sh":
                    run_commands(block, monkeypatch)
                    continue
                got = doc_results.run(block, name, namespace)
                if result:
                    doc_results.check(got, result_language, result, name)
        finally:
            plt.close("all")
            with suppress(hsframe.MetadataError):  # the last block closed it, or there never was one
                hsframe.close()
    if files := PROMISED.get(document):
        assert list(tmp_path.glob(files)), f"{document} promises {files}"


@pytest.mark.parametrize("document", PAGES)
def test_python_that_needs_a_server_of_the_reader_is_python(document: str) -> None:
    """A block marked py is what cannot run here, as it names a server, a file or a program of the reader."""
    for number, block in enumerate(blocks(document, "py"), 1):
        compile(block, f"{document}, block {number} marked py", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_documents_with_code_are_found() -> None:
    assert {name for name in PROMISED if len(blocks(name, "python")) < 2} == set()


def test_results_are_shown_and_a_wrong_one_is_found() -> None:
    shown = [step for step in steps("docs/how-to/ten-tasks.md") if step.result]
    assert len(shown) >= 10
    got = doc_results.run("x = 2.5\nprint('x is')\nx", "here", {})
    for language, right, wrong in (("output", "2.5", "2.4"), ("text", "7.1", "7.1 kW")):
        doc_results.check(got, language, f"x is\n{right}\n", "here")
        with pytest.raises(AssertionError, match=r"here gives\nx is\n2\.5"):
            doc_results.check(got, language, f"x is\n{wrong}\n", "here")


def test_the_readme_may_be_run_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it writes adds nothing up: the second run finds and leaves what the first one wrote."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    code = "".join(blocks("README.md", "python"))
    with running_server() as server:
        oat = server.database.history("nyc-weather-oat")
        seen = [oat.values.tolist()]
        for _ in range(2):
            doc_results.run(code.replace("http://127.0.0.1:8080/api", server.uri), "README.md", {})
            seen.append(oat.values.tolist())
    plt.close("all")
    assert seen[0] != seen[1] == seen[2]


def test_the_readme_names_the_two_commands() -> None:
    shell = "\n".join(blocks("README.md", "sh"))
    assert "scripts/demo" in shell
    assert "scripts/check" in shell


def links(document: str) -> list[str]:
    """What the document links to: beside the words, or in the list of links at its end."""
    return [inline or listed for inline, listed in LINK.findall((ROOT / document).read_text("utf-8"))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_paths_exist(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    # A link is from the folder of its page; one that names the repository, and a path in backticks, are from the top.
    linked = [
        OURS.sub("", link) if OURS.match(link) else (ROOT / document).parent.joinpath(link)
        for link in links(document)
        if OURS.match(link) or "://" not in link
    ]
    # `hsframe/codecs/zinc.py`, `tests/test_floors.py`: a path in backticks that starts in a folder of the project.
    paths = re.findall(r"`((?:hsframe|tests|scripts|notebooks|docs|\.ci|\.github)/[\w./-]*)`", text)
    # The site shows the notebooks as pages of docs/tutorials, where docs/conf.py copies them.
    linked = [ROOT / "notebooks" / Path(path).name if str(path).endswith(".ipynb") else path for path in linked]
    missing = [str(path) for path in [*linked, *paths] if not (ROOT / path).exists()]
    assert missing == []


def test_the_reference_has_each_public_name() -> None:
    """The strict build of the site finds the other mistake, a name that is not there; docs/conf.py lists methods."""
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    entries = set(re.findall(r"^(?:\.\. [\w:]+:: (?:hsframe\.)?| {3})(\w+)$", pages, re.MULTILINE))
    assert set(hsframe.__all__) - entries == set()
    assert set(hsframe.testing.__all__) - entries == set()


def test_the_tree_of_errors_has_each_that_a_user_can_see() -> None:
    def below(cls: type[Exception]) -> list[type[Exception]]:
        return [cls, *(each for own in cls.__subclasses__() for each in below(own))]

    importlib.import_module("hsframe.session.verbs")
    errors = [each for each in below(hsframe.HsFrameError) if re.match(r"hsframe\.(?!server)", each.__module__)]
    seen = {each.__name__ for each in errors}
    assert seen <= set(hsframe.__all__)
    assert seen == set(re.findall(r"\b[A-Z]\w+Error\b", (hsframe.errors.__doc__ or "").partition("None of")[0]))


def test_the_page_of_intervals_lists_each_aggregation() -> None:
    page = (ROOT / "docs" / "explanation" / "intervals.md").read_text("utf-8")
    assert sorted(re.findall(r'^\| `"(\w+)"` \|', page, re.M)) == sorted(get_args(rules.Aggregation))


def test_the_page_of_testing_lists_each_quirk_and_each_server() -> None:
    page = (ROOT / "docs" / "how-to" / "testing.md").read_text("utf-8")
    rows = [f"| `{name}{'=N' * (name in quirks.NUMBERS)}` | {text} |" for name, text in quirks.QUIRKS.items()]
    rows += [f"| `{name}` | {' '.join(f'`{one}`' for one in names)} |" for name, names in quirks.BUNDLES.items()]
    assert sorted(line for line in page.splitlines() if line.startswith("| `")) == sorted(rows)


def test_each_fault_of_the_page_has_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "explanation" / "faults.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| fault |")]
    assert len(rows) >= 100, "README and CHANGELOG say so"
    for row in rows:
        named = re.fullmatch(r"\| .+ \| .+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|", row)
        assert named, f"a row is fault, what happens and one test: {row}"
        source = ROOT / named[1]
        assert source.exists(), row
        assert re.search(rf"^(?:async )?def {named[2]}\(", source.read_text("utf-8"), re.MULTILINE), row


def test_the_links_of_the_readme_work_where_the_tree_is_not() -> None:
    assert [link for link in links("README.md") if "://" not in link] == []
    assert sum(OURS.match(link) is not None for link in links("README.md")) >= 5


def test_the_tour_of_the_architecture_is_the_tree() -> None:
    """Every module and package at the top of hsframe/ has its line in the tour, and the tour names no other."""
    (tour,) = [block for block in blocks("ARCHITECTURE.md", "") if block.startswith("hsframe/\n")]
    named = set(re.findall(r"^ {2}([\w.]+/?)", tour, re.MULTILINE))
    top = {
        path.name + ("/" if path.is_dir() else "")
        for path in (ROOT / "hsframe").iterdir()
        if path.name != "__pycache__" and (path.is_dir() or path.suffix == ".py")
    }
    assert named == top


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    requirements = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        requirements += extra
    for group in project["dependency-groups"].values():
        requirements += [entry for entry in group if isinstance(entry, str)]
    names = {re.split(r"[<>=!~ \[]", requirement)[0] for requirement in requirements}
    reasons = dict(
        re.findall(r"^\| `([\w-]+)` \| (.+) \|$", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE)
    )
    assert sorted(names - set(reasons)) == []
    assert all(len(reason.split()) > 2 for reason in reasons.values())


def test_the_classifiers_name_what_is_run() -> None:
    """3.11 and 3.13 are what the two legs of scripts/check run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["project"]["classifiers"]))
    check = (ROOT / "scripts" / "check").read_text("utf-8")
    assert versions == ["3.11", "3.13"]
    assert all(version in check for version in versions)


def test_the_map_in_contributing_names_what_is_there() -> None:
    rows = re.findall(
        r"^\|.*?\| `(hsframe/[\w/]+\.py)`: `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M
    )
    assert len(rows) >= 10
    for path, name in rows:
        source = (ROOT / path).read_text("utf-8")
        assert re.search(rf"^\s*(?:async def|def|class) {name}\b|^{name}\b", source, re.M), f"{path} has no {name}"
