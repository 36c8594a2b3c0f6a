"""Write ``docs/api.md`` from the docstrings of public names: ``python docs/make_api.py``."""

import inspect
import re
from importlib import import_module
from pathlib import Path

PACKAGES = ("experiments", "fusion", "encoders")
#: Letters in a line of code.
WIDEST = 88
PAGE = Path(__file__).parent / "api.md"
HEAD = """\
# API

What a notebook needs, one import deep. Made from the docstrings by `python docs/make_api.py`; what
is imported from deeper may change between versions.
"""


def api_page() -> str:
    """The page as Markdown: a section per package, an entry per public name."""
    lines = [HEAD]
    for package in map(import_module, PACKAGES):
        lines += [f"## {package.__name__}", "", inspect.getdoc(package).split("\n\n")[0], ""]
        for name in package.__all__:
            lines += _entry(name, getattr(package, name), f"{package.__name__}.{name}")
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, found: object, path: str, level: str = "###") -> list[str]:
    lines = [f"{level} `{path}`", "", "```python", _signature(name, found), "```", ""]
    lines += [_prose(inspect.getdoc(found) or ""), ""]
    if inspect.isclass(found):
        for method in vars(found):
            function = getattr(found, method)
            if not method.startswith("_") and inspect.isroutine(function) and function.__doc__:
                lines += _entry(method, function, f"{name}.{method}", "####")
    return lines


def _prose(doc: str) -> str:
    """A docstring as Markdown: code in single backticks, errors as a paragraph of their own."""
    body, _, errors = doc.partition("\nRaises:\n")
    raised = f"\n**Raises** {' '.join(errors.split())}" if errors else ""
    return re.sub(r":\w+:`([^`]+)`", r"`\1`", (body + raised).replace("``", "`"))


def _signature(name: str, found: object) -> str:
    kind = "class" if inspect.isclass(found) else "def"
    signature = inspect.signature(found)
    if inspect.isclass(found):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    whole = _plain(f"{kind} {name}{signature}")
    if len(whole) <= WIDEST or not signature.parameters:
        return whole
    returned = _plain(whole[whole.rindex(")") + 1 :]) if "->" in whole else ""
    inside = []
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and "    *" not in inside:
            inside.append("    *")
        inside.append(f"    {_plain(str(one))}")
    return f"{kind} {name}(\n" + ",\n".join(inside) + f",\n){returned}"


def _plain(text: str) -> str:
    """Types by their own names, without modules; a default that is an object of ours is ``...``."""
    short = re.sub(r"<[\w.]+ object at 0x\w+>", "...", text)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", short)


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
