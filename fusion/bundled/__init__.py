"""Models that ship with the package, each in a folder with its card and its notice.

Of fusion, imports nothing.
"""

from pathlib import Path

#: What ``demo`` names: voice from RAVDESS, words from MELD (:mod:`scripts.ready_model.make`).
DEMO = Path(__file__).parent / "demo"
#: The word by which it is asked for.
BUNDLED = "demo"
