import csv
import json
import os
import tracemalloc

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cnnexp.__main__ import main
from cnnexp.errors import ConfigError
from cnnexp.saved import ListedImage, list_images, predict
from cnnexp.saved.prediction import CHUNK
from support import trained_model


@pytest.fixture(scope="module")
def test_files(tmp_path_factory):
    """The run's test images as PNG files, in the order of its evaluation."""
    names = trained_model.result().predictions["test"].files
    return trained_model.save_digits(tmp_path_factory.mktemp("test images"), list(names))


test_files.__test__ = False


def ask(paths, *, coverage=0.9, neighbours=0):
    listed = [ListedImage(str(path), path) for path in paths]
    return list(predict(trained_model.model(), listed, coverage=coverage, neighbours=neighbours))


def test_files_get_the_answers_of_the_test_evaluation(test_files):
    recorded = trained_model.result().predictions["test"]
    found = ask(test_files)
    assert len(found) > 2 * CHUNK
    probabilities = np.array([item.answer.probabilities for item in found])
    assert np.abs(probabilities - recorded.probabilities).max() <= 1e-5
    names = trained_model.card().class_names
    assert [item.answer.label for item in found] == [names[best] for best in recorded.probabilities.argmax(axis=1)]
    for item in found:
        ranked = sorted(item.answer.probabilities, reverse=True)
        assert [item.answer.probability, item.answer.next_probability] == ranked[:2]


def test_prediction_sets_cover_what_they_promise_and_warnings_are_rare(test_files):
    labels = trained_model.result().predictions["test"].labels
    for coverage in (0.8, 0.9, 0.99):
        sets = [item.answer.prediction_set for item in ask(test_files, coverage=coverage)]
        covered = np.mean([str(label) in held for label, held in zip(labels, sets, strict=True)])
        assert covered >= coverage - 0.05  # 359 test and 179 calibration images: three deviations
    assert np.mean([item.answer.unlike for item in ask(test_files)]) <= 0.035


def test_what_is_no_digit_is_called_unlike_the_training_data(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(40):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"noise {n}.png")
        inverted = 255 - trained_model.digits()[0][n]
        Image.fromarray(inverted).save(tmp_path / f"inverted {n}.png")
    flagged = {item.name.split("/")[-1]: item.answer.unlike for item in ask(sorted(tmp_path.glob("*.png")))}
    for kind, least in (("noise", 0.95), ("inverted", 0.95)):  # of ordinary images: 0.01
        assert np.mean([unlike for name, unlike in flagged.items() if name.startswith(kind)]) >= least, kind


def test_bad_files_are_lines_among_the_others_in_their_order(test_files, tmp_path):
    (tmp_path / "zero.png").touch()
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "cut.png").write_bytes(test_files[0].read_bytes()[:60])
    bad = [tmp_path / "zero.png", tmp_path / "text.jpg", tmp_path / "cut.png", tmp_path / "gone.png"]
    asked = [*test_files[:130], *bad, *test_files[130:300], *bad]
    found = ask(asked)
    assert [item.name for item in found] == [str(path) for path in asked]
    failed = {item.name.split("/")[-1]: item.error for item in found if item.answer is None}
    assert failed["zero.png"] == "the file is empty."
    assert failed["gone.png"] == "no such file or directory."
    assert set(failed) == {path.name for path in bad}
    alone = ask(test_files[140:141])[0].answer.probabilities
    assert found[144].answer.probabilities == pytest.approx(alone, abs=1e-5)
    assert ask([]) == []


def test_the_nearest_training_images_look_alike(test_files):
    known = trained_model.model().reference
    found = ask(test_files[:100], neighbours=5)
    same = [known.labels[row] == int(item.answer.label) for item in found for row in item.nearest]
    assert len(same) == 500
    assert np.mean(same) > 0.9
    assert not set(known.files) & {path.stem for path in test_files}


@pytest.mark.parametrize("coverage", [0, 1, -0.1, float("nan")])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(ConfigError, match="coverage must be above 0 and below 1"):
        ask([], coverage=coverage)


def test_an_endless_list_is_answered_as_it_comes(test_files):
    def endless():
        while True:
            yield from (ListedImage(str(path), path) for path in test_files)

    first = next(predict(trained_model.model(), endless(), coverage=0.9, neighbours=0))
    assert first.answer is not None


def test_the_command_writes_every_form_of_the_same_answers(tmp_path, capfd):
    model = trained_model.folder(tmp_path / "exported")
    images = tmp_path / "images"
    paths = trained_model.save_digits(images, ["index-0", "index-1"])
    paths[1].rename(images / "q'\"\n\x1b[31m直.png")
    (images / "bad.jpg").write_text("x")
    outputs = {kind: tmp_path / f"answers.{kind}" for kind in ("csv", "json", "parquet", "html")}
    options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
    assert main(["predict", str(model), str(images), *options]) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "bad.jpg: not answered: it is no JPEG" in printed.err
    assert "3 images, 1 not answered" in printed.err
    with outputs["csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    objects = json.loads(outputs["json"].read_text())
    table = pq.read_table(outputs["parquet"]).to_pylist()
    assert [row["file"] for row in rows] == [item["file"] for item in objects]
    assert rows[2]["file"].endswith("q'\"\n\x1b[31m直.png")
    for row, item, line in zip(rows, objects, table, strict=True):
        assert (row["label"] or None) == item["label"] == line["label"]
        assert line["prediction_set"] == item["prediction_set"]
        if item["label"] is None:
            assert (
                row["error"] == item["error"] == line["error"] == "it is no JPEG, PNG, BMP, GIF, TIFF, WEBP, PPM image."
            )
        else:
            assert row["prediction_set"].split("|") == item["prediction_set"]
            assert item["probabilities"][item["label"]] == item["probability"] == float(row["probability"])
            assert line[f"p/{item['label']}"] == item["probability"]
    page = outputs["html"].read_text()
    assert page.count("<section>") == 3
    assert page.count("data:image/png;base64") == 2 * (1 + 6)
    assert "\x1b" not in page


def test_the_command_prints_answers_safely_and_says_how_it_went(tmp_path, capfd):
    model = trained_model.folder(tmp_path / "exported")
    (path,) = trained_model.save_digits(tmp_path, ["index-3"])
    path.rename(tmp_path / "a\x1b[31m\n.png")
    assert main(["predict", str(model), str(tmp_path / "a\x1b[31m\n.png"), "--coverage", "0.8"]) == 0
    line = capfd.readouterr().out
    assert line.startswith(f"{tmp_path}/a\\x1b[31m\\n.png: 3 ")
    assert "; 0.8 set: 3\n" in line
    for n in range(20):
        Image.fromarray(255 - trained_model.digits()[0][n]).save(tmp_path / f"inverted {n}.png")
    inverted = sorted(tmp_path.glob("inverted*.png"))
    expected = sum(item.answer.unlike for item in ask(inverted))
    assert main(["predict", str(model), *map(str, inverted)]) == 0
    printed = capfd.readouterr()
    assert printed.out.count("warning: unlike the training data (p = 0.0056)") == expected > 0
    assert f"20 images, {expected} unlike the training data; " in printed.err
    assert main(["predict", str(model), str(tmp_path / "gone.png")]) == 1
    assert "gone.png: not answered: no such file or directory." in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing argument 'IMAGE | FOLDER | TABLE ...'"),
        (["x.png", "--coverage", "1.5"], "coverage must be above 0 and below 1; got 1.5."),
        (["x.png", "--hmtl", "a"], "--hmtl"),
    ],
)
def test_a_wrong_command_line_is_exit_code_two(tmp_path, capfd, words, message):
    model = trained_model.folder(tmp_path / "exported")
    assert main(["predict", str(model), *words]) == 2
    assert message in capfd.readouterr().err


def test_an_earlier_file_stays_when_the_command_line_turns_out_to_be_wrong(tmp_path, capfd):
    model = trained_model.folder(tmp_path / "exported")
    table, answers = tmp_path / "list.csv", tmp_path / "answers.csv"
    table.write_text("file\nx.png\n")
    answers.write_text("kept")
    assert main(["predict", str(model), str(table), "--csv", str(answers)]) == 2
    assert "must have a column named path" in capfd.readouterr().err
    assert answers.read_text() == "kept"
    assert main(["predict", str(model), str(table), "--csv", str(table)]) == 2
    assert "a file of their own" in capfd.readouterr().err
    assert table.read_text() == "file\nx.png\n"
    assert main(["predict", str(model), str(table), "--csv", str(tmp_path / "no folder" / "a.csv")]) == 2
    assert "a file that can be written" in capfd.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"exported", "list.csv", "answers.csv"}


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "html"])
def test_a_disk_that_is_full_is_one_line(tmp_path, capfd, kind):
    model = trained_model.folder(tmp_path / "exported")
    (path,) = trained_model.save_digits(tmp_path, ["index-3"])
    assert main(["predict", str(model), str(path), f"--{kind}", "/dev/full"]) == 1
    said = capfd.readouterr().err
    assert "cnnexp: Answers go into a file that can be written; /dev/full: " in said
    assert "No space left on device. Make room, or name another place." in said


def test_a_page_ends_before_it_is_too_long_and_says_so(tmp_path, capfd):
    model = trained_model.folder(tmp_path / "exported")
    (path,) = trained_model.save_digits(tmp_path, ["index-3"])
    assert main(["predict", str(model), *[str(path)] * 503, "--html", str(tmp_path / "a.html")]) == 0
    page = (tmp_path / "a.html").read_text()
    assert page.count("<section>") == 500
    assert "And 3 more images, which are not shown here" in page


def test_a_target_that_is_nothing_says_what_would_be(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "no-such-run", "x.png"]) == 2
    assert "Train first, or name the store" in capfd.readouterr().err


def test_a_long_table_takes_no_more_memory_than_a_few_images(tmp_path):
    (path,) = trained_model.save_digits(tmp_path, ["index-0"])
    (tmp_path / "list.csv").write_text("path\n" + f"{os.path.relpath(path, tmp_path)}\n" * 3_000)
    listed = list_images([str(tmp_path / "list.csv")], root=None)
    model = trained_model.model()
    tracemalloc.start()
    count = sum(1 for _ in predict(model, listed, coverage=0.9, neighbours=0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3_000
    assert peak < 10_000_000
