"""The split certificate of a run as rows of a table."""

from encoders.messages import printable
from experiments.reporting.numbers import ABSENT, percent
from fusion.leakage.findings import Certificate, LeakTest

_STATUS = {"clean": "nothing found", "untested": "not tested"}


def certificate_rows(certificate: Certificate) -> list[list[str]]:
    """Each test: its name, what it found in words, the share of rows as a percentage."""
    return [_row(test) for test in certificate.tests]


def _row(test: LeakTest) -> list[str]:
    share = f"{percent(test.share)} %" if test.of else ABSENT
    count = test.counts.replace(" scored utterances", "") if test.found or test.inner else ""
    parts = (_STATUS.get(test.status, test.status), count, *test.examples, test.note)
    return [printable(test.name), printable("; ".join(filter(None, parts))), share]
