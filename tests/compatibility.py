"""What has to stay: the commands that the goldens were recorded with, and how a recorded place is set up again.

Nothing of cnnexp is imported here but the command itself, because everything else may be renamed.
"""

import json
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"
HOME = "@HOME@"  # stands for the folder of the store in what is kept of it
TINY = ("training=smoke", "training.epochs=1", "data.limit=60", "model=small", "model.width=2")
IMAGES = ("data.limit=null", "data.validation=0.2", "data.calibration=0.1", "data.test=0.2")


@dataclass(frozen=True)
class Sweep:
    """A recorded sweep: its words, others that mean the same, and some that nearly do and are another one."""

    name: str
    words: tuple[str, ...]
    again: tuple[str, ...]
    others: tuple[tuple[str, ...], ...] = ()


def _sweep(name: str, *words: str, again: tuple[str, ...] = (), others: tuple[tuple[str, ...], ...] = ()) -> Sweep:
    whole = (*TINY, *words)
    return Sweep(name, whole, again or _in_another_order(whole), others)


def _in_another_order(words: tuple[str, ...]) -> tuple[str, ...]:
    """Turn the words round; of those about the same setting the last one counts, so they stay as they are."""
    keys = [word.partition("=")[0] for word in words]
    once = [word for word, key in zip(words, keys, strict=True) if keys.count(key) == 1]
    return (*reversed(once), *(word for word in words if word not in once))


SWEEPS = (
    _sweep(
        "seeds",
        "seed=0,1",
        again=("seed=0,1", *TINY, "model=small", "sweep.workers=1", "sweep.retries=0", "tracking.run_name=x"),
        others=(
            (*TINY, "seed=0,2"),
            (*TINY, "seed=range(2)"),
            (*TINY, "seed=0,1", "training.epochs=2"),
            (*TINY, "seed=0,1", "tracking.experiment=elsewhere"),
            (*TINY, "seed=0,1", "sweep.resume=never"),
        ),
    ),
    _sweep("range", "seed=range(3,5)", others=((*TINY, "seed=range(3,6)"),)),
    _sweep("one", "seed=7"),
    _sweep("models", "model=small,resnet", "model.depth=1"),
    _sweep("regularized", "model=regularized", "model.depth=1,2", "training.class_weight=balanced"),
    _sweep("optimizers", "optimizer=sgd,adamw", "optimizer.learning_rate=1e-2", "optimizer.batch_scaling=sqrt"),
    _sweep("rates", "optimizer.learning_rate=1e-3,0.01", "optimizer=rmsprop"),
    _sweep("schedules", "schedule=cosine,one_cycle"),
    _sweep("dropouts", "regularization.dropout=0,0.3", others=((*TINY, "regularization.dropout=0,0.30001"),)),
    _sweep("penalties", "regularization=dropout_l2,label_smoothing"),
    _sweep("augmentations", "augmentation=none,basic"),
    _sweep("moved", "augmentation.zoom=0,0.05", "augmentation.shift=0.05", "data.jitter=0.2"),
    _sweep("limits", "data.limit=40,60", others=((*TINY, "data.limit=40,61"),)),
    _sweep("imbalance", "data.imbalance=3", "data.imbalance_of=train,all"),
    _sweep("scaling", "data.scaling=standardize", "data.kernel=nearest,bicubic", "data.size=[10,9]"),
    _sweep("zip", "training.batch_size=16,32", "model.dense=8,9", "sweep.zip=[training.batch_size,model.dense]"),
    _sweep("training", "training.monitor=val/accuracy", "training.keep=last", "training.patience=null,3"),
    _sweep("threads", "training.threads=2", "training.precision=float32", others=((*TINY, "training.threads=1"),)),
    _sweep("auto", "training.threads=auto", "training.precision=auto", "seed=1,2"),
    _sweep("preset", "sweep=dropout", "regularization.dropout=0.1,0.7"),
    _sweep("lists", "sweep=batch_size"),
    _sweep("question", "experiment=learning_rate", "schedule=constant", "optimizer.learning_rate=1e-2", "seed=0,1"),
    _sweep("folder", "data=folder", "data.path=pictures", *IMAGES, "seed=0,1"),
    _sweep("quoted", "data=folder", 'data.path="my pictures"', *IMAGES, "data.resize=pad,crop"),
    _sweep("table", "data=table", "data.path=table.csv", "data.label=kind", *IMAGES, "seed=0,1"),
    _sweep("npz", "data=npz", "data.path=arrays.npz", *IMAGES, "data.limit=20", "seed=0,1"),
    _sweep(
        "search",
        "hydra/sweeper=optuna",
        "hydra.sweeper.sampler=grid",
        "hydra.sweeper.n_trials=2",
        "sweep.pruning=asha",
        "training.batch_size=16,32",
    ),
)

MODEL = ("training=smoke", "training.epochs=6", "data.limit=null", "model=small", "model.width=4", "seed=3")
MODEL_NAME = "golden"
LEARNING = (*TINY[1:], "training.epochs=3", "data.limit=200", "training.patience=null", "model.width=4")
PLAIN = (*LEARNING, "seed=5", "tracking.run_name=plain")
# Two rates, of which the run with the second fails.
BATCH = (*LEARNING, "optimizer=sgd", "regularization.l2=0.1", "optimizer.learning_rate=0.05,100")
EVALUATE = ("evaluate", MODEL_NAME, "shift=noise:0.1")


COMPARED = "dropouts"  # the sweep whose predictions are kept

# Where a command is typed (an empty folder, or that of the store) and its words.
COMMANDS = tuple(
    (place, tuple(words))
    for place, words in (
        ("empty", ["--version"]),
        ("empty", ["--help"]),
        ("empty", ["training.epoch=3"]),
        ("empty", ["optimizer=adma"]),
        ("empty", ["training.epochs=many"]),
        ("empty", ["regularization.dropout=1.5"]),
        ("empty", ["momentum"]),
        ("empty", ["iu"]),
        ("empty", ["--epochs", "3"]),
        ("empty", ["seed=0,1"]),
        ("empty", ["sweep.dry_run=true"]),
        ("empty", ["training.epochs=[1,2"]),
        ("empty", ["-m", "seed=0,-1"]),
        ("empty", ["-m", "seed=0,1", "sweep.pruning=asha"]),
        ("empty", ["-m", "hydra/sweeper=optuna", "model=small"]),
        ("empty", ["tracking.uri=foo"]),
        ("empty", ["data=folder"]),
        ("empty", ["data=folder", "data.path=/nonexistent"]),
        ("empty", ["check-data", "data=folder", "data.path=/nonexistent"]),
        ("empty", ["check-data", "data=digits"]),
        ("empty", ["compare", "latest"]),
        ("empty", ["predict", "latest", "x.png"]),
        ("empty", ["predict", "--json", "out.json"]),
        ("empty", ["predict", "--help"]),
        ("empty", ["evaluate", "latest"]),
        ("empty", ["export", "latest", "out"]),
        ("empty", ["resume", "latest"]),
        ("empty", ["send", "nowhere"]),
        ("empty", ["ui"]),
        ("store", ["predict", MODEL_NAME, "images/digit-0.png"]),
        ("store", ["predict", MODEL_NAME, "images/digit-0.png", "--json", "out.json"]),
        ("store", ["predict", MODEL_NAME, "images/no-image.png"]),
        ("store", ["predict", MODEL_NAME, "images/none.png"]),
        ("store", ["predict", MODEL_NAME]),
        ("store", ["predict", MODEL_NAME, "images/digit-0.png", "--coverage", "2"]),
        ("store", ["predict", "nobody", "images/digit-0.png"]),
        ("store", ["compare", "nobody"]),
        ("store", ["compare", "sweep-zoom"]),
        ("store", ["evaluate", MODEL_NAME, "shift=nope"]),
        ("store", ["export", MODEL_NAME, "pictures"]),
        ("store", ["resume", "nobody"]),
        ("store", ["-m", *TINY, "seed=0,1", "sweep.dry_run=true"]),
    )
)


def start(*words: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cnnexp", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str], *, code: int = 0) -> str:
    """Wait for a command and return what it printed."""
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == code, f"{process.args}: {process.returncode}\n{printed}\n{errors}"
    return printed


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def said(errors: str, folder: Path) -> str:
    """Return the first eight words of what a command says on standard error, without what libraries print there."""
    lines = [line for line in errors.replace(str(folder), HOME).splitlines() if line.startswith(("cnnexp:", "Usage:"))]
    return " ".join(lines[0].split()[:8]) if lines else ""


# --- the folder of the store


def pack(folder: Path, file: Path, keep: re.Pattern[str]) -> None:
    """Keep the store of a folder as SQL and, of all other files, those whose names match."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        sql = "\n".join(store.iterdump())
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    contents = {name: (folder / name).read_bytes() for name in names if keep.fullmatch(name)}
    contents["store.sql"] = sql.encode()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(contents.items()):
            hidden = content.replace(str(folder).encode(), HOME.encode())
            assert not re.search(rb"/(tmp|work|home|root)/", hidden), name
            archive.writestr(zipfile.ZipInfo(name), hidden, zipfile.ZIP_DEFLATED, 9)


def unpack(folder: Path) -> Path:
    """Set the recorded folder up again, at another place."""
    with zipfile.ZipFile(GOLDEN / "store.zip") as archive:
        archive.extractall(folder)
    for path in [folder / "store.sql", *folder.rglob("MLmodel")]:
        path.write_text(path.read_text(encoding="utf-8").replace(HOME, str(folder)), encoding="utf-8")
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        store.executescript((folder / "store.sql").read_text(encoding="utf-8"))
    (folder / "store.sql").unlink()
    return folder


def copy(folder: Path, target: Path) -> Path:
    """Copy an unpacked folder to where a test may change it; paths in the store lead to the copy."""
    shutil.copytree(folder, target)
    columns = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))
    with closing(sqlite3.connect(target / "mlflow.db")) as store:
        for table, column in columns:
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(folder), str(target)))
        store.commit()
    return target


def hashes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return key and identities of every sweep of a store."""
    tags = _tags(folder)
    children = [words for words in tags.values() if "sweep_id" in words]
    return {
        name: {
            "key": tags[run]["sweep.key"],
            "varied": tags[run]["sweep.varied"],
            "runs": dict(sorted((c["sweep.varied"], c["identity"]) for c in children if c["sweep_id"] == run)),
        }
        for name, run in parents(folder).items()
    }


def parents(folder: Path) -> dict[str, str]:
    """Return the id of every sweep of a store, by its name above, or by its words."""
    names = {frozenset(sweep.words): sweep.name for sweep in SWEEPS}
    told = {run: json.loads(tags["sweep.words"]) for run, tags in _tags(folder).items() if "sweep.key" in tags}
    return {names.get(frozenset(words), " ".join(words)): run for run, words in told.items()}


def _tags(folder: Path) -> dict[str, dict[str, str]]:
    query = "SELECT run_uuid, key, value FROM tags JOIN runs USING (run_uuid) WHERE lifecycle_stage = 'active'"
    found: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=30)) as store:
        for run, key, value in store.execute(query):
            found.setdefault(run, {})[key] = value
    return found


def runs(folder: Path) -> list[tuple[str, str, str]]:
    """Return id, name and status of every run of a store, oldest first."""
    query = "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=30)) as store:
        return store.execute(query).fetchall()


def numbers(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Return, for each run that is no parent, every metric but times, in the order of its steps."""
    query = "SELECT run_uuid, key, value FROM metrics WHERE key NOT LIKE 'seconds/%' ORDER BY key, step"
    names = {
        run: words.get("sweep.varied", "alone") for run, words in _tags(folder).items() if "sweep.key" not in words
    }
    found: dict[str, dict[str, list[float]]] = {name: {} for name in names.values()}
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=30)) as store:
        for run, key, value in store.execute(query):
            if run in names:
                found[names[run]].setdefault(key, []).append(value)
    return found


def machine() -> dict[str, Any]:
    """Return what numbers depend on beside the seed: processor, and the libraries that compute."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(re.findall(r"^(model name|flags)\s*: (.*)$", text, re.MULTILINE))
    vectors = [flag for flag in fields.get("flags", "").split() if re.match("avx|amx|fma", flag)]
    libraries = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pillow")
    return {
        "processor": fields.get("model name", platform.machine()),
        "vectors": sorted(vectors),
        "versions": {name: version(name) for name in libraries},
    }


def children(folder: Path, parent: str) -> list[str]:
    """Return the ids of the runs of a sweep."""
    return [run for run, words in _tags(folder).items() if words.get("sweep_id") == parent]


# --- runs that are made again


def run_and_sweep(place: Path) -> tuple[Path, Path]:
    """Do a run, in a repository, and a sweep, in none, beside each other; return the folders of their stores."""
    alone, swept = place / "alone", place / "swept"
    for folder in (alone, swept):
        folder.mkdir()
    commit(alone)
    first, second = start(*PLAIN, folder=alone), start("-m", *BATCH, folder=swept)
    end(first)
    end(second, code=1)
    return alone, swept


def commit(folder: Path) -> None:
    """Make a repository that has a commit and a file which is not in it."""
    git = ["git", "-c", "user.name=user", "-c", "user.email=user@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)
    (folder / "new.py").write_text("new = True\n")


def runs_by_kind(alone: Path, swept: Path) -> dict[str, tuple[Path, str]]:
    """Return folder and id of each kind of run."""
    ((plain, _, _),) = runs(alone)
    above = set(parents(swept).values())
    kinds = {(run in above, status): run for run, _, status in runs(swept)}
    return {
        "run": (alone, plain),
        "parent": (swept, kinds[True, "FINISHED"]),
        "child": (swept, kinds[False, "FINISHED"]),
        "failed": (swept, kinds[False, "FAILED"]),
    }


def metrics_of(folder: Path, run: str) -> dict[str, float]:
    """Return the last values of a run's metrics, times left out."""
    query = "SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND key NOT LIKE 'seconds/%' ORDER BY key"
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=30)) as store:
        return dict(store.execute(query, (run,)).fetchall())


# --- names


def model_id_of(folder: Path, run_id: str) -> str:
    """Return the id of the model that a run has logged."""
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=30)) as store:
        query = "SELECT model_id FROM logged_models WHERE source_run_id = ?"
        ((model,),) = store.execute(query, (run_id,)).fetchall()
    return model


def described(folder: Path, run_id: str) -> dict[str, Any]:
    """Return the names under which a run is recorded, and its data."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run = client.get_run(run_id)
    models = [client.get_logged_model(output.model_id) for output in (run.outputs.model_outputs if run.outputs else [])]
    return {
        "parameters": sorted(run.data.params),
        "metrics": sorted(run.data.metrics),
        "tags": sorted(run.data.tags),
        "artifacts": _files(run.info.artifact_uri),
        "inputs": [_input(one) for one in run.inputs.dataset_inputs],
        "models": [{"name": one.name, "files": _files(one.artifact_location)} for one in models],
    }


def _input(one: Any) -> dict[str, Any]:
    data = one.dataset
    return {
        "name": data.name,
        "digest": data.digest,
        "source": [data.source_type, json.loads(data.source)],
        "profile": sorted(json.loads(data.profile)),
        "tags": {tag.key: tag.value for tag in one.tags},
    }


def _files(uri: str) -> list[str]:
    """Return the files below a folder: what MLflow makes unique is left out, and modules that travel with a model."""
    folder = Path(uri.removeprefix("file://"))
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    short = {re.sub(r"\+timestamp\+\d+\+[0-9a-f-]{36}", "+UNIQUE", name) for name in names}
    return sorted({re.sub(r"^(code/\w+|reader)/.+", r"\1/*", name) for name in short})


def files(folder: Path) -> list[str]:
    return _files(str(folder))


# --- answers

LOADED = """
import sys
sys.modules["cnnexp"] = None  # whoever imports it now fails
import json, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
table = pandas.DataFrame({"image": [open(file, "rb").read() for file in sys.argv[2:]]})
print(json.dumps(model.predict(table).to_dict("records")))
"""


def good_images(folder: Path) -> list[str]:
    digits = sorted(path.name for path in (folder / "images").glob("digit-*.png"))
    return [f"images/{name}" for name in (*digits, "noise.png")]


def logged_model(folder: Path) -> Path:
    """Return the folder of the one logged model that was kept."""
    (file,) = folder.rglob("MLmodel")
    return file.parent


def by_script(exported: Path, folder: Path) -> list[dict[str, Any]]:
    """Return what the script of an exported folder answers, which knows nothing of cnnexp."""
    command = [sys.executable, str(exported / "predict.py"), *good_images(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_mlflow(model: Path, folder: Path) -> list[dict[str, Any]]:
    """Return what a logged model answers, loaded by MLflow without cnnexp."""
    command = [sys.executable, "-c", LOADED, str(model), *good_images(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout.splitlines()[-1])
