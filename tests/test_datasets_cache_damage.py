"""Damage to any file of the cache, in any way, is noticed; what was damaged is decoded again, bit for bit the same."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from cnnexp.cli import cache as cli_cache
from cnnexp.config import FolderDataConfig
from cnnexp.data_check.image_properties import ImageProperties
from cnnexp.datasets import inspect_dataset
from cnnexp.datasets.cache import checksums, fill
from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.decoding.image_request import ImageRequest
from cnnexp.datasets.loading import find_source
from cnnexp.errors import DataError
from support.image_folders import data_settings, load, write_classes

PAGE = 4096
IMAGES = 32


def rewrite(change):
    return lambda path, other: path.write_bytes(change(path.read_bytes()))


def flip(place):
    def change(content):
        changed = bytearray(content)
        changed[place(len(content))] ^= 16
        return bytes(changed)

    return rewrite(change)


def swapped(content):
    half = PAGE if len(content) >= 2 * PAGE else len(content) // 2
    return content[half : 2 * half] + content[:half] + content[2 * half :]


def zeroed(content):
    start = len(content) // 2
    stop = min(start + PAGE, len(content))
    return content[:start] + bytes(stop - start) + content[stop:]


def instead(make):
    def damage(path, other):
        path.unlink()
        make(path, other)

    return damage


def folder_with_a_file(path, other):
    path.mkdir()
    (path / "file").write_text("content")


def flip_behind_its_back(path, other):
    times = path.stat()
    flip(lambda size: size // 2)(path, other)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


WAYS = {
    "emptied": rewrite(lambda content: b""),
    "a byte short": rewrite(lambda content: content[:-1]),
    "half of it": rewrite(lambda content: content[: len(content) // 2]),
    "without its beginning": rewrite(lambda content: content[1:]),
    "shifted by a byte": rewrite(lambda content: b"\0" + content[:-1]),
    "a byte appended": rewrite(lambda content: content + b"\n"),
    "a page appended": rewrite(lambda content: content + bytes(PAGE)),
    "twice": rewrite(lambda content: content + content),
    "a bit of the first byte": flip(lambda size: 0),
    "a bit of the header": flip(lambda size: min(30, size // 3)),
    "a bit in the middle": flip(lambda size: size // 2),
    "a bit in the middle, its times set back": flip_behind_its_back,
    "a bit of the last byte": flip(lambda size: size - 1),
    "a page of zeros": rewrite(zeroed),
    "all zeros": rewrite(lambda content: bytes(len(content))),
    "all ones": rewrite(lambda content: b"\xff" * len(content)),
    "a wrong header": rewrite(lambda content: b"\x93NUMPY\x02\0" + content[8:]),
    "two pages swapped": rewrite(swapped),
    "other text": rewrite(lambda content: b"not what was written"),
    "the file of another entry": lambda path, other: shutil.copyfile(other / path.name, path),
    "deleted": lambda path, other: path.unlink(),
    "an empty folder": instead(lambda path, other: path.mkdir()),
    "a folder with a file": instead(folder_with_a_file),
    "a link to nowhere": instead(lambda path, other: path.symlink_to("/nowhere/at/all")),
    "a link to itself": instead(lambda path, other: path.symlink_to(path.name)),
    "a link to the file of another entry": instead(lambda path, other: path.symlink_to(other / path.name)),
    "a pipe": instead(lambda path, other: os.mkfifo(path)),
}
OF_THE_LOCK = ("deleted", "an empty folder", "a folder with a file", "a link to nowhere", "a link to itself", "a pipe")
DECODED = ("images.npy", "catalogue.npz", "files.txt", "entry.json")
COMPUTED = ("measures.npz", "empty.npz")  # of the decoded images, by the data check
FINISHED = (*DECODED, *COMPUTED)
UNFINISHED = ("images.part.npy", "fingerprints.part", "headers.part", "journal.jsonl")


class Stopped(BaseException):
    """Ctrl-C, say."""


def stop_halfway(done, total):
    if done >= total // 2:
        raise Stopped


@pytest.fixture(autouse=True)
def disk_that_need_not_be_waited_for(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_classes(tmp_path_factory.mktemp("damage") / "data", {"a": IMAGES // 2, "b": IMAGES // 2})
    (folder / "b" / "0003.png").write_text("no image")
    return folder


def settings(folder, store):
    return data_settings(FolderDataConfig, cache=store, path=folder, on_bad_file="skip", max_bad_files=0.1)


def seen(folder, store, *, on_progress=lambda done, total: None):
    """All that a run gets from the cache, as plain values."""
    found = inspect_dataset(settings(folder, store), seed=0, on_progress=on_progress, strict=True)
    decoded, properties = found.decoded, ImageProperties.of(found.decoded)
    manifest = decoded.manifest
    arrays = (decoded.images, decoded.headers, decoded.duplicate_of, manifest.labels, manifest.declared_splits)
    arrays += (properties.headers, properties.brightness, properties.sharpness, properties.near_duplicates)
    values = (found.digest, decoded.pixel_digest, decoded.spec, manifest.files, manifest.class_names)
    return values, decoded.unreadable, [np.array(array).tobytes() for array in arrays]


@pytest.fixture(scope="module")
def stores(folder, tmp_path_factory):
    """Caches of the data: one finished, one whose decoding was interrupted; of each, an entry of other data as well."""
    finished, unfinished = (tmp_path_factory.mktemp("damage") / name for name in ("finished", "unfinished"))
    other = write_classes(tmp_path_factory.mktemp("damage") / "other", {"a": IMAGES // 2, "c": IMAGES // 2})
    for data in (folder, other):
        seen(data, finished)
        with suppress(Stopped):
            seen(data, unfinished, on_progress=stop_halfway)
    return finished, unfinished


@pytest.fixture(scope="module")
def expected(folder, stores):
    """What every run gets, whatever is damaged."""
    return seen(folder, stores[0])


def entry_of(folder, finished):
    """The name of the entry of a folder, in every cache."""
    return next(entry.folder.name for entry in cache.entries(finished) if entry.origin == str(folder))


def copied(store, tmp_path, name):
    """A copy of a cache, the entry of this name in it, and the other one."""
    copy = tmp_path / "cache"
    shutil.copytree(store, copy)
    (other,) = (path for path in copy.iterdir() if path.name != name)
    return copy, copy / name, other


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FINISHED)
def test_a_damaged_file_is_noticed_and_made_again(name, way, folder, stores, tmp_path, expected):
    store, entry, other = copied(stores[0], tmp_path, entry_of(folder, stores[0]))
    if len(name + way) % 2:  # as if by another process: this one has read the files before
        seen(folder, store, on_progress=lambda done, total: pytest.fail("decoded"))
    written, decoded = (entry / name).read_bytes(), []
    WAYS[way](entry / name, other)
    assert seen(folder, store, on_progress=lambda done, total: decoded.append(done)) == expected
    assert bool(decoded) == (name in DECODED)
    assert not (entry / name).is_symlink()
    assert (entry / name).read_bytes() == written
    assert {one.complete for one in cache.entries(store)} == {True}
    seen(folder, store, on_progress=lambda done, total: pytest.fail("decoded"))


@pytest.mark.parametrize("way", OF_THE_LOCK)
@pytest.mark.parametrize("also", ["", "images.npy", "measures.npz"])
def test_what_is_no_lock_is_no_obstacle(way, also, folder, stores, tmp_path, expected):
    store, entry, other = copied(stores[0], tmp_path, entry_of(folder, stores[0]))
    WAYS[way](entry / "lock", other)
    if also:
        (entry / also).unlink()
    assert {one.complete for one in cache.entries(store)} == {True}
    assert seen(folder, store) == expected
    assert len(cache.clear(store)) == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", UNFINISHED)
def test_interrupted_work_that_is_damaged_ends_in_the_same(name, way, folder, stores, tmp_path, expected):
    store, entry, other = copied(stores[1], tmp_path, entry_of(folder, stores[0]))
    WAYS[way](entry / name, other)
    assert seen(folder, store) == expected
    assert sorted(path.name for path in entry.iterdir()) == sorted((*FINISHED, "lock"))


def test_interrupted_work_that_is_intact_continues(folder, stores, tmp_path, expected):
    store, _, _ = copied(stores[1], tmp_path, entry_of(folder, stores[0]))
    decoded = []
    assert seen(folder, store, on_progress=lambda done, total: decoded.append(done)) == expected
    assert decoded[0] >= IMAGES // 2


def test_a_chunk_that_a_power_cut_undid_is_decoded_again(folder, stores, tmp_path, expected):
    store, entry, _ = copied(stores[1], tmp_path, entry_of(folder, stores[0]))
    content = bytearray((entry / "images.part.npy").read_bytes())
    content[128 : 128 + 8 * 12 * 12 * 3] = bytes(8 * 12 * 12 * 3)  # the first chunk: in the journal, not on the disk
    (entry / "images.part.npy").write_bytes(content)
    decoded = []
    assert seen(folder, store, on_progress=lambda done, total: decoded.append(done)) == expected
    assert decoded[0] == IMAGES // 2 - 8, "the other chunks are kept"


def test_the_run_that_found_damage_says_so_and_no_later_one(folder, stores, tmp_path):
    store, entry, _ = copied(stores[0], tmp_path, entry_of(folder, stores[0]))
    WAYS["a page of zeros"](entry / "images.npy", None)
    first, second = (load_with_skip(folder, store).notes for _ in range(2))
    (note,) = set(first) - set(second)
    assert "were damaged, and were decoded again (images.npy in " in note
    assert "data.cache" in note


def load_with_skip(folder, store):
    return load(FolderDataConfig, cache=store, path=folder, on_bad_file="skip", max_bad_files=0.1)


def as_written_by_0_1_0(entry):
    """Take away what version 0.1.0 did not write."""
    description = json.loads((entry / "entry.json").read_text())
    del description["checksums"], description["checksum"]
    (entry / "entry.json").write_text(json.dumps(description, indent=1))
    (entry / "measures.npz").write_bytes((entry / "measures.npz").read_bytes()[:-32])


@pytest.mark.parametrize("damaged", [False, True])
def test_an_entry_of_version_0_1_0_is_decoded_anew_without_a_word(damaged, folder, stores, tmp_path, expected):
    store, entry, _ = copied(stores[0], tmp_path, entry_of(folder, stores[0]))
    as_written_by_0_1_0(entry)
    if damaged:
        WAYS["all zeros"](entry / "images.npy", None)
    assert not any("damaged" in note for note in load_with_skip(folder, store).notes)
    assert seen(folder, store) == expected
    assert len(cache.entries(store)) == 2


def test_a_journal_of_version_0_1_0_is_begun_anew(folder, stores, tmp_path, expected):
    store, entry, _ = copied(stores[1], tmp_path, entry_of(folder, stores[0]))
    lines = [json.loads(line) for line in (entry / "journal.jsonl").read_text().splitlines()]
    old = [json.dumps({"chunk": line["chunk"], "unreadable": line["unreadable"]}) for line in lines]
    (entry / "journal.jsonl").write_text("\n".join(old) + "\n")
    assert seen(folder, store) == expected


def test_an_entry_is_finished_when_everything_else_is_on_the_disk(folder, tmp_path, monkeypatch):
    synced = []

    def noted(handle):
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        if synced[-1].name == "entry.json.part":
            assert not synced[-1].with_suffix("").exists()

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", noted)
    load_with_skip(folder, tmp_path / "cache")
    (entry,) = cache.entries(tmp_path / "cache")
    expected = [entry.folder / name for name in ("images.npy", "catalogue.npz", "files.txt")]
    assert synced == [*expected, entry.folder, entry.folder / "entry.json.part", entry.folder]


def test_a_file_is_read_once_until_something_about_it_moves(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    first = checksums.checksum(file)
    state = checksums.verified()[file].state
    checksums.trust({file: checksums.Verified(state, "as another process says")})
    assert checksums.checksum(file) == "as another process says"
    os.utime(file)
    assert checksums.checksum(file) == first


def test_checksums_of_files_of_many_blocks(tmp_path):
    content = np.random.default_rng(0).bytes(3 * 2**22 + 5)
    (tmp_path / "file").write_bytes(content)
    whole = checksums.checksum(tmp_path / "file")
    for change in (content[:-1], content + b"\0", content[2**22 :] + content[: 2**22], content[:-5] + bytes(5)):
        (tmp_path / "file").write_bytes(change)
        assert checksums.checksum(tmp_path / "file") != whole
    (tmp_path / "file").write_bytes(content)
    assert checksums.checksum(tmp_path / "file") == whole


@contextmanager
def without_privileges():
    """Not as root, whom no permission stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(folder, stores):
    """A cache that everybody may read and nobody may write."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        place = Path(name)
        shutil.copytree(stores[0], place / "cache")
        folders = (place, place / "cache", *(place / "cache").iterdir())
        for path in folders:
            path.chmod(0o555)
        yield place / "cache"
        for path in folders:
            path.chmod(0o755)


def test_a_cache_that_can_only_be_read_is_used(folder, stores, read_only, expected):
    source = find_source(settings(folder, read_only))
    with without_privileges():
        found = decode(source, folder, read_only)
    assert found.pixel_digest == expected[0][1]
    with without_privileges():
        assert len(found.keep("measures", lambda: pytest.fail("is kept"))["brightness"]) == IMAGES
        assert set(found.keep("others", lambda: {"kept": np.zeros(1)})) == {"kept"}


def decode(source, folder, store):
    request = ImageRequest.of(settings(folder, store))
    return fill.decode_once(source, request, folder=store, on_progress=lambda done, total: None)


@pytest.mark.parametrize("way", ["a bit in the middle", "deleted", "unreadable"])
@pytest.mark.parametrize("name", DECODED)
def test_damage_to_a_cache_that_can_only_be_read_is_one_sentence(name, way, folder, read_only):
    entry = read_only / entry_of(folder, read_only)
    if way == "unreadable":
        (entry / name).chmod(0)
    else:
        entry.chmod(0o755)
        WAYS[way](entry / name, None)
        entry.chmod(0o555)
    source = find_source(settings(folder, read_only))
    with (
        without_privileges(),
        pytest.raises(DataError, match=r"cannot be used: .* Set data\.cache to a folder that can"),
    ):
        decode(source, folder, read_only)


def test_a_cache_that_can_only_be_read_is_listed_and_not_cleared(read_only, capsys):
    with without_privileges():
        assert cli_cache.run([f"data.cache={read_only}"]) == 0
        assert "2 data sets" in capsys.readouterr().out
        with pytest.raises(DataError, match=r"cannot be cleared: Permission denied .* data\.cache=DIR"):
            cli_cache.run(["clear", f"data.cache={read_only}"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FINISHED)
def test_a_damaged_entry_is_listed_and_cleared(name, way, folder, stores, tmp_path, capsys):
    store, entry, other = copied(stores[0], tmp_path, entry_of(folder, stores[0]))
    WAYS[way](entry / name, other)
    assert cli_cache.run([f"data.cache={store}"]) == 0
    assert "2 data sets" in capsys.readouterr().out
    assert cli_cache.run(["clear", f"data.cache={store}"]) == 0
    assert list(store.iterdir()) == []
