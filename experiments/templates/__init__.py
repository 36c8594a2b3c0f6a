"""Templates of the HTML pages, and the one environment that fills them in.

Of experiments, imports nothing.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

TEMPLATES = Path(__file__).parent


def template(name: str, **filters: Callable[..., Any]) -> Template:
    """A template that escapes what is put into it; a name that nobody gives it is an error."""
    return _compiled(name, tuple(filters.items()))


@cache
def _compiled(name: str, filters: tuple[tuple[str, Callable[..., Any]], ...]) -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters)
    return environment.get_template(name)
