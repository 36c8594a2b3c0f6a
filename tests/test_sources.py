"""Every command of the page of sources is one: options, sets, folds and encoders exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from encoders.asr.recognisers import parse_recogniser
from encoders.typed_names import parse_modality
from encoders.weights.sources import MissingWeightsError
from experiments.commands.main import app
from experiments.comparing.trainable import is_finetuned, parse_trainable
from experiments.config import FINETUNED, Study, study_from_options
from experiments.corpora import is_common
from experiments.corpora.common_sets import common_set
from experiments.corpora.registry import CORPORA, UNREAD
from fusion.networks.head import Hyperparameters
from fusion.splitting.protocols import parse_protocol
from fusion.training.arm_table import arm_of
from tests.documented import DOCS, lines_of, parsed, placed

PAGE = "sources.md"
LINES = sorted(set(lines_of(PAGE)))
ROWS = [line for line in (DOCS / PAGE).read_text(encoding="utf-8").splitlines() if "| " in line]
STATES = ("run by the tests", "runs", "lacks", "not done")


def encoders_of(kind: str, params: dict[str, object]) -> Iterator[str]:
    """Encoders that a command names, those of an ablation and of the recipe among them."""
    names = [params.get(kind)]
    if kind in (params.get("over") or ()):
        names += [name for given in params["values"] for name in given.split(",")]
    for name in filter(None, names):
        fine = params.get("recipe") and not is_finetuned(name)
        yield f"{FINETUNED}{name}" if fine else name


def check_sets(params: dict[str, object]) -> None:
    """Look up the corpora and the sets of labels that a command names."""
    corpora, labels = [*(params.get("corpus") or ())], params.get("labels")
    assert set(corpora) <= CORPORA.keys()
    if labels is not None and is_common((labels,)):
        common_set(labels)
    elif labels is not None:
        assert labels in {known.name for name in corpora for known in CORPORA[name].labels}
    for extra in params.get("extra") or ():
        name, _, chosen = extra.partition("=")[0].partition(":")
        assert chosen in {known.name for known in CORPORA[name].labels}


def check_encoder(name: str, kind: str) -> None:
    try:
        (parse_trainable if is_finetuned(name) else parse_modality)(name, kind)
    except MissingWeightsError:
        # Of a hub name of a text encoder only its files tell what it is.
        assert "/" in name


def check(params: dict[str, object]) -> None:
    """Look up every name that a command gives."""
    check_sets(params)
    for kind in ("audio", "text"):
        for name in encoders_of(kind, params):
            check_encoder(name, kind)
    if params.get("folds") is not None:
        parse_protocol(params["folds"])
    if params.get("asr") not in (None, "none"):
        parse_recogniser(params["asr"])
    for arm in filter(None, (params.get("arms") or "").split(",")):
        arm_of(arm)


@pytest.mark.parametrize("line", LINES)
def test_the_command_is_one(line):
    name, params = parsed(line)
    check(params)
    if name in ("compare", "train"):
        given = {key: params.get(key) for key in Study.__dataclass_fields__ if params.get(key)}
        for key in ("arms", "labels", "head"):
            if key in given:
                given[key] = tuple(given[key].split(","))
        study_from_options(**{key: _plain(value) for key, value in given.items()})


def _plain(value: object) -> object:
    return [str(part) for part in value] if isinstance(value, tuple | list) else value


def test_every_option_of_a_head_is_known():
    for line in LINES:
        for option in (parsed(line)[1].get("head") or "").split(","):
            assert not option or option.partition("=")[0] in Hyperparameters.__dataclass_fields__


def test_a_command_that_is_none_is_found():
    with pytest.raises(Exception, match="No such option"):
        parsed("serfusion compare --corpora ravdess")
    with pytest.raises(AssertionError):
        check(parsed("serfusion check --corpus ravdess --labels 5-class")[1])


# ---------------------------------------------------------------- the page is whole


def test_every_corpus_and_every_set_has_a_row():
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    asked = {name for line in LINES for name in parsed(line)[1].get("corpus") or ()}
    # Later than the sources, or our own.
    assert CORPORA.keys() - asked == {"demo", "nemo", "esd", "urdu", "audiofolder", "coded"}
    for entry in UNREAD.values():
        assert entry.title.split()[0] in page or entry.name in page.casefold(), entry.name
    for corpus in ("ravdess", "iemocap", "crema-d"):
        sets = {known.name for known in CORPORA[corpus].labels}
        there = {
            params.get("labels")
            for params in (parsed(line)[1] for line in LINES)
            if corpus in (params.get("corpus") or ())
        }
        assert sets <= there, corpus


def test_every_network_of_the_sources_has_a_command():
    text = " ".join(LINES)
    for name in ("resnet50", "resnext50", "densenet201", "alexnet", "bert-base", "roberta-base"):
        assert f"finetuned:{name}" in text
    for kind in (
        "cnn1d-3",
        "cnn1d-5",
        "cnn1d-8",
        "cnn2d-2",
        "cnn2d-6",
        "cnn-lstm",
        "cnn-lstm-attention",
    ):
        assert f"finetuned:mfcc-{kind} " in text


@pytest.mark.parametrize("row", [row for row in ROWS if "`serfusion" in row or "| – |" in row])
def test_a_row_says_what_stands_in_its_way(row):
    said = row.rstrip(" |").rpartition(" | ")[2]
    assert "`serfusion" in row or not said.startswith(("runs", "run by"))
    assert said.startswith(STATES) or "| – |" in row


# ---------------------------------------------------------------- those that run here

RUN = sorted(
    {
        command
        for row in ROWS
        if re.search(r"\| run by the tests(?! \(\[published)", row)
        for command in re.findall(r"`(serfusion [^`]+)`", row)
    }
)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("line", RUN)
def test_the_command_runs(line, data_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(placed(line, data_folder))[1:]
    lacking = [w for w in words if w.startswith(str(data_folder)) and not Path(w).exists()]
    if lacking:
        pytest.skip(f"no {lacking[0]}")
    done = CliRunner().invoke(app, words)
    # A check of a corpus without folds that keep speakers apart says so, and ends with 1.
    obstacle = "check" in line and "LEAKY" in done.output
    assert done.exit_code == 0 or obstacle, done.output


def test_some_commands_run():
    assert len(RUN) >= 8
