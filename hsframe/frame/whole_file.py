"""Files of this machine: where a path leads to, and a file that is there whole or not at all.

Each writer writes a part of its own beside the file, flushes it to disk and renames it: of two writers of one name the
last one to end wins, and nobody ever sees half a file. What a killed program left is removed by the next writer of
that name, who tells it by its lock: a part is locked as long as someone writes it.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from hsframe.errors import MetadataError

if sys.platform != "win32":
    import fcntl


_ADVICE: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room and repeat it"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "give this user the right to it, or take another place"),
    errno.EROFS: "take a place that can be written",
}
_URI: Final = re.compile(r"(?:file:|[a-z][a-z0-9+.-]+://)", re.IGNORECASE)


def advised(words: str | OSError) -> str:
    """What the system says of a place, also where a library passes it on, and what to do."""
    told = words if isinstance(words, str) else words.strerror or str(words)
    return next((f"{told}; {advice}" for number, advice in _ADVICE.items() if os.strerror(number) in told), told)


def local_path(path: str | os.PathLike[str]) -> Path | None:
    """Where a path, or a uri of ``file:``, is on this machine, absolute; None for the uri of an object store.

    It is settled once: of ``~``, of ``%20``, ``..`` and the present folder Python, pyarrow and delta-rs each think
    otherwise. Links stay what they are.
    """
    text = os.path.expanduser(given := os.fspath(path))
    if not text:  # as a variable of a shell that is not set
        raise MetadataError("a path is empty; '.' is the present folder")
    if _URI.match(text):
        parts = urlsplit(text)
        if parts.scheme != "file":
            return None
        text = url2pathname(parts.path)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not os.path.isabs(text):
            raise MetadataError(
                f"{given!r} must be 'file://' and an absolute path of this machine, with '?' and '#' as '%3F' and "
                "'%23'; give the path as it is"
            )
    elif text.startswith("~"):
        raise MetadataError(f"{given!r} is in no home of this machine; write './{given}' if it has that name")
    return Path(os.path.realpath(text) if ".." in Path(text).parts else os.path.abspath(text))


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The path of a file that can be written: it is in a folder that is there, and is no folder or device itself."""
    target = local_path(path)
    if target is None:
        raise MetadataError(f"{os.fspath(path)!r} is a uri; expected a path on this machine")
    try:
        str(target).encode()  # Arrow opens only what UTF-8 can name
        target.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        what = advised(error) if isinstance(error, OSError) else error
        raise MetadataError(f"{str(target)!r} cannot be written: {what}") from error
    if target.is_dir():
        raise MetadataError(f"{target} is a folder; expected the name of a file, as in {target / 'trends.parquet'}")
    if file := next((parent for parent in target.parents if parent.is_file()), None):
        raise MetadataError(f"{str(target)!r} cannot be written: {file} is a file, and no folder")
    if not target.parent.is_dir():
        raise MetadataError(f"there is no folder {target.parent}; make it first, or write to another one")
    if target.exists() and not target.is_file():
        raise MetadataError(f"{target} is not a file; expected the name of one")
    return target


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Generator[BinaryIO]:
    """A new file to write into; it gets its name when the block ends, and is removed where the block fails.

    MetadataError as for :func:`checked_path`, and where it cannot be written: the disk is full, it is not allowed, ...
    """
    # A link stays one: the file that it leads to is written.
    target = Path(os.path.realpath(checked_path(path)))
    try:
        remove_left_parts(target.parent, glob.escape(target.name))
        file = _new_part(target)
        with suppress(OSError):  # there was no such file, or a drive has no modes
            shutil.copymode(target, file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":  # which renames no open file
                file.close()
            os.replace(file.name, target)
        finally:
            with suppress(OSError):  # what a full disk did not take fails once more
                file.close()
            with suppress(FileNotFoundError):
                os.remove(file.name)
    except OSError as error:
        raise MetadataError(
            f"{path} cannot be written: {advised(error)}; what was there before is unchanged"
        ) from error


def _new_part(target: Path) -> BinaryIO:
    # Readers of whole folders of Parquet files pass over names that begin with a dot.
    file = open(target.parent / f".{target.name}.{secrets.token_hex(4)}.part", "xb")  # noqa: SIM115 - whole_file closes
    if sys.platform != "win32":
        with suppress(OSError):  # a network drive without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if not os.fstat(file.fileno()).st_nlink:  # taken for a left one before it was locked
            file.close()
            return _new_part(target)
    return file


@contextmanager
def alone_in(folder: Path, refusal: str) -> Generator[None]:
    """A block that no other program is in for the same folder, where folders can be locked; else a MetadataError."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network drive without locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise MetadataError(refusal) from error
        yield
    finally:
        os.close(handle)


@contextmanager
def alone_on(path: str | os.PathLike[str]) -> Generator[None]:
    """A block that no other program is in for the same file, which is made where there is none; it waits for them.

    An empty file does not outlast a block that fails.
    """
    if sys.platform == "win32":
        yield
        return
    target = checked_path(path)
    while True:
        try:
            handle = os.open(target, os.O_RDONLY | os.O_CREAT, 0o600)
        except OSError as error:
            raise MetadataError(f"{path} cannot be written: {advised(error)}") from error
        with suppress(OSError):  # a network drive without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)  # who had the lock has put another file in its place, or removed it
    try:
        yield
    except BaseException:
        if not os.fstat(handle).st_size:
            os.remove(target)
        raise
    finally:
        os.close(handle)


def remove_left_parts(folder: Path, name: str = "*") -> None:
    """Remove the parts of files of a folder that killed programs have left; `name` is a pattern of the files' names."""
    for part in folder.glob(f".{name}.*.part"):
        with suppress(OSError):  # someone writes it, or another writer has removed it
            if sys.platform == "win32":  # which removes no open file
                part.unlink()
                continue
            with part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
