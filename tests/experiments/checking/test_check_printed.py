"""What ``check`` prints of a corpus is the corpus's text, whatever a terminal would make of it."""

from __future__ import annotations

import io
from collections import Counter

from rich.console import Console

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.checking.check import Check
from experiments.checking.check_table import print_check

TARGETS = ("[red]calm[/red]", "[/]cross")


def test_names_are_text_and_never_markup(tmp_path):
    speaker = "[link=file:///]s1[/link]\x1b[2J"
    rows = [
        Utterance(id=name, speaker=speaker, target=one_hot(name, TARGETS), transcript="a")
        for name in TARGETS
    ]
    corpus = Corpus(
        name="[blink]tiny",
        root=tmp_path,
        task="single-label",
        targets=TARGETS,
        utterances=tuple(rows),
    )
    counts = Counter(TARGETS)
    out = io.StringIO()
    done = Check(corpus, counts, {speaker: counts}, 0.0, (), ("[bold]look[/bold]\x1b[2J",))
    print_check(done, Console(file=out, width=200))
    printed = out.getvalue()
    expected = (*TARGETS, "[blink]tiny", "[link=file:///]s1[/link]", "- [bold]look[/bold]")
    assert [words for words in expected if words not in printed] == []
    assert "\x1b" not in printed
    assert "2 utterances, 1 speaker, 0.00 h" in printed


def test_classes_that_a_line_has_no_room_for_stand_below_one_another(tmp_path):
    targets = tuple(f"class{n}" for n in range(14))
    rows = [Utterance(id=name, speaker="s", target=one_hot(name, targets)) for name in targets]
    corpus = Corpus(
        name="wide", root=tmp_path, task="single-label", targets=targets, utterances=tuple(rows)
    )
    counts, printed = Counter(targets), {}
    for width in (80, 400):
        out = io.StringIO()
        print_check(
            Check(corpus, counts, {"s": counts}, 0.0, (), ()), Console(file=out, width=width)
        )
        printed[width] = " ".join(out.getvalue().split())
    assert "utterances by class (by speaker: --html)" in printed[80]
    assert all(name in printed[80] for name in targets)
    assert "utterances by speaker and class" in printed[400]
