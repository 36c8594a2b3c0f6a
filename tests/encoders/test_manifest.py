"""The generic manifest: what is written is read again, and every fault is told at once."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from encoders.manifest import read_manifest
from encoders.manifest_rows import COLUMNS, MISSING, NO_WORDS, guarded_csv, unguarded
from encoders.manifest_tables import write_manifest
from encoders.messages import composed
from encoders.utterance import Corpus, CorpusError, Utterance

LABELS = ("angry", "happy", "sad")
FORMATS = [".csv", ".jsonl"]
#: Cells are stripped and empty ones are None, names are composed: that is all a text can lose.
#: What data frames write for nothing is nothing.
CELLS = (
    st.text(st.characters(exclude_categories=["Cs"]))
    .map(composed)
    .map(str.strip)
    .filter(lambda cell: cell and cell not in MISSING | NO_WORDS)
)
SECONDS = st.floats(0, 1e5, allow_nan=False)


def write(folder: Path, rows: list[dict[str, object]], name: str = "m.csv") -> Path:
    """A manifest of rows, as a user would write it."""
    path = folder / name
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    with path.open("w", encoding="utf-8", newline="") as handle:
        header = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(handle, header)
        writer.writeheader()
        writer.writerows(rows)
    return path


def faults_of(path: Path, **how: object) -> list[str]:
    with pytest.raises(CorpusError) as caught:
        read_manifest(path, **how)
    return [str(fault) for fault in caught.value.faults]


def corpus_or_faults(path: Path) -> tuple[object, ...]:
    """The utterances, or what is wrong with them; any other error is the test's."""
    try:
        return read_manifest(path).utterances
    except CorpusError as error:
        return error.faults


# ---------------------------------------------------------------- there and back


@st.composite
def targets(draw: st.DrawFn, task: str) -> tuple[float, ...] | None:
    if draw(st.integers(0, 4)) == 0:
        return None
    if task == "regression":
        return tuple(draw(st.lists(st.floats(-5, 5), min_size=3, max_size=3)))
    if task == "single-label":
        index = draw(st.integers(0, 2))
        return tuple(float(k == index) for k in range(3))
    if task == "multi-label":
        return tuple(float(draw(st.booleans())) for _ in range(3))
    shares = draw(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
    return tuple(share / sum(shares) for share in shares)


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, str, list[dict[str, object]]]:
    """Task, protocol of folds, and the fields of some utterances; audio as an index.

    Plain values: beartype, which checks our dataclasses in tests, must not run inside a strategy.
    """
    task = draw(st.sampled_from(["single-label", "multi-label", "distribution", "regression"]))
    folds = draw(st.sampled_from(["split", "fold", "groups"]))
    texts = st.none() | CELLS
    rows = []
    for name in draw(st.lists(CELLS, unique=True, min_size=1, max_size=5)):
        start_s = draw(SECONDS)
        length = draw(st.none() | st.floats(1e-3, 100))
        row = {
            "id": name,
            "audio": draw(st.integers(0, 2)),
            "start_s": start_s,
            "end_s": None if length is None else start_s + length,
            "target": draw(targets(task)),
            "split": draw(st.sampled_from(["train", "dev", "test"])) if folds == "split" else None,
            "fold": draw(CELLS) if folds == "fold" else None,
            "age": draw(st.none() | st.floats(0, 120)),
        }
        for column in ("transcript", "speaker", "dialogue", "session", "script", "language", "sex"):
            row[column] = draw(texts)
        rows.append(row)
    return task, folds, rows


def corpus_of(folder: Path, task: str, folds: str, rows: list[dict[str, object]]) -> Corpus:
    audio = (None, folder / "a.wav", folder / "b c" / "ü,.wav")
    return Corpus(
        name="m",
        root=folder,
        task=task,
        targets=("valence", "arousal", "dominance") if task == "regression" else LABELS,
        utterances=tuple(Utterance(**{**row, "audio": audio[row["audio"]]}) for row in rows),
        folds=folds,
    )


@pytest.fixture(scope="module")
def audio_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    (folder / "b c").mkdir()
    (folder / "a.wav").touch()
    (folder / "b c" / "ü,.wav").touch()
    return folder


def told(corpus: Corpus) -> bool:
    """Whether the cells alone say which task this is."""
    found = [u.target for u in corpus.utterances if u.target is not None]
    if corpus.task == "multi-label":
        return any(sum(target) != 1 for target in found)
    return bool(found) or corpus.task == "single-label"


@pytest.mark.parametrize("suffix", FORMATS)
@given(drawn=fields())
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_written_is_read_again(audio_folder, suffix, drawn):
    corpus = corpus_of(audio_folder, *drawn)
    path = audio_folder / f"m{suffix}"
    write_manifest(corpus, path)
    found = read_manifest(path, labels=LABELS)
    if told(corpus):
        # Names that are nearly equal are told, whatever they are.
        assert replace(found, notes=()) == corpus
    else:
        assert found.utterances == corpus.utterances


TRANSCRIPTS = {
    "newlines": "one\ntwo\r\nthree\rfour",
    "commas and quotes": "she said \"no, no\", then 'yes'",
    "only a quote": '"',
    "other scripts": "καλημέρα 早上好 🙂 e\u0301",
    "line separators": "one\u2028two\u2029three\x85four\x0bfive\x0csix",
    "a formula": "=1+1",
    "a guarded formula": "''=1+1",
    "a dash": "-- hello",
    "a number": "-3.5",
    "json in a cell": '{"a": [1, "|"]}',
    "a label": "happy|sad",
    "the word none": "none",
    "a zero byte": "a\0b",
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("text", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
def test_a_transcript_is_kept_as_it_is(tmp_path, suffix, text):
    corpus = Corpus(
        name="m",
        root=tmp_path,
        task="single-label",
        targets=(),
        utterances=(Utterance(id="a", transcript=text), Utterance(id="b", transcript="next")),
    )
    write_manifest(corpus, tmp_path / f"m{suffix}")
    assert read_manifest(tmp_path / f"m{suffix}").utterances == corpus.utterances


@pytest.mark.parametrize("label", ["happy:0.7|sad:0.7", "happy:0.2|sad:0.2", "happy:0.5|sad"])
def test_shares_that_are_no_distribution_are_a_fault(tmp_path, label):
    rows = [{"id": "a", "label": label}, {"id": "b", "label": "happy:0.3|sad:0.7"}]
    with pytest.raises(CorpusError, match="its shares add up to"):
        read_manifest(write(tmp_path, rows, "m.csv"))


@given(st.binary(max_size=200))
@example(b'{"id": "a"}\n[[[')
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("suffix", FORMATS)
def test_any_bytes_are_a_corpus_or_its_faults(tmp_path, suffix, content):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    assert corpus_or_faults(path)


@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=12), max_size=8), max_size=4
    )
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cells_are_a_corpus_or_its_faults(tmp_path, rows):
    path = write(tmp_path, rows, "m.jsonl")
    assert corpus_or_faults(path)


def test_a_spreadsheets_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "m.csv").write_bytes("\ufeffid,transcript\na,x\n".encode())
    assert read_manifest(tmp_path / "m.csv").utterances[0].id == "a"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_csv_lines_end_as_they_like(tmp_path, end):
    (tmp_path / "m.csv").write_bytes(f"id,speaker{end}a,s{end}b,t{end}".encode())
    assert [u.speaker for u in read_manifest(tmp_path / "m.csv").utterances] == ["s", "t"]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_json_lines_end_as_they_like(tmp_path, end):
    content = end.join(['{"id": "a", "speaker": "s"}', "", '{"id": "b", "speaker": "t"}', ""])
    (tmp_path / "m.jsonl").write_bytes(content.encode())
    assert [u.speaker for u in read_manifest(tmp_path / "m.jsonl").utterances] == ["s", "t"]


def test_json_numbers_need_no_quotes(tmp_path):
    path = write(tmp_path, [{"id": 7, "start_s": 1.5, "end_s": 2, "age": 30}], "m.jsonl")
    found = read_manifest(path).utterances[0]
    assert (found.id, found.start_s, found.end_s, found.age) == ("7", 1.5, 2.0, 30.0)


def test_an_empty_line_is_skipped(tmp_path):
    (tmp_path / "m.csv").write_text("id,speaker\na,s\n\n,\nb,t\n")
    assert [u.id for u in read_manifest(tmp_path / "m.csv").utterances] == ["a", "b"]


def test_a_column_of_the_header_may_have_spaces(tmp_path):
    (tmp_path / "m.csv").write_text("id, speaker \na, s \n")
    assert read_manifest(tmp_path / "m.csv").utterances[0].speaker == "s"


def test_audio_lies_under_the_root_given(tmp_path):
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "a.wav").touch()
    path = write(tmp_path, [{"id": "a", "audio": "a.wav"}])
    found = read_manifest(path, root=tmp_path / "sound")
    assert found.utterances[0].audio == tmp_path / "sound" / "a.wav"


def test_a_link_inside_the_root_keeps_its_name(tmp_path):
    (tmp_path / "stored").touch()
    (tmp_path / "a.wav").symlink_to(tmp_path / "stored")
    corpus = read_manifest(write(tmp_path, [{"id": "a", "audio": "a.wav"}]))
    write_manifest(corpus, tmp_path / "again.csv")
    assert read_manifest(tmp_path / "again.csv").utterances == corpus.utterances


def test_an_absolute_path_inside_the_root_is_found(tmp_path):
    audio = tmp_path / "a.wav"
    audio.touch()
    assert read_manifest(write(tmp_path, [{"id": "a", "audio": str(audio)}])).utterances[0].audio


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("cells", "task", "names", "targets"),
    [
        (["happy", "sad"], "single-label", ("happy", "sad"), [(1, 0), (0, 1)]),
        (["sad", "happy", ""], "single-label", ("happy", "sad"), [(0, 1), (1, 0), None]),
        (["happy", "happy|sad"], "multi-label", ("happy", "sad"), [(1, 0), (1, 1)]),
        (["happy", "none", ""], "multi-label", ("happy",), [(1,), (0,), None]),
        (["happy | sad"], "multi-label", ("happy", "sad"), [(1, 1)]),
        (["happy:0.7|sad:0.3"], "distribution", ("happy", "sad"), [(0.7, 0.3)]),
        (["happy: 0.7 | sad: 0.3"], "distribution", ("happy", "sad"), [(0.7, 0.3)]),
        (["happy:0.7|sad:0.3", "sad"], "distribution", ("happy", "sad"), [(0.7, 0.3), (0, 1)]),
        (["happy:1e-1|sad:.9"], "distribution", ("happy", "sad"), [(0.1, 0.9)]),
        (["", ""], "single-label", (), [None, None]),
    ],
    ids=[
        *("one of several", "unlabelled", "several", "none and unlabelled", "spaced", "shares"),
        *("spaced shares", "share and label", "other numbers", "all unlabelled"),
    ],
)
def test_the_labels_tell_the_task(tmp_path, cells, task, names, targets):
    rows = [{"id": f"u{k}", "label": cell} for k, cell in enumerate(cells)]
    corpus = read_manifest(write(tmp_path, rows))
    assert (corpus.task, corpus.targets) == (task, names)
    assert [u.target for u in corpus.utterances] == targets


def test_the_order_of_the_classes_can_be_given(tmp_path):
    path = write(tmp_path, [{"id": "a", "label": "sad"}])
    corpus = read_manifest(path, labels=("sad", "calm", "angry"))
    assert corpus.targets == ("sad", "calm", "angry")
    assert corpus.utterances[0].target == (1.0, 0.0, 0.0)


def test_dimensions_make_a_regression(tmp_path):
    rows = [
        {"id": "a", "arousal": "0.5", "valence": "-1"},
        {"id": "b", "arousal": "2", "valence": ""},
    ]
    corpus = read_manifest(write(tmp_path, rows))
    assert (corpus.task, corpus.targets) == ("regression", ("valence", "arousal"))
    assert [u.target for u in corpus.utterances] == [(-1.0, 0.5), None]


@pytest.mark.parametrize(
    ("column", "value", "folds"),
    [("split", "train", "split"), ("fold", "3", "fold"), ("session", "1", "groups")],
)
def test_the_columns_tell_the_folds(tmp_path, column, value, folds):
    assert read_manifest(write(tmp_path, [{"id": "a", column: value}])).folds == folds


# ---------------------------------------------------------------- faults

FAULTS = {
    "unknown column": ({"id": "a", "speeker": "x"}, "'speeker': did you mean speaker"),
    "strange column": ({"id": "a", "zzzz": "x"}, "'zzzz': known are id, audio"),
    "missing file": ({"id": "a", "audio": "b.wav"}, r"line 2 \(id a\): missing file .*b\.wav"),
    "folder as file": ({"id": "a", "audio": "."}, "missing file"),
    "above the root": ({"id": "a", "audio": "../b.wav"}, "'../b.wav' lies outside"),
    "hidden above": ({"id": "a", "audio": "x/../../b.wav"}, "lies outside"),
    "absolute": ({"id": "a", "audio": "/etc/hosts"}, "'/etc/hosts' lies outside"),
    "name too long": ({"id": "a", "audio": "so many words " * 40}, "is no file name"),
    "ends before": ({"id": "a", "start_s": "2", "end_s": "1"}, "2-1 s ends before it starts"),
    "empty segment": ({"id": "a", "start_s": "2", "end_s": "2"}, "2-2 s is empty"),
    "negative start": ({"id": "a", "start_s": "-1"}, "start_s -1 is negative"),
    "start no number": ({"id": "a", "start_s": "1,5"}, "start_s '1,5' is not a number"),
    "end not finite": ({"id": "a", "end_s": "inf"}, "end_s 'inf' is not a number"),
    "age no number": ({"id": "a", "age": "old"}, "age 'old' is not a number"),
    "valence no number": ({"id": "a", "valence": "nan"}, "valence 'nan' is not a number"),
    "split unknown": ({"id": "a", "split": "valid"}, "'valid': expected train, dev, test"),
    "share no number": ({"id": "a", "label": "happy:most"}, "expected NAME:SHARE"),
    "share negative": ({"id": "a", "label": "happy:-1"}, "expected NAME:SHARE"),
    "share not finite": ({"id": "a", "label": "happy:nan"}, "expected NAME:SHARE"),
    "empty label": ({"id": "a", "label": "happy|"}, "unknown label ''"),
    "none beside a label": ({"id": "a", "label": "happy|none"}, "unknown label 'none'"),
    "id empty": ({"id": "", "speaker": "s"}, "line 2: the id is empty"),
    "no id": ({"speaker": "s"}, "'id' is missing"),
    "split and fold": ({"id": "a", "split": "dev", "fold": "1"}, "'split' and 'fold'"),
}


@pytest.mark.parametrize(("row", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told(tmp_path, row, message):
    assert any(_matches(message, fault) for fault in faults_of(write(tmp_path, [row])))


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def test_a_link_that_leaves_the_root_is_refused(tmp_path):
    (tmp_path / "secret.wav").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.wav").symlink_to(tmp_path / "secret.wav")
    assert "lies outside" in faults_of(write(root, [{"id": "a", "audio": "a.wav"}]))[0]


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "a.wav")
    assert "is no file name" in faults_of(write(tmp_path, [{"id": "a", "audio": "a.wav"}]))[0]


def test_a_zero_byte_in_a_path_is_refused(tmp_path):
    path = write(tmp_path, [{"id": "a", "audio": "a\0.wav"}], "m.jsonl")
    assert "is no file name" in faults_of(path)[0]


def test_a_duplicate_id_names_both_lines(tmp_path):
    rows = [{"id": "a"}, {"id": "b"}, {"id": "a"}]
    assert faults_of(write(tmp_path, rows)) == ["line 4 (id a): duplicate id, first on line 2"]


def test_a_label_that_was_not_announced_is_unknown(tmp_path):
    path = write(tmp_path, [{"id": "a", "label": "calm"}])
    expected = "line 2 (id a): unknown label 'calm': expected one of happy, sad"
    assert faults_of(path, labels=("happy", "sad")) == [expected]


def test_every_fault_is_told_at_once(tmp_path):
    rows = [
        {"id": "a", "audio": "no.wav", "start_s": "3", "end_s": "1", "lable": "x"},
        {"id": "a", "audio": "../up.wav", "start_s": "x", "end_s": "", "lable": ""},
        {"id": "", "audio": "", "start_s": "", "end_s": "", "lable": "y"},
    ]
    found = faults_of(write(tmp_path, rows))
    expected = [
        "did you mean label",
        "duplicate id",
        "id is empty",
        "missing file",
        "ends before",
        "lies outside",
        "start_s 'x'",
    ]
    assert len(found) == len(expected)
    for part in expected:
        assert sum(part in fault for fault in found) == 1


def test_many_faults_are_counted_and_cut_short(tmp_path):
    path = write(tmp_path, [{"id": f"u{k}", "age": f"x{k}"} for k in range(50)])
    with pytest.raises(CorpusError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "50 faults" in message
    assert "and 30 more" in message
    assert len(caught.value.faults) == 50


def test_faults_of_one_kind_are_one_line(tmp_path):
    rows = [{"id": f"u{k}", "audio": f"../{k}.wav"} for k in range(192)] + [{"id": "x", "age": "y"}]
    path = write(tmp_path, rows)
    with pytest.raises(CorpusError) as caught:
        read_manifest(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: 193 faults"
    assert lines[1].startswith("  192 rows (first line 2 (id u0)): audio '../0.wav' lies outside")
    assert lines[2] == "  line 194 (id x): age 'y' is not a number"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *(("emotion", "label"), ("path", "audio"), ("file", "audio"), ("wav", "audio")),
        *(("filename", "audio"), ("text", "transcript"), ("sentence", "transcript")),
        *(("spk", "speaker"), ("speaker_id", "speaker"), ("start", "start_s"), ("end", "end_s")),
        ("Emotion", "label"),
    ],
)
def test_what_other_tables_call_a_column_is_offered(tmp_path, name, column):
    path = write(tmp_path, [{"id": "a", name: "1"}])
    assert faults_of(path) == [f"columns: unknown column {name!r}: did you mean {column}?"]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_cells_separated_otherwise_are_one_fault(tmp_path, mark):
    (tmp_path / "m.csv").write_text(mark.join(["id", "speaker"]) + "\n" + mark.join("ab") + "\n")
    found = faults_of(tmp_path / "m.csv")
    assert found == [
        f"header: cells are separated by {mark!r}: expected commas (save it as CSV with commas)"
    ]


# ---------------------------------------------------------------- one name, typed in two ways

TYPED = ("Jose\u0301", "Jos\xe9")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "column", ["speaker", "session", "script", "dialogue", "fold", "language", "sex"]
)
def test_an_accent_typed_in_two_ways_is_one_name(tmp_path, suffix, column):
    rows = [{"id": str(k), column: name} for k, name in enumerate(TYPED)]
    corpus = read_manifest(write(tmp_path, rows, f"m{suffix}"))
    assert {getattr(u, column) for u in corpus.utterances} == {"Jos\xe9"}


def test_a_class_typed_in_two_ways_is_one_class(tmp_path):
    path = write(tmp_path, [{"id": str(k), "label": name} for k, name in enumerate(TYPED)])
    assert read_manifest(path).targets == ("Jos\xe9",)
    assert read_manifest(path, labels=TYPED[:1]).targets == ("Jos\xe9",)


def test_ids_that_differ_in_form_only_are_duplicates(tmp_path):
    path = write(tmp_path, [{"id": name} for name in TYPED])
    assert faults_of(path) == ["line 3 (id Jos\xe9): duplicate id, first on line 2"]


def test_a_file_name_keeps_its_form(tmp_path):
    """It is bytes to the file system, which does not compose it."""
    (tmp_path / f"{TYPED[0]}.wav").touch()
    path = write(tmp_path, [{"id": "a", "audio": f"{TYPED[0]}.wav"}])
    assert read_manifest(path).utterances[0].audio == tmp_path / f"{TYPED[0]}.wav"


# ---------------------------------------------------------------- classes that the user names


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("sad", "sad"), "--labels: 'sad' is given twice"),
        (TYPED, "'Jos\xe9' is given twice"),
        (("sad", "none"), "'none' is no name of a class"),
        (("sad", "a|b"), r"'a\|b' is no name of a class"),
        (("sad", "a:1"), "'a:1' is no name of a class"),
        (("sad", " "), "'' is no name of a class"),
        ((), "names no class"),
    ],
)
def test_classes_that_cannot_be_are_a_fault(tmp_path, labels, message):
    path = write(tmp_path, [{"id": "a", "label": "sad"}])
    assert any(_matches(message, fault) for fault in faults_of(path, labels=labels))


@pytest.mark.parametrize("cell", ["happy:0.4|happy:1", "happy:0.5|happy:0.5", "happy|happy"])
def test_a_class_named_twice_is_a_fault(tmp_path, cell):
    found = faults_of(write(tmp_path, [{"id": "a", "label": cell}]))
    assert f"line 2 (id a): label {cell!r} names a class twice" in found


# ---------------------------------------------------------------- tables made to break readers


def test_a_column_given_twice_is_told(tmp_path):
    (tmp_path / "m.csv").write_text("id,speaker, speaker\na,s,t\n")
    assert faults_of(tmp_path / "m.csv") == ["header: column given twice: 'speaker'"]


def test_more_cells_than_columns_are_told(tmp_path):
    (tmp_path / "m.csv").write_text("id,transcript\na,well, no\n")
    assert faults_of(tmp_path / "m.csv") == ["line 2: more cells than the header has columns"]


def test_a_quotation_mark_left_open_is_told(tmp_path):
    (tmp_path / "m.csv").write_text('id,transcript\na,"well\n' + "b,more words\n" * 20000)
    assert "is a quotation mark left open?" in faults_of(tmp_path / "m.csv")[0]


@pytest.mark.parametrize(
    "content",
    [
        'id,transcript\na,"well\nb,more\nc,words\n',
        'id,transcript\na,"well\nb,"more"\nc,words\n',
        'id,transcript\na,"well" said\nb,more\n',
    ],
    ids=["to the end", "to the next", "behind a cell"],
)
def test_an_open_quotation_mark_swallows_no_row(tmp_path, content):
    (tmp_path / "m.csv").write_text(content)
    (fault,) = faults_of(tmp_path / "m.csv")
    assert fault.startswith("line 2: not CSV")
    assert "is a quotation mark left open?" in fault


def test_what_excel_writes_is_read(tmp_path):
    lines = ["id,transcript", '1,"a, ""b"" c"', '2,"two', 'lines"', '3,5" tall', "4,it's"]
    (tmp_path / "m.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-8-sig"))
    found = [u.transcript for u in read_manifest(tmp_path / "m.csv").utterances]
    assert found == ['a, "b" c', "two\r\nlines", '5" tall', "it's"]


def test_a_cell_too_long_is_told_with_its_line(tmp_path):
    (tmp_path / "m.csv").write_text("id,transcript\na,x\nb," + "x" * 140_000 + "\n")
    assert "line 3: a cell of more than 131072 characters" in faults_of(tmp_path / "m.csv")[0]


@pytest.mark.parametrize("column", ["id", "audio", "start_s", "label", "split", "age", "x" * 5000])
@pytest.mark.parametrize("value", ["x" * 100_000, "\x1b[2J" * 5000], ids=["long", "escapes"])
def test_a_message_is_short_and_prints(tmp_path, column, value):
    path = write(tmp_path, [{"id": "a", column: value}, {"id": "a", column: value}], "m.jsonl")
    with pytest.raises(CorpusError) as caught:
        read_manifest(path, labels=("sad",))
    assert len(str(caught.value)) < 2500
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a", "age": ' + "9" * 5000 + "}", "line 1: not JSON .a number of more than 4300"),
        ("[" * 100_000, "line 1: not JSON .nested too deep"),
        ('{"id": "a", "age": ' + "[" * 900 + "]" * 900 + "}", "line 1: age .*expected a text"),
        ('{"id": "a", "speaker": "\\ud800"}', "line 1: 'speaker' holds half of a surrogate"),
        ('{"id": "\\udfff"}', "line 1: 'id' holds half of a surrogate"),
        ('{"id": "a", "\\ud800": 1}', "holds half of a surrogate"),
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: expected a JSON object"),
        ('{"id": "a", "label": ["happy", "sad"]}', r"line 1: label \['happy', 'sad'\]: expected"),
        ('{"id": "a", "transcript": true}', "line 1: transcript True: expected"),
        ('{"id": "a", "speaker": {"name": "x"}}', "line 1: speaker .*: expected"),
        ('{"id": "a", "age": NaN}', "age 'nan' is not a number"),
    ],
)
def test_a_wrong_json_line_is_told(tmp_path, line, message):
    (tmp_path / "m.jsonl").write_text(line + "\n")
    assert _matches(message, faults_of(tmp_path / "m.jsonl")[0])


@pytest.mark.parametrize("content", ["", "\n", "id,speaker\n", "id\n\n\n"])
def test_a_manifest_without_rows_is_refused(tmp_path, content):
    (tmp_path / "m.csv").write_text(content)
    assert "no rows" in faults_of(tmp_path / "m.csv")[0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "utf-8-sig"])
def test_another_encoding_is_read_and_told(tmp_path, encoding):
    (tmp_path / "m.csv").write_bytes("id,transcript\r\na,Grüße\r\n".encode(encoding))
    corpus = read_manifest(tmp_path / "m.csv")
    assert corpus.utterances[0].transcript == "Grüße"
    told = () if encoding == "utf-8-sig" else (f"m.csv: read as {encoding}",)
    assert corpus.notes == told


def test_what_a_data_frame_writes_for_no_words_is_none_and_counted(tmp_path):
    words = ["nan", "NaN", "None", "null", "none of it", "Nan"]
    rows = [{"id": f"u{k}", "transcript": text} for k, text in enumerate(words)]
    corpus = read_manifest(write(tmp_path, rows))
    assert [u.transcript for u in corpus.utterances] == [None] * 4 + ["none of it", "Nan"]
    assert corpus.notes == ("4 cells of transcript read as missing (nan)",)


def test_a_missing_label_or_speaker_of_a_data_frame_is_none(tmp_path):
    rows = [{"id": f"u{k}", "label": c, "speaker": c} for k, c in enumerate(("nan", "happy"))]
    corpus = read_manifest(write(tmp_path, rows))
    assert (corpus.targets, corpus.utterances[0].speaker) == (("happy",), None)
    assert corpus.utterances[0].target is None


def test_names_that_are_nearly_equal_are_told(tmp_path):
    labels, people = ("Happy", "happy", "joie", "Joié"), ("Ann", "ann ", "Ben", "Cem")
    pairs = zip(labels, people, strict=True)
    rows = [{"id": f"u{k}", "label": label, "speaker": s} for k, (label, s) in enumerate(pairs)]
    told = "that differ by case, blanks or accents only, and count as different"
    assert read_manifest(write(tmp_path, rows)).notes == (
        f"labels {told}: Happy, happy; Joié, joie",
        f"speakers {told}: Ann, ann",
    )


def test_backslashes_part_folders_on_every_system(tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "a.wav").write_bytes(b"")
    path = write(tmp_path, [{"id": "u", "audio": "wav\\a.wav"}])
    assert read_manifest(path).utterances[0].audio == tmp_path / "wav" / "a.wav"


def test_backslashes_do_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"")
    (tmp_path / "inner").mkdir()
    path = write(tmp_path / "inner", [{"id": "u", "audio": "..\\secret.wav"}])
    assert "lies outside" in faults_of(path)[0]


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_manifest_that_is_no_file_is_told(tmp_path, name):
    assert "no such file" in faults_of(tmp_path / name)[0]


def test_the_error_names_the_manifest(tmp_path):
    path = write(tmp_path, [{"id": "a", "age": "x"}], "corpus seven.csv")
    with pytest.raises(CorpusError, match=r"corpus seven\.csv: 1 fault\n"):
        read_manifest(path)


# ---------------------------------------------------------------- the corpus


@pytest.mark.parametrize(("index", "label"), [(0, "high"), (1, "low")])
def test_a_class_has_its_name(tone_corpus, index, label):
    assert tone_corpus.label(tone_corpus.utterances[index]) == label


def test_an_unlabelled_utterance_has_no_class(tone_corpus):
    assert tone_corpus.label(replace(tone_corpus.utterances[0], target=None)) is None


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_tiny_corpus_comes_back(tmp_path, tone_corpus, suffix):
    path = tone_corpus.root / f"tones{suffix}"
    write_manifest(tone_corpus, path)
    assert read_manifest(path) == tone_corpus


# ---------------------------------------------------------------- channels


def test_a_channel_counts_from_one_and_mean_is_all_of_them(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    rows = [{"id": f"u{k}", "audio": "a.wav", "channel": c} for k, c in enumerate(("2", "mean"))]
    assert [u.channel for u in read_manifest(write(tmp_path, rows)).utterances] == [2, None]


def test_a_channel_that_is_asked_for_is_heard_where_a_row_names_none(tmp_path):
    (tmp_path / "a.wav").touch()
    cells = {"named": "2", "all": "mean", "open": ""}
    path = write(tmp_path, [{"id": k, "audio": "a.wav", "channel": c} for k, c in cells.items()])
    heard = {u.id: u.channel for u in read_manifest(path, channel=1).utterances}
    assert heard == {"named": 2, "all": None, "open": 1}


@pytest.mark.parametrize("channel", ["0", "left", "-1", "1.5"])
def test_what_is_no_channel_is_refused(tmp_path, channel):
    (tmp_path / "a.wav").write_bytes(b"")
    path = write(tmp_path, [{"id": "u", "audio": "a.wav", "channel": channel}])
    assert faults_of(path) == [
        f"line 2 (id u): channel {channel!r}: expected 1, 2, ... or mean",
    ]


WRITERS_OF_TABLES = [
    path
    for package in ("encoders", "fusion", "experiments")
    for path in sorted((Path(__file__).parents[2] / package).rglob("*.py"))
    if re.search(r"csv\.(Dict)?[wW]riter\(", path.read_text(encoding="utf-8"))
]


def test_the_writers_of_tables_are_found():
    names = {path.name for path in WRITERS_OF_TABLES}
    assert {"manifest_rows.py", "segments_csv.py", "study_table.py"} <= names


@pytest.mark.parametrize("path", WRITERS_OF_TABLES, ids=lambda path: path.name)
def test_every_writer_of_tables_guards_its_cells(path):
    assert "guarded(" in path.read_text(encoding="utf-8").replace("map(guarded", "guarded(")


@pytest.mark.parametrize("cell", ["a\rb", "a\nb", "a\r\nb", "\r", 'a,"b"', " a ", "=1+1"])
def test_a_table_that_is_written_reads_back_cell_by_cell(cell):
    text = guarded_csv([["one", "two"], [cell, None], [0.5, cell]])
    assert text.endswith("\n")
    assert not text.endswith("\r\n")
    rows = [[unguarded(c) for c in row] for row in csv.reader(io.StringIO(text, newline=""))]
    assert rows == [["one", "two"], [cell, ""], ["0.5", cell]]
