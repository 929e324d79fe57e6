"""Published examples and numbers that can be checked by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, log_loss

from cnnexp.comparison.metric import metric as metric_of
from cnnexp.comparison.paired import (
    accuracy_difference,
    holm,
    mcnemar_mid_p,
    mean_interval,
    paired_t,
    t_interval,
    t_p_values,
)
from cnnexp.comparison.paired_bootstrap import paired_bootstrap
from cnnexp.comparison.seeds import SeedScores, adjusted_p_values
from cnnexp.comparison.unpaired import difference_of_shares

# Student 1908, Biometrika 6:20, from Cushny & Peebles: hours of sleep gained, second drug minus first
SLEEP = (1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4)


def test_student_s_own_example():
    test = paired_t(SLEEP)
    assert test.p == pytest.approx(0.002833, abs=1e-6)  # R: t.test(..., paired = TRUE)
    assert (test.estimate.mean, test.estimate.low, test.estimate.high) == pytest.approx((1.58, 0.7001142, 2.4598858))
    assert test.estimate.n == 10


def test_interval_of_three_values_by_hand():
    # mean 2, deviation 1, t(0.975, 2) = 4.302653: half-width 4.302653 / sqrt(3)
    assert t_interval([1, 2, 3]).half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_one_value_has_no_interval_and_no_p():
    assert t_interval([0.5]).low is None
    assert paired_t([0.5]).p is None


def test_the_interval_of_a_gap_has_a_width_on_both_sides_of_zero():
    gap = metric_of("gap/accuracy")
    assert (gap.lower_is_better, gap.is_share) == (True, True)
    for values in ([-0.02, -0.05, -0.03], [0.02, 0.05, 0.03]):
        found, plain = mean_interval(values, low=gap.low, high=gap.high), t_interval(values)
        assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-3)


def test_equal_differences_are_not_certainty():
    assert paired_t([0.01] * 5).p == pytest.approx(2 / 2**5)  # the sign test's smallest p for five pairs
    assert paired_t([0.0] * 5).p == 1.0


def test_missing_pairs_are_left_out():
    with_gap = np.array([[*SLEEP, np.nan], [*SLEEP[:4], np.nan, *SLEEP[4:]]])
    assert t_p_values(with_gap) == pytest.approx([stats.ttest_1samp(SLEEP, 0).pvalue] * 2)


@pytest.mark.parametrize(
    ("b", "c", "mid_p"),
    [
        (1, 7, 0.0391),  # airway hyper-responsiveness, Bentur 2009
        (6, 16, 0.0347),  # complete response, Cavo 2012
    ],
)
def test_mcnemar_as_in_fagerland_2013(b, c, mid_p):
    # Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13:91, tables 1 to 3
    assert mcnemar_mid_p(b, c) == pytest.approx(mid_p, abs=5e-5)
    assert mcnemar_mid_p(c, b) == mcnemar_mid_p(b, c)


def test_mid_p_is_the_exact_p_without_half_the_observed_point():
    exact = stats.binomtest(3, 12).pvalue
    assert mcnemar_mid_p(3, 9) == pytest.approx(exact - stats.binom.pmf(3, 12, 0.5))


def test_mcnemar_where_nothing_speaks_for_either():
    assert mcnemar_mid_p(0, 0) == 1.0
    assert mcnemar_mid_p(1, 1) == pytest.approx(1 - 0.5 * 0.5)


def test_accuracy_difference_by_hand():
    # b = 1, c = 7, n = 21: (2 - 8) / 23 ± 1.959964 * sqrt((10/23 - (6/23)²) / 23)
    difference = accuracy_difference(1, 7, 21)
    assert difference.mean == pytest.approx(-6 / 21)
    assert (difference.low, difference.high) == pytest.approx((-0.50836, -0.01338), abs=1e-4)


def test_holm_by_hand():
    # sorted: .01 * 4, .02 * 3, .03 * 2, .04 * 1, none below the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).size == 0


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 300)
    drawn = []
    for strength in (1.0, 1.6):
        logits = rng.normal(0, 1, (300, 4))
        logits[np.arange(300), labels] += strength
        drawn.append((np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32))
    return labels, *drawn


def best(*probabilities):
    return [each.argmax(axis=1) for each in probabilities]


def test_bootstrap_difference_is_scikit_learn_s(models):
    labels, first, second = models
    exact = [p.astype(float) / p.astype(float).sum(1, keepdims=True) for p in (first, second)]
    f1 = [f1_score(labels, p.argmax(1), average="macro") for p in exact]
    loss = [log_loss(labels, p) for p in exact]
    expected = {"macro_f1": f1[1] - f1[0], "log_loss": loss[1] - loss[0]}
    for metric in ("macro_f1", "log_loss"):
        (test,) = paired_bootstrap(
            metric=metric, labels=labels, reference=first, others=[second], predicted=best(first, second), seed=0
        )
        assert test.estimate.mean == pytest.approx(expected[metric], abs=1e-6)


def test_bootstrap_interval_of_a_mean_agrees_with_theory(models):
    labels, first, second = models
    (test,) = paired_bootstrap(
        metric="accuracy", labels=labels, reference=first, others=[second], predicted=best(first, second), seed=0
    )
    difference = (second.argmax(1) == labels).astype(float) - (first.argmax(1) == labels)
    half = 1.96 * difference.std() / 300**0.5
    assert test.estimate.half_width == pytest.approx(half, rel=0.08)
    assert test.p == pytest.approx(mcnemar_mid_p(int((difference > 0).sum()), int((difference < 0).sum())), abs=0.03)


def test_bootstrap_of_equal_models_claims_nothing(models):
    labels, first, _ = models
    (test,) = paired_bootstrap(
        metric="macro_f1", labels=labels, reference=first, others=[first], predicted=best(first, first), seed=0
    )
    assert (test.estimate.mean, test.estimate.low, test.estimate.high, test.p) == (0, 0, 0, 1)


def test_a_reference_that_no_result_has_chosen_is_compared_with_each_other_one_alone():
    values = np.random.default_rng(0).normal(0.8, 0.05, (4, 5))
    ranked, fixed = (adjusted_p_values(SeedScores(values, values), ranked=ranked) for ranked in (True, False))
    shown = [(0, 1), (0, 2), (0, 3)]
    assert sorted(ranked) == [*shown, (1, 2), (1, 3), (2, 3)]
    expected = holm([stats.ttest_rel(values[0], values[other]).pvalue for _, other in shown])
    assert [fixed[pair] for pair in shown] == pytest.approx(expected)
    assert sorted(fixed) == shown


@pytest.mark.parametrize(
    ("right", "images", "other_right", "other_images", "low", "high"),
    [(56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090), (10, 10, 0, 10, 0.6075, 1.0)],
)
def test_difference_of_shares_as_in_newcombe_1998(right, images, other_right, other_images, low, high):
    found = difference_of_shares(right, images, other_right, other_images)
    assert found.mean == pytest.approx(right / images - other_right / other_images)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
