"""What the page of a comparison costs: making it, its size, opening it, and brushing, for 24 and for 1,000 runs.

    python benchmarks/comparison_page.py [--runs 24 1000] [--folder FOLDER]

Runs are written into a real store without training: settings, metrics, curves of 20 epochs, answers to 360 test images,
findings. The page is made in a new process and opened in Chromium, which is driven as a reader would. With a folder, a
store that is there is used again, and the pages are kept.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # what steers a browser and writes records is there

IMAGES = 360
EPOCHS = 20
AREAS = {"parallel": ".axis-brush .background", "scatter": ".nsewdrag"}  # charts, and where they are brushed
MAKE = """
import sys, time
begun = time.perf_counter()
from cnnexp.__main__ import main
assert main(["compare", "sweep", f"tracking.uri={sys.argv[1]}", f"--html={sys.argv[2]}"]) == 0
print("seconds", time.perf_counter() - begun)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[24, 1000])
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for runs in asked.runs:
            folder = (asked.folder or Path(temporary)) / str(runs)
            if not folder.exists():
                folder.mkdir(parents=True)
                record(folder, runs)
            print(f"{runs} runs: {measured(folder)}", flush=True)


def record(folder: Path, runs: int) -> None:
    """Write a sweep of batch sizes, rates and dropouts with six or more seeds, of which the largest rate collapses."""
    from support.recorded_runs import CLASS_NAMES, Recorder, predictions_file, probabilities, test_labels

    recorder, rng, labels = Recorder(folder), np.random.default_rng(0), test_labels(IMAGES)
    parent, files = recorder.sweep("sweep"), [f"index-{row}" for row in range(IMAGES)]
    seeds = 6 if runs < 100 else 10
    difficulty = rng.gamma(0.5, 1.0, IMAGES)
    for number in range(runs):
        seed, combination = number % seeds, number // seeds
        batch, rate = ("16", "64")[combination % 2], ("0.001", "0.01", "0.003", "0.0003", "0.03")[combination // 2 % 5]
        dropout = f"{combination // 10 / 10:.1f}"
        fails = rate == "0.01" and batch == "16" and seed < 3
        share = 0.06 + 0.03 * (batch == "64") + 0.02 * float(dropout) + rng.normal(0, 0.005)
        wrong = np.argsort(-difficulty * rng.gamma(2.0, 1.0, IMAGES))[: int(share * IMAGES)]
        answers = probabilities(labels, [*map(int, wrong)], seed)
        if fails:
            answers = np.tile(np.full(len(CLASS_NAMES), 1 / len(CLASS_NAMES), np.float32), (IMAGES, 1))
        right = float((answers.argmax(axis=1) == labels).mean())
        loss = 1.1 if fails else 1.2 - right + float(rng.normal(0, 0.01))
        curve = [loss + 1.5 * 0.7**k + float(rng.normal(0, 0.02)) for k in range(EPOCHS)]
        collapsed = {"id": "L3", "cause": 3, "title": "collapsed", "sentence": "One answer.", "evidence": {},
                     "confidence": 0.9, "repair": "optimizer.learning_rate=0.001"}  # fmt: skip
        scores = {f"test/{name}": right for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_recall")}
        recorder.run(
            f"run-{number}",
            {"data": "digits", "model": "small", "seed": str(seed), "training.batch_size": batch,
             "optimizer.learning_rate": rate, "regularization.dropout": dropout},
            {"best/val_loss": loss, "best/val_accuracy": right, **scores, "test/log_loss": loss, "updates": 640.0,
             "seconds/train": 2.0},
            parent=parent,
            curves={"val/loss": curve, "train/loss": [v - 0.05 for v in curve],
                    "val/accuracy": [1 - v / 3 for v in curve], "train/accuracy": [1 - v / 4 for v in curve]},
            files={"predictions.parquet": predictions_file(labels, answers, files),
                   "findings.json": json.dumps([collapsed] if fails else []).encode()},
        )  # fmt: skip


def measured(folder: Path) -> str:
    uri, file = f"sqlite:///{folder / 'mlflow.db'}", folder / "comparison.html"
    made = subprocess.run([sys.executable, "-c", MAKE, uri, str(file)], capture_output=True, text=True, check=True)
    seconds = float(made.stdout.split()[-1])
    from support.browser import Browser

    with tempfile.TemporaryDirectory() as own, Browser(Path(own)) as browser:
        browser.resize(1400)
        begun = time.perf_counter()
        browser.open(f"file://{file.resolve()}", ready="'ready' in document.documentElement.dataset")
        opened = time.perf_counter() - begun
        along = [brushed(browser, chart) for chart in AREAS]
        assert browser.errors() == []
    return f"made in {seconds:.1f} s, {file.stat().st_size / 1e6:.2f} MB, opened in {opened:.1f} s" + "".join(
        f"\n  {chart}: a frame while brushing {statistics.median(frames):.0f} ms (slowest {max(frames):.0f}), "
        f"the longest of a brush {statistics.median(longest):.0f} ms (slowest {max(longest):.0f})"
        for chart, (longest, frames) in zip(AREAS, along, strict=True)
    )


def brushed(browser, chart: str) -> tuple[list[float], list[float]]:
    """Drag within a chart five times; return the longest ms between two frames of each, and those of all others."""
    for _ in range(3):  # what comes into view above it moves it
        browser.place(f"#{chart} .plot")
        browser.evaluate("new Promise(done => setTimeout(done, 500))")
        browser.wait("document.documentElement.hasAttribute('data-settled')")
    left, top, width, height = browser.evaluate(
        "(box => [box.x, box.y, box.width, box.height])"
        f"(document.querySelector('#{chart} {AREAS[chart]}').getBoundingClientRect())"
    )
    longest, frames = [], []
    for part in (0.25, 0.4, 0.55, 0.7, 0.85):
        browser.evaluate(
            "window.seen = []; window.on = true; requestAnimationFrame(function next(time) {"
            "seen.push(time); if (on) requestAnimationFrame(next); }); 0"
        )
        begin = (left + width / 2, top + 0.01 * height) if chart == "parallel" else (left + 5, top + 5)
        end = (left + width / 2 if chart == "parallel" else left + width - 5, top + part * height)
        browser.drag(begin, end, steps=20)
        browser.wait("document.querySelector('.chip') && document.documentElement.hasAttribute('data-settled')")
        seen = browser.evaluate("window.on = false; window.seen")
        gaps = np.diff(seen).tolist()
        assert browser.evaluate("document.querySelectorAll('.chip').length") >= 1
        longest.append(max(gaps))  # usually of the frame in which it is let go, and everything is computed again
        frames += sorted(gaps)[:-1]
        while browser.evaluate("document.querySelectorAll('.chip').length"):
            browser.evaluate("document.querySelector('.chip').click()")
            browser.wait("document.documentElement.hasAttribute('data-settled')")
    return longest, frames


if __name__ == "__main__":
    main()
