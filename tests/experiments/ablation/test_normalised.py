"""``ablate --over normalise``: whose statistics standardise rows, cell by cell."""

from __future__ import annotations

import pytest

from experiments.ablation.ablate import ablate
from experiments.ablation.checking import verify_ablation
from experiments.ablation.files import files_of
from experiments.ablation.findings import findings_of
from experiments.ablation.grid import FactorSpec, make_grid
from experiments.config import ConfigError
from tests.experiments.ablation.tiny_corpora import features_study, tones_study


def test_each_value_is_a_cell_with_scores_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 5)
    study = features_study(tmp_path, arms=("audio",), seeds=1)
    found = ablate(study, [FactorSpec("normalise", "speaker,corpus")], out=tmp_path / "out", jobs=1)
    assert [cell.title for cell in found.grid.cells] == ["training", "speaker", "corpus"]
    by = [row.results.facts.standardised_by for row in found.rows]
    assert by == [None, "speaker", "corpus"]
    digests = {row.results.hashes.predictions for row in found.rows}
    assert len(digests) == 3
    files = files_of(found, findings_of(found))
    page = files["ablation.html"]
    captions = [part.split("</caption>")[0] for part in page.split("<caption>")[1:]]
    assert any("TRANSDUCTIVE (by speaker, corpus): " in caption for caption in captions)
    assert "TRANSDUCTIVE (by speaker, corpus): " in files["table.tex"]
    assert "own speaker or corpus" in "".join(
        text for name, text in files.items() if name.endswith(".md")
    )
    assert verify_ablation(found.folder).sound


def test_noise_in_test_rows_is_standardised_among_test_rows(tmp_path, monkeypatch):
    """Test rows are doubled there: the noisy ones are of the same speakers, on another side."""
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 3)
    study = tones_study(tmp_path, arms=("audio",), normalise="speaker", seeds=1)
    found = ablate(study, [FactorSpec("noise", "white:0")], out=tmp_path / "out", jobs=1)
    by = [row.results.facts.standardised_by for row in found.rows]
    assert by == ["speaker", "speaker"]
    digests = {row.results.hashes.predictions for row in found.rows}
    assert len(digests) == 2


def test_what_is_no_way_to_standardise_is_refused(tmp_path):
    study = features_study(tmp_path)
    with pytest.raises(ConfigError, match="--values person: expected some of training, corpus"):
        make_grid(study, [FactorSpec("normalise", "training,person")])
