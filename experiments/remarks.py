"""What a reader of the table must know about the inputs: silence, words that were cut."""

from collections.abc import Mapping, Sequence

from encoders.specs import Modality
from encoders.store import Extent

SHOWN = 5


def silence(silent: Sequence[str]) -> tuple[str, ...]:
    """A line that names recordings without sound; none where there are none."""
    if not silent:
        return ()
    shown = ", ".join(silent[:SHOWN]) + (", ..." if len(silent) > SHOWN else "")
    return (f"{len(silent)} recordings are silent (peak below -80 dB): {shown}",)


def cuts(modality: Modality, extents: Mapping[str, Extent | None]) -> tuple[str, ...]:
    """A line that counts the transcripts of which the encoder did not read the end.

    ``extents`` are those of every transcript, by utterance id, as they are kept beside the
    embeddings: a run that finds all of them in the cache says the same as the first one.
    """
    cut = [extent for extent in extents.values() if extent is not None and extent.cut]
    if not cut:
        return ()
    # All cut texts were read up to one limit: it is that of the encoder.
    limit, longest = cut[0].tokens_read, max(extent.tokens for extent in cut)
    checkpoint = getattr(modality.encoder, "checkpoint", modality.encoder.family)
    own = getattr(modality.encoder, "max_length", None) is None
    whose = f"which is all that {checkpoint} reads" if own else "as max_length says"
    return (
        f"{len(cut)} of {len(extents)} transcripts were longer than {limit} tokens (special ones "
        f"included) and were cut there, {whose}; the longest has {longest}",
    )
