"""Files that are there whole or not at all, whoever writes, fails or is killed."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from hsframe.errors import MetadataError
from hsframe.frame.parquet import read_parquet, write_parquet
from hsframe.frame.whole_file import whole_file
from hsframe.unit_array.dtype import UnitDtype


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"Power": pd.array([float(rows)] * rows, dtype=UnitDtype("kW"))})


def test_one_of_many_writers_wins_and_nobody_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(frame(1), path)
    sizes = (1, 2_000, 30_000)
    left = threading.Semaphore(0)

    def write(rows: int) -> None:
        for _ in range(8):
            write_parquet(frame(rows), path)
        left.release()

    writers = [threading.Thread(target=write, args=(rows,)) for rows in sizes]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        seen.append(read_parquet(path))
    for writer in writers:
        writer.join()
        assert left.acquire(blocking=False), "a writer failed"
    for df in [*seen, read_parquet(path)]:
        assert len(df) in sizes
        assert (
            (df["Power"].hs.magnitude() if hasattr(df["Power"], "hs") else df["Power"].astype(float)).eq(len(df)).all()
        )
    assert os.listdir(tmp_path) == ["x.parquet"]


WAITING = """
import sys
from hsframe.frame.whole_file import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(b"half a file")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def writing(path: Path) -> subprocess.Popen[bytes]:
    """A program that has written half of a file."""
    program = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"writing\n"
    return program


def ended(program: subprocess.Popen[bytes]) -> int:
    program.communicate(timeout=60)
    return program.returncode


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_program_left_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "x[1].parquet"
    write_parquet(frame(3), path)
    program = writing(path)
    os.kill(program.pid, signal.SIGKILL)
    assert ended(program) == -signal.SIGKILL
    assert len(read_parquet(path)) == 3
    assert len(os.listdir(tmp_path)) == 2
    write_parquet(frame(4), tmp_path / "x[2].parquet")
    assert len(os.listdir(tmp_path)) == 3, "a part of another file is not this writer's to remove"
    write_parquet(frame(4), path)
    assert sorted(os.listdir(tmp_path)) == ["x[1].parquet", "x[2].parquet"]


@pytest.mark.one_python
def test_what_another_program_is_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    program = writing(path)
    with whole_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert ended(program) == 0
    assert path.read_bytes() == b"half a file"
    assert os.listdir(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.bin"]


def _missing(folder: Path) -> Path:
    return folder / "none" / "x.parquet"


def _folder(folder: Path) -> Path:
    return folder


def _device(_: Path) -> Path:
    return Path(os.devnull)


def _too_long(folder: Path) -> Path:
    return folder / ("x" * 255)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda _: Path(__file__) / "x.parquet", r"cannot be written: .*test_whole_file\.py is a file, and no folder"),
        (_missing, r"there is no folder .*none; make it first, or write to another one"),
        (_folder, r"is a folder; expected the name of a file, as in .*trends\.parquet"),
        (_device, "is not a file"),
        (_too_long, "xxx cannot be written: File name too long"),
        (lambda folder: folder / ("x" * 256), "xxx' cannot be written: File name too long"),
        (lambda folder: folder / "a\0b", r"x00b' cannot be written: .*embedded null"),
        (lambda folder: folder / "\udcff.parquet", r"udcff\.parquet' cannot be written: .*surrogates not allowed"),
    ],
)
def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, place: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(MetadataError, match=message) as raised:
        write_parquet(frame(1), place(tmp_path))
    assert ".part" not in str(raised.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room and repeat it; "),
        (errno.EDQUOT, "make room and repeat it; "),
        (errno.EROFS, "take a place that can be written; "),
        (errno.EACCES, "give this user the right to it, or take another place; "),
        (errno.EIO, ""),
    ],
)
def test_why_a_file_cannot_be_written_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "x.parquet"
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MetadataError) as caught:
        write_parquet(frame(1), path)
    why = f"{os.strerror(number)}; {advice}what was there before is unchanged"
    assert str(caught.value) == f"{path} cannot be written: {why}"
    assert os.listdir(tmp_path) == []


FULL = """
import resource, sys
import pandas as pd
import hsframe
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    hsframe.write_parquet(pd.DataFrame({"a": range(100_000)}), sys.argv[1])
except hsframe.MetadataError as error:
    print(error)
"""


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of a file's size")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith(f"{path} cannot be written: ")
    assert "too large" in done.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are those of POSIX")
def test_links_and_modes_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.bin"
    link.symlink_to(tmp_path / "real" / "x.bin")
    old = os.umask(0o027)
    try:
        with whole_file(link) as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert link.is_symlink()
    assert (tmp_path / "real" / "x.bin").read_bytes() == b"x"
    assert stat.S_IMODE(link.stat().st_mode) == 0o640
    link.chmod(0o604)
    with whole_file(link) as file:
        file.write(b"y")
    assert stat.S_IMODE(link.stat().st_mode) == 0o604, "a file that was there keeps its mode"
