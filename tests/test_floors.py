"""The floors of ARCHITECTURE.md: an import only points down, and heavy packages load where they are needed,
and what a module calls by an underscore is its own.

The sources are read, not run: ``if TYPE_CHECKING:`` blocks do not count, imports inside functions do.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

PACKAGE = Path(__file__).resolve().parent.parent / "hsframe"

TOUR = PACKAGE.parent / "ARCHITECTURE.md"


def floors_of(text: str) -> tuple[tuple[str, ...], ...]:
    """The floors of the tour in ARCHITECTURE.md, from the ground up; a blank line stands between two.

    A name stands for the module or for everything in the package of that name. A module may import its own floor and
    those below it.
    """
    block = text.split("```\nhsframe/\n", 1)[1].split("```", 1)[0]
    floors = [
        tuple(line.split()[0].rstrip("/").removesuffix(".py") for line in floor.splitlines())
        for floor in block.strip("\n").split("\n\n")
    ]
    return tuple(reversed(floors))


FLOORS = floors_of(TOUR.read_text("utf-8"))

# Neighbours that must not know each other, in either direction; they meet in history and session.
STRANGERS = ((("client",), ("frame", "intervals")),)

# Who may name a package at all, also inside a function. A package that is not listed is the standard library's, or
# one that everybody may use (numpy).
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "pandas": (
        *("unit_array", "frame", "intervals", "history", "diagnosis", "spans", "server", "testing"),
        *("analysis", "archive", "dask", "session", "cli", "__init__"),
    ),
    "pyarrow": (
        *("codecs.histories", "codecs.entities", "unit_array", "frame", "intervals"),
        *("analysis", "archive", "history", "server", "testing", "session", "cli"),
    ),
    "deltalake": ("archive",),
    "dask": ("dask",),
    "distributed": ("dask",),
    "aiohttp": ("client.transport", "server", "testing"),
    "cryptography": ("protocol", "client.tls", "server"),
    "nest_asyncio": ("session.runners",),
    "nest_asyncio2": ("session.runners",),
    "hypothesis": ("testing",),
    "matplotlib": ("analysis", "demo_run"),
    "pint": ("units",),
    "tqdm": ("session.progress_bar",),
    "pint_pandas": ("units",),
    # All cryptography goes through the package cryptography.
    "hashlib": (),
    "hmac": (),
}

# Imported only inside functions: optional, or patching, or slow to load for those who do not use it.
ONLY_IN_FUNCTIONS = ("nest_asyncio", "nest_asyncio2", "matplotlib", "pint", "pint_pandas", "tqdm")

# What `import hsframe` must not load (PEP 562 loads it on first use).
NOT_LOADED_BY_IMPORT = (
    "aiohttp",
    "cryptography",
    "dask",
    "deltalake",
    "distributed",
    "hypothesis",
    "matplotlib",
    "nest_asyncio",
    "nest_asyncio2",
    "pint",
    "hsframe.analysis.accessor",
    "hsframe.codecs",
    "hsframe.frame",
    "hsframe.intervals",
    "hsframe.protocol",
    "hsframe.server",
    "hsframe.testing",
    "hsframe.client",
    "hsframe.client.transport",
    "hsframe.cli",
)


@dataclass(frozen=True)
class Import:
    """An import statement: which module makes it, what it names, and whether it stands inside a function."""

    module: str
    target: str
    line: int
    in_function: bool

    def __str__(self) -> str:
        return f"{self.module.replace('.', '/')}:{self.line} imports {self.target}"


def modules_of(package: Path) -> dict[str, Path]:
    """Module name within the package (``codecs.zinc``; a package's ``__init__`` by the package's name) to its file."""
    names: dict[str, Path] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return names


def imports_of(module: str, path: Path, modules: set[str]) -> Iterator[Import]:
    """Every import that the module makes when it runs, also inside functions."""

    def is_type_checking(test: ast.expr) -> bool:
        return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
            isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
        )

    def walk(node: ast.AST, in_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, in_function)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide which floor they name"
            base = node.module or ""
            for alias in node.names:
                # `from hsframe.codecs import zinc` names the module; `from hsframe.kinds import Ref` does not.
                full = f"{base}.{alias.name}"
                is_module = full.removeprefix("hsframe.") in modules
                yield Import(module, full if is_module else base, node.lineno, in_function)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield Import(module, str(node.args[0].value), node.lineno, in_function)
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.orelse:
                yield from walk(child, in_function)
        else:
            inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, inside)

    yield from walk(ast.parse(path.read_text("utf-8")), False)


def best(module: str, names: Iterator[str] | tuple[str, ...]) -> str | None:
    """The longest of the names that is the module or a package around it."""
    fitting = [name for name in names if module == name or module.startswith(name + ".")]
    return max(fitting, key=len, default=None)


def floor_of(module: str) -> int:
    """The number of the floor, the ground being 0."""
    where = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    name = best(module, tuple(where))
    assert name is not None, f"hsframe/{module.replace('.', '/')}.py stands on no floor; give it one in {TOUR}"
    return where[name]


def violations(package: Path) -> list[str]:
    """Every import of the package that breaks a rule, as a line that says which."""
    modules = modules_of(package)
    wrong: list[str] = []
    for module, path in modules.items():
        for found in imports_of(module, path, set(modules)):
            top = found.target.split(".", 1)[0]
            if top == "hsframe":
                inner = found.target.removeprefix("hsframe").lstrip(".") or "__init__"
                # The package's own __init__ is the roof; asking it for the version is asking the roof.
                if floor_of(inner) > floor_of(module):
                    wrong.append(f"{found}: an import only points down")
                for one, other in STRANGERS:
                    for here, there in ((one, other), (other, one)):
                        if best(module, here) and best(inner, there):
                            wrong.append(f"{found}: these two must not know each other")
                continue
            if top in MAY_IMPORT and best(module, MAY_IMPORT[top]) is None:
                allowed = ", ".join(MAY_IMPORT[top]) or "nobody"
                wrong.append(f"{found}: only {allowed} may")
            if top in ONLY_IN_FUNCTIONS and not found.in_function:
                wrong.append(f"{found} at module level: it belongs inside the function that needs it")
    return wrong


def cycles(package: Path) -> list[str]:
    """Modules that import each other in a circle, while they load or later inside their functions."""
    modules = modules_of(package)
    graph = {
        module: {
            found.target.removeprefix("hsframe.")
            for found in imports_of(module, path, set(modules))
            if found.target.startswith("hsframe.")
        }
        - {module}  # a package may fetch its own parts
        for module, path in modules.items()
    }
    done: set[str] = set()
    found_cycles: list[str] = []

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            found_cycles.append(" -> ".join((*trail[trail.index(module) :], module)))
        elif module not in done:
            for target in sorted(graph.get(module, ())):
                visit(target, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())
    return found_cycles


# Names that pandas and Python themselves give to what they ask of another object.
PROTOCOL_NAMES = ("_getframe", "_from_sequence")


def borrowed_names(package: Path) -> list[str]:
    """Every underscore name that a module takes from another, as far as the source tells.

    ``self._x`` and ``cls._x`` may be inherited; of anything else the module must make the name itself.
    """
    wrong: list[str] = []
    for module, path in modules_of(package).items():
        tree = ast.parse(path.read_text("utf-8"))
        own: set[str] = set(PROTOCOL_NAMES)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                own.add(node.id if isinstance(node, ast.Name) else node.attr)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                name = next((alias.name for alias in node.names if is_private(alias.name)), None)
                if name is not None and (node.module or "").startswith("hsframe"):
                    wrong.append(f"{module.replace('.', '/')}:{node.lineno} imports {node.module}.{name}")
            elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
                of = ast.unparse(node.value)
                if of not in ("self", "cls", "super()"):
                    wrong.append(f"{module.replace('.', '/')}:{node.lineno} uses {of}.{node.attr}")
    return wrong


def is_private(name: str) -> bool:
    """Whether a name starts with one underscore."""
    return name.startswith("_") and not name.startswith("__")


def test_imports_only_point_down() -> None:
    assert violations(PACKAGE) == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    assert cycles(PACKAGE) == []


def test_no_module_uses_the_underscore_names_of_another() -> None:
    assert borrowed_names(PACKAGE) == []


def test_every_floor_has_someone_on_it() -> None:
    """A name in the tables that no module has is a typing mistake, and a rule that cannot fail."""
    modules = modules_of(PACKAGE)
    named = [name for floor in FLOORS for name in floor]
    named += [name for names in MAY_IMPORT.values() for name in names]
    named += [name for pair in STRANGERS for side in pair for name in side]
    assert sorted({name for name in named if not any(best(module, (name,)) for module in modules)}) == []


def test_import_hsframe_loads_only_what_everybody_needs() -> None:
    code = "import json, sys; import hsframe; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    loaded = set(json.loads(done.stdout))
    assert "hsframe" in loaded
    assert sorted(loaded & set(NOT_LOADED_BY_IMPORT)) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("kinds.py", "from hsframe.codecs import zinc", "an import only points down"),
        ("kinds.py", "import hsframe", "an import only points down"),
        ("grid.py", "def f():\n    import pandas as pd", "only unit_array"),
        ("client/sender.py", "import aiohttp", "only client.transport"),
        ("frame/trend.py", "from hsframe.client.sender import RequestSender", "an import only points down"),
        ("client/sender.py", "from hsframe.frame.trend import trend_frame", "must not know each other"),
        ("session/base.py", "import nest_asyncio", "only session.runners"),
        ("session/runners.py", "import nest_asyncio", "at module level"),
        ("protocol/scram.py", "import hmac", "only nobody may"),
        ("session/base.py", "def f():\n    return importlib.import_module('nest_asyncio')", "only session.runners"),
    ],
)
def test_the_check_can_fail(tmp_path: Path, path: str, source: str, complaint: str) -> None:
    package = tmp_path / "hsframe"
    for name in ("__init__.py", "kinds.py", "codecs/zinc.py", "frame/trend.py", "client/sender.py", path):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    assert violations(package) == []
    (package / path).write_text(source + "\n")
    assert any(complaint in line for line in violations(package)), violations(package)


def test_type_checking_blocks_and_lazy_imports_are_seen_for_what_they_are(tmp_path: Path) -> None:
    package = tmp_path / "hsframe"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kinds.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\nelse:\n    import hmac\n"
    )
    (package / "session").mkdir()
    (package / "session" / "runners.py").write_text("async def f():\n    import nest_asyncio\n")
    assert violations(package) == ["kinds:5 imports hmac: only nobody may"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from hsframe.kinds import Ref\n", ["kinds -> zones -> kinds"]),
        ("def f():\n    from hsframe.kinds import Ref\n", ["kinds -> zones -> kinds"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hsframe.kinds import Ref\n", []),
    ],
)
def test_a_circle_is_found(tmp_path: Path, source: str, found: list[str]) -> None:
    package = tmp_path / "hsframe"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kinds.py").write_text("import hsframe.zones\n")
    (package / "zones.py").write_text(source)
    assert cycles(package) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from hsframe.grid import _rows\n", "kinds:1 imports hsframe.grid._rows"),
        ("def f(x: object) -> object:\n    return x._data\n", "kinds:2 uses x._data"),
        ("class A:\n    def f(self) -> object:\n        return self.other._data\n", "kinds:3 uses self.other._data"),
        (
            "class A:\n    _own = 1\n    def f(self, other: A) -> object:\n        return other._own, self._base\n",
            "",
        ),
        ("from sys import _getframe\nimport sys\nsys._getframe()\n", ""),
    ],
)
def test_borrowed_underscore_names_are_found(tmp_path: Path, source: str, found: str) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "kinds.py").write_text(source)
    assert borrowed_names(tmp_path) == ([found] if found else [])
