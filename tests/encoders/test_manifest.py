"""The generic manifest: what is written is read again, whatever its cells, labels and names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from encoders.manifest import read_manifest
from encoders.manifest_rows import COLUMNS, MISSING, NO_WORDS
from encoders.manifest_tables import write_manifest
from encoders.messages import composed
from encoders.utterance import Corpus, CorpusError, Utterance
from tests.encoders.manifests import FORMATS, TYPED, faults_of, write

LABELS = ("angry", "happy", "sad")

#: Cells are stripped and empty ones are None, names are composed: that is all a text can lose.
#: What data frames write for nothing is nothing.
CELLS = (
    st.text(st.characters(exclude_categories=["Cs"]))
    .map(composed)
    .map(str.strip)
    .filter(lambda cell: cell and cell not in MISSING | NO_WORDS)
)
SECONDS = st.floats(0, 1e5, allow_nan=False)


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


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_spreadsheet_may_divide_cells_and_write_decimals_as_its_country_does(tmp_path, mark):
    lines = ("id;speaker;start_s;end_s;transcript;label", "a;s;0,5;2;1,5 apples;angry")
    (tmp_path / "m.csv").write_text("\r\n".join(lines).replace(";", mark), encoding="cp1252")
    (one,) = read_manifest(tmp_path / "m.csv").utterances
    assert (one.start_s, one.end_s, one.transcript) == (0.5, 2.0, "1,5 apples")


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


# ---------------------------------------------------------------- one name, typed in two ways


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
