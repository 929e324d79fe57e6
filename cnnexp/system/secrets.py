"""Passwords and tokens: taken out of what is shown or recorded, and files that probably hold some."""

import re
from pathlib import PurePosixPath

MASK = "***"

# Parts of the names of settings, variables and parameters whose values are secret.
_SECRET_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|(?<![a-z])(?:pass|pw|pwd)(?![a-z])|secret|token(?!i[sz]|s\b)|credential|signature"
    r"|(?:api|access|account|auth|encryption|private|secret|shared|signing)[._-]?key|conn(?:ection)?[._-]?str(?:ing)?)"
)
# What addresses carry beside those: short names that mean nothing else there.
_PARAMETER = rf"(?:{_SECRET_NAME}|(?<![a-z])(?:sig|sas|key|auth|pwd|odbc_connect)(?![a-z]))"

_NO_END = r"(?!://)[^\n\"'<>]"  # a letter of a password in running text: not beyond a quote or the next address
_RULES = (
    # scheme://user:password@host, with whatever letters but blanks in the password
    (re.compile(rf"(://[^\s/:\"'<>]*:)(?:{_NO_END}(?<!\s))+@"), rf"\1{MASK}@"),
    # the same with blanks, unless what follows the colon is a port
    (re.compile(rf"(://[^\s/:@\"'<>]*:)(?!\d{{1,5}}(?:[\s/,;.)]|$))[^\s@\"'<>]*[ \t]{_NO_END}*@"), rf"\1{MASK}@"),
    # https://token@host
    (re.compile(r"(https?://)(?!\*)[^\s/@:\"'<>]+@"), rf"\1{MASK}@"),
    # PWD=... of ODBC, also quoted for an address
    (
        re.compile(
            r"(?<![\w$])((?:pwd|password)(?:=|%3D))(?:\{[^}]*\}|%7B.*?%7D|[^;&\"'\n{]+?(?=%3B|[;&\"'\n]|$))",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # ?password=..., &X-Amz-Signature=...
    (re.compile(rf"([?&;][\w.%-]*{_PARAMETER}[\w.%-]*=)[^&;\s\"'<>]+", re.IGNORECASE), rf"\1{MASK}"),
)

# What services hand out is known by its form, whatever it is called.
_TOKENS = re.compile(
    r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[opsru]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|hf_\w{20,}|sk-[\w-]{20,}"
    r"|xox[abeoprs]-[\w-]{10,}|dapi[0-9a-f]{32}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)
_KEY_BLOCK = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)
_NAME = rf"(?<![\w.-])[\w.-]{{0,80}}?{_SECRET_NAME}[\w.-]{{0,80}}"  # bounded: a line may be one long word
_TEXT = r"\"(?:\\.|[^\"\\\n])+\"|'(?:\\.|[^'\\\n])+'"
# password="...", "token": "...", setdefault("API_KEY", "...") and the like, in any language
_ASSIGNED_TEXT = re.compile(rf"({_NAME}[\"']?\]?\s*(?::\s*\w+\s*)?[:=,]\s*\(?\s*[bfruBFRU]*)(?:{_TEXT})", re.IGNORECASE)
# token: value without quotes, as YAML, TOML, .env and override lists have it; not code, where that is an expression
_ASSIGNED_WORD = re.compile(
    rf"^([ +-]?\s*(?:- |export )?[\"']?{_NAME}[\"']?\s*[:=]\s*)(?![\s\"'|>{{[*])\S.*$", re.IGNORECASE | re.MULTILINE
)

_SECRET_FILE = re.compile(
    rf"{_SECRET_NAME}|(?<![a-z])(?:creds?|keys?|netrc|htpasswd|pgpass|id_(?:rsa|dsa|ecdsa|ed25519))(?![a-z])"
    r"|^\.env|\.env$|\.(?:pem|key|p12|pfx|jks|kdbx?|asc|gpg)$|service[._-]?account|^kaggle\.json$",
    re.IGNORECASE,
)  # fmt: skip


def masked(text: str) -> str:
    """Return any text without the passwords and tokens of the addresses in it."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(text: str, *, code: bool) -> str:
    """Return a text, or a file's content, without passwords in addresses and values that are called a secret.

    Args:
        text: Any.
        code: It is a program: names without quotes are expressions, and stay.

    """
    text = _KEY_BLOCK.sub(rf"\1{MASK}", _TOKENS.sub(MASK, masked(text)))
    text = _ASSIGNED_TEXT.sub(rf"\1'{MASK}'", text)
    return text if code else _ASSIGNED_WORD.sub(rf"\1{MASK}", text)


def is_secret_file(path: str) -> bool:
    """Tell whether the name of a file, or of a folder on its path, says that it holds passwords, keys or tokens."""
    return any(_SECRET_FILE.search(part) for part in PurePosixPath(path).parts)
