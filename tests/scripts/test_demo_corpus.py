"""The demo corpus that ships with the package is whole and is built as its provenance says."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.demo_corpus.make import CORPUS, plan

EMOTIONS = {"angry", "happy", "neutral", "sad"}
COLUMNS = "id,audio,start_s,end_s,transcript,speaker,label,script,fold,language,sex".split(",")
VOICES = sorted((CORPUS / "voices").glob("*.ogg"))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (CORPUS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def spread(rows: list[dict[str, str]], *columns: str) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row[c] for c in columns) for row in rows)


def test_columns_and_unique_ids(rows: list[dict[str, str]]) -> None:
    assert list(rows[0]) == COLUMNS
    assert len({row["id"] for row in rows}) == len(rows) == 480
    for row in rows:
        assert row["id"] == f"{row['speaker']}-{row['script']}"
        assert row["audio"] == f"voices/{row['speaker']}.ogg"
        assert row["language"] == "en"


def test_four_folds_of_three_voices_and_forty_texts(rows: list[dict[str, str]]) -> None:
    by_fold = defaultdict(list)
    for row in rows:
        by_fold[row["fold"]].append(row)
    assert set(by_fold) == {"1", "2", "3", "4"}
    for fold in by_fold.values():
        voices, texts = {r["speaker"] for r in fold}, {r["script"] for r in fold}
        assert (len(voices), len(texts)) == (3, 40)
        assert len({(r["speaker"], r["script"]) for r in fold}) == len(fold) == 120


def test_every_voice_says_ten_texts_of_each_emotion(rows: list[dict[str, str]]) -> None:
    counts = spread(rows, "speaker", "label")
    assert {label for _, label in counts} == EMOTIONS
    assert len(counts) == 48
    assert set(counts.values()) == {10}


@pytest.mark.parametrize("column", ["speaker", "script", "transcript"])
def test_folds_share_nothing(rows: list[dict[str, str]], column: str) -> None:
    folds = defaultdict(set)
    for row in rows:
        if row[column]:
            folds[row[column].casefold()].add(row["fold"])
    assert all(len(seen) == 1 for seen in folds.values())


@pytest.mark.parametrize("column", ["label", "transcript"])
def test_a_text_has_one_label_and_one_wording(rows: list[dict[str, str]], column: str) -> None:
    values = defaultdict(set)
    for row in rows:
        if row[column]:
            values[row["script"]].add(row[column])
    assert len(values) == 160
    assert all(len(seen) == 1 for seen in values.values())


def test_each_voice_has_one_sex_and_half_are_female(rows: list[dict[str, str]]) -> None:
    pairs = set(spread(rows, "speaker", "sex"))
    assert Counter(sex for _, sex in pairs) == {"female": 6, "male": 6}


def test_missing_transcripts_are_spread(rows: list[dict[str, str]]) -> None:
    missing = [row for row in rows if not row["transcript"]]
    assert len(missing) == 48
    assert set(spread(missing, "speaker", "label").values()) == {1}
    assert set(spread(missing, "script").values()) == {1}
    assert set(spread(missing, "fold").values()) == {12}


def test_sentences_have_six_to_fourteen_words(rows: list[dict[str, str]]) -> None:
    assert all(6 <= len(r["transcript"].split()) <= 14 for r in rows if r["transcript"])


@pytest.mark.parametrize("path", VOICES, ids=lambda path: path.stem)
def test_segments_lie_apart_in_their_file_and_are_heard(
    rows: list[dict[str, str]], path: Path
) -> None:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    own = [r for r in rows if r["audio"] == f"voices/{path.name}"]
    times = sorted((float(r["start_s"]), float(r["end_s"])) for r in own)
    assert len(times) == 40
    assert times[0][0] > 0
    assert times[-1][1] < len(samples) / rate_hz
    gaps = [b[0] - a[1] for a, b in pairwise(times)]
    assert min(gaps) > 0.145
    assert max(gaps) < 0.305
    for start_s, end_s in times:
        said = samples[round(start_s * rate_hz) : round(end_s * rate_hz)]
        assert 0.8 < end_s - start_s < 8
        assert np.sqrt(np.mean(said**2)) > 0.01
        assert np.abs(said).max() < 0.99


def test_gaps_are_quiet(rows: list[dict[str, str]]) -> None:
    samples, rate_hz = soundfile.read(VOICES[0], dtype="float32")
    outside = np.ones(len(samples), bool)
    for row in (r for r in rows if r["audio"] == f"voices/{VOICES[0].name}"):
        outside[round(float(row["start_s"]) * rate_hz) : round(float(row["end_s"]) * rate_hz)] = (
            False
        )
    assert np.sqrt(np.mean(samples[outside] ** 2)) < 0.001


def test_files_are_mono_vorbis_at_16_khz() -> None:
    assert len(VOICES) == 12
    for path in VOICES:
        info = soundfile.info(path)
        found = (info.format, info.subtype, info.samplerate, info.channels)
        assert found == ("OGG", "VORBIS", 16_000, 1)


def test_hashes_match() -> None:
    lines = (CORPUS / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    hashes = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(hashes) == {"manifest.csv", *(f"voices/{p.name}" for p in VOICES)}
    for name, digest in hashes.items():
        assert hashlib.sha256((CORPUS / name).read_bytes()).hexdigest() == digest, name


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in CORPUS.rglob("*") if p.is_file()) < 7_000_000


def test_the_script_plans_this_manifest(rows: list[dict[str, str]]) -> None:
    planned = [
        (t.voice.name, t.text.id, t.text.emotion, "" if t.transcript_missing else t.text.text)
        for t in plan()
    ]
    assert planned == [(r["speaker"], r["script"], r["label"], r["transcript"]) for r in rows]


def test_voice_and_words_are_ambiguous_independently() -> None:
    takes = plan()
    weak = Counter(
        (t.text.fold, t.text.emotion, t.text.ambiguous)
        for t in takes
        if t.delivered != t.text.emotion
    )
    every = Counter((t.text.fold, t.text.emotion, t.text.ambiguous) for t in takes)
    assert {(every[cell], weak[cell]) for cell in every} == {(18, 6), (12, 4)}
