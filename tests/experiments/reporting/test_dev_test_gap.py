"""Development scores that lie far above test scores are told, and honest ones are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.reporting.caveats import badges, cautions
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_schema import NoiseFact
from tests.experiments.finished_runs import cell_facts, make_facts, make_rows

TARGETS = ("calm", "cross")
#: Of MOSI's table: id, transcript, speaker, label, split.
COLUMNS = ("utterance_id", "text", "dialogue_id", "label", "split")


def results(change=lambda row: row, arms=("audio", "text"), speakers=12):
    rows = [change(row) for row in make_rows(arms, speakers, TARGETS)]
    return summarise(with_best(rows, "single-label"), make_facts(arms, TARGETS))


def known_beforehand(row):
    """Development rows of the text arm are all told right, as after training on their labels."""
    return replace(row, scores=row.target) if row.arm == "text" and row.split == "dev" else row


def alarms(found):
    return [line for line in cautions(found) if "points above test" in line]


def test_an_honest_run_raises_no_alarm():
    found = results()
    assert alarms(found) == []
    one = found.arms["text"].development
    assert one.above_test.low < 0 < one.above_test.high


def test_rows_that_were_known_beforehand_do():
    found = results(known_beforehand)
    (line,) = alarms(found)
    assert line.startswith("text: development UAR 100.0 lies ")
    one = found.arms["text"].development
    assert one.uar == 1.0
    test = found.arms["text"].uar.value
    assert one.above_test.value == pytest.approx(1 - test)


def test_with_few_speakers_no_alarm_is_raised():
    # Below five speakers of a side nothing is claimed, and so nothing is alleged.
    assert alarms(results(known_beforehand, speakers=4)) == []


@pytest.mark.realdata
@pytest.mark.slow
def test_features_of_mosi_that_were_trained_on_its_labels_are_found(data_folder, tmp_path):
    import csv

    import numpy as np

    from experiments import Study, compare

    with (data_folder / "mosi" / "mosi_bclstm.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    with (tmp_path / "mosi.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "transcript", "speaker", "label", "split"])
        for row in rows:
            cells = [
                row[name] for name in ("utterance_id", "text", "dialogue_id", "label", "split")
            ]
            writer.writerow(cells)
    arrays = np.load(data_folder / "mosi" / "mosi_bclstm.npz")
    for kind, name in (("text", "text_cnn100"), ("audio", "audio_opensmile73")):
        np.savez(tmp_path / f"{kind}.npz", id=arrays["utterance_id"], values=arrays[name])
    study = Study(
        manifest=str(tmp_path / "mosi.csv"),
        audio=f"features:{tmp_path / 'audio.npz'}",
        text=f"features:{tmp_path / 'text.npz'}",
        arms=("audio", "text"),
        trials=0,
        seeds=1,
    )
    (line,) = alarms(compare(study, out=tmp_path / "run", jobs=1).results)
    assert line.startswith("text: ")


def test_noise_in_test_rows_alone_is_no_alarm_and_is_marked():
    rows = with_best([known_beforehand(row) for row in make_rows(("text",), 12, TARGETS)])
    facts = make_facts(("text",), TARGETS)
    cell = cell_facts(noise=NoiseFact("white", 10.0, "test"))
    found = summarise(rows, replace(facts, facts=replace(facts.facts, cell=cell)))
    assert alarms(found) == []
    assert "cell of an ablation: noise white:10" in badges(found)
