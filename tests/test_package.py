"""The package as it is built: from an exported tree, without ``.git`` and without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from hypothesis import settings

import hsframe

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NOTEBOOKS = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/meters/*")]
NOT_SOURCE = shutil.ignore_patterns(
    *(".git", ".venv*", ".peers", ".*cache", ".hypothesis"),
    *("__pycache__", "demo-out", "dist", "build", "*.egg-info"),
)


def build(tree: Path, target: str, out: Path) -> Path:
    """Call the build backend as pip does, in a process of its own whose folder is the tree."""
    code = f"import sys; from hatchling.build import build_{target}; print(build_{target}(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    tree = folder / "exported"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCE)
    assert not (tree / ".git").exists()
    return build(tree, "sdist", folder)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the source distribution: what pip does where there is no wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = [path for path in folder.iterdir() if path.is_dir()]
    return build(tree, "wheel", folder)


def test_the_version_is_written_once_and_is_the_same_everywhere(wheel: Path) -> None:
    assert "version" not in PYPROJECT["project"]
    version = hsframe.__version__
    places = [path for path in (ROOT / "hsframe").rglob("*.py") if f'"{version}"' in path.read_text("utf-8")]
    assert places == [ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]]
    assert wheel.name == f"hsframe-{version}-py3-none-any.whl"
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_source_distribution_has_what_people_look_for(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        top = {Path(name).parts[1] for name in archive.getnames()}
    assert {path.name for path in ROOT.glob("*.md")} | {"LICENSE", "scripts", "tests"} <= top
    assert {".ci", ".github", ".pre-commit-config.yaml"} <= top  # tests read them
    assert all(url.startswith("https://github.com/hsframe/hsframe") for url in PYPROJECT["project"]["urls"].values())


def test_the_hooks_run_the_tools_of_the_check() -> None:
    """What pre-commit runs is in the environment that scripts/dev makes, and scripts/check runs the same."""
    entries = re.findall(r"entry: (\S+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    tools = {Path(entry).name for entry in entries}
    assert tools == {"ruff", "mypy"}
    assert all(entry.startswith(".venv/bin/") for entry in entries)
    assert "make-venv .venv " in (ROOT / "scripts" / "dev").read_text("utf-8")
    check = (ROOT / "scripts" / "check").read_text("utf-8")
    assert all(f'"$newest/bin/{tool}"' in check for tool in tools)


def test_the_leg_with_a_random_seed_is_random() -> None:
    """The profile that it names draws other examples each time; it has the newest Hypothesis, as developers have."""
    check = (ROOT / "scripts" / "check").read_text("utf-8")
    ((profile, leg),) = re.findall(r"HYPOTHESIS_PROFILE=(\S+) step .* \\\n +tests (.*)", check)
    assert not settings.get_profile(profile).derandomize
    assert settings.get_profile("ci").derandomize
    assert leg == '"$newest" "${sets[@]}" --hypothesis-seed="$seed"'


def test_the_newest_leg_runs_every_test_and_the_lowest_a_part_of_each_but_those_of_one_python() -> None:
    check = (ROOT / "scripts" / "check").read_text("utf-8")
    arguments = dict(re.findall(r"^ +tests \"\$(\w+)\"(.*)$", check, re.M))
    assert set(arguments) == {"newest", "lowest"}
    assert re.findall(r"sets=(.*?)[\n;]", check) == ["(--sets 2)", "()"]
    assert '-m "not one_python" --sets 1 ' in arguments["lowest"]


def test_the_lowest_versions_are_those_of_pyproject() -> None:
    """Each lower bound is one that make-venv can turn into that version."""
    project = PYPROJECT["project"]
    bounds = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    assert [bound for bound in bounds if not re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", bound)] == []


def test_programs_are_started_on_one_python_but_for_those_that_show_how_they_end() -> None:
    """The principle of CONTRIBUTING.md; conftest.py sees that no property test is left out, whose examples are new."""
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    starts = re.compile(r"^(?:import subprocess|from .*warm import)", re.M)
    assert {name for name, text in files.items() if starts.search(text) and "mark.one_python" not in text} == {
        *("test_endings.py", "test_session.py"),  # interpreters end in ways of their own
        "test_haystack_core.py",  # one program for all tests
    }


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hsframe").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert "hsframe/py.typed" in sources
    notebooks = {f"hsframe/{path.relative_to(ROOT).as_posix()}" for path in NOTEBOOKS}
    assert {name for name in packed if ".dist-info/" not in name} == sources | notebooks


def test_the_wheel_copies_its_notebooks_and_their_data(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, by the command; a notebook that somebody has changed is not replaced without being told."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    folder = tmp_path / "mine"
    code = "import sys; sys.path.insert(0, sys.argv[1]); from hsframe.cli import main; sys.exit(main(sys.argv[2:]))"

    def copied(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-c", code, str(tmp_path / "site"), "notebooks", str(folder), *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    first = copied()
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines()[0] == str(folder / "01-first-trend.ipynb")
    there = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert there == {path.relative_to(ROOT / "notebooks"): path.read_bytes() for path in NOTEBOOKS}

    (changed := folder / "02-units.ipynb").write_text("mine")
    (folder / "01-first-trend.ipynb").unlink()
    refused = copied()
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"hsframe: {changed}: there already")
    assert "or --overwrite to" in refused.stderr
    assert changed.read_text() == "mine"
    assert not (folder / "01-first-trend.ipynb").exists()
    assert copied("--overwrite").returncode == 0
    assert changed.read_bytes() == (ROOT / "notebooks" / "02-units.ipynb").read_bytes()


def test_a_checkout_copies_the_same(tmp_path: Path) -> None:
    copied = hsframe.copy_notebooks(tmp_path)
    assert copied == sorted(tmp_path.glob("*.ipynb"))
    assert hsframe.copy_notebooks(tmp_path) == copied  # what is there already and the same is no error
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == {
        path.relative_to(ROOT / "notebooks") for path in NOTEBOOKS
    }


def test_the_wheel_works_by_itself(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, it imports and finds its own data: the table of units, the zones."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import hsframe; "
        "print(hsframe.__file__); print(hsframe.units.unit('°F').quantity); print(hsframe.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", code, str(tmp_path / "site")],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, quantity, version = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert quantity == "temperature"
    assert version == hsframe.__version__


def test_the_command_and_the_module_are_one_program(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert archive.read(entry_points).decode().split() == ["[console_scripts]", "hsframe", "=", "hsframe.cli:main"]
    done = subprocess.run([sys.executable, "-m", "hsframe", "--help"], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout


def test_the_extras_name_what_they_need() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    for extra, package in {"plot": "matplotlib", "demo": "matplotlib", "notebook": "ipykernel", "pint": "pint"}.items():
        assert any(re.match(rf"{package}\b", requirement) for requirement in extras[extra]), extra


def test_without_deltalake_all_but_archives_works() -> None:
    code = (
        "import sys; sys.modules['deltalake'] = None\n"
        "from hsframe import *\n"
        "try: Archive('trends')\n"
        "except MetadataError as error: print(error)\n"
        "from hsframe.testing.server import running_server\n"
        "with running_server(users={}) as server, connect(server.uri) as session:\n"
        "    assert len(session.export('power', 'yesterday', 'a.parquet', dry_run=True))\n"
        "    try: session.export('power', 'yesterday', 'trends')\n"
        "    except MetadataError as error: print(error)\n"
        "from hsframe.cli import main\n"
        "assert main(['serve', 's3://bucket/trends', '--anonymous']) == 2\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    how = "archives and layout='tidy' need deltalake: pip install 'hsframe[archive]'\n"
    assert (done.stdout, done.stderr) == (how * 2, f"hsframe: {how}".replace("layout='tidy'", "--layout tidy"))
