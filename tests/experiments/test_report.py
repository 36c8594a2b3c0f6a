"""The report: what it says, what it shows, that nothing in it is believed or loaded."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from experiments.page import command
from experiments.report import (
    answer,
    claim,
    print_report,
    rebuild,
    terminal_table,
    write_report,
)
from experiments.results import RunFacts, summarise, with_best
from experiments.tables import escape_latex, escape_markdown
from experiments.wording import beats_both, decimals, p_text
from fusion import predictions
from fusion.predictions import Prediction

REPOSITORY = Path(__file__).resolve().parents[2]
SKILL = {"audio": 0.5, "text": 0.35, "concat": 0.75}
STUDY = {
    "audio": "logmel",
    "text": "minilm",
    "corpus": "tiny",
    "manifest": None,
    "root": "a folder",
    "labels": ["calm", "cross"],
    "asr": "whisper-base",
    "arms": None,
    "trials": 2,
    "seeds": 2,
}
EVIL = "<script>alert(1)</script>"


def make_rows(arms, speakers, targets):
    """Predictions that are right with the arm's skill, drawn with a fixed seed."""
    rng = np.random.default_rng(7)
    rows = []
    for arm in arms:
        for number in range(speakers):
            for split, fold in (("dev", 1 - number % 2), ("test", number % 2)):
                for item in range(3 * len(targets)):
                    truth = item % len(targets)
                    for seed in (0, 1):
                        scores = rng.dirichlet(np.ones(len(targets)))
                        scores[truth] += rng.random() < SKILL.get(arm, 0.6)
                        rows.append(make_row(arm, number, item, fold, split, seed, truth, scores))
    return rows


def make_row(arm, number, item, fold, split, seed, truth, scores):
    return Prediction(
        run="abc123",
        corpus="tiny",
        utterance=f"s{number}-{item}",
        speaker=f"s{number}",
        arm=arm,
        outer_fold=str(fold),
        inner_fold=0 if split == "dev" else None,
        seed=seed,
        split=split,
        condition="",
        window=None,
        target=tuple(float(k == truth) for k in range(len(scores))),
        scores=tuple(round(float(score), 6) for score in scores),
    )


def make_facts(arms, targets, dropped=()):
    fit = {"hyperparameters": {"hidden": 64, "dropout": 0.25}, "trials": [0.5, 0.625]}
    return RunFacts(
        run="abc123",
        corpus="tiny",
        task="single-label",
        targets=tuple(targets),
        dropped=tuple(dropped),
        warnings=("the words are constant",),
        fits={arm: ({"fold": "0", **fit}, {"fold": "1", **fit}) for arm in arms},
        facts={
            "study": STUDY,
            "protocol": "speaker",
            "folds": 2,
            "encoders": {"audio": "f" * 64},
            "recognised": 3,
            "recogniser": "whisper-base",
            "text_probe": {
                "sentences": 10, "shared": 1.0, "uar": 0.2, "null_high": 0.3, "p": 0.04
            },
        },
    )  # fmt: skip


def make_results(arms=("audio", "text", "concat"), speakers=6, targets=("calm", "cross")):
    rows = with_best(make_rows(arms, speakers, targets))
    return json.loads(json.dumps(summarise(rows, make_facts(arms, targets))))


@pytest.fixture
def results():
    return make_results()


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    rows = with_best(make_rows(("audio", "text", "concat"), 6, ("calm", "cross")))
    found = summarise(rows, make_facts(("audio", "text", "concat"), ("calm", "cross")))
    predictions.write(rows, folder / "predictions.jsonl")
    (folder / "results.json").write_text(json.dumps(found))
    return folder


def change(folder, edit):
    path = folder / "results.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- sentences


def difference(arm="best_fused", against="best_unimodal", **changes):
    content = {
        "arm": arm,
        "against": against,
        "metric": "uar",
        "value": 0.06874999999999998,
        "low": 0.03157519637316291,
        "high": 0.10592480362683704,
        "method": "jackknife-t over 12 speakers",
        "p": 0.00390625,
        "p_holm": None,
        "detectable": 0.05196257030262436,
        "primary": arm == "best_fused",
    }
    return content | changes


def compared(speakers=12, **changes):
    return {"differences": [difference(**changes)], "rows": {"speakers": speakers}}


NONE = {"low": None, "high": None, "p": None, "detectable": None}


@pytest.mark.parametrize(
    ("changes", "speakers", "expected"),
    [
        (
            {},
            12,
            "Fused beats the best single modality by 6.9 points UAR (95 % 3.2 to 10.6, p = .004).",
        ),
        (
            {"value": -0.021, "low": -0.064, "high": 0.022, "p": 0.3125, "detectable": 0.0599},
            12,
            "No difference between fused and the best single modality was shown: −2.1 points UAR "
            "(95 % −6.4 to 2.2, p = .31); this corpus could have shown 6.0 points.",
        ),
        (
            {"value": -0.05, "low": -0.08, "high": -0.02, "p": 0.0002},
            12,
            "The best single modality beats fused by 5.0 points UAR (95 % 2.0 to 8.0, p < .001).",
        ),
        (
            {"p": 0.0586, "detectable": 0.12},
            12,
            "No difference between fused and the best single modality was shown: 6.9 points UAR "
            "(95 % 3.2 to 10.6, p = .059); this corpus could have shown 12.0 points.",
        ),
        (
            {"low": -0.01, "p": 0.04},
            12,
            "No difference between fused and the best single modality was shown: 6.9 points UAR "
            "(95 % −1.0 to 10.6, p = .040); this corpus could have shown 5.2 points.",
        ),
        (
            {"p": None},
            12,
            "Fused beats the best single modality by 6.9 points UAR (95 % 3.2 to 10.6).",
        ),
        (
            {"p": 0.0625},
            5,
            "No difference between fused and the best single modality was shown: 6.9 points UAR "
            "(95 % 3.2 to 10.6, p = .063); this corpus could have shown none: with 5 speakers p is "
            "at least .063.",
        ),
        (
            {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "detectable": 0.0},
            12,
            "No difference between fused and the best single modality was shown: 0.0 points UAR "
            "(95 % 0.0 to 0.0, p = 1.00).",
        ),
        (
            NONE,
            4,
            "Fused scored 6.9 points UAR above the best single modality on these 4 speakers; no "
            "claim about other speakers can be made (at least 5 are needed).",
        ),
        (
            NONE | {"value": -0.02, "method": "none: a class is spoken by a single speaker"},
            8,
            "Fused scored 2.0 points UAR below the best single modality on these 8 speakers; no "
            "claim about other speakers can be made (a class is spoken by a single speaker).",
        ),
        (
            NONE | {"value": 0.0},
            2,
            "Fused scored the same UAR as the best single modality on these 2 speakers; no claim "
            "about other speakers can be made (at least 5 are needed).",
        ),
        (
            NONE | {"value": None, "method": "undefined: a class has no utterance"},
            8,
            "Fused and the best single modality could not be compared (a class has no utterance).",
        ),
    ],
)
def test_the_answer_says_what_was_shown_and_no_more(changes, speakers, expected):
    assert answer(compared(speakers, **changes)) == expected


def test_the_answer_reads_the_primary_difference_in_uar():
    other = [difference("concat", "audio"), difference(metric="accuracy", value=0.5)]
    content = compared() | {"differences": [*other, difference()]}
    assert "6.9 points UAR" in answer(content)


@pytest.mark.parametrize(
    ("uar", "expected"),
    [
        ({"value": 0.538, "low": 0.479, "high": 0.597}, "53.8 % UAR (95 % 47.9 to 59.7)"),
        ({"value": 0.538, "low": None, "high": None}, "53.8 % UAR (no interval)"),
    ],
)
def test_one_arm_is_measured_and_compared_with_nothing(uar, expected):
    arms = {"audio": {"uar": uar}, "best_unimodal": {"uar": uar}}
    told = answer({"differences": [], "arms": arms, "rows": {"speakers": 9}})
    assert told == f"Audio scored {expected}; fused and unimodal arms were not compared."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"value": 0.03749999999999998, "low": -0.0359, "high": 0.111, "p": 0.3125,
             "p_holm": 0.625, "detectable": 0.1026},
            "concat against text: +3.8 points (−3.6 to 11.1), p = .31, Holm .63: "
            "no difference was shown (could have shown 10.3)",
        ),
        (
            {"p": 0.0005, "p_holm": 0.003},
            "concat against text: +6.9 points (3.2 to 10.6), p < .001, Holm .003: "
            "concat beats text",
        ),
        (
            {"p": 0.02, "p_holm": 0.12},
            "concat against text: +6.9 points (3.2 to 10.6), p = .020, Holm .12: "
            "no difference was shown (could have shown 5.2)",
        ),
        (
            NONE,
            "concat against text: +6.9 points: no claim about other speakers can be made "
            "(at least 5 are needed)",
        ),
        (
            NONE | {"value": None, "method": "undefined: a class has no utterance"},
            "concat against text: not defined (a class has no utterance)",
        ),
    ],
)  # fmt: skip
def test_an_exploratory_difference_is_judged_after_correction(changes, expected):
    speakers = 3 if changes.get("method") is None and changes.get("low", 0) is None else 12
    assert claim(difference("concat", "text", **changes), speakers) == expected


def test_beats_both_needs_both_differences():
    shown, lost = {"p_holm": 0.01}, {"p_holm": 0.4}
    rows = [
        difference("concat", "audio", **shown),
        difference("concat", "text", **lost),
        difference("late", "audio", **shown),
        difference("late", "text", **shown),
        difference("attention", "audio", **shown),
    ]
    expected = ["concat was not shown to beat both", "late beats both audio and text"]
    assert beats_both(rows) == expected


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(-0.04, 1, "0.0"), (-2.15, 1, "−2.2"), (3.7499999999999978, 1, "3.8"), (100.0, 1, "100.0")],
)
def test_numbers_are_rounded_half_away_and_have_a_true_minus(value, digits, expected):
    assert decimals(value, digits) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [(None, "–"), (0.0, "p < .001"), (0.001, "p = .001"), (0.0499, "p = .050"), (1.0, "p = 1.00")],
)
def test_p_is_printed_as_in_articles(p, expected):
    assert p_text(p) == expected


# ---------------------------------------------------------------- files


def test_every_file_is_written(results, tmp_path):
    write_report(results, tmp_path)
    figures = ("arms", "differences", "confusion-best_unimodal", "confusion-best_fused")
    expected = {"report.html", "table.md", "table.tex", *(f"figures/{f}.svg" for f in figures)}
    assert files(tmp_path) == expected


def test_figures_are_well_formed_and_have_a_name(results, tmp_path):
    write_report(results, tmp_path)
    for path in (tmp_path / "figures").iterdir():
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("aria-label")


def test_the_answer_comes_before_every_number(results, tmp_path):
    write_report(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    body = page[page.index("<body>") :]
    assert body.index(answer(results)) < body.index("<svg") < body.index("<table")
    order = ["arms", "differences", "warnings", "confusion", "folds", "rows", "protocol", "repeat"]
    places = [body.index(f'<h2 id="{name}">') for name in (*order, "definitions")]
    assert places == sorted(places)


def test_the_page_tells_the_protocol(results, tmp_path):
    write_report(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    for words in ("f" * 64, "3 of 36 were recognised", "10 different ones", "2 trials", "2 seeds"):
        assert words in page


class Loads(HTMLParser):
    """Elements and attributes through which a page would load or run something."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in {"script", "link", "img", "iframe", "object", "embed", "base", "form", "use"}:
            self.found.append(tag)
        names = {"src", "href", "srcset", "data", "action", "background"}
        self.found += [name for name, _ in attrs if name in names or name.startswith("on")]


def test_the_page_loads_and_runs_nothing(results, tmp_path):
    write_report(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    reader = Loads()
    reader.feed(page)
    assert reader.found == []
    assert not re.search(r"url\(|@import", page)


def test_the_same_results_give_the_same_bytes(results, tmp_path):
    for name in ("one", "two"):
        write_report(results, tmp_path / name)
    for path in files(tmp_path / "one"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


# ---------------------------------------------------------------- what comes from outside


def hostile():
    names = (EVIL, "=cmd()|x", "a_b&c%", "x" * 80, "line\nbreak\x1b[31m\u202e", "[red]x[/red]")
    content = make_results(targets=names)
    content["corpus"] = f"{EVIL} _&%"
    content["warnings"] = [EVIL, "![x](http://example.org/x.png) `a` | b"]
    content["rows"]["dropped"] = [{"id": f"{EVIL}{k}", "why": "=cmd()"} for k in range(25)]
    content["facts"]["study"] = STUDY | {"root": f"{EVIL}'; rm -r"}
    return content


def test_nothing_from_outside_becomes_markup(tmp_path):
    write_report(hostile(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    reader = Loads()
    reader.feed(page)
    assert reader.found == []
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert "=cmd()|x" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    for path in (tmp_path / "figures").iterdir():
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "g", "rect", "text", "title", "line", "path"}


def test_more_than_twenty_dropped_rows_are_folded_away(tmp_path):
    write_report(hostile(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count('<td class="words">=cmd()</td>') == 25
    assert "<summary>5 more</summary>" in page


def test_markdown_shows_names_as_they_are(tmp_path):
    write_report(hostile(), tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert EVIL not in table
    assert r"\!\[x\](http://example.org/x.png) \`a\` \| b" in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
    assert escape_markdown("a|b_c*<d>") == r"a\|b\_c\*&lt;d&gt;"


def test_latex_is_escaped(tmp_path):
    write_report(hostile(), tmp_path)
    table = (tmp_path / "table.tex").read_text()
    assert r"\textless{}script\textgreater{}" in table
    assert r"\_\&\%" in table
    assert not re.search(r"[–−…]", table)
    assert table.count("{") - table.count(r"\{") == table.count("}") - table.count(r"\}")
    assert table.count(r"\begin") == table.count(r"\end") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\b", r"a\textbackslash{}b"),
        ("a_b&c%d$e#f", r"a\_b\&c\%d\$e\#f"),
        ("{~^}", r"\{\textasciitilde{}\textasciicircum{}\}"),
        ("[1pt]*", "{[}1pt{]}{*}"),
        ("−2.1", "$-$2.1"),
    ],
)
def test_latex_letters(text, expected):
    assert escape_latex(text) == expected


def test_the_command_is_quoted_and_leaves_out_defaults():
    assert command(STUDY) == (
        "serfusion compare --corpus tiny --root 'a folder' --audio logmel --text minilm "
        "--labels calm,cross --asr whisper-base --trials 2 --seeds 2"
    )
    assert command(None) is None
    assert "'a; b'" in (command(STUDY | {"root": "a; b"}) or "")


# ---------------------------------------------------------------- what may be absent


@pytest.mark.parametrize(
    "content",
    [
        make_results(arms=("audio",)),
        make_results(arms=("audio", "text")),
        make_results(arms=("concat",)),
        make_results(speakers=3),
        make_results(targets=tuple(f"class {k}" for k in range(8))),
    ],
    ids=["one arm", "unimodal only", "fused only", "three speakers", "eight classes"],
)
def test_every_kind_of_run_has_a_report(content, tmp_path):
    write_report(content, tmp_path)
    assert answer(content) in (tmp_path / "report.html").read_text().replace("&lt;", "<")
    assert (tmp_path / "figures" / "arms.svg").exists()


def test_nulls_and_intervals_without_width_are_drawn(results, tmp_path):
    content = deepcopy(results)
    arms = content["arms"]
    arms["text"]["uar"] |= {"value": 0.5, "low": 0.5, "high": 0.5}
    arms["audio"]["uar"] |= {"low": None, "high": None, "method": "none: a reason"}
    arms["concat"]["uar"] |= {"value": None, "low": None, "high": None, "method": "undefined: so"}
    arms["audio"]["folds"][0] |= {"uar": None, "uar_reason": "1 of 2 classes has no utterance"}
    arms["audio"]["per_class"]["calm"] |= {"precision": None}
    arms["best_fused"]["confusion"] = [[0.0, 0.0], [1.5, 2.5]]
    content["facts"] = {}
    write_report(content, tmp_path)
    figure = (tmp_path / "figures" / "arms.svg").read_text()
    assert "50.0 (50.0 to 50.0)" in figure
    assert "no interval" in figure
    assert "not defined" in figure
    page = (tmp_path / "report.html").read_text()
    assert "1 of 2 classes has no utterance" in page
    assert "nan" not in figure.lower()


@pytest.mark.parametrize(
    ("fact", "expected"),
    [("synthetic", ["synthetic speech"]), ("untrained", ["untrained encoder"]), ("other", [])],
)
def test_what_nobody_may_overlook_stands_beside_the_title_and_in_every_table(
    results, tmp_path, fact, expected
):
    content = results | {"facts": {"study": STUDY, fact: True}}
    write_report(content, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert re.findall(r'<span class="badge">(.*?)</span>', page) == expected
    for badge in expected:
        assert badge in (tmp_path / "table.md").read_text()
        assert badge in (tmp_path / "table.tex").read_text()


# ---------------------------------------------------------------- terminal


def test_the_terminal_shows_the_table_then_the_answer_then_warnings():
    content = hostile()
    out = io.StringIO()
    print_report(content, Console(file=out, width=400))
    printed = out.getvalue()
    assert printed.index("best fused") < printed.index(answer(content)) < printed.index("warning: ")
    assert EVIL in printed
    assert "\x1b" not in printed
    names = [str(column.header) for column in terminal_table(content).columns]
    assert names[0] == "arm"
    assert len(names) == 4


@pytest.mark.parametrize("module", ["experiments.report", "experiments.page"])
def test_a_report_needs_no_model_library(module):
    program = f"import sys, {module}; print({{'torch', 'transformers', 'rich'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


# ---------------------------------------------------------------- once more from predictions


def test_rebuilt_numbers_are_the_stored_ones(run):
    stored = json.loads((run / "results.json").read_text())
    assert json.loads(json.dumps(rebuild(run))) == stored
    assert "table.md" in files(run)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r["arms"]["audio"]["uar"].update(value=0.99), "arms.audio.uar.value is 0.99"),
        (lambda r: r["arms"]["concat"].update(confusion=[[1, 0], [0, 1]]), "confusion"),
        (lambda r: r["differences"][0].update(p=0.001), r"differences\[0\].p is 0.001"),
        (lambda r: r["differences"].pop(), "differences"),
        (lambda r: r["arms"].pop("best_fused"), "arms.best_fused"),
        (lambda r: r["rows"].update(used=1000), "rows.used is 1000, computed 36"),
        (lambda r: r.update(run="other"), "predictions of run abc123"),
        (lambda r: r.update(targets=["a", "b", "c"]), "expected 3 scores"),
        (lambda r: r.pop("arms"), "no results of a run: arms"),
        (lambda r: r["arms"].update(audio=[]), "not of one run"),
    ],
)
def test_a_number_that_no_run_made_is_refused(run, edit, message):
    change(run, edit)
    with pytest.raises(ValueError, match=message):
        rebuild(run)
    assert files(run) == {"results.json", "predictions.jsonl"}


def test_changed_predictions_are_refused(run):
    path = run / "predictions.jsonl"
    rows = predictions.read(path)
    wrong = [row for row in rows if not (row.arm == "audio" and row.utterance == "s0-0")]
    predictions.write(wrong, path)
    with pytest.raises(ValueError, match="numbers that its predictions do not give"):
        rebuild(run)


def test_best_arms_are_chosen_again_and_not_read(run):
    """A best arm whose rows were bettered by hand is the honest one again."""
    path = run / "predictions.jsonl"
    stored = json.loads((run / "results.json").read_text())
    rows = [
        Prediction(**{name: getattr(row, name) for name in Prediction.__slots__}
                   | ({"scores": row.target} if row.arm == "best_fused" else {}))
        for row in predictions.read(path)
    ]  # fmt: skip
    predictions.write(rows, path)
    assert rebuild(run)["arms"]["best_fused"]["uar"] == stored["arms"]["best_fused"]["uar"]


@pytest.mark.parametrize("lacking", ["results.json", "predictions.jsonl"])
def test_a_folder_that_is_no_run_is_named(run, lacking):
    (run / lacking).unlink()
    with pytest.raises(ValueError, match=f"no finished run: expected {lacking}"):
        rebuild(run)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.json", "{", "not JSON"),
        ("results.json", "[]", "no results of a run"),
        ("predictions.jsonl", "", "no predictions in it"),
        ("predictions.jsonl", '{"run": 1}\n', "not a prediction"),
    ],
)
def test_a_broken_file_is_named(run, name, content, message):
    (run / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        rebuild(run)
