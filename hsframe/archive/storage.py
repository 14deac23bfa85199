"""The files of a table, by their paths below it: on this machine or in an object store."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, Final, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from hsframe.errors import MetadataError
from hsframe.frame.whole_file import advised, local_path, remove_left_parts, whole_file

# Arrow's allocator for files. The default, mimalloc, keeps some 30 MB after it is freed.
MEMORY: Final = pa.system_memory_pool()
# What deltalake 1.6.6 takes for something else in a path, whether it is given as a path or encoded in a uri.
_STRANGE: Final = re.compile(r"%[0-9A-Fa-f]{2}|[\\\x00-\x1f\x7f\ud800-\udfff]")
# In the path of a uri: deltalake decodes and shortens it, and pyarrow takes it as it is.
_MOVED: Final = re.compile(r"%[0-9A-Fa-f]{2}|/\.{0,2}(/|$)")

with suppress(ModuleNotFoundError):  # without the extra, which Storage() names
    from deltalake.exceptions import DeltaError


class Stored(NamedTuple):
    """What a file has: its bytes, and when it was last changed, in epoch microseconds."""

    size: int
    changed_us: int


@contextmanager
def reaching(uri: str) -> Generator[None]:
    """A block that asks a store: what it says is told in words; only that a file is not there has a meaning here."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, DeltaError) as error:
        raise MetadataError(f"{uri} cannot be reached: {advised(words_of(error))}") from error


def words_of(error: Exception) -> str:
    """What an error says, in one line; that of delta-rs is a coloured tree, and may have a trace of Rust below."""
    if isinstance(error, OSError) and error.errno:
        return str(error.strerror)
    text = re.sub(r"\s*\x1b\[\d+m.*?\x1b\[0m\s*", ": ", str(error)).strip()
    text = re.sub(r'Os \{ code: \d+, kind: \w+, message: "([^"]*)" \}', r"\1", text)
    return re.split(r"\n\s*(?:Backtrace|stack backtrace|0:)", text)[0].replace("\n", " ").rstrip(": ")


class Storage:
    """A folder or the place of a uri; `options` are those of ``storage_options``, as delta-rs has them.

    `folder` is None in an object store; `arrow` is where it is for pyarrow: a filesystem, and the path in it.
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        if importlib.util.find_spec("deltalake") is None:
            raise MetadataError("archives and layout='tidy' need deltalake: pip install 'hsframe[archive]'")
        self.options = dict(options or {})
        self.folder = local_path(uri)
        if self.folder is not None:
            self.uri = str(self.folder)
            if _STRANGE.search(self.folder.as_posix()):
                raise MetadataError(
                    f"{self.uri!r} has a backslash, '%' and two hex digits, or what is no character: deltalake cannot "
                    "open such a folder; take another name"
                )
            self.arrow: tuple[Any, str] = pafs.LocalFileSystem(), self.folder.as_posix()
            return
        parts = urlsplit(uri)
        if parts.password or parts.query or parts.fragment or _MOVED.search(parts.path.rstrip("/")):
            raise MetadataError(
                "the uri of an archive must be without password, query, '#', '%' and two hex digits, and without empty "
                "parts, '.' and '..'; secrets go into storage_options="
            )
        self.uri = uri
        self.arrow = _filesystem(uri, self.options)

    def inside(self, name: str) -> Storage:
        return Storage(f"{self.uri.rstrip('/')}/{name}", self.options)

    @contextmanager
    def writing(self, path: str) -> Generator[IO[bytes]]:
        """A new file, which is there whole when the block has ended, and not at all where it failed."""
        if self.folder is not None:
            target = self.folder / path
            with reaching(self.uri):
                target.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(target) as file:
                yield file
            return
        filesystem, base = self.arrow
        with tempfile.TemporaryFile() as part:  # pyarrow cannot take back an upload that it has begun
            yield part
            part.seek(0)
            with reaching(self.uri), filesystem.open_output_stream(f"{base}/{path}") as stream:
                shutil.copyfileobj(part, stream, 1 << 20)

    def open(self, path: str) -> Any:
        """A file to read at random places."""
        filesystem, base = self.arrow
        with reaching(self.uri):
            if self.folder is not None:
                return pa.OSFile(str(self.folder / path), memory_pool=MEMORY)
            return filesystem.open_input_file(f"{base}/{path}")

    def delete(self, path: str) -> None:
        """Remove a file; nothing where there is none."""
        filesystem, base = self.arrow
        with suppress(FileNotFoundError), reaching(self.uri):
            filesystem.delete_file(f"{base}/{path}")

    def listing(self, below: str = "") -> dict[str, Stored]:
        """All files below it, or below a folder of it, also those that no table counts."""
        filesystem, base = self.arrow
        where = pafs.FileSelector(f"{base}/{below}", recursive=True, allow_not_found=True)
        with reaching(self.uri):
            found = filesystem.get_file_info(where)
        return {
            info.path.removeprefix(f"{base}/"): Stored(info.size, (info.mtime_ns or 0) // 1000)
            for info in found
            if info.is_file
        }

    def remove(self) -> None:
        """Remove all of it; a half of it, where this is killed, has another name, and is removed the next time."""
        if self.folder is not None:
            gone = self.folder.with_name(f"{self.folder.name}.removed")
            with reaching(self.uri):
                shutil.rmtree(gone, ignore_errors=True)
                self.folder.rename(gone)
                shutil.rmtree(gone)
        else:
            filesystem, base = self.arrow
            with reaching(self.uri):
                filesystem.delete_dir(base)

    def remove_left_parts(self) -> None:
        """Remove what writers that were killed have left; what someone writes stays."""
        if self.folder is not None:
            for folder in {part.parent for part in self.folder.rglob(".*.part")}:
                remove_left_parts(folder)


# The stores with options: pyarrow's class, the prefix of the variables of the environment, and for each option of
# delta-rs, without its prefix, the name that the class has for it.
_S3 = (
    "S3FileSystem",
    "AWS_",
    {
        "access_key_id": "access_key",
        "secret_access_key": "secret_key",
        **dict.fromkeys(("session_token", "token"), "session_token"),
        **dict.fromkeys(("region", "default_region"), "region"),
        **dict.fromkeys(("endpoint_url_s3", "endpoint_url", "endpoint"), "endpoint_override"),
        "skip_signature": "anonymous",
    },
)
_AZURE_NAMES = ("account_name", "account_key", "sas_token", "client_id", "client_secret", "tenant_id", "endpoint")
_AZURE = "AzureFileSystem", "AZURE_STORAGE_", {**{name: name for name in _AZURE_NAMES}, "access_key": "account_key"}
_GOOGLE = "GcsFileSystem", "GOOGLE_", {"skip_signature": "anonymous"}
_STORES = {"s3": _S3, "s3a": _S3, "az": _AZURE, "abfs": _AZURE, "abfss": _AZURE, "gs": _GOOGLE}
OPTION_PREFIX = re.compile("aws_|azure_storage_|azure_|google_")


def _filesystem(uri: str, options: Mapping[str, str]) -> tuple[Any, str]:
    place = urlsplit(uri)
    name, prefix, names = _STORES.get(place.scheme, ("", "", {}))
    given = {OPTION_PREFIX.sub("", key.lower(), count=1): (key, value) for key, value in options.items()}
    strange = [key for short, (key, _) in given.items() if short not in names]
    if strange and name != "S3FileSystem":  # of S3 the others are how delta-rs commits
        raise MetadataError(
            f"storage_options has keys that are not known of {place.scheme}://: {', '.join(strange)}; give them as "
            "environment variables, which delta-rs and pyarrow both read"
        )
    # As for delta-rs, what is in the environment is an option too; pyarrow by itself reads less of it.
    environment = {
        key.removeprefix(prefix).lower(): value
        for key, value in os.environ.items()
        if prefix and key.startswith(prefix)
    }
    bucket, _, host = place.netloc.partition("@")
    if name == "AzureFileSystem" and host:
        environment["account_name"] = host.partition(".")[0]
    known: dict[str, Any] = {}
    for own in environment, {short: value for short, (_, value) in given.items()}:
        known |= {names[short]: own[short] for short in reversed(names) if short in own}
    if "anonymous" in known:
        known["anonymous"] = known["anonymous"].lower() == "true"
    if known.get("endpoint_override", "").startswith("http://"):
        known["scheme"] = "http"
    if endpoint := known.pop("endpoint", ""):  # of Azure: another cloud, or an emulator
        at = urlsplit(endpoint)
        host = at.netloc.removeprefix(known.get("account_name", ""))
        known |= {"blob_storage_authority": host, "dfs_storage_authority": host.replace(".blob.", ".dfs.")}
        known |= dict.fromkeys(("blob_storage_scheme", "dfs_storage_scheme"), at.scheme)
    if place.scheme in ("local", "mock"):  # of pyarrow's own, which make no folders; delta-rs has neither
        raise MetadataError(f"{uri} is no object store; give a folder of this machine by its path, or with 'file://'")
    try:
        if name:
            return getattr(pafs, name)(**known), f"{bucket}{place.path}".rstrip("/")
        found: tuple[Any, str] = pafs.FileSystem.from_uri(uri)
    except Exception as error:
        server = "; hsframe.connect(uri, user, password) reads from a server" * place.scheme.startswith("http")
        what = str(error).partition("\n")[0]  # of HDFS a line for each folder that Java may be in
        raise MetadataError(f"{uri} is no place that pyarrow knows: {what}{server}") from error
    return found
