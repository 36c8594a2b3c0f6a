"""Faults of a manifest: told at once, with their lines, whatever a table is made of."""

from __future__ import annotations

import pytest

from encoders.manifest import read_manifest
from encoders.utterance import CorpusError
from tests.encoders.manifests import TYPED, faults_of, matches, write

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
    assert any(matches(message, fault) for fault in faults_of(write(tmp_path, [row])))


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
    assert any(matches(message, fault) for fault in faults_of(path, labels=labels))


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
    assert matches(message, faults_of(tmp_path / "m.jsonl")[0])


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
        f"labels {told}: Happy, happy; Joié, joie; --labels NEW=OLD+OLD joins some",
        f"speakers {told}: Ann, ann",
    )


def test_speakers_of_two_sexes_and_values_beside_labels_are_told(tmp_path):
    rows = [
        {"id": "a", "speaker": "VP02", "sex": "m", "label": "happy", "valence": 1.0},
        {"id": "b", "speaker": "VP02", "sex": "w", "label": "sad", "valence": 2.0},
        {"id": "c", "speaker": "VP03", "sex": "w", "label": "sad", "valence": 2.0},
    ]
    two, unread = read_manifest(write(tmp_path, rows)).notes
    assert two.startswith("speakers of more than one sex, VP02 (m, w): two people")
    assert unread.startswith("valence: not read, because there are labels")
    values = [{name: cell for name, cell in row.items() if name != "label"} for row in rows[1:]]
    assert read_manifest(write(tmp_path, values)).notes == ()


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
