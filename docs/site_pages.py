"""What the site has beside ``docs/``: README as first page, and pages that others link to."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
#: Pages and sources outside of ``docs/`` that pages name, by their place in the repository.
OUTSIDE = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "DECISIONS.md", "LICENSE", "CITATION.cff"),
    *("encoders/bundled/alexnet/MODEL_CARD.md", "encoders/bundled/alexnet/NOTICE"),
    *("fusion/bundled/demo/README.md", "fusion/bundled/demo/NOTICE"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "benchmarks").glob("*.py"))),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "benchmarks/results").glob("*.md"))),
)
#: A fence with a second word, which says what the file is called or that the command fails.
FENCE = re.compile(r"^```(\w+) (\S+)$", re.M)
LINK = re.compile(r"(\]\()([^)\s#:]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside."""
    files.append(File.generated(config, "index.md", abs_src_path=str(ROOT / "README.md")))
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links as the repository has them become those of the site, whose root is ``docs/``."""
    here = page.file.src_uri
    if here == "index.md":
        page.meta["hide"] = ["navigation"]
    markdown = FENCE.sub(r'```\1 title="\2"', markdown)
    source = {"index.md": "README.md"}.get(here, here)
    if not (ROOT / source).is_file() or source not in (*OUTSIDE, "README.md"):
        source = f"docs/{here}"
    return LINK.sub(lambda link: link[1] + _on_the_site(link[2], source, here), markdown)


def _on_the_site(target: str, source: str, here: str) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    path = "index.md" if path == "README.md" else path.removeprefix("docs/")
    return posixpath.relpath(path, posixpath.dirname(here) or ".")
