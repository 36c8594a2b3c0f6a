"""What an ablation changes of a comparison, at the steps where it may; here nothing is changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from encoders.extraction import Progress
from encoders.store import EmbeddingStore
from encoders.utterance import Utterance
from experiments.comparing.fitting import Fits, fit_all
from experiments.comparing.plan import Plan
from experiments.comparing.words import Words
from experiments.config import Study
from experiments.reporting.results_schema import Results, RunFacts


class Variation:
    """A comparison as its study says; a cell of an ablation overrides what it changes.

    ``leaves_model`` says whether a model of all speakers is fitted at the end.
    """

    leaves_model = True

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the run's id must hold besides the study."""
        return {}

    def rows(self, utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
        """Rows to compare on, of those that a study has."""
        return tuple(utterances)

    def words(self, words: Words, rows: Sequence[Utterance]) -> Words:
        """The words that text encoders read."""
        return words

    def plan(
        self, plan: Plan, study: Study, store: EmbeddingStore, progress: Progress | None
    ) -> Plan:
        """Rows, inputs and folds as heads see them."""
        return plan

    def finished(self, folder: Path, run: str) -> Results | None:
        """The results of a run that need not be made again; None: it must be."""
        return None

    def fit(self, plan: Plan, work: Path, jobs: int | None, progress: Progress | None) -> Fits:
        """Scores of every arm in every fold."""
        return fit_all(plan, work, jobs, progress)

    def facts(self, facts: RunFacts, fits: Fits) -> RunFacts:
        """What the run knows of itself."""
        return facts


AS_IT_IS = Variation()
