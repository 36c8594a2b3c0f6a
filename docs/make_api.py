"""Write ``docs/api.md`` from the docstrings of public names: ``python docs/make_api.py``."""

import inspect
import re
from importlib import import_module
from pathlib import Path

PACKAGES = ("experiments", "fusion", "encoders")
#: What they give and take, by the module that has it.
TYPES = {
    "encoders.audio.waveform": ("Audio",),
    "encoders.audio.reading": ("read_segment",),
    "experiments.comparing.comparison": ("Outcome",),
    "experiments.comparing.training": ("TrainedModel",),
    "experiments.comparing.arrays": ("Arrays",),
    "experiments.comparing.verification": ("Verification",),
    "experiments.predicting.predict": ("Predicted",),
    "experiments.ablation.result": ("Ablation",),
    "experiments.reporting.results_schema": ("Results", "ArmResults", "Score", "ArmDifference"),
    "fusion.evaluation.backoff": ("Answer",),
}
#: What scikit-learn writes for every estimator.
ROUTING = re.compile(r"set_\w+_request|get_metadata_routing|get_params|set_params")
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
    lines += ["## What they give and take", ""]
    for module, names in TYPES.items():
        for name in names:
            lines += _entry(name, getattr(import_module(module), name), f"{module}.{name}")
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, found: object, path: str, level: str = "###") -> list[str]:
    lines = [f"{level} `{path}`", "", "```python", _signature(name, found), "```", ""]
    lines += [_prose(inspect.getdoc(found) or ""), ""]
    if inspect.isclass(found):
        for method in vars(found):
            function = getattr(found, method)
            public = not method.startswith("_") and not ROUTING.fullmatch(method)
            if public and inspect.isroutine(function) and function.__doc__:
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
    short = re.sub(r"<[\w.]+ object at 0x\w+>|(?<== )[A-Z]\w+\([^)]*\)", "...", text)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", short)


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
