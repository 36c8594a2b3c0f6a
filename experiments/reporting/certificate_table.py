"""The split certificate of a run as rows of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.reporting.wording import ABSENT, percent
from fusion.escaping import plain

_STATUS = {"clean": "nothing found", "untested": "not tested"}


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One test: its name, what it found in words, the share of rows as a percentage."""

    name: str
    result: str
    share: str


@dataclass(frozen=True, slots=True)
class CertificateTable:
    """All tests of the folds of a protocol."""

    protocol: str
    folds: int
    rows: tuple[CertificateRow, ...]


def certificate_table(results: Mapping[str, Any]) -> CertificateTable | None:
    """The certificate in ``results.json``; None in runs that were made before there was one."""
    stored = results.get("certificate")
    if stored is None:
        return None
    rows = tuple(_row(test) for test in stored["tests"])
    return CertificateTable(plain(stored["protocol"]), stored["folds"], rows)


def _row(test: Mapping[str, Any]) -> CertificateRow:
    status = test["status"]
    parts = [_STATUS.get(status, status), *test["examples"], test["note"]]
    share = f"{percent(test['found'] / test['of'])} %" if test["of"] else ABSENT
    count = f"{test['found']} of {test['of']}" if test["found"] else ""
    told = "; ".join(part for part in (parts[0], count, *parts[1:]) if part)
    return CertificateRow(plain(test["name"]), told, share)
