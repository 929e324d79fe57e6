"""The data check: every planted fault and nothing else, on photographs, digits and made-up folders."""

import json
import random
import re
import shlex
import shutil
import time
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from cnnexp.__main__ import main
from cnnexp.config import BuiltinDataConfig, FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.data_check import check, summary
from cnnexp.data_check.label_issues import averaged
from cnnexp.data_check.non_iid import kolmogorov
from cnnexp.data_check.outliers import end_of_tail
from cnnexp.datasets import inspect_dataset, similar_names
from cnnexp.datasets.sources.builtin import digits_source
from cnnexp.errors import DataError
from cnnexp.report.data_report import page
from support.image_folders import data_settings, load, write_classes, write_image

ARCHIVE = Path(__file__).parents[1].parent / "shared" / "data" / "sign_digits.zip"
OVERSIZED = {"IMG_5874.JPG", "IMG_5935.JPG", "IMG_5978.JPG"}


def inspected(kind=FolderDataConfig, *, cache, **changes):
    settings = data_settings(kind, cache=cache, **changes)
    return inspect_dataset(settings, seed=0, on_progress=lambda done, total: None, strict=False)


def checked(kind=FolderDataConfig, *, cache, labels=False, few_images=1, uneven=10.0, balanced=False, **changes):
    found = inspected(kind, cache=cache, **changes)
    return check(found, few_images=few_images, uneven=uneven, balanced=balanced, labels=labels)


def files_of(issue):
    return [[image.file for image in group] for group in issue.groups]


@pytest.fixture
def digits(tmp_path):
    """A folder a class of 1,797 digits as PNG, in train and test; returns what checks it."""
    manifest, images = digits_source().open()
    for row, label in enumerate(manifest.labels.tolist()):
        path = tmp_path / "digits" / ("test" if row % 4 == 0 else "train") / str(label) / f"{row:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        enlarged = Image.fromarray(images.pixels[row]).resize((24, 24), Image.Resampling.BILINEAR)
        enlarged.save(path)
    return tmp_path / "digits"


def test_a_clean_data_set_has_nothing_remarkable(tmp_path):
    data = inspected(BuiltinDataConfig, cache=tmp_path)
    assert check(data, few_images=20, uneven=10, balanced=False, labels=False).issues == ()


def test_each_planted_fault_among_digits_is_reported_and_nothing_else(tmp_path, digits):
    train, test = digits / "train", digits / "test"
    assert checked(path=digits, cache=tmp_path / "cache").issues == ()
    again = sorted((train / "5").iterdir())[3]
    shutil.copy(again, train / "5" / "again.png")
    wrong = sorted((train / "6").iterdir())[0]
    shutil.copy(wrong, train / "8" / "wrong.png")
    leak = sorted((train / "2").iterdir())[7]
    ImageEnhance.Brightness(Image.open(leak)).enhance(0.8).save(test / "2" / "leak.jpg", quality=90)
    dark = sorted((train / "0").iterdir())[1]
    Image.new("L", (24, 24), 1).save(dark)
    colored = sorted((train / "1").iterdir())[2]
    Image.open(colored).convert("RGB").save(colored)
    report = checked(path=digits, cache=tmp_path / "cache")
    issues = {issue.id: issue for issue in report.issues}
    assert sorted(issue.id for issue in report.issues) == ["D2", "D4", "L1", "S1"]
    name = lambda path: str(path.relative_to(digits))  # noqa: E731
    assert files_of(issues["D4"]) == [[name(again), "train/5/again.png"]]
    assert files_of(issues["L1"]) == [[name(wrong), "train/8/wrong.png"]]
    assert files_of(issues["S1"]) == [[name(leak), "test/2/leak.jpg"]]
    assert files_of(issues["D2"]) == [[name(dark)], [name(colored)]]
    assert not any(issue.stops for issue in report.issues)
    assert summary(report) == tuple(issue.sentence for issue in report.issues)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda image: image.point(lambda level: min(255, level + 60)), "brightness"),
        (lambda image: image.filter(ImageFilter.GaussianBlur(2)), "sharpness"),
        (lambda image: image.resize((48, 48)), "size"),
        (lambda image: image.resize((24, 30)), "aspect ratio"),
        (lambda image: image.convert("RGB"), "colour mode: 100% RGB against 100% L"),
    ],
    ids=["brighter", "blurred", "enlarged", "stretched", "coloured"],
)
def test_a_split_that_differs_is_named_with_the_property(tmp_path, digits, change, word):
    for path in (digits / "test").rglob("*.png"):
        change(Image.open(path)).save(path)
    issues = [issue for issue in checked(path=digits, cache=tmp_path / "cache").issues if issue.id == "S4"]
    assert any(word in issue.sentence and issue.title == "test differs from train" for issue in issues)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda image: image.resize((24, 72)), "aspect ratio"),
        (lambda image: image.point(lambda level: 255 * (level > 90)), "sharpness"),
    ],
    ids=["stretched", "hard edges"],
)
def test_one_image_far_from_the_rest_is_named_with_the_property(tmp_path, digits, change, word):
    odd = sorted((digits / "train" / "4").iterdir())[5]
    change(Image.open(odd)).save(odd)
    (issue,) = checked(path=digits, cache=tmp_path / "cache").issues
    assert files_of(issue) == [[str(odd.relative_to(digits))]]
    assert word in issue.sentence


def test_class_shares_that_differ_between_splits_are_told(tmp_path, digits):
    for path in sorted((digits / "test" / "0").iterdir())[3:] + sorted((digits / "test" / "1").iterdir())[3:]:
        path.unlink()
    issues = {issue.id: issue for issue in checked(path=digits, cache=tmp_path / "cache").issues}
    assert issues["S3"].title == "class shares of test differ"
    assert issues["S3"].evidence["share"] == pytest.approx(0.18, abs=0.03)


def test_groups_on_two_sides_of_declared_splits_are_told(tmp_path):
    write_classes(tmp_path / "data", {"ant": 40, "bee": 40})
    lines = [
        f"{name}/{number:04d}.png,{name},{'train' if number < 30 else 'test'},{name}{number % 31}"
        for name in ("ant", "bee")
        for number in range(40)
    ]
    (tmp_path / "data" / "table.csv").write_text("\n".join(["path,label,split,group", *lines]))
    report = checked(TableDataConfig, path=tmp_path / "data" / "table.csv", cache=tmp_path / "cache")
    (issue,) = [issue for issue in report.issues if issue.id == "S2"]
    assert not issue.stops
    assert {group[0].file for group in issue.groups} >= {"ant/0000.png", "bee/0008.png"}
    assert all(len({image.split for image in group}) == len(group) > 1 for group in issue.groups)
    beyond = [group for group in issue.groups if group[-1].split == "test"]
    assert len(beyond) == 18  # nine numbers of each class are those of training images again
    alone = [line.rpartition(",")[0] + f",{place}" for place, line in enumerate(lines)]
    (tmp_path / "data" / "table.csv").write_text("\n".join(["path,label,split,group", *alone]))
    report = checked(TableDataConfig, path=tmp_path / "data" / "table.csv", cache=tmp_path / "cache")
    assert "S2" not in {issue.id for issue in report.issues}


def test_classes_that_are_missing_renamed_empty_small_or_uneven(tmp_path):
    write_classes(tmp_path / "data" / "train", {"ant": 60, "bee": 60, "cat": 5, "dog": 30})
    write_classes(tmp_path / "data" / "test", {"ant": 10, "Bees": 10, "dog": 10})
    (tmp_path / "data" / "train" / "elk").mkdir()
    report = checked(path=tmp_path / "data", cache=tmp_path / "cache", few_images=10)
    told = {(issue.id, issue.title): issue for issue in report.issues}
    assert "no class bee but a class Bees" in told["L4", "class named differently"].sentence
    assert "no image of cat" in told["S3", "classes missing from test"].sentence
    assert "train/elk" in told["S3", "empty classes"].sentence
    assert "cat (" in told["D5", "few images"].sentence
    assert "ant" in told["E1", "imbalance"].sentence
    assert told["E1", "imbalance"].repair == "training.class_weight=balanced"
    again = checked(path=tmp_path / "data", cache=tmp_path / "cache", few_images=10, balanced=True)
    (uneven,) = [issue for issue in again.issues if issue.id == "E1"]
    assert uneven.repair.startswith("judge by test/balanced_accuracy")
    assert [issue.title for issue in report.issues if issue.stops] == ["class named differently", "empty classes"]


def test_a_class_without_training_images_stops_a_run(tmp_path):
    write_classes(tmp_path / "data" / "train", {"ant": 20, "bee": 20})
    write_classes(tmp_path / "data" / "test", {"ant": 5, "bee": 5, "yak": 5})
    (issue,) = checked(path=tmp_path / "data", cache=tmp_path / "cache").issues[:1]
    assert (issue.stops, issue.title) == (True, "classes missing from train")
    assert "yak" in issue.sentence


@pytest.mark.parametrize(
    ("classes", "settings", "title"),
    [
        ({"ant": 20}, {}, "one class"),
        ({"ant": 20, "bee": 20}, {"test": 0}, "empty test split"),
        ({"ant": 1, "bee": 1}, {}, "empty validation split"),
    ],
)
def test_what_every_run_refuses_stops_a_run(classes, settings, title, tmp_path):
    folder = write_classes(tmp_path / "data", classes)
    report = checked(path=folder, cache=tmp_path / "cache", **settings)
    assert title in [issue.title for issue in report.issues if issue.stops]
    with pytest.raises(DataError):
        load(FolderDataConfig, path=folder, cache=tmp_path / "cache", **settings)


@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        ({"on_bad_file": "error", "max_bad_files": 0.5}, True),
        ({"on_bad_file": "skip", "max_bad_files": 0.5}, False),
        ({"on_bad_file": "skip", "max_bad_files": 0.01}, True),
    ],
)
def test_unreadable_files_stop_a_run_where_they_do(settings, stops, tmp_path):
    folder = write_classes(tmp_path / "data", {"ant": 20, "bee": 20})
    (folder / "ant" / "0000.png").write_text("no image")
    (issue,) = [
        issue for issue in checked(path=folder, cache=tmp_path / "cache", **settings).issues if issue.id == "D1"
    ]
    assert issue.stops == stops
    refusal = pytest.raises(DataError) if stops else nullcontext()
    with refusal:
        load(FolderDataConfig, path=folder, cache=tmp_path / "cache", **settings)


def test_features_of_a_long_and_narrow_input():
    features = averaged(np.zeros((3, 16, 512, 1), np.uint8), np.arange(3))
    assert features.shape == (3, 16 * 16)


def test_labels_are_judged_by_features_of_a_network_where_there_are_any(tmp_path):
    """The pixels are noise; two of the eighty labels differ from what the features say."""
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    features = random.normal(0, 0.1, (80, 6))
    features[np.arange(80), labels] += 1
    given = labels.copy()
    given[[5, 30]] = 1 - labels[[5, 30]]
    np.savez(tmp_path / "a.npz", images=random.integers(0, 256, (80, 8, 8), dtype=np.uint8), labels=given)
    found = inspected(NpzDataConfig, path=tmp_path / "a.npz", cache=tmp_path / "cache")
    by_pixels, by_network = (
        check(found, few_images=1, uneven=10, balanced=False, labels=True, features=one) for one in (None, features)
    )
    (issue,) = by_network.issues
    assert sorted(files_of(issue)) == [["index-30"], ["index-5"]]
    assert by_network.checks[-1] == "labels against out-of-fold predictions from features of a pretrained network"
    assert "disputed labels" not in [issue.title for issue in by_pixels.issues]


def test_labels_that_are_wrong_are_among_the_disputed(tmp_path):
    manifest, images = digits_source().open()
    labels = manifest.labels[:900].copy()
    wrong = np.random.RandomState(0).choice(len(labels), 30, replace=False)
    labels[wrong] = (labels[wrong] + 3) % 10
    np.savez(tmp_path / "digits.npz", images=images.pixels[:900], labels=labels)
    report = checked(NpzDataConfig, path=tmp_path / "digits.npz", cache=tmp_path / "cache", labels=True)
    (issue,) = report.issues
    disputed = {int(file.removeprefix("index-")) for (file,) in files_of(issue)}
    assert issue.title == "disputed labels"
    assert len(disputed & set(wrong.tolist())) >= 18
    assert len(disputed - set(wrong.tolist())) <= 5


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The sign photographs in train/, val/ and test/."""
    if not ARCHIVE.exists():
        pytest.skip(f"needs the photographs of {ARCHIVE.name}")
    folder = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith(".jpg"))
        random.Random(0).shuffle(names)
        for place, name in enumerate(names):
            split = ("train", "train", "train", "val", "test")[place % 5]
            path = folder / split / Path(name).parent.name / Path(name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))
    return folder


@pytest.mark.slow
def test_the_sign_photographs_have_three_oversized_ones_and_nothing_else(tmp_path, photographs):
    (issue,) = checked(path=photographs, cache=tmp_path, few_images=20).issues
    assert {Path(file).name for (file,) in files_of(issue)} == OVERSIZED
    assert all("3024 × 3024" in image.note for (image,) in issue.groups)
    assert issue.sentence == "3 images far from the rest in size."


@pytest.mark.slow
def test_every_fault_planted_in_the_sign_photographs_and_nothing_else(tmp_path, photographs):
    folder = shutil.copytree(photographs, tmp_path / "planted")
    files = sorted(path for path in folder.rglob("*.JPG") if path.name not in OVERSIZED)
    random.Random(1).shuffle(files)
    damaged, rest = files[: len(files) // 20], files[len(files) // 20 :]
    for place, path in enumerate(damaged):
        content = path.read_bytes()
        path.write_bytes((b"", content[: len(content) // 2], b"no image", content[: -len(content) // 20])[place % 4])
    leaks = {}
    for place, path in enumerate([path for path in rest if path.parts[-3] == "train"][: 3 * len(files) // 100]):
        leaks[path] = shutil.copy(path, folder / ("val", "test")[place % 2] / path.parent.name / f"copy_{path.name}")
    (folder / "test" / "3").rename(folder / "test" / "three")
    renamed = {path: str(path.relative_to(folder)).replace("test/3/", "test/three/") for path in damaged}
    issues = {issue.id: issue for issue in checked(path=folder, cache=tmp_path / "cache", few_images=20).issues}
    assert set(issues) == {"D1", "D2", "L4", "S1"}
    assert sorted(file for (file,) in files_of(issues["D1"])) == sorted(renamed.values())
    assert {Path(file).name for (file,) in files_of(issues["D2"])} == OVERSIZED
    assert "no class 3 but a class three" in issues["L4"].sentence
    pairs = {frozenset(file.replace("test/three/", "test/3/") for file in group) for group in files_of(issues["S1"])}
    assert pairs == {frozenset(str(path.relative_to(folder)) for path in pair) for pair in leaks.items()}


def test_a_second_look_is_quick(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (3000, 16, 16), np.uint8)
    np.savez(tmp_path / "noise.npz", images=pixels, labels=np.arange(3000) % 10)
    where = {"path": tmp_path / "noise.npz", "cache": tmp_path / "cache"}
    first = checked(NpzDataConfig, **where)
    data = inspected(NpzDataConfig, **where)
    began = time.process_time()
    assert check(data, few_images=1, uneven=10.0, balanced=False, labels=False) == first
    assert time.process_time() - began < 0.2  # seconds
    assert first.issues == ()


def test_the_tail_of_clean_data_ends_beyond_it_and_before_a_stranger():
    random_state = np.random.RandomState(0)
    for values in (
        random_state.normal(size=5000),
        random_state.uniform(size=5000),
        random_state.exponential(size=5000),
    ):
        assert values.max() < end_of_tail(values, step=1e-6)
    assert end_of_tail(np.full(1000, 7.0), step=0.1) == pytest.approx(7 + 0.1 * np.log(1000 * 0.05 * 8 / 0.01))
    few = np.r_[random_state.normal(size=1000), [40.0] * 10]  # a hundredth of strangers does not hide itself
    assert end_of_tail(few, step=1e-6) < 40


def test_the_p_value_of_a_distance_is_kolmogorovs():
    from scipy.stats import kstwobign

    for distance in (0.05, 0.1, 0.2):
        size = np.sqrt(200 * 300 / 500)
        scaled = (size + 0.12 + 0.11 / size) * distance
        assert kolmogorov(distance, 200, 300) == pytest.approx(kstwobign.sf(scaled), abs=1e-9)


def test_the_page_escapes_names_and_stands_alone(tmp_path):
    write_classes(tmp_path / "data", {"<b>x": 30, "a & b": 30})
    shutil.copy(tmp_path / "data" / "<b>x" / "0000.png", tmp_path / "data" / "a & b" / "<i>.png")
    data = inspected(path=tmp_path / "data", cache=tmp_path / "cache")
    report = check(data, few_images=1, uneven=10, balanced=False, labels=False)
    html = page(replace(report, source="<script>"), data.decoded.images, command="cnnexp check-data 'x<y'")
    assert "<script" not in html
    assert "&lt;i&gt;.png" in html
    assert html.count("data:image/png;base64,") == 2
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_the_command_prints_json_and_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "data", {"a": 30, "b": 30})
    words = ["check-data", "data=folder", "data.path=data", "data.cache=cache", "--html", "page.html"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 60
    (tmp_path / "data" / "a" / "0000.png").write_bytes(b"")
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "a/0000.png (a): the file is empty." in said
    assert "a run is stopped by unreadable files" in said
    assert "unreadable files" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_cache_is_listed_and_cleared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "data", {"a": 30, "b": 30})
    inspected(path=tmp_path / "data", cache=tmp_path / "cache")
    assert main(["cache", "data.cache=cache"]) == 0
    listed = capsys.readouterr().out
    assert "1 data set," in listed
    assert "folder" in listed
    assert main(["cache", "clear", "mnist", "data.cache=cache"]) == 2
    assert "mnist is not there" in capsys.readouterr().err
    assert main(["cache", "clear", "folder", "data.cache=cache"]) == 0
    assert "1 data set cleared" in capsys.readouterr().out
    assert main(["cache", "data.cache=cache"]) == 0
    assert "empty" in capsys.readouterr().out
    assert main(["cache", "cleer"]) == 2


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a", "A", "b"), [("letter case", 2)]),
        (("New York", "New_York", "new-york", "NewYork"), [("letter case, blanks, _ and -", 4)]),
        (("cat", "cat ", "dog"), [("blanks", 2)]),
        (("cat", "\ufeffcat", "ｃat"), [("letters that look alike", 3)]),
        (("STRASSE", "Straße"), [("letter case", 2)]),
        (("cat", "сat", "саt"), [("letters that look alike", 3)]),  # the second and third with Cyrillic letters
        (("1", "1.0", "01", "1,0", "10", "1.5"), [("the way a number is written", 4)]),
        (("1-5", "15", "1_5", "+", "-", "-1", "1", "C", "C++", "C#"), []),
        (("cats", "cat", "bus", "train"), []),
    ],
)
def test_names_that_differ_only_in_how_they_are_written(names, found):
    assert [(one.difference, len(one.names)) for one in similar_names(names)] == found


def test_letters_in_two_cases_are_classes_of_their_own_and_reported(tmp_path):
    write_classes(tmp_path / "data", {"a": 20, "A": 20, "b": 20})
    report = checked(path=tmp_path / "data", cache=tmp_path / "cache")
    (issue,) = report.issues
    assert set(report.class_names) == {"a", "A", "b"}
    assert (issue.id, issue.stops) == ("L4", False)
    assert "differ only in letter case: A and a" in issue.sentence


def test_what_was_left_out_is_said_in_the_table_the_page_and_the_json(tmp_path, monkeypatch, capsys):
    write_classes(tmp_path / "data", {"a": 20, "b": 20})
    write_image(tmp_path / "data" / "overview.png")
    monkeypatch.chdir(tmp_path)
    command = ["check-data", "data=folder", "data.path=data", "data.cache=cache", "data.few_images=1"]
    assert main([*command, "--html", "page.html"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note Left out: 1 image" in told
    assert "overview.png" in told
    assert "Nothing else is remarkable" in told
    assert main([*command, "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "overview.png" in note
    assert note in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("{kind}/clip{number}_{part}.png", r"""'data.group="([^/]+)[-_ ][^/]*$"'"""),
        ("{kind}/patient {number}-slice {part}.png", r"""'data.group="([^/]+)[-_ ][^/]*$"'"""),
        ("{kind}/{kind}{number}/{part}.png", "data.group=parent"),
        ("{kind}/{kind}_{number}{part}.png", None),
        ("{kind}/{number}{part}.png", None),
        ("{kind}/n0{kind}_{number}{part}.png", None),
        ("{kind}/IMG_{number}{part}.png", None),
        ("{kind}/images/{number}{part}.png", None),
    ],
)
def test_names_that_may_be_those_of_groups(name, setting, tmp_path, monkeypatch, capsys):
    for kind in ("ill", "well"):
        for number in range(10, 18):
            for part in "abc":
                write_image(tmp_path / "data" / name.format(kind=kind, number=number, part=part))
    report = checked(path=tmp_path / "data", cache=tmp_path / "cache")
    repairs = [issue.repair.split(" for data=folder")[0] for issue in report.issues if issue.id == "S2"]
    assert repairs == ([f"if they do, {setting}"] if setting else [])
    if setting:
        monkeypatch.chdir(tmp_path)
        command = ["check-data", "data=folder", "data.path=data", "data.cache=cache", *shlex.split(setting), "--json"]
        assert main(command) == 0
        report = json.loads(capsys.readouterr().out)
        assert any(re.fullmatch("data.group finds (8|16) groups.", note) for note in report["notes"])
        assert "S2" not in {issue["id"] for issue in report["issues"]}
