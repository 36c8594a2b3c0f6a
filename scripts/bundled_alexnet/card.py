"""What lies beside the weights that ship: the model card and the notice of their licence."""

from encoders.provenance import Provenance

LICENCE = "CC BY-NC-SA 4.0"
#: One line for every report that uses the weights.
TERMS = f"weights {LICENCE} like RAVDESS, on which they were trained: not for commercial use"

_CARD = """\
# AlexNet on log-mel windows, trained on RAVDESS

`--audio alexnet` of serfusion: {parameters:,} parameters as float16, one embedding of {dim} values
for every window of {window_s:g} s.

**Licence: {licence}**, like its training data, outside the Apache licence of the code:
see `NOTICE`.

## Training

- Data: the audio-only speech of RAVDESS (Livingstone and Russo 2018, doi 10.5281/zenodo.1188976),
  North American English, two sentences, acted, {classes} classes: {targets}.
- {train} actors train, {dev} decide when to stop ({dev_names}); both are in `provenance.json`
  with a key and a fingerprint of every recording: scoring on any of them, on changed copies of
  them, or on files with their names is refused.
- {window_s:g} s windows every {hop_s:g} s at {rate} Hz, {mels} bands, image {size} x {size};
  SpecAugment with two masks of up to {bands} bands and two of up to {frames} frames; AdamW,
  seed {seed}; stopped at epoch {best} of {epochs} with development UAR {dev_uar:.3f} (the best of
  {epochs} looks at {dev} speakers, so it flatters).
- Made by `python -m scripts.bundled_alexnet.make RAVDESS_FOLDER`.

## What it can do

- Held-out speakers: a twin trained in the same way without actors {test_names}, and scored on them,
  has UAR {held_out:.3f} ({classes} classes, chance {chance:.3f}). One split, one seed. With 50
  epochs, which the development speakers put lower, it was 0.481: the difference is chance.
- Another corpus: logistic regression on its embeddings has UAR 0.495 on EmoDB, on log-mel
  functionals 0.558, on the same network with random weights 0.552. What it learned from RAVDESS
  does not carry over to EmoDB; `logmel` is the better start there
  (`benchmarks/results/embeddings.md`).

## Limits

Twenty-four actors of one dialect read two sentences in a studio. Nothing here was tried on
spontaneous speech, on children, on other languages than the German of EmoDB, or on noise. Emotions
were acted: an embedding tells how actors sound, not what a person feels.
"""

_NOTICE = """\
The files of this folder are derived from The Ryerson Audio-Visual Database of Emotional Speech and
Song (RAVDESS) by Steven R. Livingstone and Frank A. Russo (doi 10.5281/zenodo.1188976), which is
licensed under the Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International licence
(https://creativecommons.org/licenses/by-nc-sa/4.0/). They are licensed under the same terms: give
credit, use them for non-commercial purposes only, share what you derive from them alike.

Cite: Livingstone SR, Russo FA (2018) The Ryerson Audio-Visual Database of Emotional Speech and Song
(RAVDESS): A dynamic, multimodal set of facial and vocal expressions in North American English. PLoS
ONE 13(5): e0196391.

The source code of serfusion is licensed under Apache-2.0; these terms hold for this folder alone.
"""


def card(record: Provenance, parameters: int, held_out: float, test: tuple[str, ...]) -> str:
    """The model card of trained weights: every figure is taken from the record of the training."""
    spec, settings, masks = record.spec, record.settings, record.settings["masks"]
    return _CARD.format(
        parameters=parameters,
        dim=settings["projection_dim"],
        licence=LICENCE,
        classes=len(record.targets),
        targets=", ".join(record.targets),
        train=len(record.train_speakers),
        dev=len(record.dev_speakers),
        dev_names=", ".join(record.dev_speakers),
        window_s=spec["window_s"],
        hop_s=spec["hop_s"],
        rate=spec["sample_rate_hz"],
        mels=spec["n_mels"],
        size=spec["image_size"],
        bands=masks["most_bands"],
        frames=masks["most_frames"],
        seed=record.seed,
        best=record.best_epoch + 1,
        epochs=len(record.dev_uar),
        dev_uar=max(record.dev_uar),
        test_names=", ".join(test),
        held_out=held_out,
        chance=1 / len(record.targets),
    )


def notice() -> str:
    """The terms of the weights."""
    return _NOTICE
