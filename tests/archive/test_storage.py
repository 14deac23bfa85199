"""Object stores: what they are told, and that a file is there whole or not at all; a local folder stands for one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from hsframe import Archive
from hsframe.archive import storage
from hsframe.archive.storage import Storage
from hsframe.errors import MetadataError


def test_a_file_of_an_object_store_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_filesystem", lambda *given: (pafs.LocalFileSystem(), tmp_path.as_posix()))
    store = Storage("s3://bucket/works")
    (tmp_path / "a").mkdir()
    with pytest.raises(TypeError), store.writing("a/b.parquet") as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert store.listing() == {}
    with store.writing("a/b.parquet") as file:
        file.write(b"whole")
    assert {path: stored.size for path, stored in store.listing().items()} == {"a/b.parquet": 5}
    with store.open("a/b.parquet") as file:
        assert file.read() == b"whole"
    store.delete("a/b.parquet")
    store.delete("a/b.parquet")
    assert store.listing("a") == {}


def test_options_have_their_names_of_delta_rs() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "secret_access_key": "s", "AWS_REGION": "eu-west-1"}
    found, base = Storage(
        "s3://bucket/a/b", {**keys, "aws_endpoint": "http://127.0.0.1:9", "aws_allow_http": "true"}
    ).arrow
    wanted = pafs.S3FileSystem(
        access_key="k", secret_key="s", region="eu-west-1", endpoint_override="http://127.0.0.1:9", scheme="http"
    )
    assert (found, base) == (wanted, "bucket/a/b")
    assert Storage("s3://bucket", {"aws_skip_signature": "true", "region": "x"}).arrow[0] == pafs.S3FileSystem(
        anonymous=True, region="x"
    )


def test_what_delta_rs_finds_in_the_environment_is_an_option_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_UNHEARD_OF": "x",
    }.items():
        monkeypatch.setenv(name, value)
    keys = {"access_key": "k", "secret_key": "s", "endpoint_override": "http://127.0.0.1:9", "scheme": "http"}
    assert Storage("s3://bucket/a").arrow[0] == pafs.S3FileSystem(region="eu-west-1", **keys)
    other = Storage("s3://bucket/a", {"region": "us-west-2", "aws_endpoint": "https://store.example"}).arrow[0]
    keys |= {"endpoint_override": "https://store.example", "scheme": "https"}
    assert other == pafs.S3FileSystem(region="us-west-2", **keys)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "works")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    wanted = pafs.AzureFileSystem(account_name="works", account_key="c2VjcmV0")
    assert Storage("az://box/a").arrow[0] == wanted
    wanted = pafs.AzureFileSystem(account_name="mill", account_key="c2VjcmV0")
    assert Storage("abfss://box@mill.dfs.core.windows.net/a").arrow[0] == wanted


def test_a_store_that_cannot_be_reached_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # nobody listens there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        for name, value in {
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "hush",
        }.items():
            monkeypatch.setenv(name, value)
        store = Storage("s3://bucket/works")
        store.arrow = (
            pafs.S3FileSystem(
                access_key="k",
                secret_key="hush",
                endpoint_override=os.environ["AWS_ENDPOINT_URL"],
                scheme="http",
                retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=1),
                connect_timeout=1,
            ),
            "bucket/works",
        )

        def write() -> None:
            with store.writing("a") as file:
                file.write(b"x")

        for verb in (lambda: store.open("a"), lambda: store.delete("a"), store.listing, write, store.remove):
            with pytest.raises(MetadataError, match=r"^s3://bucket/works cannot be reached: ") as caught:
                verb()
            assert "hush" not in str(caught.value)


def test_options_of_other_stores_are_taken_or_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"AZURE_STORAGE_ACCOUNT_NAME": "works", "azure_storage_account_key": "c2VjcmV0"}
    wanted = pafs.AzureFileSystem(account_name="works", account_key="c2VjcmV0"), "box/a/b"
    assert Storage("az://box/a/b/", options).arrow == wanted
    key = {"account_key": "c2VjcmV0"}
    assert Storage("abfss://box@works.dfs.core.windows.net/a/b", key).arrow == wanted
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "works")
    assert Storage("az://box/a/b", key).arrow == wanted
    for endpoint, authority in {
        "https://works.blob.core.chinacloudapi.cn": ".blob.core.chinacloudapi.cn",
        "http://127.0.0.1:10000/works": "127.0.0.1:10000",
    }.items():
        dfs, (scheme, _, _) = authority.replace("blob", "dfs"), endpoint.partition(":")
        wanted = pafs.AzureFileSystem(
            account_name="works", account_key="c2VjcmV0", blob_storage_authority=authority, dfs_storage_authority=dfs,
            blob_storage_scheme=scheme, dfs_storage_scheme=scheme,
        )  # fmt: skip
        assert Storage("az://box/a/b", {**key, "azure_storage_endpoint": endpoint}).arrow == (wanted, "box/a/b")
    assert Storage("gs://bucket/a", {"google_skip_signature": "true"}).arrow == (
        pafs.GcsFileSystem(anonymous=True),
        "bucket/a",
    )
    for uri, name in {
        "gs://bucket/a": "google_service_account",
        "az://bucket/a": "azure_msi_endpoint",
        "hdfs://h/a": "x",
    }.items():
        scheme = uri.partition(":")[0]
        with pytest.raises(
            MetadataError, match=rf"not known of {scheme}://: {name}; give them as environment"
        ) as caught:
            Storage(uri, {name: "hush"})
        assert "hush" not in str(caught.value)


def test_a_store_that_is_none_is_named_in_plain_words() -> None:
    with pytest.raises(MetadataError, match=r"pyarrow knows: Unrecognized.*; hsframe\.connect\(uri, user, password\)"):
        Storage("http://127.0.0.1:8080/api")
    with pytest.raises(MetadataError, match=r"^memory://works is no place that pyarrow knows: Unrecognized filesystem"):
        Archive("memory://works")


@pytest.mark.parametrize("uri", ["local:///tmp/trends", "mock://trends"])
def test_a_filesystem_of_pyarrow_that_makes_no_folders_is_refused(uri: str) -> None:
    with pytest.raises(MetadataError, match=r"is no object store; give a folder .* or with 'file://'$"):
        Storage(uri)


@pytest.mark.parametrize("path", ["a%20b", "a#b", "a?b", "a//b", "./a", "a/../b", "a/.."])
def test_a_uri_of_which_deltalake_and_pyarrow_make_two_places_is_refused(path: str) -> None:
    with pytest.raises(MetadataError, match="the uri of an archive must be without password, query, '#'"):
        Archive(f"s3://bucket/works/{path}", storage_options={"region": "x"})
    Storage("s3://bucket/a%b/ä ö.d/", {"region": "x"})
