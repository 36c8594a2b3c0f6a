"""What stands beside a result: constant words, small budgets, dropped rows, one seed."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.reporting.caveats import (
    CONSTANT_WORDS,
    badges,
    cautions,
    dropped_lines,
    has_constant_words,
)
from experiments.reporting.diagrams import draw_confusion
from experiments.reporting.page import page
from experiments.reporting.report import Report, answer, folder_name, print_report
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_schema import Dropped
from experiments.reporting.tables import latex, markdown
from tests.experiments.finished_runs import (
    make_content,
    make_facts,
    make_results,
    make_rows,
    plain_facts,
    typed,
    write_pages,
)

ARMS, TARGETS = ("audio", "text", "concat"), ("calm", "cross")
SAID = "The words are the same under every label: a gain here cannot come from them."


def constant(arms=ARMS, recognised=0, text="minilm", even=True):
    results = make_results(arms)
    probe = replace(results.facts.text_probe, even=even)
    study = {**results.facts.study, "text": text}
    facts = replace(results.facts, recognised=recognised, text_probe=probe, study=study)
    return replace(results, facts=facts)


def printed(results):
    out = io.StringIO()
    print_report(results, Console(file=out, width=400))
    return out.getvalue()


# ---------------------------------------------------------------- words that carry no label


def test_a_gain_on_constant_words_is_qualified_wherever_the_answer_stands(tmp_path):
    content = constant()
    write_pages(content, tmp_path)
    assert answer(content).endswith(SAID)
    assert "fused and the best single modality" in answer(content)
    page = (tmp_path / "report.html").read_text()
    assert SAID in page[page.index('class="answer"') : page.index('id="arms"')]
    assert re.findall(r'<span class="badge">(.*?)</span>', page) == [CONSTANT_WORDS]
    for name in ("table.md", "table.tex"):
        table = (tmp_path / name).read_text()
        assert SAID in table
        assert CONSTANT_WORDS in table
    assert SAID in printed(content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (constant(), True),
        (constant(arms=("text",)), True),
        (constant(arms=("audio",)), False),
        (constant(even=False), False),
        (constant(recognised=17), True),
        (constant(recognised=18), False),
        (constant(text="features:words.npz"), False),
    ],
    ids=["all gold", "text alone", "no words", "uneven", "most gold", "half gold", "features"],
)
def test_words_are_called_constant_only_where_they_are(content, expected):
    assert has_constant_words(content) == expected
    assert (CONSTANT_WORDS in badges(content)) == expected
    assert ("cannot come from them" in answer(content)) == expected


def test_recognised_words_are_not_called_constant():
    assert "Most of the words are the same" in answer(constant(recognised=3))


def test_nothing_is_said_where_nothing_was_probed():
    content = replace(constant(), facts=plain_facts())
    assert "cannot come" not in answer(content)
    assert badges(content) == []


# ---------------------------------------------------------------- small budgets


def with_budget(seeds, trials):
    rows = [row for row in make_rows(ARMS, 6, TARGETS) if row.seed < seeds]
    return summarise(with_best(rows), make_facts(ARMS, TARGETS, trials=trials))


@pytest.mark.parametrize(
    ("seeds", "trials", "words"),
    [
        (1, 0, ["one seed: the spread over seeds is unknown"]),
        (2, 0, []),
        (2, 1, ["1 trial per arm and fold"]),
        (2, 4, ["4 trials per arm and fold"]),
        (2, 5, []),
        (1, 3, ["one seed", "3 trials per arm and fold"]),
    ],
)
def test_a_small_budget_is_said_before_a_number_is_quoted(tmp_path, seeds, trials, words):
    content = with_budget(seeds, trials)
    others = ("which development speakers chose", "over speakers does not hold")
    told = [line for line in cautions(content) if not any(part in line for part in others)]
    assert [line[: len(word)] for line, word in zip(told, words, strict=True)] == words
    write_pages(content, tmp_path)
    page = (tmp_path / "report.html").read_text()
    before = page[page.index('<h2 id="warnings">') : page.index('<h2 id="confusion">')]
    lines = [line for line in printed(content).splitlines() if line.lstrip().startswith("warning")]
    assert len(lines) == 1 + bool(cautions(content))
    for word in words:
        assert word in before
        assert word in lines[0]
        assert word in (tmp_path / "table.md").read_text()


def test_a_best_arm_below_all_that_it_stands_for_is_said():
    assert not chosen_badly(best=0.45, second="text")
    assert not chosen_badly(best=0.44, second="audio", audio=0.44)
    (told,) = chosen_badly(best=0.44, second="text")
    assert told.startswith("best single modality: UAR 44.0, below audio 50.0 and text 45.0")


def chosen_badly(best, second, audio=0.5):
    """What is said of a best arm that stands for audio in one fold, for another in the second."""
    content = make_content()
    for fold, arm in zip(content["arms"]["best_unimodal"]["folds"], ("audio", second), strict=True):
        fold["chosen"] = arm
    for arm, value in (("audio", audio), ("text", 0.45), ("best_unimodal", best)):
        content["arms"][arm]["uar"]["value"] = value
    return [line for line in cautions(typed(content)) if "chose badly" in line]


@pytest.mark.parametrize(("audio", "said"), [(0.55, True), (0.5, False), (0.5004, False)])
def test_a_single_modality_above_the_chosen_one_is_said(audio, said):
    content = make_content()
    for arm, value in (("audio", audio), ("text", 0.45), ("best_unimodal", 0.5)):
        content["arms"][arm]["uar"]["value"] = value
    told = [line for line in cautions(typed(content)) if "part of a gain" in line]
    assert bool(told) == said
    if said:
        assert told[0].startswith(
            "audio scores 55.0 on test speakers, above best single modality (50.0)"
        )


def test_speakers_who_talk_with_each_other_are_said_to_be_counted_together():
    content = make_content()
    content["rows"] |= {"speakers": 10, "clusters": 5, "unit": "groups of speakers"}
    told = cautions(typed(content))
    assert any("10 speakers talk with each other in 5 groups" in line for line in told)


def test_a_budget_is_judged_even_where_a_run_has_no_other_warning(tmp_path):
    content = replace(with_budget(1, 0), warnings=())
    write_pages(content, tmp_path)
    assert "Before you quote a number" in (tmp_path / "report.html").read_text()


def test_one_seed_has_no_deviation_and_says_so(tmp_path):
    for seeds, cell in ((1, "<td>one seed</td>"), (2, None)):
        content = with_budget(seeds, 0)
        write_pages(content, tmp_path)
        page = (tmp_path / "report.html").read_text()
        assert '<th scope="col">SD over seeds</th>' in page
        assert page.count("<td>one seed</td>") == (len(content.arms) if cell else 0)


# ---------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("seeds", "numbers", "said"),
    [(1, r"\d+", ""), (2, r"\d+\.\d", "counts are means over 2 seeds")],
)
def test_counts_of_one_seed_are_whole_and_means_have_one_decimal(seeds, numbers, said):
    figure = draw_confusion(with_budget(seeds, 0), "concat")
    found = re.findall(r'font-size="11"[^>]*class="on-\w+"[^>]*>(.*?)<', figure)
    assert len(found) == 4
    assert all(re.fullmatch(numbers, number) for number in found)
    assert ("means over" in figure) == bool(said)
    assert said in figure


def test_one_of_a_thing_has_no_s(tmp_path):
    content = make_content()
    content["rows"] |= {"used": 1, "speakers": 1, "dropped": [{"id": "u", "why": "w"}]}
    content["facts"] |= {"folds": 1, "study": content["facts"]["study"] | {"trials": 1}}
    content["facts"]["text_probe"]["sentences"] = 1
    content["seeds"] = [0]
    write_pages(content, tmp_path)
    texts = [(tmp_path / name).read_text() for name in ("report.html", "table.md", "table.tex")]
    for text in (*texts, printed(typed(content))):
        wrong = r"(?<![\d.])1 (utterances|speakers|folds|trials|seeds|classes|different)"
        assert not re.search(wrong, text)


# ---------------------------------------------------------------- dropped rows, folder


def with_dropped(*rows):
    results = make_results()
    return replace(results, rows=replace(results.rows, dropped=rows))


def test_the_first_dropped_rows_are_named_with_their_reasons():
    out = printed(
        with_dropped(*(Dropped(f"u{k}\x1b[2J", f"no [b]sound[/b] {k}") for k in range(5)))
    )
    assert "5 utterances left every arm:" in out
    assert "u2\N{REPLACEMENT CHARACTER}[2J: no [b]sound[/b] 2" in out
    assert "sound[/b] 3" not in out
    assert 'and 2 more; all stand under "rows" in results.json, and Rows in report.html' in out


def test_nothing_is_said_of_rows_where_none_was_dropped():
    assert dropped_lines(make_results()) == []


def test_few_dropped_rows_are_all_named():
    lines = dropped_lines(with_dropped(Dropped("u", "w")))
    assert lines[:2] == ["1 utterance left every arm:", "  u: w"]
    assert "more" not in lines[2]


def test_the_page_names_the_run_and_its_folder(tmp_path):
    folder = tmp_path / "runs" / "8e36<b>"
    write_pages(make_results(), folder)
    page = (folder / "report.html").read_text()
    assert "run <code>abc123</code> · folder <code>runs/8e36&lt;b&gt;</code>" in page
    assert str(tmp_path) not in page
    assert folder_name(tmp_path / "mine") == "mine"


def test_what_a_user_wrote_is_never_markup_of_the_terminal():
    content = make_results(targets=("[red]calm[/red]", "[/]cross"))
    warnings = ("[link=file:///]click[/link]",)
    out = printed(replace(content, warnings=warnings, corpus="[blink]tiny"))
    assert "[link=file:///]click[/link]" in out
    assert "[blink]tiny" in out


# ---------------------------------------------------------------- leaky folds


def leaky_results():
    return replace(make_results(), facts=plain_facts(leaky=True, protocol="random:5"))


def page_of(results):
    return page(Report(results))


@pytest.mark.parametrize("make", [markdown, latex, page_of])
def test_every_way_of_telling_a_leaky_result_says_so_in_its_first_words(make):
    assert "LEAKY (random:5)" in make(leaky_results())
    assert "LEAKY" not in make(make_results())


def test_every_caption_and_every_figure_of_a_leaky_result_is_stamped():
    shown = page_of(leaky_results())
    assert "<title>LEAKY" in shown
    captions = re.findall(r"<caption>(.*?)</caption>", shown)
    figures = re.findall(r'role="img" aria-label="([^"]*)"', shown)
    assert len(captions) > 3
    assert len(figures) > 3
    assert [words for words in captions + figures if not words.startswith("LEAKY")] == []


# ---------------------------------------------------------------- features, and what is too good


def precomputed(arms=ARMS, **study):
    results = make_results(arms)
    facts = replace(results.facts, study={**results.facts.study, **study})
    return replace(results, facts=facts)


@pytest.mark.parametrize(
    ("arms", "study", "kinds"),
    [
        (ARMS, {"audio": "features:a.npz"}, "audio"),
        (ARMS, {"audio": "features:a.npz", "text": "features:b.npz"}, "audio and text"),
        (("audio", "text", "late"), {"text": "features:b.npz"}, "text"),
        (("text",), {"audio": "features:a.npz"}, ""),
    ],
)
def test_precomputed_features_carry_a_badge_where_an_arm_reads_them(arms, study, kinds):
    marks = [mark for mark in badges(precomputed(arms, **study)) if "precomputed" in mark]
    assert marks == [f"precomputed {kinds} features: nobody knows what these saw"] * bool(kinds)


def test_the_badge_of_features_stands_in_every_table(tmp_path):
    content = precomputed(audio="features:a.npz")
    write_pages(content, tmp_path)
    for name in ("table.md", "table.tex", "report.html"):
        assert "nobody knows what these saw" in (tmp_path / name).read_text(), name


def scoring(uar, arm="audio", corpus="tiny", targets=TARGETS):
    results = make_results((arm,))
    score = replace(results.arms[arm].uar, value=uar)
    arms = {arm: replace(results.arms[arm], uar=score)}
    return replace(results, arms=arms, corpus=corpus, targets=targets)


def test_an_arm_above_97_is_told():
    (note,) = (line for line in cautions(scoring(0.975)) if "hardly ever told so well" in line)
    assert note.startswith("audio: UAR 97.5, above 97:")
    assert not any("hardly ever" in line for line in cautions(scoring(0.97)))


@pytest.mark.parametrize(
    ("uar", "arm", "corpus", "classes", "told"),
    [
        (0.76, "audio", "ravdess", 8, True),
        (0.75, "audio", "ravdess", 8, False),
        (0.76, "audio", "ravdess", 4, False),
        (0.76, "audio", "tiny", 8, False),
        (0.33, "audio", "meld", 7, True),
        (0.45, "text", "meld", 7, False),
    ],
)
def test_an_arm_above_what_was_printed_is_told_with_the_source(uar, arm, corpus, classes, told):
    names = tuple(f"class {number}" for number in range(classes))
    lines = [line for line in cautions(scoring(uar, arm, corpus, names)) if "in print" in line]
    assert len(lines) == told
    assert all("EmoBox" in line for line in lines)
