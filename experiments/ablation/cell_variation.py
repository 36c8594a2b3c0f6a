"""A cell of an ablation as a variation of a comparison: what it changes, at which step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from encoders.extraction import Progress
from encoders.store import EmbeddingStore
from encoders.utterance import Utterance
from encoders.weights.files import file_sha256
from experiments.ablation.cells import Cell, CellChanges
from experiments.ablation.noisy_inputs import with_noisy_audio
from experiments.ablation.subsets import with_speakers, without_words, wordless
from experiments.ablation.word_errors import with_errors
from experiments.comparing.fitting import Fits
from experiments.comparing.plan import Plan
from experiments.comparing.transcripts import Transcripts
from experiments.comparing.variation import Variation
from experiments.config import Study
from experiments.reporting.results_file import read_results
from experiments.reporting.results_schema import CellFacts, FitCounts, NoiseFact, Results, RunFacts
from fusion.batch import Dataset, ModalityBatch
from fusion.evaluation.predictions import PREDICTIONS
from fusion.splitting.splits import speaker_of

#: To be raised whenever the same seed changes other words, rows, speakers or recordings than
#: before: a finished cell of another number is made again.
CHANGES_VERSION = 1


class CellVariation(Variation):
    """What one cell changes; ``rows`` are those that all cells have, by id, None: all.

    ``keeps_heads`` where other cells score other rows with the same heads. After a run ``fits``
    tells how many were trained; it is None where the cell was finished before.
    """

    leaves_model = False

    def __init__(
        self, cell: Cell, rows: frozenset[str] | None, *, keeps_heads: bool = False
    ) -> None:
        self.cell = cell
        self.kept_rows = rows
        self.keeps_heads = keeps_heads
        self.fits: Fits | None = None
        self.encoded = 0
        self.trained_on: tuple[int, int] = (0, 0)
        self.wordless = 0
        self._count = 0
        self._heard: Dataset | None = None

    @property
    def changes(self) -> CellChanges:
        """What no study can say."""
        return self.cell.draft.changes

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the run's id must hold besides the study."""
        changed = self.changes.identity
        versioned = {**changed, "version": CHANGES_VERSION} if changed else {}
        return {"cell": dict(self.cell.values), **versioned}

    def rows(self, utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
        """Rows that every cell has."""
        kept = self.kept_rows
        return tuple(u for u in utterances if kept is None or u.id in kept)

    def words(self, words: Transcripts, rows: Sequence[Utterance]) -> Transcripts:
        """Words, wrong ones among them."""
        rate = self.changes.word_errors
        return with_errors(words, rows, rate, self.changes.seed) if rate else words

    def plan(
        self, plan: Plan, study: Study, store: EmbeddingStore, progress: Progress | None
    ) -> Plan:
        """Fewer transcripts and speakers, other recordings."""
        changes = self.changes
        self.encoded = plan.inputs.encoded
        self.wordless = wordless(plan)
        # What a test row has lost it has lost in noise too.
        if changes.missing:
            plan = without_words(plan, changes.missing, changes.seed)
        if changes.noise is not None or changes.time_pool is not None:
            heard = with_noisy_audio(plan, changes, store, progress)
            self.encoded += heard.encoded
            plan, self._heard = heard.plan, heard.scored
        if changes.speakers is not None:
            plan = with_speakers(plan, changes.speakers, changes.seed)
        return plan

    def finished(self, folder: Path, run: str) -> Results | None:
        """What the cell's folder holds, if it is this very run and whole."""
        try:
            results = read_results(folder)
            digest = file_sha256(folder / PREDICTIONS)
        except (ValueError, OSError):
            return None
        whole = results.run == run and results.hashes.predictions == digest
        return results if whole else None

    def scored(self, plan: Plan) -> Plan:
        """The plan with test rows as they are heard in a test."""
        self.trained_on = _trained_on(plan)
        self._count = len(plan.inputs.data.ids)
        heard, self._heard = self._heard, None
        # Cells are remembered until the end; recordings need not be.
        return plan if heard is None else scored_on(plan, heard)

    def fitted(self, fits: Fits) -> Fits:
        """Their rows counted as those of the plan."""
        self.fits = counted_once(fits, self._count)
        return self.fits

    def facts(self, facts: RunFacts, fits: Fits) -> RunFacts:
        """What makes this run a cell, in words and in numbers."""
        changed = dict(self.changes.identity)
        noise = changed.pop("noise", None)
        cell = CellFacts(
            values=dict(self.cell.values),
            cell=dict(self.cell.values),
            noise=None if noise is None else NoiseFact(**noise),
            **changed,
            changes_version=CHANGES_VERSION if self.changes.identity else None,
            without_words=self.wordless,
            training_speakers=self.trained_on,
            fits=FitCounts(fits.trained, fits.cached),
        )
        named = ", ".join(f"{name} {value}" for name, value in self.cell.values.items())
        line = (
            f"a cell of an ablation ({named}): serfusion ablate makes it again, "
            "serfusion compare alone does not"
        )
        return replace(
            facts, facts=replace(facts.facts, cell=cell), warnings=(line, *facts.warnings)
        )


def _trained_on(plan: Plan) -> tuple[int, int]:
    """The fewest and the most speakers that heads of an inner fold are trained on."""
    speaker = {u.id: speaker_of(u) for u in plan.inputs.utterances}
    counts = [len({speaker[n] for n in fold.train}) for f in plan.inner for fold in f.folds]
    return min(counts), max(counts)


# ---------------------------------------------------------------- rows as they are heard in a test


def scored_on(plan: Plan, other: Dataset) -> Plan:
    """The plan with the test rows of another dataset: the same rows, as they are heard in a test.

    Its dataset holds every row twice, so that one fold trains on the first and scores the second.
    """
    data = plan.inputs.data
    assert data.ids == other.ids
    both = Dataset(
        ids=(*data.ids, *map(_second, data.ids)),
        targets=data.targets,
        truth=np.concatenate([data.truth, data.truth]),
        inputs={name: stacked(batch, other.inputs[name]) for name, batch in data.inputs.items()},
        task=data.task,
        values=None if data.values is None else np.concatenate([data.values, data.values]),
        groups=None if data.groups is None else np.concatenate([data.groups, data.groups]),
    )
    assert len(both.truth) == 2 * len(data.ids)
    folds = tuple(replace(fold, test=tuple(map(_second, fold.test))) for fold in plan.folds)
    return replace(plan.with_data(both), folds=folds)


def counted_once(fits: Fits, count: int) -> Fits:
    """Scores with the rows of a dataset of ``count`` rows, which :func:`scored_on` doubled."""
    scores = tuple(replace(one, test=one.test % count) for one in fits.scores)
    return replace(fits, scores=scores)


def _second(name: str) -> str:
    # A control character no id has: manifests refuse it.
    return f"{name}\x00scored"


def stacked(one: ModalityBatch, other: ModalityBatch) -> ModalityBatch:
    """Rows of two batches one after the other, padded to the longest of both.

    Raises:
        ValueError: their frames are of different widths.
    """
    if (one.dim, one.layers) != (other.dim, other.layers):
        raise ValueError(f"frames of {one.dim} and {other.dim} values cannot be stacked")
    return ModalityBatch(
        pad_sequence([*one.values, *other.values], batch_first=True),
        pad_sequence([*one.mask, *other.mask], batch_first=True),
        torch.cat([one.present, other.present]),
        one.layers,
    )
