from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url

from cnnexp.errors import ConfigError
from cnnexp.system.secrets import is_secret_file, masked, without_secrets
from cnnexp.system.store_uri import Credentials, StoreUri

SECRET = "hunter2"


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


FOLDERS = [
    "what?",
    "what?x=1",
    "my%20project",
    "100%",
    "a#b",
    "a;b",
    "a&b=c",
    "a:b",
    "a b ",
    "größe",
    "a+b",
    "a@b",
    "[x]",
    "\n",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_store_stays_in_the_current_folder_whatever_that_is_called(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    for typed, options in (("sqlite:///mlflow.db", ""), ("sqlite:///mlflow.db?timeout=5", "?timeout=5")):
        absolute = StoreUri.parse(typed).absolute()
        again = StoreUri.parse(str(absolute))
        assert (again.database, again.options) == (folder / "mlflow.db", options)
        assert again.absolute() == absolute
        assert make_url(absolute.for_sqlalchemy(unquotes=True)).database in (
            str(folder / "mlflow.db"), f"file:{quote(str(folder / 'mlflow.db'))}",
        )  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_typed_path_means_the_folder_that_is_there(tmp_path, name):
    (tmp_path / name).mkdir()
    assert StoreUri.parse(f"sqlite:///{tmp_path}/{name}/mlflow.db").database == tmp_path / name / "mlflow.db"


def test_a_quoted_path_means_the_folder_without_quotes_where_only_that_is_there(tmp_path):
    (tmp_path / "my project").mkdir()
    uri = StoreUri.parse(f"sqlite:///{tmp_path}/my%20project/mlflow.db")
    assert uri.database == tmp_path / "my project" / "mlflow.db"
    (tmp_path / "my%20project").mkdir()
    assert uri.database == tmp_path / "my%20project" / "mlflow.db"


@pytest.mark.parametrize(
    ("text", "credentials", "without"),
    [
        ("http://me:pw@h:5000/x", Credentials("me", "pw"), "http://h:5000/x"),
        ("https://token@h", Credentials("", "token"), "https://h"),
        ("http://me:p@s/s w@h", Credentials("me", "p@s/s w"), "http://h"),
        ("http://me:p%40s@h", Credentials("me", "p@s"), "http://h"),
        ("http://me:12345@h:80/", Credentials("me", "12345"), "http://h:80/"),
        ("http://h:5000/x@y", None, "http://h:5000/x@y"),
        ("http://h:5000", None, "http://h:5000"),
        ("postgresql://me:pw@h/db", None, "postgresql://me:pw@h/db"),
    ],
)
def test_a_server_is_asked_without_the_password_in_its_address(text, credentials, without):
    assert (StoreUri(text).credentials, StoreUri(text).without_credentials) == (credentials, without)


ADDRESSES = [
    f"postgresql://me:{SECRET}@host/db",
    f"mysql://me:{SECRET}@b@host/db",
    f"mysql://me:a@{SECRET}@host/db",
    f"mysql+pymysql://me:{SECRET}/x@host/db",
    f"mysql://me:x/{SECRET}@host/db",
    f"mysql://me:x {SECRET}@host/db",
    f"mysql://me@corp.com:{SECRET}@host/db",
    f"redis://:{SECRET}@host",
    f"s3://KEY:{SECRET}@bucket/x",
    f"http://me:{SECRET}@127.0.0.1:5000/x",
    f"https://{SECRET}@host/x",
    f"git+https://{SECRET}@github.com/a/b",
    f"postgresql://host/db?user=me&password={SECRET}",
    f"postgresql://host/db?sslpassword={SECRET}&sslmode=require",
    f"mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D{SECRET}%3BX%3D1",
    f"mssql+pyodbc://host/db?driver=x;UID=me;PWD={SECRET};X=1",
    f"mssql+pyodbc://host/db?driver=x;Pwd={{a;{SECRET}}};X=1",
    f"https://host/x?sv=1&sig={SECRET}",
    *(f"https://host/x?{name}={SECRET}&a=b" for name in ("token", "key", "secret", "access_key", "apiKey", "api-key")),
    *(f"https://host/x?a=b&{name}={SECRET}" for name in ("X-Amz-Signature", "AWSAccessKeyId", "auth_token", "passwd")),
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_no_address_is_shown_with_its_password(text):
    assert SECRET not in StoreUri(text).masked
    assert SECRET not in masked(text)
    assert SECRET not in masked(f'The store {text} said: "no", and http://h:5000/x says a@b')
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000 did not answer (timed out). Mail joe@x.org",
        "see https://a.b/c and joe@x.org",
        "ssh://git@github.com/a/b and postgresql://me@host/db",
        "sqlite:////home/a:b@c/mlflow.db",
        "https://host/x?page=2&monkey=1",
    ],
)
def test_what_is_no_password_is_shown(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{SECRET}"',
        f"API_KEY='{SECRET}'",
        f'os.environ["AWS_SECRET_ACCESS_KEY"] = "{SECRET}"',
        f'os.environ.setdefault("API_KEY", "{SECRET}")',
        f'connect(password="{SECRET}", host="x")',
        f'{{"token": "{SECRET}"}}',
        f'db_passwd: str = "{SECRET}"',
        f"url = 'mysql://me:{SECRET}@h/db'",
        "key = 'AKIAABCDEFGHIJKLMNOP'",
        "x = 'ghp_0123456789abcdefghij0123456789abcdef'",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_program_is_kept_without_its_secrets(line):
    kept = without_secrets(f"x = 1\n+{line}\ny = 2\n", code=True)
    assert SECRET not in kept
    assert not any(beginning in kept for beginning in ("AKIA", "ghp_"))
    assert kept.startswith("x = 1\n+")
    assert kept.endswith("\ny = 2\n")


def test_expressions_and_other_names_stay_in_a_program():
    code = "token = read_token()\ntokenizer = 'bert'\nmax_tokens = 5\nmonkey = 'x'\ndef f(password: str) -> None: ...\n"
    assert without_secrets(code, code=True) == code


@pytest.mark.parametrize(
    "line", [f"password: {SECRET}", f"AWS_SECRET={SECRET}", f"export TOKEN={SECRET}", f"- api_key: {SECRET}"]
)
def test_settings_are_kept_without_their_secrets(line):
    assert SECRET not in without_secrets(f"+a: 1\n+{line}\n", code=False)
    assert without_secrets("+a: 1\n+key: 2\n", code=False) == "+a: 1\n+key: 2\n"


def test_files_are_called_secrets():
    secret = ["secrets.yaml", "creds.py", "a/credentials.toml", "keys.py", "token.py", ".env", "id_rsa", "a.pem",
              "secrets/db.yaml", "api_key.py", "my-secret.yml", "passwords.toml", "service-account.yaml"]  # fmt: skip
    usual = [
        "keypoints.py",
        "tokenizer.py",
        "tokens.py",
        "authors.py",
        "train.py",
        "monkey.py",
        "compass.py",
        "conf/a.yaml",
    ]
    assert [name for name in (*secret, *usual) if is_secret_file(name)] == secret
