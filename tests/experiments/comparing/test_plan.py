"""What a reader of the table is told about fixed sentences."""

from experiments.comparing.plan import _probe_lines
from fusion.leakage.findings import TextProbe


def test_evenly_crossed_sentences_must_sit_at_chance():
    (line,) = _probe_lines(TextProbe(2, 1.0, True, 0.125, 0.15, 0.7), 1 / 8)
    assert "constant with respect to the label" in line
    assert "0.125" in line


def test_unevenly_crossed_sentences_are_judged_against_the_null_and_not_called_a_leak():
    (line,) = _probe_lines(TextProbe(10, 1.0, False, 0.178, 0.186, 0.09), 1 / 7)
    assert "UAR 0.178" in line
    assert "0.186" in line
    assert "no leak" in line


def test_sentences_that_never_recur_say_nothing():
    assert _probe_lines(TextProbe(100, 0.0), 1 / 4) == []
