import pytest

from cnnexp.system.text import did_you_mean, first_line, listed, one_line, plural


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, ""),
        (2, "1, 2"),
        (5, "1, 2, 3, 4, 5"),
        (6, "1, 2, 3, 4, 5 and 1 more"),
        (3000, "1, 2, 3, 4, 5 and 2,995 more"),
    ],
)
def test_a_list_names_a_few_and_counts_the_others(count, expected):
    assert listed(str(number + 1) for number in range(count)) == expected


def test_a_list_of_a_given_length_with_another_separator():
    assert listed(["a (1, 2)", "b", "c"], most=2, separator="; ") == "a (1, 2); b and 1 more"


def test_numbers_agree_with_what_they_count():
    assert [plural(number, "image") for number in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]
    assert plural(2, "class") == "2 classes"
    assert [plural(number, "link was", "links were") for number in (1, 3)] == ["1 link was", "3 links were"]


def test_a_near_miss_is_named_and_nothing_else():
    assert did_you_mean("optimiser", ["optimizer", "model"]) == " Did you mean optimizer?"
    assert did_you_mean("seed", ["optimizer", "model"]) == ""


def test_an_error_in_one_line():
    error = ValueError("\n  first  part.\nsecond")
    assert one_line(error) == "first part. second"
    assert first_line(error) == "first  part."
    assert first_line(ValueError()) == "ValueError"
