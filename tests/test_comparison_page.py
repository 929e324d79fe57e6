"""The page of a comparison as a reader uses it, in a real browser."""

import json
import re
import statistics
from dataclasses import replace

import numpy as np
import pytest

from cnnexp.comparison import compare
from cnnexp.report.comparison.html_page import page
from cnnexp.tracking.store.find_runs import find_runs
from support.browser import CHROMIUM, REASON, Browser
from support.recorded_runs import Recorder, predictions_file, probabilities, test_labels
from support.simulated_runs import simulated_run

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=REASON)

IMAGES = 120
READY = "['ready', 'settled'].every(name => name in document.documentElement.dataset)"


def record_sweep(recorder: Recorder) -> str:
    """24 runs: two batch sizes, two rates, six seeds; the higher rate collapses in small batches, one run failed."""
    parent = recorder.sweep("batch-and-rate")
    labels, rng = test_labels(IMAGES), np.random.default_rng(0)
    files = [f"index-{row}" for row in range(IMAGES)]
    hard = [3, 7, 11]  # wrong under every setting
    for batch in ("16", "64"):
        for rate in ("0.003", "0.03"):
            for seed in range(6):
                fails = batch == "16" and rate == "0.03" and seed < 3
                misses = 6 + 9 * (batch == "64") + int(rng.integers(0, 3))
                wrong = [*hard, *rng.choice(np.arange(12, IMAGES), misses, replace=False)]
                answers = probabilities(labels, wrong, seed)
                if fails:
                    answers = np.tile(np.float32([0.34, 0.33, 0.33]), (IMAGES, 1))
                right = float((answers.argmax(axis=1) == labels).mean())
                loss = 1.1 if fails else round(1.2 - right, 4)
                epochs = [loss + 1.5 * 0.5**k for k in range(6)]
                collapsed = {
                    "id": "L3", "cause": 1, "title": "collapsed", "sentence": "One answer for <i>every</i> image.",
                    "evidence": {}, "confidence": 0.9, "repair": "optimizer.learning_rate=0.001",
                }  # fmt: skip
                settings = {
                    "data": "digits", "model": "small", "seed": str(seed), "training.batch_size": batch,
                    "optimizer.learning_rate": rate,
                }  # fmt: skip
                metrics = {
                    "best/val_loss": loss, "best/val_accuracy": right, "test/accuracy": right, "updates": 640.0,
                    "test/macro_f1": right - 0.01, "seconds/train": 2.0 + seed,
                    "test/balanced_accuracy": right,
                }  # fmt: skip
                recorder.run(
                    f"bs{batch}-lr{rate}-s{seed}", settings, metrics, parent=parent,
                    curves={"val/loss": epochs, "val/accuracy": [right - 0.3 * 0.5**k for k in range(6)]},
                    files={
                        "data_report.json": json.dumps({"issues": [{"title": "copies", "sentence": "Two."}]}).encode(),
                        "predictions.parquet": predictions_file(labels, answers, files),
                        "findings.json": json.dumps([collapsed] if fails else []).encode(),
                    },
                )  # fmt: skip
    recorder.run(
        "out-of-memory", {**settings, "seed": "9"}, {}, parent=parent, status="FAILED", tags={"failure": "no memory"}
    )
    return parent


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    recorder = Recorder(folder)
    sweep = record_sweep(recorder)
    comparison = compare(find_runs([sweep], uri=recorder.uri), metric_name="test/accuracy", by=())
    written = folder / "comparison.html"
    command = f"cnnexp compare {sweep} tracking.uri={recorder.uri} --metric test/accuracy --html report.html"
    written.write_text(page(comparison, command=command), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.resize(1400)
        yield opened


@pytest.fixture
def opened(browser, file):
    browser.open("about:blank")
    browser.open(f"file://{file}", ready=READY)
    yield browser
    assert browser.errors() == []


def html_text(content: str) -> str:
    return content.replace("&", "&amp;").replace('"', "&quot;")


def choose(browser, select: str, value: str) -> None:
    """Choose an option of a <select>, as a reader does by keyboard."""
    browser.evaluate(
        f"(select => {{ select.value = {json.dumps(value)}; select.dispatchEvent(new Event('change')); }})"
        f"(document.querySelector({json.dumps(select)}))"
    )


def box(browser, selector: str) -> tuple[float, float, float, float]:
    """Return left, top, width and height of an element, which is scrolled to."""
    browser.place(selector)
    found = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
    return tuple(browser.evaluate(f"(box => [box.x, box.y, box.width, box.height])({found})"))


def settle(browser) -> None:
    """Wait until what a reader sees is drawn."""
    browser.wait("document.documentElement.hasAttribute('data-settled')")


def rows(browser) -> list[str]:
    settle(browser)
    return browser.evaluate("[...document.querySelectorAll('#table tbody tr')].map(row => row.innerText)")


def heading(browser) -> str:
    settle(browser)
    return browser.evaluate("document.querySelector('#verdict h1').textContent")


def chips(browser) -> str:
    settle(browser)
    return browser.evaluate("document.querySelector('.chips').textContent")


def come_to(browser, selector: str) -> None:
    """Scroll to a part of the page, also while those above it are drawn and move it."""
    place = None
    while place != (place := browser.place(selector)):
        browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        settle(browser)


def shown(browser, chart: str) -> None:
    """Scroll to a chart and wait until it is drawn."""
    come_to(browser, f"#{chart} .plot")
    browser.wait(f"document.querySelector('#{chart} .plot svg, #{chart} .plot canvas')")
    settle(browser)


def test_the_first_sight_is_the_verdict_of_the_command_line(opened, file):
    written = re.search(r"<h1>(.*?)</h1>", file.read_text(encoding="utf-8"))[1]
    assert heading(opened) == written
    assert len(rows(opened)) == 4
    assert any("3/6 collapsed" in row for row in rows(opened))
    assert any("1/7 failed" in row for row in rows(opened))


@pytest.mark.slow
def test_a_click_on_a_heading_sorts(opened):
    opened.click("[data-sort='training.batch_size']")
    first = [row.split("\t")[2] for row in rows(opened)]
    opened.click("[data-sort='training.batch_size']")
    assert [row.split("\t")[2] for row in rows(opened)] != first
    assert opened.evaluate("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "ascending"


@pytest.mark.slow
def test_search_and_filter_compute_the_verdict_again_and_say_so(opened):
    whole = heading(opened)
    opened.click("input[type=search]")
    opened.type("batch_size=64")
    assert len(rows(opened)) == 2
    assert heading(opened) != whole
    assert "chosen after looking: exploratory" in opened.evaluate("document.querySelector('#verdict').innerText")
    assert "13 of 25 runs" in chips(opened)
    opened.click(".chip")
    assert heading(opened) == whole


@pytest.mark.slow
def test_what_is_not_of_the_runs_that_are_left_says_so(opened):
    differences = "[...document.querySelectorAll('#differences tbody tr')].map(row => row.innerText)"
    bars = "document.querySelector('#importance .plot').data[0].y"
    scopes = "[...document.querySelectorAll('.scope')].map(scope => scope.offsetParent !== null)"
    come_to(opened, "#differences")
    assert len(opened.evaluate(differences)) == 2
    shown(opened, "importance")
    assert len(opened.evaluate(bars)) == 2
    assert opened.evaluate(scopes) == 3 * [False]
    opened.click("input[type=search]")
    opened.type("batch_size=64")
    come_to(opened, "#differences")
    (row,) = opened.evaluate(differences)
    assert row.startswith(("≈", "▼", "▲"))
    assert "learning_rate=0.03" in row
    shown(opened, "importance")
    assert opened.evaluate(bars) == ["optimizer.learning_rate"]
    assert opened.evaluate(scopes) == 3 * [True]  # advice, what to mind, and what was left out


@pytest.mark.slow
def test_a_question_leads_to_its_answer(opened):
    opened.click(".ways button:last-child")
    opened.wait("document.querySelector('#share pre')?.textContent.startsWith('cnnexp rerun ')")
    top = opened.evaluate("document.querySelector('#share').closest('section').getBoundingClientRect().top")
    assert 0 <= top < 900


@pytest.mark.slow
def test_what_failed_can_be_hidden(opened):
    opened.click(".check:last-child input")
    assert "21 of 25 runs" in chips(opened)
    assert "chosen by their results" in opened.evaluate("document.querySelector('#verdict').innerText")


@pytest.mark.slow
def test_another_metric_is_compared(opened):
    choose(opened, ".bar select", "test/macro_f1")
    settle(opened)
    assert "test/macro_f1" in opened.evaluate("document.querySelector('#table thead').innerText")
    assert "another metric" in opened.evaluate("document.querySelector('#verdict').innerText")


@pytest.mark.slow
def test_a_row_is_lit_up_everywhere_also_by_keyboard(opened):
    opened.evaluate("document.querySelector('#table tbody tr:nth-child(2) .light').focus()")
    opened.key("Enter")
    settle(opened)
    assert opened.evaluate("document.querySelectorAll('tr.lit').length") == 1
    shown(opened, "curves")
    assert (
        opened.evaluate("new Set(document.querySelector('#curves .plot').data.map(trace => trace.legendgroup)).size")
        == 1
    )
    shown(opened, "scatter")
    assert len(set(opened.evaluate("document.querySelector('#scatter .plot').data[0].marker.opacity"))) == 2
    opened.click("#table tbody tr:nth-child(2)")
    settle(opened)
    assert opened.evaluate("document.querySelectorAll('tr.lit').length") == 0


def test_brushing_an_axis_filters_the_page(opened):
    shown(opened, "parallel")
    left, top, width, height = box(opened, "#parallel .axis-brush .background")
    x = left + width / 2
    opened.drag((x, top + 0.02 * height), (x, top + 0.4 * height))
    opened.wait("document.querySelector('.chip')")
    assert len(rows(opened)) == 2
    assert "exploratory" in opened.evaluate("document.querySelector('#verdict').innerText")


@pytest.mark.slow
def test_no_frame_of_a_brush_takes_long_with_a_thousand_runs(browser, tmp_path):
    """A generous limit: this machine may be busy. `benchmarks/comparison_page.py` says what frames take."""
    written = tmp_path / "thousand.html"
    written.write_text(
        page(compare([*thousand_runs()], metric_name="test/accuracy", by=()), command="cnnexp compare x")
    )
    browser.open(f"file://{written}", ready=READY)
    shown(browser, "parallel")
    left, top, width, height = box(browser, "#parallel .axis-brush .background")
    browser.evaluate(
        "window.seen = []; window.on = true; requestAnimationFrame(function next(time) {"
        "seen.push(time); if (on) requestAnimationFrame(next); }); 0"
    )
    x = left + width / 2
    browser.drag((x, top + 0.02 * height), (x, top + 0.6 * height), steps=20)
    browser.wait("document.querySelector('.chip')")
    assert "600 of 1000 runs" in chips(browser)
    attributes = "document.querySelector('#parallel canvas').getContext('webgl').getContextAttributes()"
    assert browser.evaluate(attributes)["antialias"] is False  # which takes time
    frames = np.diff(browser.evaluate("window.on = false; window.seen")).tolist()
    assert statistics.median(frames) < 150, frames
    assert max(frames) < 500, frames
    assert browser.errors() == []


def thousand_runs():
    rng = np.random.default_rng(0)
    for number in range(1000):
        combination, seed = divmod(number, 10)
        score = float(np.clip(rng.normal(0.9 - 0.03 * (combination % 2), 0.01), 0, 1))
        settings = {
            "training.batch_size": ("16", "64")[combination % 2],
            "optimizer.learning_rate": ("0.001", "0.01", "0.003", "0.0003", "0.03")[combination // 2 % 5],
            "regularization.dropout": f"{combination // 10 / 10:.1f}",
        }
        run = simulated_run(score, seed=seed, **settings)
        yield replace(run, run_id=f"{number:032x}", started=float(number))


@pytest.mark.slow
def test_a_box_in_the_scatter_keeps_what_is_in_it(opened):
    shown(opened, "scatter")
    left, top, width, height = box(opened, "#scatter .nsewdrag")
    opened.drag((left + 2, top + 2), (left + 0.5 * width, top + 0.5 * height))
    opened.wait("document.querySelectorAll('.chip').length === 2")
    assert "chosen by their results" in opened.evaluate("document.querySelector('#verdict').innerText")


@pytest.mark.slow
def test_runs_that_collapsed_do_not_flatten_the_others(opened):
    shown(opened, "scatter")
    plot = "document.querySelector('#scatter .plot')"
    values = opened.evaluate(f"{plot}.data[0].y")
    symbols = opened.evaluate(f"{plot}.data[0].marker.symbol")
    low, high = opened.evaluate(f"{plot}.layout.yaxis.range")
    learned = [value for value, symbol in zip(values, symbols, strict=True) if symbol == "circle"]
    assert max(learned) - min(learned) > 0.8 * (high - low)
    beyond = [value for value, symbol in zip(values, symbols, strict=True) if symbol != "circle"]
    assert beyond == pytest.approx([low + 0.02 * (high - low)] * 3)  # at the edge, and not cut by it
    left, top, width, height = box(opened, "#scatter .nsewdrag")
    opened.drag((left + 2, top + 0.9 * height), (left + width - 2, top + height - 1))  # over the lower edge
    opened.wait("document.querySelectorAll('.chip').length === 2")
    assert "collapsed" in str(rows(opened))


@pytest.mark.slow
def test_a_heat_map_is_of_runs_that_learned(opened):
    shown(opened, "heatmap")
    texts = opened.evaluate("document.querySelector('#heatmap .plot').data.flatMap(({text}) => text ?? [])")
    assert sorted(text.split("<br>")[1] for text in texts if "×" in text) == ["× 1 of 7", "× 3 of 6"]
    assert all(float(text.split("<br>")[0]) > 0.6 for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1400])
def test_names_of_settings_in_the_importance_are_whole(browser, file, width):
    browser.resize(width)
    browser.open("about:blank")
    browser.open(f"file://{file}", ready=READY)
    shown(browser, "importance")
    names = "[...document.querySelectorAll('#importance .ytick text')]"
    found = browser.evaluate(f"{names}.map(name => [name.textContent, name.getBoundingClientRect().left])")
    left = browser.evaluate("document.querySelector('#importance .plot').getBoundingClientRect().left")
    assert sorted(name for name, _ in found) == ["optimizer.learning_rate", "training.batch_size"]
    assert all(start >= left for _, start in found)
    browser.resize(1400)


@pytest.mark.slow
def test_pictures_of_mistakes_say_of_which_seed_they_are(opened):
    shown(opened, "pairs")
    said = "[...document.querySelectorAll('#pairs p, #slices p')].map(text => text.innerText).join(' ')"
    assert re.search(r"the first is seed \d alone \(seed \d: \d+ wrong, .*; 3 more\)", opened.evaluate(said))


@pytest.mark.slow
def test_curves_tell_their_values_under_the_mouse(opened):
    shown(opened, "curves")
    x, y = opened.place("#curves .nsewdrag")
    opened.mouse("mouseMoved", x, y)
    opened.wait("document.querySelector('#curves .hoverlayer').textContent.includes('learning_rate=')")


def test_a_row_opens_its_images(opened):
    opened.click("#table tbody tr:nth-child(1) .open")
    opened.wait("document.querySelector('#pictures figure')")
    settle(opened)
    figures = opened.evaluate("[...document.querySelectorAll('#pictures figure')].map(figure => figure.innerText)")
    assert len(figures) >= 9
    assert all("wrong" in text and "✗" in text and "%" in text for text in figures)
    pictures = "[...document.querySelectorAll('#pictures img')]"
    assert opened.evaluate(f"{pictures}.every(image => image.naturalWidth === 8)")
    choose(opened, "#pictures select", "wrong")
    settle(opened)
    figures = "[...document.querySelectorAll('#pictures figure')]"
    hardest = opened.evaluate(f"{figures}.slice(0, 3).map(figure => Number(figure.dataset.image))")
    assert sorted(hardest) == [3, 7, 11]


@pytest.mark.slow
def test_a_link_opens_what_was_chosen(opened, file):
    opened.click("input[type=search]")
    opened.type("batch_size=16")
    settle(opened)
    opened.click("#table tbody tr:nth-child(1)")
    come_to(opened, "#share")
    opened.wait("document.querySelector('#share p code').textContent.includes('lit')")
    link = opened.evaluate("document.querySelector('#share p code').textContent")
    before = (heading(opened), rows(opened))
    opened.open("about:blank")
    opened.open(link, ready=READY)
    assert (heading(opened), rows(opened)) == before
    settle(opened)
    assert opened.evaluate("document.querySelectorAll('tr.lit').length") == 1


@pytest.mark.slow
def test_the_command_line_names_the_runs_that_are_left(opened):
    command = "[...document.querySelectorAll('#share pre')].at(-1).textContent"
    come_to(opened, "#share")
    opened.wait(f"{command}.startsWith('cnnexp compare ')")
    whole = opened.evaluate(command)
    opened.click("input[type=search]")
    opened.type("seed=3")
    come_to(opened, "#share")
    opened.wait(f"{command} !== {json.dumps(whole)}")
    assert len(re.findall(r"\b[0-9a-f]{12}\b", opened.evaluate(command))) == 4


@pytest.mark.slow
def test_each_run_has_its_findings_the_warnings_of_its_data_and_why_it_failed(opened):
    come_to(opened, "#findings")
    opened.wait("document.querySelector('#findings details')")
    text = opened.evaluate("document.querySelector('#findings').textContent")
    assert "collapsed: 3 of 25 runs" in text
    assert "Data: copies. Two." in text
    assert "Why it failed: no memory" in text
    assert "One answer for <i>every</i> image." in text
    assert "cnnexp data=digits model=small" in text


@pytest.mark.slow
def test_charts_and_table_can_be_taken_along(opened):
    shown(opened, "scatter")
    opened.click("#scatter [aria-label='download scatter as csv']")
    assert opened.downloaded("scatter.csv").read_text().startswith("run,optimizer.learning_rate,test/accuracy\n")
    opened.click("#scatter [aria-label='download scatter as png']")
    assert opened.downloaded("scatter.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_runs_that_are_left_can_be_taken_along(opened):
    come_to(opened, "#share")
    settle(opened)
    opened.click("#share p:last-child button:nth-of-type(2)")
    assert len(json.loads(opened.downloaded("runs.json").read_text())) == 25


@pytest.mark.slow
def test_it_works_in_the_frame_of_mlflows_viewer(browser, file, tmp_path):
    """A frame with srcdoc that may run scripts and nothing else: no address, no downloads, an origin of its own."""
    frame = tmp_path / "viewer.html"
    told = "<script>addEventListener('message', event => { document.title = event.data; });</script>"
    ask = html_text(
        "<script type='module'>document.getElementById('table').scrollIntoView(); const asking = setInterval(() => {"
        "  if (!['ready', 'settled'].every(name => name in document.documentElement.dataset)) return;"
        "  clearInterval(asking);"
        "  const offers = document.querySelectorAll('#scatter .offers button').length;"
        "  parent.postMessage(`${document.querySelectorAll('#table tbody tr').length} rows, ${offers} offers`, '*');"
        "}, 50);</script>"
    )
    page = html_text(file.read_text(encoding="utf-8"))
    frame.write_text(f'{told}<iframe sandbox="allow-scripts" width="1000" height="900" srcdoc="{page}{ask}"></iframe>')
    browser.open(f"file://{frame}")
    browser.wait("document.title === '4 rows, 0 offers'")
    assert browser.errors() == []


@pytest.mark.slow
def test_levels_that_mean_harm_or_never_end_are_text(browser, tmp_path):
    recorder = Recorder(tmp_path)
    parent = recorder.sweep("hostile")
    levels = (
        "<img src=x onerror=document.title='harmed'>",
        "</script><script>document.title='harmed'</script>",
        "n" * 300,
    )
    for level in levels:
        for seed in ("0", "1"):
            settings = {"data": "digits", "optimizer": level, "seed": seed, "training.batch_size": str(16 + len(level))}
            metrics = {"best/val_loss": 0.1, "best/val_accuracy": 0.9, "test/accuracy": 0.9 + int(seed) / 100}
            recorder.run(f"{level}-{seed}", settings, metrics, parent=parent, curves={"val/loss": [1.0, 0.5]})
    runs = find_runs([parent], uri=recorder.uri)
    written = tmp_path / "comparison.html"
    written.write_text(page(compare(runs, metric_name="test/accuracy", by=()), command="cnnexp compare x"))
    browser.resize(360)
    browser.open(f"file://{written}", ready=READY)
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")  # which draws every part
    browser.evaluate("new Promise(done => setTimeout(done, 500))")
    assert browser.evaluate("document.title") != "harmed"
    assert browser.evaluate("document.querySelectorAll('main img').length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    drawn = browser.evaluate("document.querySelector('#scatter .plot').textContent")
    assert "<img src" in drawn
    assert browser.errors() == []
    browser.resize(1400)


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window(browser, file, width, dark, tmp_path):
    browser.resize(width, dark=dark)
    browser.open("about:blank")
    browser.open(f"file://{file}", ready=READY)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    texts = "[...document.querySelectorAll('h1, h2, h3, p, li, summary, label, .chip')]"
    is_cut = "text.scrollWidth > text.clientWidth + 1 && getComputedStyle(text).display !== 'inline'"
    cut = browser.evaluate(f"{texts}.filter(text => text.clientWidth && {is_cut}).map(text => text.textContent)")
    assert cut == []
    browser.resize(1400)


@pytest.mark.slow
def test_a_telephone_shows_a_setting_and_its_score_side_by_side(browser, file):
    browser.resize(360)
    browser.open("about:blank")
    browser.open(f"file://{file}", ready=READY)
    come_to(browser, "#table")
    cells = "[...document.querySelectorAll('#table tbody tr:first-child td')].slice(1, 3)"
    setting, score = browser.evaluate(f"{cells}.map(cell => cell.innerText)")
    assert "learning_rate 0.003" in setting
    assert score.startswith("0.")
    edges = f"{cells}.map(cell => cell.getBoundingClientRect()).flatMap(box => [box.left, box.right])"
    left, *_, right = browser.evaluate(edges)
    assert 0 <= left < right <= 360
    browser.evaluate("document.querySelector('#table .scroll').scrollLeft = 1000")
    assert browser.evaluate(edges)[0] >= 0  # the setting stays beside what is scrolled to
    assert browser.errors() == []
    browser.resize(1400)


@pytest.mark.slow
def test_a_run_looks_the_same_in_every_chart(opened):
    looks = (
        "(({customdata, marker}) => Object.fromEntries(customdata.map((run, index) =>"
        " [run, [marker.symbol[index], marker.color[index]]])))"
    )
    found = []
    for chart in ("scatter", "history"):
        shown(opened, chart)
        traces = f"document.querySelector('#{chart} .plot').data"
        found.append(opened.evaluate(f"{looks}({traces}.find(({{mode}}) => mode === 'markers'))"))
    scatter, history = found
    assert scatter == {**scatter, **history}
    assert sorted({symbol for symbol, _ in history.values()}) == ["circle", "x-thin-open"]
    shown(opened, "curves")
    lines = opened.evaluate("document.querySelector('#curves .plot').data.map(({line}) => line.color)")
    shown(opened, "pairs")
    plot = "document.querySelector('#pairs > div > .figure .plot')"
    opened.evaluate(f"{plot}.scrollIntoView()")
    settle(opened)
    opened.wait(f"{plot}.data")
    first, second = opened.evaluate(f"{plot}.data.slice(1).map(({{marker}}) => marker.color)")
    swatches = "[...document.querySelectorAll('#table .swatch')].map(swatch => swatch.getAttribute('style'))"
    own = [style.removeprefix("background:") for style in opened.evaluate(swatches)]
    assert [first, second] == own[:2]
    assert {color for _, color in scatter.values()} == set(own)
    assert set(lines) <= set(own)


def searched_runs():
    """A search for learning rate and dropout: 40 runs, of which every fourth was pruned, in another order of names."""
    rng = np.random.default_rng(1)
    for number in range(40):
        rate, dropout = 10 ** rng.uniform(-4, -1), rng.uniform(0, 0.6)
        score = float(np.clip(0.95 - 0.1 * abs(np.log10(rate) + 2.5) - 0.05 * dropout + rng.normal(0, 0.005), 0, 1))
        drawn = {"optimizer.learning_rate": f"{rate:.6g}", "regularization.dropout": f"{dropout:.6g}"}
        run = replace(simulated_run(score, seed=0, **drawn), run_id=f"{999 - number:032x}", started=float(number))
        if number % 4 == 3:
            run = replace(run, tags={"pruned": "2"}, metrics={"best/val_loss": 1 - score})
        yield run


def test_a_search_shows_its_course_its_pruned_runs_and_each_setting(browser, tmp_path):
    runs = [*searched_runs()]
    written = tmp_path / "search.html"
    written.write_text(page(compare(runs, metric_name="test/accuracy", by=()), command="cnnexp compare x"))
    browser.open(f"file://{written}", ready=READY)
    shown(browser, "history")
    best = min(run.metrics["best/val_loss"] for run in runs if not run.tags)
    label = browser.evaluate("document.querySelector('#history .plot').ariaLabel")
    assert label.startswith("best/val_loss of 40 runs in the order in which they began, 10 of them pruned")
    assert float(label.rpartition(" ")[2]) == pytest.approx(best, rel=1e-5)
    assert "pruned" in browser.evaluate("document.querySelector('#history .key').textContent")
    shown(browser, "search")
    labels = browser.evaluate("[...document.querySelectorAll('#search .plot')].map(plot => plot.ariaLabel)")
    assert labels == [f"best/val_loss over {name} for 40 runs" for name in runs[0].settings if name != "seed"]
    assert browser.evaluate("document.querySelector('#search .plot').layout.xaxis.type") == "log"
    assert browser.errors() == []
