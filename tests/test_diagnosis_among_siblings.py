"""In a sweep, no run is advised a learning rate that another run has refuted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cnnexp.comparison import compare
from cnnexp.diagnosis import advised_by_siblings, learning_advice, recorded_failure
from cnnexp.diagnosis.siblings import Trial, advise
from cnnexp.records import Finding, RunSummary
from cnnexp.report.comparison import csv_text, json_text, markdown_text, print_comparison
from cnnexp.report.comparison.html_page import page
from cnnexp.report.console import THEME

TOO_LOW = Finding(
    "T2", 3, "stood still: learning rate too low", "It stood still.", {}, 0.6, "optimizer.learning_rate=0.1"
)


def recorded(learning_rate, failure=None, *, seed=0, status="FINISHED", findings=(), tags=None, **settings):
    named = {key.replace("__", "."): value for key, value in settings.items()}
    if failure is not None:
        kind = "T2" if failure in {"stood still", "too slow"} else "T1"
        findings = (replace(TOO_LOW, id=kind, title=f"{failure}: the learning rate"), *findings)
    score = 0.1 if failure else 0.9 + seed / 1000
    name = f"lr{learning_rate}-s{seed}-{'-'.join(named.values())}"
    return RunSummary(
        run_id=name, name=name, experiment="e", status=status, parent_id="p", started=0.0, seconds=2.0,
        settings={
            "optimizer.learning_rate": str(learning_rate), "seed": str(seed), "training.epochs": "30", **named
        },
        tags=tags or {}, data_digest="d", data_source=None,
        metrics={"test/accuracy": score, "best/val_loss": 1 - score, "best/val_accuracy": score},
        read_curves=dict, read_predictions=lambda: None, read_findings=lambda: findings,
    )  # fmt: skip


FAMILIES = {
    "one learned": ([(0.01, "collapsed"), (0.001, None), (0.1, "diverged")], "optimizer.learning_rate=0.001"),
    "the best of those that learned": ([(0.1, "collapsed"), (0.003, None, 2), (0.001, None, 1)], "=0.003"),
    "the circle": ([(0.01, "collapsed"), (0.1, "diverged")], "optimizer.learning_rate=0.001"),
    "between": ([(1e-5, "stood still"), (0.1, "collapsed")], "optimizer.learning_rate=0.001"),
    "nothing between is left": (
        [(0.03, "too slow"), (0.1, "collapsed")],
        "optimizer.learning_rate=0.03 training.epochs=60",
    ),
    "only too low": ([(1e-6, "stood still"), (1e-5, "too slow")], "optimizer.learning_rate=0.0001"),
    "contradictory": ([(0.1, "stood still"), (0.001, "collapsed")], "look at the labels and the images"),
    "an error at the first steps counts as too high": (
        [(0.001, "stood still"), (10, "status FAILED")],
        "optimizer.learning_rate=0.1",
    ),
}


def runs_of(family):
    runs = []
    for number, (learning_rate, failure, *seed) in enumerate(family):
        if failure == "status FAILED":
            tags = {"failure": "The training loss must stay finite; it became NaN or infinite at step 3"}
            runs.append(recorded(learning_rate, status="FAILED", tags=tags, seed=number))
        else:
            runs.append(recorded(learning_rate, failure, seed=seed[0] if seed else number))
    return runs


@pytest.mark.parametrize(("family", "expected"), FAMILIES.values(), ids=FAMILIES)
def test_the_advice_of_several_runs(family, expected):
    runs = runs_of(family)
    (sentence,) = learning_advice(runs)
    assert expected in sentence.rpartition("Next: ")[2]
    failed = next(run for run in runs if run.read_findings())
    finding = advised_by_siblings(TOO_LOW, failed, runs)
    assert expected in finding.repair
    assert finding.sentence.startswith(f"{TOO_LOW.sentence} In the same sweep, ")


def test_a_learning_rate_that_fails_under_another_seed_is_not_advised():
    runs = [recorded(0.01, seed=0), recorded(0.01, "collapsed", seed=1)]
    (sentence,) = learning_advice(runs)
    assert sentence.endswith("Next: optimizer.learning_rate=0.001")
    assert sentence.startswith("1 of 2 runs learned nothing: learning rate 0.01 collapsed")


def test_runs_with_other_settings_are_no_siblings():
    runs = [
        recorded(0.01, "collapsed", optimizer="adam"),
        recorded(0.1, optimizer="sgd"),
        recorded(0.001, optimizer="adam", training__threads="2"),
    ]
    (sentence,) = learning_advice(runs)
    assert "Next: optimizer.learning_rate=0.1" not in sentence
    assert advised_by_siblings(TOO_LOW, runs[0], runs[:2]) == TOO_LOW


def test_settings_of_which_the_same_failed_share_a_sentence():
    runs = [
        recorded(rate, failure, regularization__dropout=str(dropout))
        for dropout in range(10)
        for rate, failure in ((0.1, "collapsed"), (0.01, None))
    ]
    assert learning_advice(runs) == (
        "10 of 20 runs learned nothing: learning rate 0.1 collapsed under 10 combinations of the other settings; "
        "0.01 learned. Next: optimizer.learning_rate=0.01",
    )
    other = recorded(0.001, seed=5, regularization__dropout="3")  # is the best under this dropout
    assert learning_advice([*runs, other])[0].endswith(
        "Next: optimizer.learning_rate=0.01 (under 9), optimizer.learning_rate=0.001 (under 1)"
    )


def test_a_search_in_which_much_failed_has_few_sentences():
    runs = [recorded(0.1 + number / 1000, "collapsed", regularization__dropout=str(number)) for number in range(300)]
    sentences = learning_advice(runs)
    assert len(sentences) == 6
    assert sentences[-1].startswith("295 of 295 runs with 295 other combinations of settings learned nothing, too")
    assert sentences[-1].endswith("from 0.105 to 0.399")


def test_other_findings_and_unknown_words_stay_as_they_are():
    other = replace(TOO_LOW, id="M2")
    runs = [recorded(0.01, "collapsed"), recorded(0.1)]
    assert advised_by_siblings(other, runs[0], runs) is other
    assert learning_advice([recorded(0.1), recorded(0.01, status="RUNNING"), recorded(0.2, "of a later version")]) == ()
    without = recorded(0.1)
    assert learning_advice([replace(without, settings={"seed": "1"})]) == ()


def printed(value):
    """Return a rate with the six digits that advice has: no window of rates begins between two that print alike."""
    return float(f"{value:g}")


@given(
    low=st.floats(-5, 0.5),
    width=st.floats(0.62, 3),
    starts=st.lists(st.floats(-5, 1), min_size=1, max_size=5),
)
def test_following_the_advice_ends_at_a_learning_rate_that_learns_and_repeats_none(low, width, starts):
    """Whatever the window of learning rates that learn, from a factor 4.2 on, and whatever was tried before."""

    lowest, highest = printed(10**low), printed(10 ** (low + width))

    def trial(learning_rate):
        failure = "too slow" if learning_rate < lowest else "collapsed" if learning_rate > highest else None
        return Trial(learning_rate, failure, 0.5)

    tried = [trial(printed(10**start)) for start in starts]
    for _ in range(12):
        advice = advise(tried, epochs=None)
        learning_rate = float(advice.repair.removeprefix("optimizer.learning_rate="))
        if any(one.failure is None for one in tried):
            assert trial(learning_rate).failure is None or f"{learning_rate:g}" != advice.reason.split()[0]
            return
        known = [one.learning_rate for one in tried if one.failure == "collapsed"]
        assert learning_rate < min(known, default=1e9)
        assert learning_rate > max((one.learning_rate for one in tried if one.failure == "too slow"), default=0)
        tried.append(trial(learning_rate))
    raise AssertionError(f"no learning rate was found in {tried}")


def test_a_comparison_shows_which_runs_collapsed_and_what_to_try(capsys):
    runs = [
        recorded(rate, failure, seed=seed) for rate, failure in ((0.001, None), (0.1, "collapsed")) for seed in (0, 1)
    ]
    runs += [recorded(0.01, "collapsed", seed=0), recorded(0.01, seed=1)]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    print_comparison(comparison, Console(width=120, theme=THEME))
    printed = " ".join(capsys.readouterr().out.split())
    assert "· 1/2 collapsed 0.01" in printed
    assert "· collapsed 0.1" in printed
    assert "Advice: 3 of 6 runs learned nothing: learning rate 0.01 collapsed, 0.1 collapsed" in printed
    assert "Next: optimizer.learning_rate=0.001" in printed
    assert "collapsed" in csv_text(comparison)
    for text in (json_text(comparison), markdown_text(comparison), page(comparison, command="c")):
        assert "1/2 collapsed" in text
        assert "0.001 learned" in text


def test_findings_on_the_page_know_their_siblings():
    runs = [recorded(0.01, "collapsed", findings=(TOO_LOW,)), recorded(0.001)]
    text = page(compare(runs, metric_name="test/accuracy", by=()), command="c")
    assert text.count("In the same sweep, 0.001 learned.") == 2
    assert TOO_LOW.repair not in text


@pytest.mark.parametrize(
    ("title", "evidence", "accuracy", "how"),
    [
        ("collapsed: learning rate too high", {"beats_majority": 0.0}, 0.1, "collapsed"),
        ("collapsed: learning rate too high", {"beats_majority": 1.0}, 0.6, None),
        ("learned nothing, rate too low", {}, 0.1, "learned nothing"),  # of version 0.1.0
    ],
)
def test_the_word_for_a_recorded_run_comes_from_its_findings(title, evidence, accuracy, how):
    run = recorded(0.1, findings=(replace(TOO_LOW, title=title, evidence=evidence),))
    assert recorded_failure(replace(run, metrics={"test/balanced_accuracy": accuracy})) == how


def test_the_findings_of_a_run_that_learned_are_not_read():
    def read():
        raise AssertionError("a file was read")

    run = replace(recorded(0.1), metrics={"test/balanced_accuracy": 0.9}, read_findings=read)
    assert recorded_failure(run) is None
