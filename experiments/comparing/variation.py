"""What an ablation changes of a comparison, at the steps where it may; here nothing is changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from encoders.extraction import Progress
from encoders.store import EmbeddingStore
from encoders.utterance import Utterance
from experiments.comparing.fitting import Fits
from experiments.comparing.plan import Plan
from experiments.comparing.transcripts import Transcripts
from experiments.config import Study
from experiments.reporting.results_schema import Results, RunFacts


class Variation:
    """A comparison as its study says; a cell of an ablation overrides what it changes.

    ``leaves_model`` says whether a model of all speakers is fitted at the end, ``keeps_heads``
    whether others score other rows with the same heads.
    """

    leaves_model = True
    keeps_heads = False

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the run's id must hold besides the study."""
        return {}

    def rows(self, utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
        """Rows to compare on, of those that a study has."""
        return tuple(utterances)

    def words(self, words: Transcripts, rows: Sequence[Utterance]) -> Transcripts:
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

    def scored(self, plan: Plan) -> Plan:
        """The plan with the rows that are scored, where they are other ones than heads are for."""
        return plan

    def fitted(self, fits: Fits) -> Fits:
        """The fits of :meth:`scored` as those of the plan."""
        return fits

    def facts(self, facts: RunFacts, fits: Fits) -> RunFacts:
        """What the run knows of itself."""
        return facts


NO_VARIATION = Variation()
