"""The files of a table, by their paths below it: on this machine or in an object store."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from hsframe.errors import MetadataError
from hsframe.frame.whole_file import remove_left_parts, whole_file


class Stored(NamedTuple):
    """What a file has: its bytes, and when it was last changed, in epoch microseconds."""

    size: int
    changed_us: int


class Storage:
    """A folder or the place of a uri; `options` are those of ``storage_options``, as delta-rs has them."""

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        self.uri = uri
        self.folder: Path | None = None
        scheme = urlsplit(uri).scheme
        if len(scheme) < 2 or scheme == "file":  # a drive of Windows is no scheme
            self.folder = Path(unquote(urlsplit(uri).path) if scheme == "file" else uri)
            return
        self._remote, self._base = _filesystem(uri, options or {})

    @contextmanager
    def writing(self, path: str) -> Generator[IO[bytes]]:
        """A new file, which is there whole when the block has ended, and not at all where it failed."""
        if self.folder is not None:
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(target) as file:
                yield file
            return
        with tempfile.TemporaryFile() as part:  # pyarrow cannot take back an upload that it has begun
            yield part
            part.seek(0)
            with self._remote.open_output_stream(f"{self._base}/{path}") as stream:
                shutil.copyfileobj(part, stream, _COPIED_BYTES)

    def open(self, path: str) -> Any:
        """A file to read at random places."""
        if self.folder is not None:
            return self.folder / path
        return self._remote.open_input_file(f"{self._base}/{path}")

    def delete(self, path: str) -> None:
        """Remove a file; nothing where there is none."""
        if self.folder is not None:
            (self.folder / path).unlink(missing_ok=True)
        else:
            with suppress(FileNotFoundError):
                self._remote.delete_file(f"{self._base}/{path}")

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        if self.folder is not None:
            return (self.folder / path).read_bytes()
        with self._remote.open_input_file(f"{self._base}/{path}") as file:
            found: bytes = file.read()
        return found

    def listing(self, below: str = "") -> dict[str, Stored]:
        """All files below it, or below a folder of it, also those that no table counts."""
        filesystem, base = self.arrow
        found = filesystem.get_file_info(pafs.FileSelector(f"{base}/{below}", recursive=True, allow_not_found=True))
        return {
            info.path.removeprefix(f"{base}/"): Stored(info.size, (info.mtime_ns or 0) // 1000)
            for info in found
            if info.is_file
        }

    @property
    def arrow(self) -> tuple[Any, str]:
        """Where it is for pyarrow: a filesystem, and the path in it."""
        return (self._remote, self._base) if self.folder is None else (pafs.LocalFileSystem(), self.folder.as_posix())

    def remove(self) -> None:
        """Remove all of it; a half of it, where this is killed, has another name, and is removed the next time."""
        if self.folder is not None:
            gone = self.folder.with_name(f"{self.folder.name}.removed")
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.rename(gone)
            shutil.rmtree(gone)
        else:
            self._remote.delete_dir(self._base)

    def remove_left_parts(self) -> None:
        """Remove what writers that were killed have left; what someone writes stays."""
        if self.folder is not None:
            for folder in {part.parent for part in self.folder.rglob(".*.part")}:
                remove_left_parts(folder)


def joined(uri: str | os.PathLike[str], name: str) -> str:
    """The uri of something in the place of a uri."""
    return f"{os.fspath(uri).rstrip('/')}/{name}"


def store_error(uri: str, error: Exception) -> MetadataError:
    """The error of a store, which delta-rs gives as a coloured tree."""
    text = re.sub(r"\s*\x1b\[\d+m.*?\x1b\[0m\s*", ": ", str(error)).strip()
    return MetadataError(f"{uri} cannot be reached: {text}")


# Names of options as delta-rs has them, with or without "aws_", and what pyarrow calls them.
_S3_OPTIONS = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "token": "session_token",
    "region": "region",
    "default_region": "region",
    "endpoint_url": "endpoint_override",
    "endpoint": "endpoint_override",
}
_COPIED_BYTES = 1 << 20


def _filesystem(uri: str, options: Mapping[str, str]) -> tuple[Any, str]:
    given = {key.lower().removeprefix("aws_"): value for key, value in options.items()}
    place = urlsplit(uri)
    if place.scheme in ("s3", "s3a"):
        known: dict[str, Any] = {_S3_OPTIONS[key]: value for key, value in given.items() if key in _S3_OPTIONS}
        if given.get("skip_signature", "").lower() == "true":
            known["anonymous"] = True
        if known.get("endpoint_override", "").startswith("http://"):
            known["scheme"] = "http"
        return pafs.S3FileSystem(**known), f"{place.netloc}{place.path}".rstrip("/")
    if options:
        raise MetadataError(
            f"storage_options are not known of {place.scheme}://; give them as environment variables, which delta-rs "
            "and pyarrow both read"
        )
    try:
        found: tuple[Any, str] = pafs.FileSystem.from_uri(uri)
    except Exception as error:
        raise MetadataError(f"{uri} is no place that pyarrow knows: {error}") from error
    return found
