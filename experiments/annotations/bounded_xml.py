"""XML from outside: no entities, no document types, a bounded number of elements and of levels."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from encoders.messages import quoted
from encoders.utterance import Fault
from experiments.annotations.plain import AnnotationError, read_content

#: Thirty times what an hour of single words on three tiers has; some 200 MB in memory.
MOST_ELEMENTS = 500_000
MOST_LEVELS = 50
#: Read at once, so that a file of too many elements is given up early.
_CHUNK = 2**16


class _TooMuch(ValueError):
    """More elements or levels than any annotation has."""


class _Builder(TreeBuilder):
    """Builds a tree as long as it stays within bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0
        self.level = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self.elements += 1
        self.level += 1
        if self.elements > MOST_ELEMENTS or self.level > MOST_LEVELS:
            raise _TooMuch(
                f"more than {MOST_ELEMENTS} elements or {MOST_LEVELS} levels: is it an annotation?"
            )
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        self.level -= 1
        return super().end(tag)


def read_xml(path: Path, root: str) -> Element:
    """The root element of a file.

    Raises:
        AnnotationError: it is no XML, its root has another name, or it holds what only attacks
            hold: a document type, entities, too many elements.
    """
    content = read_content(path)
    parser = DefusedXMLParser(target=_Builder(), forbid_dtd=True)
    try:
        for start in range(0, len(content), _CHUNK):
            parser.feed(content[start : start + _CHUNK])
        outermost: Element = parser.close()
    except ParseError as error:
        line, column = error.position
        what = f"not XML ({str(error).split(':')[0]}, character {column})"
        raise AnnotationError(path, [Fault(f"line {line}", what)]) from error
    except DefusedXmlException as error:
        what = "holds a document type or entities, which no annotation needs: remove them"
        raise AnnotationError(path, [Fault("file", what)]) from error
    except (_TooMuch, ValueError, LookupError) as error:
        raise AnnotationError(path, [Fault("file", f"cannot be read: {error}")]) from error
    if outermost.tag != root:
        what = f"expected <{root}> as its outermost element, got {quoted(outermost.tag)}"
        raise AnnotationError(path, [Fault("file", what)])
    return outermost
