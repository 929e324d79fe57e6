"""The cache of decoded images: used again, continued, shared, full, damaged, listed and cleared."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnexp.config import FolderDataConfig
from cnnexp.data_check.image_properties import ImageProperties
from cnnexp.datasets import inspect_dataset
from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.decoding import pool
from cnnexp.datasets.decoding.decode import HEADER, decode_rows, first_duplicates
from cnnexp.datasets.decoding.worker import MIN_PARALLEL_IMAGES
from cnnexp.datasets.sources.source import ArraySource, FileSource
from cnnexp.errors import DataError
from cnnexp.images import ImageSpec, read_image
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.locks import try_lock
from support import TESTS
from support.image_folders import data_settings, load, noise, write_classes

SPEC = ImageSpec(12, 12, color="rgb", resize="stretch", kernel="bilinear", antialias=True, background=0)


@pytest.fixture
def folder(tmp_path):
    return write_classes(tmp_path / "data", {"a": 20, "b": 20})


@pytest.fixture
def store(tmp_path):
    return tmp_path / "cache"


def inspected(folder, store, **changes):
    data = data_settings(FolderDataConfig, cache=store, path=folder, **changes)
    return inspect_dataset(data, seed=0, on_progress=lambda done, total: None, strict=True)


def in_process(folder, store, *, before="", **options):
    """Load the folder in a process of its own, after running `before` there."""
    code = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from support.image_folders import load; from cnnexp.config import FolderDataConfig\n"
        f"{before}\n"
        "show = globals().get('show', lambda done, total: None)\n"
        f"splits = load(FolderDataConfig, cache={str(store)!r}, path={str(folder)!r}, on_progress=show)\n"
        "print(splits.digest)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_a_second_run_decodes_nothing_and_gives_the_same(folder, store):
    seen = []
    first = load(FolderDataConfig, cache=store, path=folder, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 40)
    assert seen[-1] == (40, 40)
    again = load(FolderDataConfig, cache=store, path=folder, on_progress=lambda done, total: pytest.fail("decoded"))
    assert again.digest == first.digest
    assert again.spec == first.spec
    assert again.notes == first.notes
    for name in SPLIT_NAMES:
        assert again[name].files == first[name].files
    np.testing.assert_array_equal(again.train.images, first.train.images)
    assert isinstance(again.train.images, np.memmap)
    assert not again.train.images.flags.writeable


CHANGES = {
    "another time": lambda folder: os.utime(folder / "a" / "0000.png", ns=(0, 0)),
    "another image": lambda folder: Image.fromarray(noise("new")).save(folder / "a" / "0000.png"),
    "one more": lambda folder: Image.fromarray(noise("new")).save(folder / "b" / "new.png"),
    "one less": lambda folder: (folder / "a" / "0003.png").unlink(),
    "another mode": lambda folder: (folder / "a" / "0000.png").chmod(0o640),
    "another name": lambda folder: (folder / "a" / "0003.png").rename(folder / "a" / "x.png"),
    "another class": lambda folder: (folder / "a" / "0003.png").rename(folder / "b" / "x.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_the_files_is_noticed(change, folder, store):
    before = load(FolderDataConfig, cache=store, path=folder)
    CHANGES[change](folder)
    decoded = []
    after = load(FolderDataConfig, cache=store, path=folder, on_progress=lambda done, total: decoded.append(done))
    assert decoded
    kept = change in ("another time", "another mode")
    assert (after.digest == before.digest) == kept, "the digest is about content"


@pytest.mark.parametrize("change", [{"size": [16, 16]}, {"color": "grey"}, {"kernel": "nearest"}, {"background": 9}])
def test_other_image_settings_have_an_entry_of_their_own(change, folder, store):
    load(FolderDataConfig, cache=store, path=folder)
    load(FolderDataConfig, cache=store, path=folder, **change)
    assert len(cache.entries(store)) == 2


@pytest.mark.parametrize("change", [{"split_seed": 1}, {"limit": 10}, {"on_bad_file": "skip"}, {"seed": 5}])
def test_other_settings_share_the_entry(change, folder, store):
    load(FolderDataConfig, cache=store, path=folder)
    load(FolderDataConfig, cache=store, path=folder, **change)
    assert len(cache.entries(store)) == 1


def write_many(folder, count):
    """More than a few chunks, cheaply: the same 64 files, linked."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:05d}.png"
        if number < 64:
            Image.fromarray(noise(f"many {number}", size=(8, 8))).save(path)
        else:
            path.hardlink_to(folder / "ab"[number % 2] / f"{number % 64:05d}.png")
    return folder


def test_several_processes_decode_what_one_would(tmp_path):
    folder = write_many(tmp_path / "many", MIN_PARALLEL_IMAGES + 300)
    (folder / "a" / "01000.png").unlink()
    (folder / "a" / "01000.png").write_text("no image")
    splits = load(FolderDataConfig, cache=tmp_path / "cache", path=folder, on_bad_file="skip")
    files = sorted(f"{path.parent.name}/{path.name}" for path in folder.rglob("*.png"))
    alone = decode_rows(FileSource(folder, tuple(files)), range(len(files)), splits.spec)
    np.testing.assert_array_equal(splits.train.images, alone.images)
    assert list(alone.unreadable) == [files.index("a/01000.png")]


def test_few_images_that_take_long_are_shared_out_too(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "SECONDS_PER_PROCESS", 0.1)  # seconds; smaller files than one would wait for
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    for number in range(30):
        path = tmp_path / "large" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(f"large {number}", size=(5, 5))).resize((900, 900), Image.Resampling.NEAREST).save(path)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("needs /proc/PID/task/PID/children")
    earlier, seen = children.read_text(), []

    def started():
        return [process for process in children.read_text().split() if process not in earlier.split()]

    splits = load(
        FolderDataConfig,
        cache=tmp_path / "cache",
        path=tmp_path / "large",
        size=[12, 12],
        on_progress=lambda done, total: seen.append((done, started())),
    )
    before, at_the_end = seen[0], seen[-1]
    assert before == (0, [])
    assert at_the_end[0] == 30
    assert any(processes for _, processes in seen)
    assert started() == [], "none is left"
    for row, name in ((0, "a/00.png"), (29, "b/29.png")):
        expected = read_image(tmp_path / "large" / name, splits.spec)
        np.testing.assert_array_equal(splits.train.images[row], expected)


def test_where_no_process_can_be_started_this_one_decodes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no such python"))
    splits = load(FolderDataConfig, cache=tmp_path / "cache", path=write_many(tmp_path / "many", MIN_PARALLEL_IMAGES))
    assert len(splits.train.images) == MIN_PARALLEL_IMAGES


def test_decoding_runs_nothing_that_lies_in_the_current_folder(tmp_path, monkeypatch):
    folder = write_many(tmp_path / "many", MIN_PARALLEL_IMAGES)
    for name in ("json", "numpy", "cnnexp"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")
    monkeypatch.chdir(folder)
    load(FolderDataConfig, cache=tmp_path / "cache", path=folder)
    assert not (tmp_path / "was run").exists()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Pillow closes no file that it cannot read at all
def test_a_transient_error_is_not_cached_as_a_bad_file():
    if not Path("/proc/self/mem").exists():
        pytest.skip("needs a file whose reading is an input/output error")
    with pytest.raises(OSError, match="Input/output error"):
        decode_rows(FileSource(Path("/proc/self"), ("mem",)), range(1), SPEC)
    gc.collect()  # the file, while its warning is expected


def test_an_interrupted_decode_continues(tmp_path):
    folder = write_many(tmp_path / "many", 2 * MIN_PARALLEL_IMAGES)
    kill = "import os, signal\ndef show(done, total):\n    if done >= 1024: os.kill(os.getpid(), signal.SIGKILL)"
    process = in_process(folder, tmp_path / "cache", before=kill)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (entry,) = cache.entries(tmp_path / "cache")
    assert not entry.complete
    with (entry.folder / "journal.jsonl").open("a") as file:
        file.write('{"chunk": 63, "unre')  # the line it was writing
    seen = []
    splits = load(
        FolderDataConfig, cache=tmp_path / "cache", path=folder, on_progress=lambda done, total: seen.append(done)
    )
    assert seen[0] >= 1024
    assert seen[-1] == 2 * MIN_PARALLEL_IMAGES
    fresh = load(FolderDataConfig, cache=tmp_path / "other", path=folder)
    assert splits.digest == fresh.digest
    np.testing.assert_array_equal(splits.train.images, fresh.train.images)


def test_processes_that_start_at_once_decode_once(tmp_path):
    folder = write_many(tmp_path / "many", MIN_PARALLEL_IMAGES)
    count = "calls = []\nimport atexit\ndef show(done, total): calls.append(done)"
    processes = [in_process(folder, tmp_path / "cache", before=count) for _ in range(3)]
    digests = set()
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        digests.add(out.strip())
    assert len(digests) == 1
    (entry,) = cache.entries(tmp_path / "cache")
    assert entry.complete
    assert sorted(path.name for path in entry.folder.iterdir()) == [
        "catalogue.npz", "entry.json", "files.txt", "images.npy", "lock",
    ]  # fmt: skip


def test_workers_do_not_outlive_their_process(tmp_path):
    folder = write_many(tmp_path / "many", 2 * MIN_PARALLEL_IMAGES)
    wait = "import time\ndef show(done, total):\n    print(done, flush=True)\n    if done: time.sleep(60)"
    process = in_process(folder, tmp_path / "cache", before=wait)
    while process.stdout.readline().strip() in ("", "0"):
        assert process.poll() is None, process.stderr.read()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("needs /proc/PID/task/PID/children")
    started = children.read_text().split()
    assert started
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in started):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_disk_is_a_clear_error_that_leaves_nothing(folder, store):
    # The largest file this process may write stands in for the free space.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))"
    _, err = (process := in_process(folder, store, before=limit)).communicate(timeout=60)
    assert process.returncode == 1
    assert "has no room for the decoded images" in err.strip().splitlines()[-1]
    assert cache.entries(store) == ()
    assert list(store.iterdir()) == []
    load(FolderDataConfig, cache=store, path=folder)


def test_a_disk_that_fills_up_within_a_worker_is_the_same_error(tmp_path, monkeypatch):
    folder = write_many(tmp_path / "many", MIN_PARALLEL_IMAGES)
    limit = (
        "import os, resource\n"
        "def allocate(file, offset, size): os.truncate(file, size); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
        "os.posix_fallocate = allocate"  # a file system that promises space and does not have it
    )
    _, err = (process := in_process(folder, tmp_path / "cache", before=limit)).communicate(timeout=60)
    assert process.returncode == 1
    assert "has no room for the decoded images" in err.strip().splitlines()[-1]
    assert cache.entries(tmp_path / "cache") == ()


def test_a_cache_that_cannot_be_a_folder(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be used: .* Set data\.cache"):
        load(FolderDataConfig, cache=tmp_path / "file" / "cache", path=folder)


def test_a_damaged_entry_is_decoded_again(folder, store):
    first = load(FolderDataConfig, cache=store, path=folder)
    (entry,) = cache.entries(store)
    (entry.folder / "images.npy").write_bytes((entry.folder / "images.npy").read_bytes()[:-1])
    again = load(FolderDataConfig, cache=store, path=folder)
    assert again.digest == first.digest
    np.testing.assert_array_equal(np.load(entry.folder / "images.npy"), again.train.images)


def test_an_entry_whose_description_is_torn_is_decoded_again(folder, store):
    first = load(FolderDataConfig, cache=store, path=folder)
    (entry,) = cache.entries(store)
    (entry.folder / "entry.json").write_text('{"name": "fol')
    (torn,) = cache.entries(store)
    assert not torn.complete
    assert load(FolderDataConfig, cache=store, path=folder).digest == first.digest
    assert [(one.folder, one.complete) for one in cache.entries(store)] == [(entry.folder, True)]


def test_entries_and_clear(folder, store, tmp_path):
    assert cache.entries(store) == ()
    load(FolderDataConfig, cache=store, path=folder)
    load(FolderDataConfig, cache=store, path=folder, name="others")
    (store / "somebody's folder").mkdir()
    entries = {entry.name: entry for entry in cache.entries(store)}
    assert set(entries) == {"folder", "others"}
    entry = entries["folder"]
    assert entry.complete
    assert (entry.origin, entry.images) == (str(folder), 40)
    assert entry.size >= 40 * 12 * 12 * 3
    assert abs(time.time() - entry.used) < 60
    assert [entry.name for entry in cache.clear(store, ("others",))] == ["others"]
    assert [entry.name for entry in cache.clear(store)] == ["folder"]
    assert cache.entries(store) == ()
    assert (store / "somebody's folder").exists()


def test_an_entry_in_work_is_not_cleared(store):
    with cache.locked(store / "folder-0123", while_waiting=lambda: None):
        assert cache.clear(store) == ()
        assert [entry.complete for entry in cache.entries(store)] == [False]
    assert len(cache.clear(store)) == 1


def test_a_lock_taken_on_a_cleared_folder_is_taken_again(store):
    waiting = []

    def clear_once():
        waiting.append(True)
        holder.close()

    entry = store / "folder-0123"
    entry.mkdir(parents=True)
    with (entry / "lock").open("a") as holder:
        assert try_lock(holder)
        with cache.locked(entry, while_waiting=clear_once):
            assert waiting
            assert cache.clear(store) == ()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x/y"}, Path("/x/y/cnnexp")),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, Path("/home/me/.cache/cnnexp")),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/me"}, Path("/home/me/.cache/cnnexp")),
    ],
)
def test_where_the_cache_is(variables, expected, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache.cache_folder(None) == expected
    assert cache.cache_folder("/somewhere") == Path("/somewhere")


def test_arrays_of_the_wanted_shape_take_a_shorter_way_to_the_same_pixels():
    pixels = np.stack([noise(f"short {number}") for number in range(20)])
    short = decode_rows(ArraySource(pixels), range(3, 17), SPEC)
    long = decode_rows(ArraySource(pixels.astype(np.uint16) * 257), range(3, 17), SPEC)
    np.testing.assert_array_equal(short.images, long.images)
    np.testing.assert_array_equal(short.fingerprints, long.fingerprints)
    np.testing.assert_array_equal(short.images[0], read_image(pixels[3], SPEC))


def test_first_duplicates_by_hand():
    prints = np.zeros((7, 16), np.uint8)
    prints[:, 3] = [5, 9, 5, 0, 9, 5, 0]  # rows 3 and 6 are unreadable, not duplicates of each other
    source, headers = ArraySource(np.zeros((7, 12, 12), np.uint8)), np.zeros(7, HEADER)
    duplicate_of = first_duplicates(prints, headers, source, SPEC, unreadable={3, 6})
    np.testing.assert_array_equal(duplicate_of, [0, 1, 0, 3, 1, 0, 6])


def test_large_images_are_compared_whole():
    pixels = np.broadcast_to(noise("large", size=(300, 200)), (4, 300, 200, 3)).copy()
    pixels[1, 1, 1] ^= 1  # one level of one pixel, lost when shrunk
    source = ArraySource(pixels)
    decoded = decode_rows(source, range(4), SPEC)
    np.testing.assert_array_equal(decoded.fingerprints[0], decoded.fingerprints[1])
    duplicate_of = first_duplicates(decoded.fingerprints, decoded.headers, source, SPEC, unreadable=set())
    np.testing.assert_array_equal(duplicate_of, [0, 1, 0, 0])


def test_a_copy_is_found_in_whatever_format_and_at_whatever_fraction(tmp_path):
    soft = Image.fromarray(noise("soft", size=(4, 5))).resize((200, 150), Image.Resampling.BICUBIC)
    soft.save(tmp_path / "0.jpg", quality=90)
    soft.save(tmp_path / "1.jpg", quality=90, progressive=True)  # other bytes, the same coefficients
    with Image.open(tmp_path / "0.jpg") as whole:
        whole.save(tmp_path / "2.png")
        changed = np.array(whole)
    changed[70, 70, 0] ^= 1
    Image.fromarray(changed).save(tmp_path / "3.png")
    soft.rotate(180).save(tmp_path / "4.jpg", quality=90)
    source = FileSource(tmp_path, ("0.jpg", "1.jpg", "2.png", "3.png", "4.jpg"))
    decoded = decode_rows(source, range(5), SPEC)
    duplicate_of = first_duplicates(decoded.fingerprints, decoded.headers, source, SPEC, unreadable=set())
    np.testing.assert_array_equal(duplicate_of, [0, 0, 0, 3, 4])
    assert set(decoded.headers[["height", "width", "mode"]].tolist()) == {(150, 200, b"RGB")}


def test_no_size_makes_duplicates_of_images_that_differ(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(40):
        pixels = np.full((64, 64), 128, np.uint8)
        pixels[0, number] = 129  # lost when shrunk to 8 × 8
        Image.fromarray(pixels).save(tmp_path / "data" / "ab"[number % 2] / f"{number}.png")
    decoded = inspected(tmp_path / "data", tmp_path / "cache", size=[8, 8]).decoded
    assert len(np.unique(decoded.images.reshape(40, -1), axis=0)) < 40
    np.testing.assert_array_equal(decoded.duplicate_of, np.arange(40))


def test_an_entry_says_what_it_is(folder, store):
    splits = load(FolderDataConfig, cache=store, path=folder)
    (entry,) = cache.entries(store)
    facts = json.loads((entry.folder / "entry.json").read_text(encoding="utf-8"))
    assert facts["class_names"] == ["a", "b"]
    assert facts["spec"]["height"] == splits.spec.height
    assert "Pillow" in facts["reader"]


def properties_of(folder, store):
    return ImageProperties.of(inspected(folder, store).decoded)


def test_image_properties_are_computed_when_first_needed_and_kept(folder, store):
    load(FolderDataConfig, cache=store, path=folder)
    (entry,) = cache.entries(store)
    assert not (entry.folder / "measures.npz").exists()
    first = properties_of(folder, store)
    written = (entry.folder / "measures.npz").stat().st_mtime_ns
    again = properties_of(folder, store)
    assert (entry.folder / "measures.npz").stat().st_mtime_ns == written
    np.testing.assert_array_equal(first.brightness, again.brightness)
    np.testing.assert_array_equal(first.headers, again.headers)
    assert list(entry.folder.glob("*.part")) == []


def test_image_properties_need_no_room_on_a_full_disk(folder, store):
    load(FolderDataConfig, cache=store, path=folder)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    code = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{limit}\nfrom pathlib import Path\n"
    code += "from test_datasets_cache import properties_of\n"
    code += f"print(len(properties_of(Path({str(folder)!r}), Path({str(store)!r})).brightness))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "40", done.stderr
    (entry,) = cache.entries(store)
    assert not {"measures.npz", "measures.part"} & {path.name for path in entry.folder.iterdir()}
