"""What a tier of a TextGrid or an ELAN file holds, told by its name, its type and its labels."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from math import isfinite
from types import MappingProxyType

from experiments.annotations.turns import is_remark

#: Kinds of tiers that may be somebody's speech: with words, with numbers in their place, with none.
SPEECH, NUMBERS, UNLABELLED = "words", "numbers", "no labels"
PHONES = "phones"
#: Kinds by words in the names of tiers and of ELAN's types, as annotators and aligners call them
#: (BAS: ORT, KAN, MAU; Toolbox: tx, ft, ge). The first row goes before the others.
NAMED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        SPEECH: frozenset(
            "words word wort worte woerter wörter tx text txt transcript transcription transkript "
            "transkription trans trs utterance utterances utt äußerung äußerungen orth "
            "orthography ort sentence sentences satz sätze speech ipu ipus".split()
        ),
        PHONES: frozenset(
            "phones phone phoneme phonemes phon phn kan mau mas sampa ipa syllables syllable syll "
            "syl silben laute".split()
        ),
        "remarks": frozenset(
            "remarks remark comments comment notes note noise noises event events nonverbal "
            "laughter background music kommentar kommentare bemerkung bemerkungen notiz notizen "
            "anmerkung anmerkungen com".split()
        ),
        "gestures": frozenset(
            "gestures gesture gest ges gestik gaze blick mimik hands facial posture".split()
        ),
        "labels": frozenset(
            "emotion emotions confidence affect valence arousal gloss glosses ge ps pos mb ft "
            "translation translations lemma morphemes".split()
        ),
    }
)
_EDGE = "|".join(sorted(NAMED[SPEECH] | NAMED[PHONES], key=len, reverse=True))
#: What a name of a tier says of its kind, before or behind a speaker's; no name is longer.
_KIND_AT_EDGE = re.compile(
    rf"\A(?:{_EDGE})(?:[\s_\-:/.]+|\Z)|[\s_\-:/.]*(?<![^\W_])(?:{_EDGE})\Z", re.IGNORECASE
)
_LONGEST_NAME = 200
_ARPABET = re.compile(
    r"(?:AA|AE|AH|AO|AW|AX|AY|EH|ER|EY|IH|IY|OW|OY|UH|UW)[0-2]?"
    r"|B|CH|D|DH|F|G|HH|JH|K|L|M|N|NG|P|R|S|SH|T|TH|V|W|Y|Z|ZH|sil|sp|spn"
)
#: Share of labels that make a tier one of numbers; mean length of those of single sounds.
MOSTLY, SHORT = 0.9, 2.5
#: So many tiers are compared with each other: what a person annotates has fewer.
COMPARED = 50


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation of a tier: where it stands in the file, its seconds, its text."""

    where: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tier of a file. ``main`` says that its marks are stretches of a time line of their own.

    A tier of points is not, nor is one whose annotations hang on those of another tier, its
    ``parent``. ``gaps`` says that a mark without a label is a gap between turns, as in a TextGrid;
    in ELAN it is a turn whose words were not written down. ``kind`` is ELAN's linguistic type,
    ``holds`` what :func:`with_kinds` found its labels to be.
    """

    name: str
    marks: tuple[Mark, ...]
    main: bool = True
    gaps: bool = True
    parent: str | None = None
    kind: str | None = None
    speaker: str | None = None
    annotator: str | None = None
    holds: str = SPEECH

    def filled(self) -> Iterator[Mark]:
        """Its marks with a label."""
        return (mark for mark in self.marks if mark.text.strip())

    @property
    def count(self) -> int:
        """How many of its marks have a label."""
        return sum(1 for _ in self.filled())


def with_kinds(tiers: Sequence[Tier]) -> list[Tier]:
    """Tiers with what they hold: a key of :data:`NAMED`, or numbers, no labels or points.

    Short labels within the words of another tier, whose edges they share, are single sounds.
    """
    known = [replace(tier, holds=_kind_of(tier)) for tier in tiers]
    spoken = [tier for tier in known if tier.holds == SPEECH][:COMPARED]
    words = [(tier.count, edges_of(tier)) for tier in spoken]

    def are_sounds(tier: Tier) -> bool:
        parts, edges = tier.count, edges_of(tier)
        return any(count < parts and divide(edges, whole) for count, whole in words)

    return [
        replace(tier, holds=PHONES)
        if tier.holds == SPEECH and _is_short(tier) and are_sounds(tier)
        else tier
        for tier in known
    ]


def _kind_of(tier: Tier) -> str:
    if not tier.main and tier.parent is None:
        return "points"
    named = _named(tier.name) or _named(tier.kind or "") or SPEECH
    labels = [mark.text.strip() for mark in tier.filled()]
    if not labels:
        return UNLABELLED if named == SPEECH else named
    if named != SPEECH:
        return named
    if all(map(is_remark, labels)):
        return "remarks"
    if sum(map(_is_number, labels)) >= MOSTLY * len(labels):
        return NUMBERS
    sounds = [sound for label in labels for sound in label.split()]
    alone = len(sounds) >= 3 and all(map(_ARPABET.fullmatch, sounds))
    return PHONES if alone else SPEECH


def _is_number(label: str) -> bool:
    """Whether digits are in it, as in int07.001, and no blank; or no letter at all."""
    is_id = any(map(str.isdigit, label)) and len(label.split()) == 1
    return is_id or not any(map(str.isalpha, label))


def is_named_words(tier: Tier) -> bool:
    """Whether its name says that a tier holds words."""
    return _named(tier.name) == SPEECH


def _named(name: str) -> str | None:
    words = {*re.findall(r"[^\W\d_]+", name.lower())}
    return next((kind for kind, names in NAMED.items() if words & names), None)


def _is_short(tier: Tier) -> bool:
    lengths = [len(mark.text.strip()) for mark in tier.filled()]
    return sum(lengths) <= SHORT * len(lengths)


def divide(parts: AbstractSet[int], whole: AbstractSet[int]) -> bool:
    """Whether the edges of parts are those of a whole, nearly all of them, and maybe more."""
    return len(whole & parts) >= MOSTLY * len(whole)


def edges_of(tier: Tier) -> AbstractSet[int]:
    """Starts and ends of its marks that have a label, in milliseconds."""
    edges = (edge_s for mark in tier.filled() for edge_s in (mark.start_s, mark.end_s))
    return {round(1000 * edge_s) for edge_s in edges if isfinite(edge_s)}


def name_of(tier_name: str) -> str | None:
    """The speaker whom the name of a tier names; None where it names a kind of tier alone.

    >>> name_of("Anna - words"), name_of("tx@Anna"), name_of("ORT-MAU"), name_of("Anna")
    ('Anna', 'Anna', None, 'Anna')
    """
    if len(tier_name) > _LONGEST_NAME:
        return tier_name
    _, _, behind = tier_name.partition("@")
    return behind.strip() or _KIND_AT_EDGE.sub("", tier_name).strip() or None


def are_sentences(tier: Tier) -> bool:
    """Whether labels are what is said, and not names of speakers."""
    labels = [mark.text.strip() for mark in tier.filled()]
    ended = sum(" " in label and label.endswith((".", "?", "!")) for label in labels)
    return sum(len(label.split()) for label in labels) > 3 * len(labels) or 2 * ended > len(labels)
