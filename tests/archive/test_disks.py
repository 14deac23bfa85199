"""A disk that fills up, goes away or may not be written any more while a verb writes: named, nothing partial, and the
same verb goes on when the disk is there again.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.archive import fill
from hsframe.errors import HsFrameError
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import running_server
from tests.archive.building import SINCE, building, forget_server

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(sys.platform != "linux", reason="a file system of its own is mounted"),
]

SPAN = (str(SINCE), None)


@dataclass
class Disk:
    """A small file system of its own; `strike` and `mend` are what happens to it and to the folder that is written."""

    path: Path

    def mount(self) -> None:
        self.path.mkdir()
        self._run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(self.path))

    def _run(self, *command: str) -> None:
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no file system may be mounted here")

    def fill(self) -> None:
        left = os.statvfs(self.path)
        (self.path / "others").write_bytes(bytes(max(left.f_bavail * left.f_bsize - 8_192, 0)))

    def make_room(self) -> None:
        (self.path / "others").unlink()

    def forbid(self) -> None:
        self._run("mount", "-o", "remount,ro", str(self.path))

    def allow(self) -> None:
        self._run("mount", "-o", "remount,rw", str(self.path))

    def take(self) -> None:
        """As one that is unplugged: the place where it was is an empty folder."""
        (self.path / "work").rename(self.path / "elsewhere")
        (self.path / "work").mkdir()

    def bring(self) -> None:
        shutil.rmtree(self.path / "work")
        (self.path / "elsewhere").rename(self.path / "work")


FAULTS: dict[str, tuple[Callable[[Disk], None], Callable[[Disk], None], str]] = {
    "full": (Disk.fill, Disk.make_room, "No space left on device.*; (make room and )?repeat it"),
    "read-only": (Disk.forbid, Disk.allow, "Read-only file system.*; (take a place that can be written|repeat it)"),
    "away": (Disk.take, Disk.bring, "there is no archive in|cannot be (written|read): "),
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    disk.mount()
    (disk.path / "work").mkdir()
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk.path)], check=True, capture_output=True)


def grown(source: Session) -> pd.DataFrame:
    """Values at times that no archive has."""
    df = source.his_read("temp or power", SPAN, tz="UTC")
    return df.set_axis(df.index + pd.Timedelta("3650D"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in which there is something to compact, and which any server may go on with."""
    archive = Archive(path := tmp_path_factory.mktemp("old") / "old")
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        archive.sync("temp or power", session=session, since=SINCE)
        for number in range(3):
            archive.add(grown(session).iloc[[number]])
    forget_server(path)
    return path


Verb = Callable[[Session, Archive, Path], Any]

# Each verb that writes into a folder. These read from the server meanwhile, at whose fourth history the disk fails;
WHILE_READING: dict[str, Verb] = {
    "sync": lambda s, _, work: Archive(work / "new").sync("point", session=s, since=SINCE),
    "sync of what is there": lambda s, _, work: Archive(work / "old").sync("point", session=s, since=SINCE),
    "export tidy": lambda s, _, work: s.export("temp or plain", SPAN, work / "tidy.parquet", layout="tidy"),
    "export folder": lambda s, _, work: s.export("temp or plain", SPAN, work / "folder"),
}
# these write at their end.
AT_THE_END: dict[str, Verb] = {
    "export wide": lambda s, _, work: s.export("temp or plain", SPAN, work / "wide.parquet"),
    "export of an archive": lambda _, a, work: a.export("temp or plain", SPAN, work / "a.parquet", layout="tidy"),
    "export of an archive to a folder": lambda _, a, work: a.export("temp or plain", SPAN, work / "a"),
    "add": lambda s, _, work: Archive(work / "old").add(grown(s)),
    "compact": lambda s, _, work: Archive(work / "old").compact(overlap="1h"),
    "write_parquet": lambda s, _, work: hsframe.write_parquet(grown(s), work / "frame.parquet"),
}


def content(work: Path) -> dict[str, pd.DataFrame]:
    """What each file and archive of a folder has; what an export has read so far is hidden, and is neither."""
    found = {}
    for path in sorted(work.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file():
            found[path.name] = hsframe.read_parquet(path)
        elif (path / "samples" / "_delta_log").exists():
            archive = Archive(path)
            assert archive.check()["problem"].str.startswith("no version counts it").all()
            order = [("id", "ascending"), ("ts", "ascending")]
            found[path.name] = archive.to_arrow().to_table().sort_by(order).to_pandas()
    return found


CASES = [
    pytest.param(verbs[name], fault, id=f"{name}-{fault}")
    for verbs, faults in ((WHILE_READING, ("full", "read-only", "away")), (AT_THE_END, ("full", "read-only")))
    for name in verbs
    for fault in faults
]


@pytest.fixture(scope="module")
def done() -> dict[Verb, dict[str, pd.DataFrame]]:
    """What each verb has written where no disk failed: the same for all faults."""
    return {}


@pytest.fixture
def wanted(
    verb: Verb, done: dict[Verb, dict[str, pd.DataFrame]], whole: Path, old: Path, tmp_path: Path
) -> dict[str, pd.DataFrame]:
    if verb not in done:
        shutil.copytree(old, (work := tmp_path / "healthy") / "old")
        with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as s:
            verb(s, Archive(whole), work)
        done[verb] = content(work)
    return done[verb]


@pytest.mark.parametrize(("verb", "fault"), CASES)
def test_a_disk_that_fails_while_a_verb_writes(
    disk: Disk,
    whole: Path,
    old: Path,
    wanted: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    verb: Verb,
    fault: str,
) -> None:
    strike, mend, words = FAULTS[fault]
    monkeypatch.setattr(fill, "_ROWS_A_MERGE", 2_000)
    requests = itertools.count()
    work = disk.path / "work"
    shutil.copytree(old, work / "old")

    def struck(call: Any, run: Any) -> Any:
        if next(requests) == 3:
            strike(disk)
        return run(call)

    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        before = content(work)
        if verb in WHILE_READING.values():
            wrap_op(server.app, "hisRead", struck)
        else:
            strike(disk)
        with pytest.raises(HsFrameError, match=words) as caught:
            verb(s, Archive(whole), work)
        assert str(work) in str(caught.value)
        mend(disk)
        found = content(work)
        assert found["old"].equals(before["old"]) or verb is WHILE_READING["sync of what is there"]
        assert not any(path.is_file() and not path.name.startswith(".") for path in work.iterdir())
        assert not list(disk.path.rglob("*.part"))
        verb(s, Archive(whole), work)
        found = content(work)
        assert [*found] == [*wanted]
        assert all(found[name].equals(wanted[name]) for name in wanted)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_full_disk_can_be_vacuumed_and_one_that_is_read_only_is_named(disk: Disk, fault: str) -> None:
    index = pd.date_range("2026-01-01", periods=200, freq="15min", tz="UTC", unit="us", name="ts")
    archive = Archive(disk.path / "work" / "old")
    for number in range(3):
        archive.add(pd.DataFrame({"@a": pd.array([float(number)] * 200, "unit[kW]")}, index), existing="replace")
    before = content(disk.path / "work")
    strike, mend, words = FAULTS[fault]
    strike(disk)
    if fault == "full":
        assert len(archive.vacuum("0D")) == 2
    else:
        with pytest.raises(HsFrameError, match=words):
            archive.vacuum("0D")
    mend(disk)
    assert content(disk.path / "work")["old"].equals(before["old"])
    assert len(archive.vacuum("0D")) == (0 if fault == "full" else 2)
