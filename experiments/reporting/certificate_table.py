"""The split certificate of a run as rows of a table."""

from dataclasses import dataclass

from experiments.reporting.numbers import ABSENT, percent
from fusion.escaping import plain
from fusion.leakage.findings import Certificate, LeakTest

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


def certificate_table(certificate: Certificate | None) -> CertificateTable | None:
    """The certificate of a run; None where there is none."""
    if certificate is None:
        return None
    rows = tuple(_row(test) for test in certificate.tests)
    return CertificateTable(plain(certificate.protocol), certificate.folds, rows)


def _row(test: LeakTest) -> CertificateRow:
    share = f"{percent(test.share)} %" if test.of else ABSENT
    count = f"{test.found} of {test.of}" if test.found else ""
    parts = (_STATUS.get(test.status, test.status), count, *test.examples, test.note)
    return CertificateRow(plain(test.name), plain("; ".join(filter(None, parts))), share)
