"""What a reader of the table must know about the inputs: silence, words that were cut."""

from collections.abc import Mapping, Sequence

from encoders.specs import Modality
from encoders.store import TokenCount
from experiments.reporting.trained_encoder import Trained
from fusion.training.arm_table import ARMS

SHOWN = 5


def silence(silent: Sequence[str]) -> tuple[str, ...]:
    """A line that names recordings without sound; none where there are none."""
    if not silent:
        return ()
    shown = ", ".join(silent[:SHOWN]) + (", ..." if len(silent) > SHOWN else "")
    return (f"{len(silent)} recordings are silent (peak below -80 dB): {shown}",)


def cuts(modality: Modality, extents: Mapping[str, TokenCount | None]) -> tuple[str, ...]:
    """A line that counts the transcripts of which the encoder did not read the end.

    ``extents`` are those of every transcript, by utterance id, as they are kept beside the
    embeddings: a run that finds all of them in the cache says the same as the first one.
    """
    cut = [extent for extent in extents.values() if extent is not None and extent.cut]
    if not cut:
        return ()
    # All cut texts were read up to one limit: it is that of the encoder.
    limit, longest = cut[0].tokens_read, max(extent.tokens for extent in cut)
    by_encoder = modality.encoder.max_length is None
    whose = (
        f"which is all that {modality.encoder.title} reads" if by_encoder else "as max_length says"
    )
    return (
        f"{len(cut)} of {len(extents)} transcripts were longer than {limit} tokens (special ones "
        f"included) and were cut there, {whose}; the longest has {longest}",
    )


def training_remarks(trained: Sequence[Trained], arms: Sequence[str]) -> tuple[str, ...]:
    """What must be known of encoders that were trained in every fold; nothing where none was."""
    if not trained:
        return ()
    kinds = dict.fromkeys(encoder.kind for encoder in trained)
    lines = [
        _trained(kind, [encoder for encoder in trained if encoder.kind == kind]) for kind in kinds
    ]
    if not all(ARMS[arm].crossfitted for arm in arms if arm in ARMS):
        lines.append(
            "heads were trained on embeddings of the same rows that the fine-tuned encoder was "
            "fitted on, which look better than those of new speakers: a fused head trusts the more "
            "overfitted modality too much, which cross-fitting (concat_crossfit) avoids"
        )
    lines.append(
        "heads were stopped and selected on the development speakers that the encoder was stopped "
        "on, one group per fold; there is one encoder per fold, so that the spread over seeds is "
        "that of heads"
    )
    lines.append(
        "no model was left: every fold has an encoder of its own, and one of all speakers was not "
        "trained"
    )
    return tuple(lines)


def _trained(kind: str, trained: Sequence[Trained]) -> str:
    seconds = sum(encoder.seconds for encoder in trained)
    return (
        f"the {kind} encoder ({trained[0].typed}) was fine-tuned in every fold on "
        f"{_span([encoder.train_speakers for encoder in trained])} training speakers and stopped "
        f"on {_span([encoder.dev_speakers for encoder in trained])} others, never on test "
        f"speakers: {len(trained)} encoders, {seconds / 60:.1f} minutes, development UAR "
        f"{min(encoder.dev_uar for encoder in trained):.3f} to "
        f"{max(encoder.dev_uar for encoder in trained):.3f}"
    )


def _span(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"
