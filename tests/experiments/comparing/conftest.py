"""Heads that are trained for two epochs only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fusion.training import train


@pytest.fixture(scope="module")
def few_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "MAX_EPOCHS", 2)
        yield
