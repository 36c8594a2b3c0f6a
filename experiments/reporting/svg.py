"""Strokes and words of a figure."""

from xml.etree.ElementTree import Element, SubElement

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def canvas(width: int, height: int, label: str) -> Element:
    """The root of a figure on white paper, with what a screen reader says instead of it."""
    about = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width} {height}",
        "width": str(width),
        "height": str(height),
        "role": "img",
        "aria-label": label,
        "font-family": FONT,
        "color": "#1a1a1a",
    }
    root = Element("svg", about)
    SubElement(
        root, "rect", {"class": "paper", "width": "100%", "height": "100%", "fill": "#ffffff"}
    )
    return root


def line(
    root: Element,
    start: tuple[float, float],
    end: tuple[float, float],
    kind: str,
    colour: str,
    dash: str = "none",
) -> Element:
    """A line; its class gives its colour on a page."""
    ends = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    about = {"class": kind, "stroke": colour, "stroke-dasharray": dash}
    return SubElement(root, "line", {**about, **{key: f"{v:g}" for key, v in ends.items()}})


def write(
    root: Element, at: tuple[float, float], words: str, *, anchor: str, size: float = 14
) -> Element:
    """Words in the colour of the text around the figure."""
    about = {"x": f"{at[0]:g}", "y": f"{at[1]:g}", "text-anchor": anchor, "font-size": f"{size:g}"}
    text = SubElement(root, "text", {**about, "fill": "currentColor"})
    text.text = words
    return text


def short(text: str, letters: int) -> str:
    """Text cut to so many letters, the last of them an ellipsis."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
