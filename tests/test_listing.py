import csv
import os
import tracemalloc
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.errors import ConfigError
from cnnexp.saved import list_images

ODD_NAMES = ["a b.png", 'it\'s "q".JPG', "new\nline.png", "tab\t\x1b[31m.png", "直進.png", "ü.tiff", "-x.png", "=1.bmp"]


def listed(*words, root=None):
    return list(list_images([str(word) for word in words], root=root))


def table(path: Path, names, column="path") -> Path:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerows([["n", column], *([index, name] for index, name in enumerate(names))])
    return path


def test_a_folder_is_all_images_below_it_sorted_and_nothing_else(tmp_path):
    for name in [*ODD_NAMES, "notes.txt", ".hidden.png", "deep/er/z.webp", ".git/x.png", "@eaDir/x.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).touch()
    found = listed(tmp_path)
    assert [item.path for item in found] == [Path(item.name) for item in found]
    names = [os.path.relpath(item.name, tmp_path) for item in found]
    assert names == [*sorted([*ODD_NAMES, "\udcff.png"]), "deep/er/z.webp"]


def test_links_that_lead_in_a_circle_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "a" / "self.png").symlink_to("self.png")
    assert [item.name for item in listed(tmp_path)] == [str(tmp_path / "a" / "x.png")]


def test_what_is_not_there_or_no_file_is_a_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty").mkdir()
    missing, pipe, empty = listed(tmp_path / "no.png", tmp_path / "pipe.png", tmp_path / "empty")
    assert missing.path == tmp_path / "no.png"  # reading it says that it is not there
    assert (pipe.path, pipe.error) == (None, "it is not a file.")
    assert "no image file" in empty.error


def test_a_name_too_long_for_a_file_is_a_line_among_the_others(tmp_path):
    long, good = listed(table(tmp_path / "list.csv", ["x" * 300 + ".png", "y.png"]))
    assert (long.name, good.path) == ("x" * 300 + ".png", tmp_path / "y.png")
    assert listed("x" * 300)[0].name == "x" * 300


def test_a_table_starts_at_its_own_folder_and_never_leaves_it(tmp_path):
    inside = tmp_path / "in"
    (inside / "sub").mkdir(parents=True)
    (inside / "out").symlink_to(tmp_path)
    names = ["x.png", "sub/../y.png", str(inside / "z.png"), "../secret.png", "/etc/passwd", "out/s.png", "", "a\0b"]
    found = listed(table(inside / "list.csv", names))
    assert [item.path for item in found[:3]] == [inside / "x.png", inside / "y.png", inside / "z.png"]
    assert [item.name for item in found] == names
    assert all("it is outside of the folder" in item.error and "--root" in item.error for item in found[3:6])
    assert all("no usable value" in item.error for item in found[6:])
    assert listed(table(inside / "list.csv", ["in/../x.png"]), root=tmp_path)[0].path == tmp_path / "x.png"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables_of_both_kinds_and_those_without_the_column(tmp_path, ending):
    def write(column):
        if ending == ".csv":
            return table(tmp_path / "t.csv", ODD_NAMES, column)
        pq.write_table(pa.table({"n": range(len(ODD_NAMES)), column: ODD_NAMES}), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    assert [item.name for item in listed(write("path"))] == ODD_NAMES
    with pytest.raises(ConfigError, match=r"must have a column named path; .* has n, file\."):
        listed(write("file"))
    (tmp_path / f"t{ending}").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"has nothing|cannot be read as a Parquet table"):
        listed(tmp_path / f"t{ending}")


def test_a_short_row_and_a_byte_order_mark_do_no_harm(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfpath,n\nx.png,1\n\n,\ny.png\n")
    assert [item.name for item in listed(tmp_path / "t.csv")] == ["x.png", "", "y.png"]


def test_a_long_table_is_read_as_it_is_needed(tmp_path):
    long = table(tmp_path / "t.csv", (f"images/{n:07}.png" for n in range(200_000)))
    tracemalloc.start()
    names = list_images([str(long)], root=None)
    first = [item.name for item in islice(names, 3)]
    count = sum(1 for _ in islice(names, 10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first == [f"images/{n:07}.png" for n in range(3)]
    assert count == 10_000
    assert peak < 10_000_000  # Python's own table of names grows by what it doubles; the list would take 40 MB


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12), max_size=8))
def test_no_name_in_a_table_leads_out_of_its_folder(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("t")
    found = listed(table(folder / "t.csv", names))
    assert [item.name for item in found] == (names or [str(folder / "t.csv")])
    assert all(item.error if item.path is None else item.path.is_relative_to(folder.resolve()) for item in found)
