"""Studies that workers share: exactly the budget, no zombie waited for, one worker as alone."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from encoders import locks
from fusion.networks.heads import HEADS
from fusion.tuning import shared as shared_studies, storage as studies
from fusion.tuning.storage import StorageError, StudyStorage, open_storage, without_secrets
from fusion.tuning.tune import Tuning, TuningResult
from tests.fusion.driven import tune

SPACE = HEADS["mlp"].space
FIRST = {"hidden": 64, "dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 1.0}
TRIALS = 9
NAME = "run/audio-fold"

WORKER = """
import sys, time
from fusion.tuning.storage import StudyStorage
from fusion.networks.heads import HEADS
from fusion.tuning.tune import Tuning
first = {"hidden": 64, "dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 1.0}
calls = []
def objective(values):
    calls.append(values)
    time.sleep(0.05)
    return -abs(values["dropout"] - 0.3)
place = StudyStorage(storage=sys.argv[1], name="run/audio-fold")
tuning = Tuning(HEADS["mlp"].space, first, int(sys.argv[2]), 0, place)
for trial in tuning:
    trial.value = objective(trial.parameters)
print(len(calls), repr(sorted(tuning.found.best.items())))
"""


def objective(values: Mapping[str, Any], _: object = None) -> float:
    return -abs(values["dropout"] - 0.3) - values["learning_rate"] * values["hidden"]


def searched(place: StudyStorage | None, trials: int = TRIALS, of=objective) -> TuningResult:
    return tune(of, SPACE, FIRST, trials, 0, place)


@pytest.fixture(params=["sqlite", "journal"])
def place(request, tmp_path) -> StudyStorage:
    where = f"sqlite:///{tmp_path / 's.db'}" if request.param == "sqlite" else tmp_path / "s.log"
    return StudyStorage(storage=str(where), name=NAME)


def _states(place: StudyStorage) -> list[TrialState]:
    with place.opened() as study:
        return [trial.state for trial in study.trials]


def test_one_undisturbed_worker_finds_what_it_finds_alone(place):
    assert searched(place) == searched(None)


def test_a_finished_study_is_read(place):
    first, calls = searched(place), []
    again = searched(place, of=lambda values, _: calls.append(values) or 0.0)
    assert (again, calls) == (first, [])


def test_studies_of_one_storage_are_apart_by_name(place):
    searched(place)
    other = StudyStorage(storage=place.storage, name="run/text-fold")
    assert searched(other, 3).values == searched(None, 3).values


def test_ctrl_c_leaves_nothing_to_wait_for_and_the_study_goes_on(place):
    calls = []

    def broken(values: Mapping[str, Any], _: object) -> float:
        calls.append(values)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return objective(values)

    with pytest.raises(KeyboardInterrupt):
        searched(place, of=broken)
    assert TrialState.RUNNING not in _states(place)
    study = searched(place)
    assert len(study.trials) == TRIALS
    assert dict(study.trials[0].parameters) == FIRST


def test_a_worker_that_died_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    place = StudyStorage(storage=str(tmp_path / "s.log"), name=NAME)
    with place.opened() as study:
        for _ in range(2):
            study.ask(dict(SPACE))
    monkeypatch.setattr(shared_studies, "LOOK_S", 0.01)
    monkeypatch.setattr(shared_studies, "SILENT_S", 0.05)
    assert len(searched(place, 3).trials) == 3
    assert _states(place).count(TrialState.FAIL) == 2


def _taken_for_dead(place: StudyStorage) -> None:
    with place.opened() as study:
        for left in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(left.number, state=TrialState.FAIL)


def test_a_worker_that_was_taken_for_dead_while_it_slept_goes_on(place, monkeypatch):
    asked = []

    def sampled(self, *arguments):
        asked.append(arguments)
        if len(asked) == 4:
            _taken_for_dead(place)
        return sample(self, *arguments)

    sample = optuna.samplers.TPESampler.sample_relative
    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_relative", sampled)
    tuning, worked = Tuning(SPACE, FIRST, TRIALS, 0, place), []
    for trial in tuning:
        worked.append(trial)
        if len(worked) == 2:
            _taken_for_dead(place)
        trial.report(5, 0.0)
        assert trial.pruned == (len(worked) == 2)
        trial.value = objective(trial.parameters)
    assert len(tuning.found.trials) == TRIALS
    assert len(worked) == TRIALS + 1
    assert _states(place).count(TrialState.FAIL) == 2


def test_on_a_database_the_heartbeat_tells_who_died(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "HEARTBEAT_S", 1)
    monkeypatch.setattr(studies, "GRACE_S", 1)
    monkeypatch.setattr(shared_studies, "LOOK_S", 0.2)
    url = f"sqlite:///{tmp_path / 's.db'}"
    place = StudyStorage(storage=url, name=NAME)
    dying = "import os, sys, time; from fusion.tuning.storage import StudyStorage\n"
    dying += f"with StudyStorage(storage=sys.argv[1], name={NAME!r}).opened() as study:\n"
    # The first heartbeat comes from another thread.
    dying += "    study.optimize(lambda trial: time.sleep(1) or os._exit(9), n_trials=1)\n"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", dying, url]).returncode == 9
    assert _states(place) == [TrialState.RUNNING]
    assert len(searched(place, 1).trials) == 1
    assert _states(place) == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A database of a server of PostgreSQL's that is started here, heard on a socket of files."""
    pytest.importorskip("psycopg", reason="no driver of PostgreSQL (extra postgresql)")
    places = [shutil.which("initdb"), *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    initdb = next((place for place in places if place), None)
    if initdb is None:
        pytest.skip("no server of PostgreSQL here (initdb): apt-get install postgresql")
    folder, commands = Path(tempfile.mkdtemp(prefix="pg")), Path(initdb).parent
    # The server refuses to be run by root.
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **owner}
    data, options = folder / "data", f"-c listen_addresses='' -k {folder}"
    subprocess.run([initdb, "-D", data, "-U", "ada", "-A", "trust"], **quiet)
    server = [commands / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log"]
    subprocess.run([*server, "start"], **quiet)
    yield f"postgresql://ada@/postgres?host={folder}"
    subprocess.run([commands / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgresql"])
def test_two_processes_spend_one_budget_and_agree(kind, tmp_path, request):
    files = {"sqlite": f"sqlite:///{tmp_path / 's.db'}", "journal": str(tmp_path / "s.log")}
    where = files.get(kind) or request.getfixturevalue("postgresql")
    command = [sys.executable, "-c", WORKER, where, "12"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[0].split(" ", 1) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(int(calls) for calls, _ in said) == 12
    assert said[0][1] == said[1][1]
    assert _states(StudyStorage(storage=where, name=NAME)).count(TrialState.COMPLETE) == 12


# ---------------------------------------------------------------- kills, full disks, moves


def killed(journal: Path, cut: bytes = b"") -> None:
    """A journal as a worker leaves it that is killed in its fourth trial."""

    def broken(values: Mapping[str, Any], _: object) -> float:
        if len(calls := [*calls_of, values]) > 3:
            raise KeyboardInterrupt
        calls_of[:] = calls
        return objective(values)

    calls_of: list[Mapping[str, Any]] = []
    with pytest.raises(KeyboardInterrupt):
        searched(StudyStorage(journal=journal), of=broken)
    if cut:
        journal.write_bytes(journal.read_bytes() + cut)


@pytest.mark.parametrize(
    "cut", [b'{"op_code":6,"wor', b"\0" * 40, b'{"op_code":8}{"op_', b"\xff\n[]\n"]
)
def test_a_line_that_was_cut_is_set_aside_and_the_study_goes_on(cut, tmp_path, caplog):
    journal = tmp_path / "audio.journal"
    killed(journal, cut)
    damaged = journal.read_bytes()
    assert searched(StudyStorage(journal=journal)) == searched(None)
    assert (tmp_path / "audio.journal.damaged-1").read_bytes() == damaged
    assert "was set aside as audio.journal.damaged-1" in caplog.text
    caplog.clear()
    assert searched(StudyStorage(journal=journal)) == searched(None)
    assert caplog.text == ""


def test_whole_lines_that_are_no_study_begin_anew(tmp_path):
    journal = tmp_path / "audio.journal"
    journal.write_bytes(b'{"op_code":4}\n')
    assert searched(StudyStorage(journal=journal)) == searched(None)
    assert (tmp_path / "audio.journal.damaged-1").is_file()


def test_another_worker_goes_on_after_a_line_that_was_cut_beside_it(tmp_path):
    place = StudyStorage(storage=str(tmp_path / "s.log"), name=NAME)
    with place.opened() as study:
        study.ask(dict(SPACE))
        with (tmp_path / "s.log").open("ab") as file:
            file.write(b'{"op_code":4,"wor')
        trial = study.ask(dict(SPACE))
        study.tell(trial, 0.5)
        assert [one.number for one in study.trials] == [0, 1]


@pytest.mark.parametrize("target", ["audio.journal", "/nowhere/audio.journal"])
def test_a_link_that_a_killed_worker_left_is_dropped(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = Path("cache/audio.journal")
    killed(journal)
    # As Optuna leaves it: to a relative path, which leads nowhere, or to one that was moved.
    link = Path("cache/audio.journal.lock")
    link.symlink_to(target)
    os.utime(link, (0, 0), follow_symlinks=False)
    (tmp_path / "cache").rename(tmp_path / "moved")
    place = StudyStorage(journal=Path("moved/audio.journal"))
    assert searched(place) == searched(None)
    assert not os.path.lexists("moved/audio.journal.lock")


def test_who_waits_says_for_whom(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "TOLD_S", 0.05)
    path = tmp_path / "x.lock"
    taken = threading.Event()

    def hold() -> None:
        with locks.held(path):
            taken.set()
            time.sleep(0.5)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    with locks.held(path):
        pass
    holder.join()
    assert f"waiting for process {os.getpid()} on " in caplog.text
    assert str(path) in caplog.text


def test_who_waits_for_a_trial_of_another_worker_says_so(tmp_path, monkeypatch, caplog):
    place = StudyStorage(storage=str(tmp_path / "s.log"), name=NAME)
    with place.opened() as study:
        study.ask(dict(SPACE))
    for name, value in (("LOOK_S", 0.01), ("SILENT_S", 0.1), ("TOLD_S", 0.05)):
        monkeypatch.setattr(shared_studies, name, value)
    searched(place, 1)
    assert caplog.text.count(f"waiting for 1 trial of {NAME} at other workers") == 1


# ---------------------------------------------------------------- what is said of a storage


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@localhost:1/db",
        "nosuch://ada:s3cret@localhost/db?sslpassword=s3cret",
        "mysql+nosuch://ada:s3cret@localhost/db",
        "://s3cret",
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_message_without_the_password(url):
    with pytest.raises(StorageError, match=r"--storage .*cannot be opened") as caught:
        open_storage(url)
    if "@" in url:
        assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "got nothing"),
        ("  ", "got nothing"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:/studies.db", "two slashes"),
        ("sqlite:///nowhere/studies.db", "no folder nowhere"),
    ],
)
def test_a_name_that_keeps_nothing_is_refused(name, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=told):
        open_storage(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"id,audio\n", b"id,audio\na,a.wav\n", b'{"a": 1}', b"\xff\n"])
def test_a_file_that_is_no_journal_stays_as_it_is(content, tmp_path):
    file = tmp_path / "corpus.csv"
    file.write_bytes(content)
    with pytest.raises(StorageError, match="is no journal of studies"):
        open_storage(str(file))
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", ["sqlite.journal", "a journal with spaces", "new/folder/j.log"])
def test_any_other_path_is_a_journal(name, tmp_path):
    place = StudyStorage(storage=str(tmp_path / name))
    assert searched(place, 2) == searched(place, 2)
    assert (tmp_path / name).read_bytes().startswith(studies.JOURNAL_STARTS)


def test_a_database_may_have_spaces_in_its_path(tmp_path):
    (tmp_path / "my studies").mkdir()
    place = StudyStorage(storage=f"sqlite:///{tmp_path}/my studies/all of them.db")
    assert searched(place, 2) == searched(place, 2)


def test_a_short_password_leaves_the_message_readable():
    with pytest.raises(StorageError) as caught:
        open_storage("nosuch://ada:p@host/x")
    assert "plugin" in str(caught.value)
    assert "ada:p@" not in str(caught.value)


def test_a_place_does_not_show_its_storage():
    assert "s3cret" not in repr(StudyStorage(storage="postgresql://ada:s3cret@host/db"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///studies.db", "sqlite:///studies.db"),
        ("postgresql://ada@host/db", "postgresql://ada@host/db"),
        ("postgresql://ada:a/b@c@host/db?password=x", "postgresql://ada:***@host/db"),
        ("studies.log", "studies.log"),
    ],
)
def test_what_is_shown_of_a_url(url, shown):
    assert without_secrets(url) == shown


def test_optuna_is_as_loud_as_before(place):
    before = optuna.logging.get_verbosity()
    searched(place, 2)
    assert optuna.logging.get_verbosity() in (before, optuna.logging.WARNING)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_cache_that_is_read_only_needs_no_lock(code, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(locks.FileLock, "acquire", refuse)
    with locks.held(tmp_path / "x.lock"):
        pass
    assert list(tmp_path.iterdir()) == []
