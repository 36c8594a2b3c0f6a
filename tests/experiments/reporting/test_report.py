"""The report: what it shows, that nothing in it is believed or loaded."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from encoders.messages import escape_markdown
from experiments.comparing.verification import report_of
from experiments.reporting.caveats import cautions
from experiments.reporting.figures import arms_forest, draw_forest
from experiments.reporting.page import Report, page
from experiments.reporting.report import answer, print_report, terminal_table
from experiments.reporting.tables import escape_latex, markdown
from tests.experiments.finished_runs import (
    EVIL,
    STUDY,
    files,
    make_content,
    make_results,
    plain_facts,
    typed,
    write_pages,
)

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def results():
    return make_results()


# ---------------------------------------------------------------- files


def test_every_table_of_scores_names_its_predictions_and_how_to_recompute_it(results, tmp_path):
    write_pages(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    link = '<a href="predictions.safetensors">predictions.safetensors</a>, sha256 <code>'
    told = page.count(f"{link}{results.hashes.predictions[:12]}…</code>")
    others = ("<caption>Importance", "<caption>Audio</caption>",
              "<caption>Text</caption>", "<caption>Concat</caption>")  # fmt: skip
    assert told == page.count("<caption>") - sum(page.count(one) for one in others)
    assert told >= 8
    assert f"serfusion verify {tmp_path.name}" in page


def test_every_file_is_written(results, tmp_path):
    write_pages(results, tmp_path)
    figures = ["arms", "differences", "confusion-best_unimodal", "confusion-best_fused"]
    figures += ["reliability-best_unimodal", "reliability-best_fused", "risk-coverage"]
    figures += [
        f"{k}-{arm}" for k in ("history", "learning") for arm in ("audio", "text", "concat")
    ]
    expected = {"report.html", "table.md", "table.tex", *(f"figures/{f}.svg" for f in figures)}
    assert files(tmp_path) == expected


def test_figures_are_well_formed_and_have_a_name(results, tmp_path):
    write_pages(results, tmp_path)
    for path in (tmp_path / "figures").iterdir():
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("aria-label")


def test_the_answer_comes_before_every_number(results, tmp_path):
    write_pages(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    body = page[page.index("<body>") :]
    assert body.index(answer(results)) < body.index("<svg") < body.index("<table")
    order = ["arms", "differences", "warnings", "confusion", "folds", "rows", "protocol", "repeat"]
    places = [body.index(f'<h2 id="{name}">') for name in (*order, "definitions")]
    assert places == sorted(places)


def test_the_page_tells_the_protocol(results, tmp_path):
    write_pages(results, tmp_path)
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
        # A link to the predictions is followed by a reader alone, and leads nowhere else.
        own = [
            (name, told)
            for name, told in attrs
            if (name, told) != ("href", "predictions.safetensors")
        ]
        self.found += [name for name, _ in own if name in names or name.startswith("on")]


def test_the_page_loads_and_runs_nothing(results, tmp_path):
    write_pages(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    reader = Loads()
    reader.feed(page)
    assert reader.found == []
    assert not re.search(r"url\(|@import", page)


def test_the_same_results_give_the_same_bytes(results, tmp_path):
    one, two = (tmp_path / name / "run" for name in ("one", "two"))
    for folder in (one, two):
        write_pages(results, folder)
    for path in files(one):
        assert (one / path).read_bytes() == (two / path).read_bytes()


# ---------------------------------------------------------------- what comes from outside


def hostile():
    names = (EVIL, "=cmd()|x", "a_b&c%", "x" * 80, "line\nbreak\x1b[31m\u202e", "[red]x[/red]")
    content = make_content(targets=names)
    content["corpus"] = f"{EVIL} _&%"
    content["warnings"] = [EVIL, "![x](http://example.org/x.png) `a` | b"]
    content["rows"]["dropped"] = [{"id": f"{EVIL}{k}", "why": "=cmd()"} for k in range(25)]
    content["facts"]["study"] = STUDY | {"root": f"{EVIL}'; rm -r"}
    return typed(content)


def test_nothing_from_outside_becomes_markup(tmp_path):
    write_pages(hostile(), tmp_path)
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
        assert tags <= {"svg", "g", "rect", "text", "title", "line", "path", "polyline"}


def test_more_than_twenty_dropped_rows_are_folded_away(tmp_path):
    write_pages(hostile(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count('<td class="words">=cmd()</td>') == 25
    assert "<summary>5 more</summary>" in page


def test_markdown_shows_names_as_they_are(tmp_path):
    write_pages(hostile(), tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert EVIL not in table
    assert r"\!\[x\](http://example.org/x.png) \`a\` \| b" in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7, 9}
    assert escape_markdown("a|b_c*<d>") == r"a\|b\_c\*&lt;d&gt;"


def test_latex_is_escaped(tmp_path):
    write_pages(hostile(), tmp_path)
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


def command(study):
    """The command that a report gives for a study."""
    return report_of(
        replace(make_results(arms=("audio",)), facts=plain_facts(study=study)), "", None
    ).command


def words_of(text):
    """What a shell makes of a command."""
    return shlex.split(text.replace("\\\n", " "))


def test_the_command_is_quoted_and_leaves_out_defaults():
    assert words_of(command(STUDY)) == words_of(
        "serfusion compare --corpus tiny --root 'a folder' --audio logmel --text minilm "
        "--labels calm,cross --asr whisper-base --trials 2 --seeds 2"
    )
    assert "'a; b'" in command(STUDY | {"root": "a; b"})


def test_the_command_has_switches_as_compare_takes_them():
    words = words_of(command(STUDY | {"allow_contaminated": True}))
    assert words[-1] == "--allow-contaminated"
    assert "--allow-contaminated" not in words_of(command(STUDY | {"allow_contaminated": False}))


@pytest.mark.parametrize("root", ["a folder", "x" * 200, "a \\ b -- c"])
def test_no_line_of_the_command_breaks_an_option(root):
    text = command(STUDY | {"root": root})
    lines = text.split(" \\\n")
    assert len(lines) > 1
    assert all(line.startswith("  --") for line in lines[1:])
    assert all(len(line) <= 76 or line.count(" --") == 1 for line in lines[1:])
    assert words_of(text)[words_of(text).index("--root") + 1] == root


def cells_of_folds(page):
    """The table of folds: the name of each, and its cells."""
    table = page[page.index("UAR on the test speakers of each fold") :]
    rows = re.findall(
        r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", table[: table.index("</table>")]
    )
    return {name: re.findall(r"<td.*?>(.*?)</td>", cells) for name, cells in rows}


def test_a_fold_is_found_by_its_name_in_every_arm(results, tmp_path):
    """Arms whose folds were stored in another order stand in the right line all the same."""
    write_pages(results, tmp_path)
    expected = cells_of_folds((tmp_path / "report.html").read_text())
    assert expected["0"] != expected["1"]
    content = make_content()
    content["arms"]["best_fused"]["folds"].reverse()
    write_pages(content, tmp_path)
    assert cells_of_folds((tmp_path / "report.html").read_text()) == expected


def test_an_arm_chosen_in_every_fold_is_said_once(tmp_path):
    content = make_content()
    for number, fold in enumerate(content["arms"]["best_fused"]["folds"]):
        fold["chosen"] = ("late", "concat")[number]
    for fold in content["arms"]["best_unimodal"]["folds"]:
        fold["chosen"] = "audio"
    write_pages(content, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Best single modality stands for audio in every fold." in page
    assert "Best fused stands for late (fold 0), concat (fold 1)." in page


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
    write_pages(content, tmp_path)
    assert answer(content) in (tmp_path / "report.html").read_text().replace("&lt;", "<")
    assert (tmp_path / "figures" / "arms.svg").exists()


def test_nulls_and_intervals_without_width_are_drawn(tmp_path):
    content = make_content()
    arms = content["arms"]
    arms["text"]["uar"] |= {"value": 0.5, "low": 0.5, "high": 0.5}
    arms["audio"]["uar"] |= {"low": None, "high": None, "method": "none: a reason"}
    arms["concat"]["uar"] |= {"value": None, "low": None, "high": None, "method": "undefined: so"}
    arms["audio"]["folds"][0] |= {"uar": None, "uar_reason": "1 of 2 classes has no utterance"}
    arms["audio"]["per_class"]["calm"] |= {"precision": None}
    arms["best_fused"]["confusion"] = [[0.0, 0.0], [1.5, 2.5]]
    write_pages(content, tmp_path)
    figure = (tmp_path / "figures" / "arms.svg").read_text()
    assert "50.0 (50.0 to 50.0)" in figure
    assert "no interval" in figure
    assert "not defined" in figure
    page = (tmp_path / "report.html").read_text()
    assert "1 of 2 classes has no utterance" in page
    assert "nan" not in figure.lower()


@pytest.mark.parametrize(
    ("fact", "expected"),
    [("synthetic", ["synthetic speech"]), ("untrained", ["untrained encoder"]), (None, [])],
)
def test_what_nobody_may_overlook_stands_beside_the_title_and_in_every_table(
    results, tmp_path, fact, expected
):
    facts = plain_facts(**({} if fact is None else {fact: True}))
    write_pages(replace(results, facts=facts), tmp_path)
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


@pytest.mark.parametrize("module", ["experiments.reporting.report", "experiments.reporting.page"])
def test_a_report_needs_no_model_library(module):
    program = f"import sys, {module}; print({{'torch', 'transformers', 'rich'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


# ---------------------------------------------------------------- listeners


@pytest.fixture
def heard():
    """Listeners among the arms, typed first; one of their scores is perfect."""
    return make_results(arms=("listeners", "audio", "text", "concat"))


def test_listeners_are_a_line_of_the_figure_and_the_last_row(heard):
    forest = arms_forest(heard)
    value = heard.arms["listeners"].uar.value
    assert forest.ceiling == value
    assert forest.ceiling_label == f"listeners {100 * value:.1f}"
    assert [mark.label for mark in forest.marks][-1] == "ceiling: listeners"
    figure = ElementTree.fromstring(draw_forest(forest))
    dashes = [line.get("stroke-dasharray") for line in figure.iter() if line.tag.endswith("line")]
    assert (dashes.count("1 3"), dashes.count("4 3")) == (1, 1)
    rows = [line for line in markdown(heard).split("\n") if line.startswith("| ")]
    arms = [row.split("|")[1].strip() for row in rows[:8]]
    assert arms.index("ceiling: listeners") == 7
    assert "The dotted line is the majority" in page(Report(heard))


def test_without_listeners_nothing_is_changed(results):
    forest = arms_forest(results)
    assert (forest.ceiling, forest.ceiling_label) == (None, "")
    assert "1 3" not in draw_forest(forest)
    assert "dotted line" not in page(Report(results))


def test_listeners_are_not_told_to_score_too_well(heard):
    arms = {name: replace(arm, uar=replace(arm.uar, value=1.0)) for name, arm in heard.arms.items()}
    told = [line for line in cautions(replace(heard, arms=arms)) if "hardly ever told" in line]
    assert told
    assert not any(line.startswith("listeners") for line in told)
