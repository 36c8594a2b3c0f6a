"""What is known of a corpus before it is read."""

from dataclasses import dataclass

from experiments.corpora.label_sets import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a corpus is, who speaks in it, where to ask for it, and the tree that is expected.

    ``truth`` tells whether emotions are simulated, induced or naturalistic. ``layout`` is the tree
    below ``--root``, in lines, documented at ``documented`` (else at ``where``); ``signature`` is
    found in the paths of its files and of no other corpus's. ``tried`` tells whether the reader
    has read the corpus itself, or only a miniature of its layout. ``labels`` are sets of classes
    that ``--labels`` takes by name, beside those common to all corpora. ``module`` has the reader,
    ``read(root)``, or ``read(root, annotation)`` where a set names one; without it there is none,
    and ``manifest`` says what to write.
    """

    name: str
    title: str
    language: str
    speakers: str
    emotions: str
    truth: str
    setup: str
    licence: str
    where: str
    size: str = ""
    module: str = ""
    layout: tuple[str, ...] = ()
    documented: str = ""
    signature: str = ""
    tried: bool = False
    manifest: str = ""
    labels: tuple[LabelSet, ...] = ()
