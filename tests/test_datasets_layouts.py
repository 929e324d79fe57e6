"""How folders and archives are read: each row of the table in docs/data.md, and the settings that say what is meant."""

import json
import re
import shlex
from pathlib import Path

import pytest

from cnnexp.__main__ import main
from cnnexp.datasets import requirements
from cnnexp.errors import DataError
from support.image_folders import write_classes, write_image
from support.trees import Read, lines_to_type, make_tree, zipped

DOCUMENT = Path(__file__).parents[1] / "docs" / "data.md"


def rows():
    """The folders, classes, splits and words of each row of the table."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("## How folders are read")[2].partition("\n\nA refusal")[0]
    heading = ""
    for line in text.splitlines():
        heading = re.sub(r"^\| \*\*(.*)\*\*.*", r"\1", line) if line.startswith("| **") else heading
        folders, *cells = [cell.strip() for cell in line.strip("|").split(" |")] if line.startswith("| `") else [""]
        if folders:
            yield pytest.param(re.findall(r"`(.+?)`", folders), *cells, id=f"{heading}: {folders}".replace("`", ""))


ROWS = tuple(rows())


def opened(path, **settings):
    read = Read(path, **settings)
    requirements.refuse_empty_classes(read.manifest, str(path))
    return read


def test_the_document_has_the_table():
    assert len(ROWS) > 40


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("folders", "classes", "splits", "words"), ROWS)
def test_a_layout_is_read_as_the_document_says(folders, classes, splits, words, packed, tmp_path):
    data = make_tree(tmp_path / "data", *folders)
    if packed:
        data = zipped(data, tmp_path / "data.zip")
    words = words.replace("DATA", str(data))
    if classes == "refused":
        with pytest.raises(DataError) as refused:
            opened(data)
        assert words in str(refused.value)
        return
    read = opened(data)
    assert ", ".join(read.classes) == classes
    assert ", ".join(read.splits) == splits
    assert words in "\n".join(read.notes)
    assert bool(read.notes) is bool(words)


UNCLEAR = [
    pytest.param(row.values[0], id=row.id) for row in ROWS if re.match("What has several|Classes in file", row.id)
]


@pytest.mark.parametrize("folders", UNCLEAR)
def test_every_line_to_type_is_an_answer(folders, tmp_path):
    data = make_tree(tmp_path / "data", *folders)
    with pytest.raises(DataError) as refused:
        Read(data)
    offered = list(lines_to_type(refused.value))
    assert offered or "data=table" in str(refused.value)
    for settings in offered:
        assert len(Read(data, **settings).classes) > 1


@pytest.mark.parametrize(
    ("folders", "splits", "counts"),
    [
        (["{day1,day2}/{cat,dog}/"], {"train": "day1", "test": "day2"}, {("cat", "train"): 3, ("dog", "test"): 3}),
        (
            ["{day1,day2,day3}/{cat,dog}/"],
            {"train": "day[12]", "test": "day3"},
            {("cat", "train"): 6, ("cat", "test"): 3},
        ),
        (["w/{s1,s2}/{cat,dog}/"], {"train": "w/*"}, {("cat", "train"): 6, ("dog", "train"): 6}),
        (["{day1,day2}/{cat,dog}/"], {}, {("day1", ""): 6, ("day2", ""): 6}),
        (["{cat,dog}/", "test/{cat,dog}/"], {"test": "test"}, {("cat", ""): 3, ("cat", "test"): 3}),
        (["{cat,dog}/", "{cat,dog}/late/"], {"test": "late"}, {("cat", ""): 3, ("dog", "test"): 3}),
        (["{cat,dog}/{early,late}/"], {"train": "early", "test": "late"}, {("cat", "train"): 3, ("dog", "test"): 3}),
        (
            ["{x,y}/{train,test}/{cat,dog}/"],
            {"train": "train", "test": "test"},
            {("cat", "train"): 6, ("dog", "test"): 6},
        ),
        (["{train,test}/{cat,dog}/{left,right}/"], {"train": "train", "test": "test"}, {("cat", "train"): 6}),
        (["d/{cat,dog}/images/{early,late}/"], {"train": "early", "test": "late"}, {("cat", "train"): 3}),
        (["{cat,dog}/{x,y}/{train,test}/"], {"train": "train", "test": "test"}, {("x", "train"): 6, ("y", "test"): 6}),
        (["{train,test,bus}/"], {}, {("train", ""): 3, ("test", ""): 3, ("bus", ""): 3}),
    ],
)
def test_splits_that_are_named(folders, splits, counts, tmp_path):
    read = Read(make_tree(tmp_path / "data", *folders), splits=splits)
    assert {key: read.count(*key) for key in counts} == counts
    assert {name for name, _ in counts} <= set(read.classes)


def test_splits_that_are_named_wrongly(tmp_path):
    data = make_tree(tmp_path / "data", "{seg_train,seg_test}/{cat,dog}/")
    with pytest.raises(DataError, match=r"none is called seg_trian\. .*Did you mean seg_train\?"):
        Read(data, splits={"train": "seg_trian"})


@pytest.mark.parametrize(
    ("exclude", "left", "said"),
    [
        (["dog"], 9, "Left out: 6 images by data.exclude (dog: 6)."),
        (["cat/dog"], 12, "Left out: 3 images by data.exclude (cat/dog: 3)."),
        (["0.png", "d*"], 6, "Left out: 9 images by data.exclude (0.png: 3, d*: 6)."),
        (["dag"], 15, "data.exclude names dag, and no file or folder is called so."),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_what_is_excluded(exclude, left, said, packed, tmp_path):
    data = make_tree(tmp_path / "data", "{cat,dog,cow,emu}/", "cat/dog/")
    read = Read(zipped(data, tmp_path / "data.zip") if packed else data, exclude=exclude)
    assert len(read.files) == left
    assert said in read.notes


@pytest.mark.parametrize(
    ("group", "groups"),
    [(r"p\d", 2), (r"/(p\d)_(\w)", 4), ("parent", 2), ("p1", 1)],
)
def test_groups_by_path(group, groups, tmp_path):
    files = [f"{name}/{place}/{patient}_{side}.png" for name in ("ill", "well") for place in ("x", "y")
             for patient in ("p1", "p2") for side in "lr"]  # fmt: skip
    data = make_tree(tmp_path / "data", *files, "well/alone.png")
    read = Read(data, group=group, splits={})
    numbers = read.manifest.groups.tolist()
    assert len({number for number in numbers if numbers.count(number) > 1}) == groups
    assert any(f"data.group finds {groups} group" in note for note in read.notes)
    assert numbers.count(numbers[read.files.index("well/alone.png")]) == 1


def test_a_group_that_matches_nothing(tmp_path):
    data = make_tree(tmp_path / "data", "{cat,dog}/")
    with pytest.raises(DataError, match=r"patient matches none, such as cat/0\.png"):
        Read(data, group="patient")
    with pytest.raises(DataError, match="parent matches none"):
        Read(data, group="parent")


def test_folders_inside_of_classes_that_are_groups_are_no_classes(tmp_path):
    data = make_tree(tmp_path / "data", "{ill,well}/{anna,ben,carl}/")
    with pytest.raises(DataError, match=r"hold folders of the same names(.|\n)*data\.group=parent"):
        Read(data)
    assert Read(data, group="parent").classes == ("ill", "well")


# Splits below a folder of each class


@pytest.mark.parametrize(
    "folders",
    [
        "{cat,dog}/images/{train,test}/",
        "{cat,dog}/data/images/{Training,x_test}/",
        "{cat,dog}/images/{train,test}/imgs/",
        "w/{cat,dog}/photos/{train,test}/",
    ],
)
def test_splits_that_lie_deeper_in_the_classes(folders, tmp_path):
    read = Read(make_tree(tmp_path / "data", folders))
    assert [read.count(name, split) for name in ("cat", "dog") for split in ("train", "test")] == [3, 3, 3, 3]
    assert not read.notes


def test_splits_at_another_depth_of_each_class_and_images_beside_them(tmp_path):
    read = Read(make_tree(tmp_path / "data", "cat/images/{train,test}/", "dog/{train,test}/", "cat/images/x.png"))
    assert read.count("cat", "train") == read.count("dog", "test") == 3
    assert read.notes == ("Left out: 1 image beside the split folders of their class, such as cat/images/x.png.",)


# Classes in file names


@pytest.mark.parametrize(
    ("files", "suggested"),
    [
        (["{cat,dog}.{0,1}.jpg"], r"([^/]+)\.\d+"),
        (["{cat,dog}{0,1}.jpg"], r"([^/]*[^/\d])\d+"),
        (["{cat,dog} ({0,1}).jpg"], r"([^/]+) \(?\d+"),
        (["{cat,big_dog}-{0,1}.jpg"], r"([^/]+)-\d+"),
        (["{0,1}_{cat,big_dog}.jpg"], r"\d+[-_. ]([^/.]+)"),
        (["{n01,n02}_{10,11}.JPEG"], r"([^/]+)_\d+"),
        (["all/{cat,dog}.{0,1}.jpg"], r"([^/]+)\.\d+"),
        (["{train,test}/{cat,dog}_{0,1}.jpg"], r"([^/]+)_\d+"),
        (["IMG_{0,1}.jpg"], None),  # one word for all of them
        (["{img,photo}_{0,1}.jpg"], None),  # says nothing
        (["{1,2}_{0,1}.jpg"], None),
        (["{ab1,cd2,ef3,gh4}.jpg"], None),  # one of each
        (["{cat,dog}_{0,1}.jpg", "{0,1,2,3,4,5}.jpg"], None),  # most are called otherwise
    ],
)
def test_the_pattern_of_file_names_that_say_the_class(files, suggested, tmp_path):
    data = make_tree(tmp_path / "data", *files)
    with pytest.raises(DataError) as refused:
        Read(data)
    labels = [settings["label"] for settings in lines_to_type(refused.value) if "label" in settings]
    assert labels == ([suggested] if suggested else [])
    for label in labels:
        assert len(Read(data, label=label).classes) == 2


@pytest.mark.parametrize("folders", ["{cat,dog}_{train,test}/", "{train,test}-{cat,dog}/", "{TRAIN,Test} {cat,dog}/"])
def test_folders_that_say_class_and_split_can_be_read(folders, tmp_path):
    data = make_tree(tmp_path / "data", folders)
    with pytest.raises(DataError, match="the classes are cat, dog") as refused:
        Read(data)
    read = Read(data, **next(lines_to_type(refused.value)))
    assert [read.count(name, split) for name in ("cat", "dog") for split in ("train", "test")] == [3, 3, 3, 3]


def test_a_label_of_paths(tmp_path):
    data = make_tree(tmp_path / "data", "train/{cat,dog}.{0,1}.jpg", "test1/{0,1}.jpg", "val/{cat,dog}.9.jpg")
    for path in (data, zipped(data, tmp_path / "data.zip")):
        read = Read(path, label=r"([^/]+)\.\d+")
        assert (read.classes, read.splits) == (("cat", "dog"), ("train", "validation"))
        assert (read.count("cat", "train"), read.count("dog", "validation")) == (2, 1)
        assert read.notes == ("Left out: 2 images whose class data.label does not find, such as test1/0.jpg.",)
    assert Read(data, label=r"cat|dog", splits={}).count("cat", "") == 3
    assert Read(data, label=r"cat|dog", splits={"test": "val"}).count("cat", "test") == 1
    assert len(set(Read(data, label=r"cat|dog", group=r"\d+").manifest.groups.tolist())) == 3


@pytest.mark.parametrize(("label", "found"), [("emu", "emu matches no path"), ("c(a)t", "finds only the class a")])
def test_a_label_that_tells_nothing_apart(label, found, tmp_path):
    data = make_tree(tmp_path / "data", "{cat,dog}.{0,1}.jpg")
    with pytest.raises(DataError, match=re.escape(found)):
        Read(data, label=label)


def test_what_is_unlabelled_by_its_folder_stays_so(tmp_path):
    read = Read(make_tree(tmp_path / "data", "train/{cat,dog}.0.jpg", "pred/{cat,dog}.1.jpg"), label=r"([^/]+)\.\d")
    assert len(read.files) == 2
    assert "Left out: 2 images" in read.notes[0]


# Links


@pytest.fixture
def everything(tmp_path):
    """A folder with all images, some of which a data folder links to."""
    return make_tree(tmp_path / "all", "{cat,dog,cow}/")


def test_linked_classes_are_refused_with_the_line_that_follows_them(tmp_path, everything):
    data = make_tree(tmp_path / "data", "{cat,dog}/")
    (data / "cow").symlink_to(everything / "cow")
    with pytest.raises(DataError, match=rf"cow is a link .*data\.follow_links={everything}/cow.*data\.exclude=\[cow\]"):
        Read(data)
    assert Read(data, follow_links=everything).classes == ("cat", "cow", "dog")
    assert Read(data, follow_links=everything / "cow").count("cow", "") == 3
    assert Read(data, exclude=["cow"]).classes == ("cat", "dog")
    with pytest.raises(DataError, match="cow is a link"):
        Read(data, follow_links=everything / "dog")


def test_a_linked_split_is_refused(tmp_path):
    data = make_tree(tmp_path / "data", "train/{cat,dog}/")
    elsewhere = make_tree(tmp_path / "elsewhere", "{cat,dog}/")
    (data / "test").symlink_to(elsewhere)
    with pytest.raises(DataError, match="test is a link that leads"):
        Read(data)
    assert Read(data, follow_links=elsewhere).splits == ("train", "test")


@pytest.mark.parametrize("whole", [True, False], ids=["folders", "files"])
def test_nothing_but_links(whole, tmp_path, everything):
    data = tmp_path / "data"
    for name in ("cat", "dog"):
        if whole:
            data.mkdir(exist_ok=True)
            (data / name).symlink_to(everything / name)
        else:
            (data / name).mkdir(parents=True)
            for file in (everything / name).iterdir():
                (data / name / file.name).symlink_to(file)
    number = 2 if whole else 6
    with pytest.raises(DataError, match=rf"{number} links are not followed.*data\.follow_links={everything}"):
        Read(data)
    assert len(Read(data, follow_links=everything).files) == 6


def test_a_class_of_links_to_files_elsewhere_is_empty(tmp_path, everything):
    data = make_tree(tmp_path / "data", "{cat,dog}/")
    (data / "cow").mkdir()
    (data / "cow" / "0.png").symlink_to(everything / "cow" / "0.png")
    assert Read(data).manifest.empty_classes == ("cow (links)",)


def test_links_that_go_round_or_nowhere(tmp_path, everything):
    data = make_tree(tmp_path / "data", "{cat,dog}/")
    (data / "cat" / "again").symlink_to(data)
    (data / "dog" / "above").symlink_to(tmp_path)
    (data / "dog" / "gone.png").symlink_to(tmp_path / "gone.png")
    for settings in ({}, {"follow_links": data}):
        read = Read(data, **settings)
        assert len(read.files) == 6
        assert any("3 links were not followed" in note for note in read.notes)
    read = Read(data, follow_links=tmp_path)  # dog/above/all is then part of the class dog
    assert (len(read.files), read.count("dog", "")) == (15, 12)
    (data / "cow").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"cow is a link that leads out of it or nowhere\. .*FOLDER"):
        Read(data)


def test_a_folder_that_is_linked_twice_is_read_once(tmp_path, everything):
    data = make_tree(tmp_path / "data", "{cat,dog}/")
    for name in ("cow", "calf"):
        (data / name).symlink_to(everything / "cow")
    with pytest.raises(DataError, match="cow is a link"):
        Read(data, follow_links=everything)


# The command line


def test_the_settings_as_they_are_typed(tmp_path, monkeypatch, capsys):
    for day in ("day1", "day2"):
        write_classes(tmp_path / "data" / day, {"cat": 24, "dog": 24, "old": 3})
    monkeypatch.chdir(tmp_path)
    command = ["check-data", "data=folder", "data.path=data", "data.cache=cache", "--json"]
    typed = ["data.splits=[train:day1,test:day2]", "data.exclude=[old]", r'data.group="/(\d+)\."']
    assert main([*command, *typed]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["class_names"] == ["cat", "dog"]
    assert sum(report["class_counts"]["test"]) == 48
    assert "Left out: 6 images by data.exclude (old: 6)." in report["notes"]
    assert main(command) == 1
    assert "'data.splits=[train:day1,test:day2]'" in capsys.readouterr().err


def test_the_label_as_it_is_offered_can_be_typed(tmp_path, monkeypatch, capsys):
    for number in range(24):
        write_image(tmp_path / "data" / f"{'cat' if number % 2 else 'dog'}.{number}.png")
    monkeypatch.chdir(tmp_path)
    command = ["check-data", "data=folder", "data.path=data", "data.cache=cache", "--json"]
    assert main(command) == 1
    line = next(line for line in capsys.readouterr().err.splitlines() if "data.label=" in line)
    assert main([*command, *shlex.split(line.partition("  the")[0])]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("data.label=(", "data.label must be a regular expression, or null; got '('"),
        ("data.splits=[trian:day1]", "must be one of train, validation, calibration, test; got 'trian'. Did you mean"),
        ("data.splits=[train]", "must be a list of split:folder, such as train:day1; got 'train'"),
        ('data.group="("', "data.group must be a regular expression, or parent; got '('"),
    ],
)
def test_settings_that_are_typed_wrongly(typed, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check-data", "data=folder", "data.path=.", typed]) == 2
    assert message in capsys.readouterr().err
