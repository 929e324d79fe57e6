"""Text is what was typed: any path and any name, whatever Hydra's grammar makes of it."""

from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from cnnexp.__main__ import main
from cnnexp.cli.targets import separate_store
from cnnexp.compose import compose_config, quote_texts, run_name, to_typed, to_yaml, with_values
from cnnexp.compose.compose import compose_untyped
from cnnexp.config import Override, quote, unquote
from cnnexp.errors import ConfigError
from cnnexp.sweeps.combinations import combinations

TYPED = [
    "jürgen/bilder", "写真", "é", "Käfer", "größe 1", "фото", "صور", "🐶", "a\u00a0b",  # letters
    "true", "True", "FALSE", "1e5", "1E5", "1_000", "1.50", "-0", "+5", "007", "2024-01-01", "0x10", "nan", "NaN",
    "-inf", "yes", "on", "12:30:45", "1e", ".5", "1.", "None",  # words of YAML
    "~x", "~", "~bob/x", "a=b", "k=v=w", "[x]", "[x,y]", "{a}", "{a:1}", "(x)", "pictures(1)", "a (b)", "a]", "(a", "{",
    "try#1", "#1", "it's", 'say "hi"', "a'b'c", "'a' b", '"a" b', "a;b", "a&b", "a!b", "a^b", "a`b", "a<b>", "a\\b",
    "C:\\photos\\new", "x*", "a|b", "100%", "my%20project", "what?", "$x", "a@b", "s3://b/x?y=1",
    " a", "a ", "-x", "--x", "@", "..", "./null", "a:b", "a\tb",
]  # fmt: skip


@pytest.fixture(scope="module")
def base():
    return compose_untyped(["data=folder"], config_dir=None)


@pytest.mark.parametrize("text", TYPED)
def test_a_text_setting_is_what_was_typed_and_comes_back_from_the_record(base, text):
    typed = [f"data.path={text}", f"tracking.experiment={text}", f"tracking.run_name={text}"]
    config = to_typed(with_values(base, quote_texts(typed)))
    assert (config.data.path, config.tracking.experiment, config.tracking.run_name) == (text, text, text)
    recorded = to_yaml(config)
    located = text if text.startswith("~") else str(Path(text).absolute())
    assert yaml.safe_load(recorded)["data"]["path"] == located
    assert OmegaConf.create(recorded).tracking.run_name == text


def test_the_command_line_takes_it():
    assert compose_config(["data=folder", "+data.path=写真=1"]).data.path == "写真=1"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0,()[]{}$\\?"), min_size=1))
@example("'")
@example('"')
@example("a\nb")
def test_any_text_without_a_notation_of_hydra_is_what_was_typed(text):
    assume(text.strip())
    (quoted,) = quote_texts([f"tracking.run_name={text}"])
    value = OverridesParser.create().parse_override(quoted).value()
    whole = text.strip()[:1] in ("'", '"') and len(text.strip()) > 1 and text.strip()[-1] == text.strip()[0]
    assert whole or text.lower() == "null" or str(value) == text


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("jürgen,写真", ["jürgen", "写真"]),
        ("true,1e5, 1_000", ["true", "1e5", "1_000"]),
        ("a,~/b,'c, d'", ["a", "~/b", "c, d"]),
        ("[x],a=b", ["[x]", "a=b"]),
        ("a (b, c),d", ["a (b, c)", "d"]),
        ("choice(a,b)", ["a", "b"]),
        ("it's,that's", ["it's", "that's"]),
    ],
)
def test_a_sweep_runs_each_text_as_it_was_typed(base, typed, texts):
    overrides = quote_texts([f"data.path={typed}"])
    runs = combinations(overrides, params={}, zipped=())
    assert [to_typed(with_values(base, run)).data.path for run in runs] == texts


def test_a_dry_run_of_texts_lists_each(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["-m", "data=folder", "data.path=jürgen,true", "sweep.dry_run=true", "training=smoke"]) == 0
    assert "2 runs" in capfd.readouterr().out


@pytest.mark.parametrize(
    "typed",
    ["photos", "'a b'", '"a b"', "a b", "2024", "1.5", "choice(a,b)", "${oc.env:HOME}", "a\\ b", "", "null", "str(5)"],
)
def test_what_hydra_reads_as_it_is_typed_stays_untouched(typed):
    """Run and sweep hashes of earlier versions know it so."""
    assert quote_texts([f"data.path={typed}"]) == [f"data.path={typed}"]


def test_null_is_none_where_a_text_may_be_missing_and_a_word_elsewhere():
    assert compose_config(["tracking.run_name=null"]).tracking.run_name is None
    assert compose_config(["tracking.experiment=null"]).tracking.experiment == "null"
    with pytest.raises(ConfigError, match=r"got null\. A folder of that name is written \./null\."):
        compose_config(["data=folder", "data.path=null"])


def test_a_list_of_texts_is_what_was_typed():
    assert compose_config(["sweep.zip=[a=b,1e5,é]"]).sweep.zip == ["a=b", "1e5", "é"]


def test_other_settings_are_left_to_hydra():
    overrides = ["seed=1_000", "data.mirror=true", "model=small", "data.size=[28,28]", "optimizer.learning_rate=1e-3"]
    assert quote_texts(overrides) == overrides


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("training.epochs=jürgen", "'training.epochs=\"jürgen\"'"),
        ("hydra.sweep.dir=写真", "'hydra.sweep.dir=\"写真\"'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_line_to_type(override, line):
    with pytest.raises(ConfigError, match="cannot be read") as refusal:
        compose_config([override])
    assert line in str(refusal.value)


def test_a_text_with_a_comma_outside_a_sweep_is_refused_with_the_line_to_type(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["data=folder", "data.path=a,é"]) == 2
    assert capfd.readouterr().err == (
        "cnnexp: data.path=a,é names several values: add -m to run each, or write one text as 'data.path=\"a,é\"'.\n"
    )
    assert compose_config(["data=folder", 'data.path="a,é"']).data.path == "a,é"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_quoted_text_is_unquoted(text):
    assert unquote(quote(text)) == text


@pytest.mark.parametrize("text", ["a", "it's", "'a' b", "", "'", '"', "a 'b'"])
def test_a_text_that_is_not_quoted_as_a_whole_stays(text):
    assert unquote(text) == text


def test_a_run_is_named_by_the_text_without_its_quotes():
    overrides = quote_texts(["data=folder", "data.path=bilder/it's 写真"])
    assert run_name(compose_config(overrides), overrides) == "folder-it's 写真-baseline"


def test_a_store_is_named_to_a_command_as_to_a_run():
    for typed in ("sqlite:///my runs é.db", "'sqlite:///my runs é.db'", '"sqlite:///my runs é.db"'):
        assert separate_store([f"tracking.uri={typed}"]) == ([], "sqlite:///my runs é.db")
        assert compose_config([f"tracking.uri={typed}"]).tracking.uri == "sqlite:///my runs é.db"


def test_overrides_are_written_as_they_were_read():
    assert str(Override.parse(quote_texts(["++data.path=a=b"])[0])) == "++data.path='a=b'"
