"""Audio inputs of a plan made anew: through noise, or with frames joined otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from encoders.decode_index import DecodeIndex
from encoders.extraction import Extractor, Progress, shared_encoders
from encoders.specs import Modality
from encoders.store import EmbeddingStore
from experiments.ablation.cells import CellChanges, Noise
from experiments.ablation.noisy_audio import NoisyEmbedder, Voices, crowds
from experiments.comparing.inputs import SEQUENCE_OF
from experiments.comparing.modality_data import ModalityData, modal_of, sources_of
from experiments.comparing.plan import Plan
from experiments.config import ConfigError
from fusion.batch import Dataset, collate
from fusion.training.windows import WINDOWS

AUDIO = ("audio", SEQUENCE_OF["audio"], WINDOWS)


@dataclass(frozen=True, slots=True)
class NoisyPlan:
    """A plan with other audio, or with another dataset to score; how many inputs were encoded."""

    plan: Plan
    scored: Dataset | None
    encoded: int


def with_noisy_audio(
    plan: Plan, changes: CellChanges, store: EmbeddingStore, progress: Progress | None
) -> NoisyPlan:
    """Embed the recordings as a cell hears them; with noise in tests only, those of test rows.

    Raises:
        ConfigError: no arm hears anything, somebody cannot hear babble, or a recording fails.
    """
    wanted = _wanted(plan, changes.time_pool)
    if not wanted:
        # The arm of a cell that hears nothing is the same in any noise.
        return NoisyPlan(plan, None, 0)
    clean = _joined(plan, wanted, changes, store, progress)
    noise = changes.noise
    if noise is None:
        return clean
    tested = {name for fold in clean.plan.folds for name in fold.test}
    rows = tested if noise.side == "test" else set(plan.inputs.data.ids)
    modal = _noisy(clean.plan, wanted, noise, changes.seed, rows, store, progress)
    data = _replaced(clean.plan, modal)
    spent = clean.encoded + modal.encoded
    if noise.side == "test":
        return NoisyPlan(clean.plan, data, spent)
    return NoisyPlan(clean.plan.with_data(data), None, spent)


def _wanted(plan: Plan, time_pool: int | None) -> dict[str, Modality]:
    found = {name: m for name, m in plan.inputs.modalities.items() if name in AUDIO}
    sequence = SEQUENCE_OF["audio"]
    if time_pool is not None and sequence in found:
        changed: dict[str, Any] = {"time_pool": time_pool}
        spec = found[sequence].encoder
        if spec.time_pool == 1 and "time_pool" not in spec.__dataclass_fields__:
            raise ConfigError(f"--over time_pool: {spec.family} has no frames to join")
        found[sequence] = replace(found[sequence], encoder=replace(spec, **changed))
    return found


def _joined(
    plan: Plan,
    wanted: Mapping[str, Modality],
    changes: CellChanges,
    store: EmbeddingStore,
    progress: Progress | None,
) -> NoisyPlan:
    """The plan with frames joined otherwise, where that is asked."""
    sequence = SEQUENCE_OF["audio"]
    if changes.time_pool is None or sequence not in wanted:
        return NoisyPlan(plan, None, 0)
    asked = {sequence: wanted[sequence]}
    extractor = Extractor(shared_encoders([wanted[sequence].encoder]), store)
    with DecodeIndex(store.root / "hints.json") as hints:
        sources = sources_of("audio", plan.inputs.utterances, plan.inputs.words, hints)
        done = extractor.extract("audio", sources, progress)
    modal = modal_of("audio", asked, extractor, done)
    _check(modal)
    inputs = replace(
        plan.inputs,
        modalities={**plan.inputs.modalities, **asked},
        identity={**plan.inputs.identity, **modal.identity},
    )
    plan = replace(plan, inputs=inputs)
    return NoisyPlan(plan.with_data(_replaced(plan, modal)), None, modal.encoded)


def _noisy(
    plan: Plan,
    wanted: Mapping[str, Modality],
    noise: Noise,
    seed: int,
    rows: set[str],
    store: EmbeddingStore,
    progress: Progress | None,
) -> ModalityData:
    utterances = plan.inputs.utterances
    around: Mapping[str, Voices] = {}
    if noise.kind == "babble":
        around = crowds(utterances, plan.folds, seed, rows)
    asked = [u for u in utterances if u.id in rows and u.audio is not None]
    extractor = Extractor(shared_encoders(one.encoder for one in wanted.values()), store)
    done = NoisyEmbedder(noise, seed, around).extract(asked, extractor, store, progress)
    modal = modal_of("audio", wanted, extractor, done)
    _check(modal)
    return modal


def _check(modal: ModalityData) -> None:
    if modal.failures:
        first = [f"{f.utterance}: {f.why}" for f in modal.failures[:3]]
        raise ConfigError(
            f"{len(modal.failures)} recordings cannot be embedded as a cell hears them, first "
            f"{'; '.join(first)}; leave them out of the manifest"
        )


def _replaced(plan: Plan, modal: ModalityData) -> Dataset:
    """The dataset with inputs of a modal; rows that it does not hold are missing there."""
    data = plan.inputs.data
    fresh = {
        name: collate([rows.get(one) for one in data.ids], modal.layers.get(name, 1))
        for name, rows in modal.frames.items()
    }
    return replace(data, inputs={**data.inputs, **fresh})
