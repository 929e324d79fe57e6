"""What a stranger could hand over: files that are none, names that command a terminal, cards that lie, long tables."""

import copy
import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnexp.__main__ import main
from cnnexp.config import FolderDataConfig
from cnnexp.errors import DataError, ModelError
from cnnexp.portable import golden
from cnnexp.portable.card import DIGEST, Card, UnfitModelError, content_digest
from cnnexp.saved import open_model
from support import trained_model
from support.image_files import bomb
from support.image_folders import load, write_classes

ESCAPE = "\x1b[31m"


def test_a_bomb_among_the_images_is_named_and_never_unpacked(tmp_path, capfd):
    write_classes(tmp_path / "data", {"a": 30, "b": 30})
    place = tmp_path / "data" / "a" / "bomb.png"
    place.write_bytes(bomb(50_000))
    model = trained_model.folder(tmp_path / "model")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a/bomb\.png: .* more than the 89,478,485 "):
        load(FolderDataConfig, cache=tmp_path / "cache", path=tmp_path / "data")
    assert main(["predict", str(model), str(place)]) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert re.search(r"bomb\.png: not answered: .* more than the 89,478,485 ", capfd.readouterr().out)
    assert peak < 100_000_000  # unpacked, it is 7,500 MB


@settings(deadline=None)  # the first card is trained
@given(st.data())
def test_no_change_of_a_card_goes_unnoticed(data):
    text = json.dumps(trained_model.result().card)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters(codec="ascii")) + text[place + 1 :]
    with suppress(UnfitModelError):
        assert Card.from_json(changed).as_dict() == trained_model.result().card


def places(content, place=()):
    """Every place in a JSON document; of a list the first two."""
    inner = (
        content.items() if isinstance(content, dict) else enumerate(content[:2]) if isinstance(content, list) else ()
    )
    for key, value in inner:
        yield (*place, key)
        yield from places(value, (*place, key))


def test_a_card_that_lies_with_a_right_digest_is_refused_or_harmless():
    honest = {key: value for key, value in json.loads(json.dumps(trained_model.result().card)).items() if key != DIGEST}
    refused = 0
    for place, lie in itertools.product(places(honest), (None, "x", -1, [], {})):
        content = copy.deepcopy(honest)
        holder = content
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = lie
        try:
            card = Card.from_json(json.dumps(content | {DIGEST: content_digest(content)}))
            golden.replay(card, lambda pixels: trained_model.model().forward(pixels)[0], same_machine=True)
        except UnfitModelError:
            refused += 1
    assert refused > 350  # what is left is there to be read, such as versions


def test_a_card_of_enormous_images_is_refused_before_one_is_made(tmp_path):
    image = dataclasses.replace(trained_model.card().image, height=50_000, width=50_000)
    folder = trained_model.with_card(trained_model.folder(tmp_path / "m"), image=image)
    with pytest.raises(ModelError, match=r"images of shape \(50000, 50000, 1\) .* it maps \(None, 8, 8, 1\)"):
        open_model(folder)


def test_class_names_of_a_strangers_card_command_no_terminal(tmp_path, capfd):
    names = tuple(f"{name}{ESCAPE}" for name in trained_model.card().class_names)
    samples = tuple(dataclasses.replace(one, label=f"{one.label}{ESCAPE}") for one in trained_model.card().golden)
    folder = trained_model.with_card(trained_model.folder(tmp_path / "m"), class_names=names, golden=samples)
    (path,) = trained_model.save_digits(tmp_path, ["index-3"])
    assert main(["predict", str(folder), str(path), "--html", str(tmp_path / "page.html")]) == 0
    assert main(["predict", str(folder), str(path)]) == 0
    printed = capfd.readouterr().out
    assert "3\\x1b[31m " in printed
    assert ESCAPE not in printed + (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    "arguments", [["cache", "clear", ESCAPE], ["predict", ESCAPE, "x.png", "tracking.uri=sqlite:///a.db"]]
)
def test_an_error_about_a_name_commands_no_terminal(tmp_path, monkeypatch, capfd, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) in (1, 2)
    said = capfd.readouterr().err
    assert said.startswith("cnnexp: ")
    assert ESCAPE not in said


STRANGE = f"a b'q\"<i>手{ESCAPE}"


@pytest.mark.slow
def test_strange_names_go_through_every_door(tmp_path):
    """Space, quotes, markup, other letters and control characters: in folder, class, file, run and export."""
    classes = ["<b>x", "with 'q' \"d\"", "手話", f"esc{ESCAPE}\n"]
    rng = np.random.default_rng(0)
    for level, (number, name) in itertools.product(range(40), enumerate(classes)):
        folder = tmp_path / STRANGE / name
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (rng.integers(0, 60, (12, 12)) + 60 * number).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{level}{ESCAPE}<u>.png")

    def say(*arguments: str) -> None:
        command = [sys.executable, "-m", "cnnexp", *arguments]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        assert not re.findall(r"[^\n\x20-\x7e\x80-\U0010ffff]", done.stdout + done.stderr), arguments

    quoted = str(tmp_path / STRANGE).replace('"', '\\"')
    data = ["data=folder", f'data.path="{quoted}"']
    run = f"n{ESCAPE}<s>"
    say("check-data", *data, "--html", "data.html")
    say(*data, "training=smoke", f'tracking.run_name="{run}"')
    say("predict", run, str(tmp_path / STRANGE), "--html", "answers.html")
    say("predict", run, str(tmp_path / STRANGE))
    say("export", run, f"ex{ESCAPE}port")
    say("evaluate", f"ex{ESCAPE}port", *data)
    say("evaluate", run, "shift=none,blur:1")
    say("compare", "latest", "--html", "comparison.html")
    pages = [tmp_path / name for name in ("data.html", "answers.html", "comparison.html")]
    pages += tmp_path.glob("mlartifacts/*/artifacts/run.html")
    assert len(pages) == 4
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not [mark for mark in ("<b>x", "<i>", "<u>", "<s>", ESCAPE) if mark in text], page


LIST = """
import itertools, resource, sys
from cnnexp.saved import list_images
listed = list_images(sys.argv[1:], root=None)
first = sum(1 for _ in itertools.islice(listed, 1_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(first + sum(1 for _ in listed), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_table_of_a_million_rows_is_listed_in_little_memory(tmp_path):
    with (tmp_path / "long.csv").open("w") as file:
        file.write("path\n")
        file.writelines(f"images/{row:07}.png\n" for row in range(1_000_000))
    command = [sys.executable, "-c", LIST, str(tmp_path / "long.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 1_000_000
    assert kilobytes < 10_000  # a list of them takes some hundred thousand
