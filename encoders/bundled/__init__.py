"""Weights that ship with the package, each in a folder with its record, card and notice.

Of encoders, imports nothing.
"""

from pathlib import Path

#: AlexNet on log-mel windows, trained on RAVDESS by :mod:`scripts.bundled_alexnet.make`.
ALEXNET = Path(__file__).parent / "alexnet"
