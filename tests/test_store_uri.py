from pathlib import Path

import pytest

from cnnexp.errors import ConfigError
from cnnexp.system.store_uri import StoreUri


@pytest.mark.parametrize(
    ("text", "database", "options", "server"),
    [
        ("sqlite:///a/b.db", Path("a/b.db"), "", False),
        ("sqlite:////a/b.db", Path("/a/b.db"), "", False),
        ("sqlite:///b.db?timeout=5", Path("b.db"), "?timeout=5", False),
        ("sqlite+pysqlite:///b.db", None, "", False),
        ("postgresql://me@host/db?sslmode=require", None, "", False),
        ("https://host/path", None, "", True),
        ("databricks", None, "", False),
    ],
)
def test_an_address_says_what_it_names(text, database, options, server):
    uri = StoreUri.parse(text)
    assert (uri.database, uri.options, uri.is_server) == (database, options, server)
    assert str(uri) == text


def test_an_absolute_address_keeps_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(StoreUri.parse("sqlite:///b.db?timeout=5").absolute()) == f"sqlite:///{tmp_path}/b.db?timeout=5"
    assert str(StoreUri.parse("http://host").absolute()) == "http://host"
    assert StoreUri.of_database(tmp_path / "b.db") == StoreUri.parse("sqlite:///b.db").absolute()


def test_an_address_is_shown_without_its_password():
    assert StoreUri("mysql://me:secret@host/db").masked == "mysql://me:***@host/db"


@pytest.mark.parametrize("text", ["mlruns", "file:///tmp/mlruns", "sqlite://a.db", "sqlite:///", ""])
def test_text_that_names_no_store_is_refused(text):
    with pytest.raises(ConfigError, match=r"must name a database or a server"):
        StoreUri.parse(text)
