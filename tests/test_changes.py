import pytest

from cnnexp.errors import ConfigError
from cnnexp.saved import changes
from cnnexp.saved.faults import Fault
from cnnexp.saved.shifts import Shift


def test_a_list_is_an_evaluation_each():
    found = changes.parse(["data=digits", "shift=none,noise:0.1,gain_offset:1.2:-0.1"])
    assert found.others == ("data=digits",)
    assert [change for _, change in found.each] == [
        None,
        Shift("noise", (0.1,)),
        Shift("gain_offset", (1.2, -0.1)),
    ]
    assert found.varied == {"shift": "none, noise:0.1, gain_offset:1.2:-0.1"}


def test_one_change_and_none_at_all():
    assert changes.parse(["shift=blur", "shift.amount=1.5"]).each == (({"shift": "blur:1.5"}, Shift("blur", (1.5,))),)
    assert changes.parse([]).each == (({}, None),)
    assert changes.parse(["fault=none,turned"]).each == (
        ({"fault": "none"}, None),
        ({"fault": "turned"}, Fault("turned")),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shift=noise"], "needs its amount, such as shift=noise:0.1"),
        (["shift.amount=1"], "needs its shift"),
        (["shift=none", "fault=none"], "not both"),
        (["fault=fog"], "fault must be one of"),
        (["shift=fog:1"], "shift must be one of"),
    ],
)
def test_wrong_words_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        changes.parse(words)
