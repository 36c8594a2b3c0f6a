"""What lies beside the model that ships: its card, its notice, and the record of both."""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion.evaluation.backoff import LevelRule
from fusion.evaluation.conformal import PredictionSets
from fusion.model.card import level_lines, sets_line, use_section
from fusion.model.json import levels_of, sets_of
from scripts.ready_model.figures import STRANGE, Figure
from scripts.ready_model.voice import EMODB

LICENCE = (
    "voice half CC BY-NC-SA 4.0 (RAVDESS) and for research (EmoDB), words half GPL-3.0 (MELD): not "
    "for commercial use"
)
CAUTION = (
    "learned from actors who read a dozen sentences and from the lines of a sitcom, which are no "
    "interviews: take what it says as a hint where to listen, never as a finding about a person"
)
#: Names of the corpora, as a page shows them.
CORPORA = ("RAVDESS (voice)", "EmoDB (voice)", "MELD (words)")

_CARD = """\
# demo: voice from RAVDESS and EmoDB, words from MELD

`serfusion interview demo RECORDING` and `FusionModel.load("demo")`: {classes} classes ({targets}).
It is there so that the command runs on a fresh machine, offline. **{caution}**

**Licence: {licence}.** See `NOTICE`; the code is Apache-2.0.

## What it is

{encoders}
- voice: {voice_heads} heads on the frozen encoder of Whisper tiny.en, layer 2, from the speech of
  RAVDESS (Livingstone and Russo 2018) and of EmoDB (Burkhardt et al. 2005; German; the copy at hand
  is cut or filled to 2 s): {voice_rows} recordings of {voice_speakers} actors, each as it is, as a
  telephone brings it, and with noise; calm counts as neutral, boredom is left out
- words: {words_heads} heads on MiniLM, from the transcripts of MELD (Poria et al. 2019), official
  training rows: {words_rows} lines of {words_speakers} speakers of the series Friends, each as
  written and without capitals and marks
- made by `python -m scripts.ready_model.make RAVDESS MELD EMODB MOSI`, which made this card

## What it is worth on rows that it did not learn from

| what | metric | value | 95 % interval | rows | speakers |
|---|---|---|---|---|---|
{figures}

Voices are measured on speakers whom no head heard: in {folds} folds (EmoBox's, EmoDB's speakers
among them) heads like those that ship were trained without the fold and without another that
stopped them. Where heads are of one corpus alone, the other took no part. MELD's official split
shares its main speakers between training and test. Intervals are over speakers. Chance is 1 /
classes. Whisper was trained to write down speech of the web; that it heard these actors is not
known.

A person's own baseline (every voice standardised by what else it says, without labels) was tried
and does not ship: it carries heads from one corpus to another and is better on actors, who say
every class about as often, but takes neutral speech for something else where people are mostly
neutral, as they are in conversations (the rows "own baseline" of the table).

MOSI and the synthetic corpus took no part in training and calibration. The layer was chosen on both
corpora of voices, which flatters their figures a little.

## How the two are put together

Each half is calibrated with every class counting alike (temperature {voice_t:g} for the voice, the
higher of that of held-out speakers and that of each corpus by heads of the other, in all three
copies, because voices in an interview are unlike the actors'; {words_t:g} for words, on MELD's
development rows).
Their probabilities are multiplied: Bayes' rule for evidence that is independent given the class,
with every class as likely as any other beforehand. A half that knows nothing, or is missing,
changes nothing.

Nothing was learned about how far to trust each half, because no recording here has both free words
and a label. What is **not known**: whether voice and words are independent given the emotion
(where they are not, the result is too sure); how often each emotion occurs in an interview (equal
shares are assumed, so that rare ones are named too often); whether sounding happy and a line
written to be happy are one thing. The made-up pairs of the table are recordings of actors beside
lines of MELD of the same class, drawn at random: independent by construction, so that they test
the arithmetic and show the most that fusion could give.{quiet} The synthetic corpus is paired,
and nobody's voice.{worse}

No class is named below a probability of {threshold:.2f}: the highest of the thresholds that the
rule for all models gives for the voice alone, for words alone and for made-up pairs of development
rows; there it keeps {coverage:.0%}, {accuracy:.0%} of them right{reached}.{levels}
Of EmoDB, by heads of RAVDESS alone, it keeps {share:.0%}, {right:.0%} of them right; over all of
EmoDB their highest probability is {mean:.2f} on average, and right in {overall:.0%} of rows: as a
whole they are {sure} there. The voices of an interview are yet others.

## Limits

Thirty-four actors, twelve sentences, two studios; one sitcom, its writers' idea of how people talk.
English words only; the voice half knows English and German actors and was tried on no others.
Nothing was tried on children, on illness, or on people who are not acting. Emotions
were acted: it tells how a voice sounds beside those actors, not what a person feels.

{use}
"""

_WORSE = """ There both together are worse than the words alone: a voice that is unlike those of the
actors misleads with confidence instead of saying nothing. Compare what voice and words say alone,
which every output shows, before you believe what they say together."""

_QUIET = """ The voice is as unsure as it should be of strangers, so that beside words
it counts little: of actors of the corpora that it knows, both together are right less often than
the voice alone."""

_NOTICE = """\
The two halves of this model were made from different data; each has the terms of its own. They lie
side by side in heads.safetensors (tensors 0.* voice, 1.* words) and are not derived from one
another.

Voice half (tensors 0.*): derived from two corpora. The first is The Ryerson Audio-Visual
Database of Emotional Speech and Song (RAVDESS) by Steven R. Livingstone and Frank A. Russo (doi
10.5281/zenodo.1188976), licensed under the Creative Commons
Attribution-NonCommercial-ShareAlike 4.0 International licence
(https://creativecommons.org/licenses/by-nc-sa/4.0/), and licensed under the same terms: give
credit, use it for non-commercial purposes only, share what you derive from it alike. The
second is the Berlin Database of Emotional Speech (EmoDB), free for research. It reads embeddings of
the encoder of Whisper tiny.en (OpenAI, MIT licence), which is not part of these files.

Cite: Livingstone SR, Russo FA (2018) The Ryerson Audio-Visual Database of Emotional Speech and Song
(RAVDESS): A dynamic, multimodal set of facial and vocal expressions in North American English. PLoS
ONE 13(5): e0196391. Burkhardt F, Paeschke A, Rolfes M, Sendlmeier W, Weiss B (2005) A database of
German emotional speech. Interspeech 2005.

Words half (tensors 1.*): trained on the transcripts and labels of MELD
(https://github.com/declare-lab/MELD), published under the GNU General Public License, version 3
(https://www.gnu.org/licenses/gpl-3.0.html); offered under the same terms. No transcript is part of
these files. The lines are those of the series Friends, whose scripts belong to their owners. The
script that makes these files is scripts/ready_model/make.py.

Cite: Poria S, Hazarika D, Majumder N, Naik G, Cambria E, Mihalcea R (2019) MELD: A Multimodal
Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019.

Licences are those that the sources state; they were not confirmed with the rights holders. The
source code of serfusion is licensed under Apache-2.0; these terms hold for this folder alone.
"""


def card(record: Mapping[str, Any], about: Mapping[str, Any], encoders: Sequence[str]) -> str:
    """The model card: every figure is taken from the record and from ``model.json``."""
    rule = about["abstention"]
    missed = (
        "" if rule["reached"] else f" ({rule['target']:.0%} was asked for and could not be had)"
    )
    heads = [part["heads"] for part in about["parts"]]
    mean, overall = (_found(record, metric) for metric in ("mean probability", "accuracy"))
    temperatures = [part["temperature"] for part in about["parts"]]
    return _CARD.format(
        use=use_section(),
        classes=len(about["targets"]),
        targets=", ".join(about["targets"]),
        caution=CAUTION[0].upper() + CAUTION[1:] + ".",
        licence=LICENCE,
        encoders="\n".join(encoders),
        voice_heads=heads[0],
        words_heads=heads[1],
        voice_rows=record["voice"]["utterances"],
        voice_speakers=record["voice"]["speakers"],
        folds=record["voice"]["folds"],
        words_rows=record["words"]["utterances"],
        words_speakers=record["words"]["speakers"],
        figures="\n".join(_line(Figure(**figure)) for figure in record["figures"]),
        voice_t=temperatures[0],
        words_t=temperatures[1],
        quiet=_QUIET if _pairs(record, "both") < _pairs(record, "voice alone") else "",
        worse=_WORSE if _value(record, "both") < _value(record, "words alone") else "",
        threshold=rule["threshold"],
        coverage=rule["coverage"],
        accuracy=rule["accuracy"],
        reached=missed,
        levels=_levels(levels_of(about.get("levels", [])), sets_of(about.get("sets"))),
        share=_found(record, "share named"),
        right=_found(record, "accuracy of named"),
        mean=mean,
        overall=overall,
        sure="too sure" if mean > overall else "not too sure",
    )


def _levels(rules: Sequence[LevelRule], sets: PredictionSets | None) -> str:
    """Coarser answers and sets, in a list of its own; nothing of a model without them."""
    lines = [f"- {level}: {line}" for level, line in level_lines(rules).items()]
    if sets is not None:
        lines.append(f"- {sets_line(sets)}")
    if not lines:
        return ""
    head = (
        "The most cautious of the same three is taken at every level and for sets, too; a coarser "
        "level that would be wrong more than once in four says nothing:"
    )
    return "\n" + "\n".join([head, "", *lines, ""])


def notice() -> str:
    """The terms of both halves."""
    return _NOTICE


def _value(record: Mapping[str, Any], what: str) -> float:
    name = f"synthetic demo corpus, {what}"
    return next(float(figure["value"]) for figure in record["figures"] if figure["what"] == name)


def _pairs(record: Mapping[str, Any], what: str) -> float:
    figures = [one for one in record["figures"] if one["what"] == f"made-up pairs, {what}"]
    return next(float(one["value"]) for one in figures if one["metric"].startswith("UAR"))


def _found(record: Mapping[str, Any], metric: str) -> float:
    """How sure heads of RAVDESS alone are on EmoDB; 0 where nothing was named."""
    figures = [
        figure for figure in record["figures"] if figure["what"] == f"{STRANGE[EMODB]}, studio"
    ]
    return next((float(figure["value"]) for figure in figures if figure["metric"] == metric), 0.0)


def _line(figure: Figure) -> str:
    bounds = (
        "–"
        if figure.low is None or figure.high is None
        else f"{figure.low:.3f} to {figure.high:.3f}"
    )
    people = str(figure.speakers) if figure.speakers else "–"
    cells = (figure.what, figure.metric, f"{figure.value:.3f}", bounds, str(figure.rows), people)
    return f"| {' | '.join(cells)} |"
