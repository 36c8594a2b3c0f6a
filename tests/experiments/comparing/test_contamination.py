"""Law 4: what a fine-tuned encoder has seen is not scored, or every table says that it was."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from typer.testing import CliRunner

from encoders.analysis.fingerprints import FingerprintSet, packed, signature_of
from encoders.analysis.landmarks import landmarks_of, packed as packed_marks, thinned, unpacked
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio, resample
from encoders.finetuning.finetune import Finetuned
from encoders.finetuning.objective import objective_of
from encoders.finetuning.settings import Settings
from encoders.finetuning.windows import WindowPupil
from encoders.networks.cnn_models import Projected, build
from encoders.provenance import Provenance, provenance_of
from encoders.specs import SpectrogramCnnSpec
from encoders.store import audio_key
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance
from experiments.commands.main import app
from experiments.comparing.comparison import compare
from experiments.comparing.contamination import Sounds, check_unseen, scored_rows, used_specs
from experiments.comparing.training import train as train_model
from experiments.config import ConfigError, Study
from experiments.corpora import load_source
from experiments.corpora.known_names import known_name
from fusion.leakage.audio_copies import known_again
from fusion.leakage.audio_parts import in_part_known
from fusion.splitting.splits import Fold
from fusion.training import train
from tests.experiments.leaky_corpora import RATE, babble

SPEAKERS = ("s0", "s1", "s2")


@pytest.fixture
def corpus_folder(tmp_path) -> Path:
    """Two tones per speaker and class."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    with (folder / "tones.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "audio", "speaker", "label", "transcript"])
        for number in range(12):
            label, speaker = ("high", "low")[number % 2], SPEAKERS[number // 4]
            time = np.arange(4000) / 8000
            wave = 0.3 * np.sin(2 * np.pi * (900 if label == "high" else 200) * time + number)
            soundfile.write(folder / f"{number}.wav", wave.astype("f4"), 8000, subtype="FLOAT")
            writer.writerow([f"u{number}", f"{number}.wav", speaker, label, "said"])
    return folder


@pytest.fixture
def encoder(tmp_path):
    """Writes an encoder that has seen what is asked; returns its folder."""

    def write(
        corpus: str, speakers: tuple[str, ...], keys: tuple[str, ...] = (), prints: str = ""
    ) -> Path:
        spec = SpectrogramCnnSpec(untrained=True, image_size=63, window_s=0.5)
        record = Provenance(
            corpus=corpus,
            targets=("high", "low"),
            train_speakers=speakers,
            dev_speakers=("d",),
            keys=keys,
            spec={},
            settings={},
            seed=0,
            dev_uar=(1.0,),
            best_epoch=0,
            weights_sha256="",
            notice="weights CC BY-NC-SA 4.0",
            fingerprints=prints,
        )
        pupil = WindowPupil(Projected(build("alexnet", 0), 8), spec)
        objective = objective_of("single-label", Settings(), torch.eye(2))
        Finetuned(spec, pupil, record, pupil, objective).save(tmp_path / "tuned")
        return tmp_path / "tuned"

    return write


def study(corpus_folder: Path, encoder: Path, **changes: object) -> Study:
    return Study(
        audio=f"alexnet@weights={encoder},image_size=63,window_s=0.5",
        text="minilm",
        manifest=str(corpus_folder / "tones.csv"),
        arms=("audio",),
        folds="speaker",
        trials=0,
        seeds=1,
        **changes,
    )


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)


def keys_of(folder: Path, *numbers: int) -> tuple[str, ...]:
    return tuple(audio_key(read_segment(folder / f"{number}.wav")) for number in numbers)


# ---------------------------------------------------------------- refused


def test_a_speaker_that_was_seen_is_refused_before_anything_is_encoded(
    corpus_folder, encoder, tmp_path
):
    asked = study(corpus_folder, encoder("tones", ("s1",)))
    with pytest.raises(ConfigError) as caught:
        compare(asked, out=tmp_path / "run", jobs=1)
    said = str(caught.value)
    assert f"--audio {asked.audio}: has seen 4 of the 12 utterances to be scored" in said
    assert "add --allow-contaminated, which marks every table" in said
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists(), "nothing was encoded"


def test_samples_that_were_seen_are_refused_under_any_name(corpus_folder, encoder, tmp_path):
    folder = encoder("elsewhere", ("nobody",), keys_of(corpus_folder, 3, 7))
    with pytest.raises(ConfigError, match="has seen 2 of the 12 utterances to be scored"):
        compare(study(corpus_folder, folder), out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_development_speakers_count(corpus_folder, encoder):
    corpus = load_source(None, str(corpus_folder / "tones.csv"), None, None)
    rows = tuple(replace(u, speaker="d" if u.id == "u0" else u.speaker) for u in corpus.utterances)
    asked = study(corpus_folder, encoder("tones", ()))
    with pytest.raises(ConfigError, match="has seen 1 of the 12"):
        check_unseen(asked, corpus, ("audio",), rows, Sounds())


def test_only_rows_that_are_scored_count(corpus_folder, encoder):
    corpus = load_source(None, str(corpus_folder / "tones.csv"), None, None)
    fold = Fold("1", train=("u0", "u1"), test=("u4", "u5"))
    rows = scored_rows(corpus.utterances, [fold])
    assert [row.id for row in rows] == ["u4", "u5"]
    asked = study(corpus_folder, encoder("tones", ("s0",)))
    assert check_unseen(asked, corpus, ("audio",), rows, Sounds()) == ()


def test_an_encoder_that_no_arm_reads_is_not_asked(corpus_folder, encoder):
    asked = study(corpus_folder, encoder("tones", ("s0",)))
    assert list(used_specs(asked, ("text",))) == ["--text minilm"]
    assert list(used_specs(asked, ("audio",))) == [f"--audio {asked.audio}"]
    plain = replace(asked, audio="features:x.npz")
    assert used_specs(plain, ("audio",)) == {}


# ---------------------------------------------------------------- allowed, and marked


@pytest.fixture
def contaminated(corpus_folder, encoder, tmp_path) -> Path:
    folder = encoder("elsewhere", ("nobody",), keys_of(corpus_folder, 3))
    asked = study(corpus_folder, folder, allow_contaminated=True)
    return compare(asked, out=tmp_path / "run", jobs=1).folder


def test_every_table_is_marked_where_it_was_allowed(contaminated):
    results = json.loads((contaminated / "results.json").read_text())
    assert results["facts"]["contaminated"] is True
    assert "has seen 1 of the 12 utterances" in results["warnings"][0]
    for name in ("table.md", "table.tex", "report.html"):
        text = (contaminated / name).read_text()
        assert "contaminated: the encoder has seen these speakers" in text, name
    assert "allow_contaminated = true" in (contaminated / "config.toml").read_text()


def test_speakers_that_it_has_not_seen_are_scored_without_a_mark(corpus_folder, encoder, tmp_path):
    asked = study(corpus_folder, encoder("other", ("s1",)), allow_contaminated=True)
    folder = compare(asked, out=tmp_path / "run", jobs=1).folder
    results = json.loads((folder / "results.json").read_text())
    assert results["facts"]["contaminated"] is False
    assert "contaminated:" not in (folder / "table.md").read_text()
    line = (
        "the audio encoder was trained on other: 1 speakers, and stopped on 1 more; its record has "
        "no fingerprints, so that changed copies are not known by it"
    )
    assert f"{line}; weights CC BY-NC-SA 4.0" in results["warnings"]


def test_the_command_has_the_flag(corpus_folder, encoder, tmp_path):
    asked = study(corpus_folder, encoder("tones", ("s1",)))
    command = ["compare", "--manifest", str(asked.manifest), "--audio", asked.audio]
    command += ["--text", "minilm", "--arms", "audio", "--folds", "speaker", "--trials", "0"]
    command += ["--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "run")]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, ConfigError)
    allowed = CliRunner().invoke(app, [*command, "--allow-contaminated"])
    assert allowed.exit_code == 0, allowed.output
    assert "warning: contaminated: " in allowed.output


def test_the_alexnet_that_ships_is_not_scored_on_ravdess(corpus_folder):
    corpus = load_source(None, str(corpus_folder / "tones.csv"), None, None)
    actors = tuple(replace(utterance, speaker="24") for utterance in corpus.utterances)
    asked = Study(audio="alexnet", text="minilm", manifest="tones.csv")
    check_unseen(asked, corpus, ("audio",), actors, Sounds())
    with pytest.raises(ConfigError, match=r"--audio alexnet: has seen 12 of the 12 .*on ravdess"):
        check_unseen(asked, replace(corpus, name="ravdess"), ("audio",), actors, Sounds())


# ---------------------------------------------------------------- copies, names of files, cards


@pytest.fixture
def copied(tmp_path) -> tuple[Path, str]:
    """Speech-like sounds, resampled and renamed, and fingerprints of what they were made from."""
    folder, signed = tmp_path / "copies", []
    folder.mkdir()
    with (folder / "tones.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "audio", "speaker", "label", "transcript"])
        for number in range(12):
            wave = babble(np.random.default_rng(number))
            signed.append(signature_of(Audio(wave, RATE)))
            copy = soxr.resample(wave[RATE // 100 :], RATE, 11_025, "HQ")
            soundfile.write(folder / f"{number}.wav", copy, 11_025, subtype="PCM_16")
            label, speaker = ("high", "low")[number % 2], SPEAKERS[number // 4]
            writer.writerow([f"u{number}", f"{number}.wav", speaker, label, "said"])
    return folder, packed(signed)


def test_changed_copies_are_known_by_their_sound_before_anything_is_encoded(
    copied, encoder, tmp_path
):
    folder, prints = copied
    asked = study(folder, encoder("elsewhere", ("nobody",), prints=prints))
    with pytest.raises(
        ConfigError, match=r"12 of the 12 .*; 12 by their sound, as copies or parts"
    ):
        compare(asked, out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "cache").glob("*/spec.json")), "nothing was encoded"


def test_other_sounds_are_not_known(copied, encoder, tmp_path):
    folder, _ = copied
    prints = packed(
        signature_of(Audio(babble(np.random.default_rng(99 + n)), RATE)) for n in range(12)
    )
    asked = study(folder, encoder("elsewhere", ("nobody",), prints=prints))
    compare(asked, out=tmp_path / "run", jobs=1)
    assert (tmp_path / "run" / "results.json").exists()


def test_a_model_is_not_trained_on_them_either_or_says_so_in_its_card(copied, encoder, tmp_path):
    folder, prints = copied
    asked = replace(
        study(folder, encoder("elsewhere", ("nobody",), prints=prints)), folds=None, seeds=1
    )
    with pytest.raises(ConfigError, match="12 by their sound"):
        train_model(asked, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    told: list[str] = []
    allowed = replace(asked, allow_contaminated=True)
    train_model(allowed, tmp_path / "model", notify=told.append)
    assert any(line.startswith("contaminated: ") for line in told)
    assert "- contaminated: " in (tmp_path / "model" / "README.md").read_text()


def renamed(corpus, name: str):
    return tuple(replace(u, audio=Path(f"{name}.wav")) for u in corpus.utterances)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("03-01-05-01-02-01-24", True),
        ("copy_03-01-05-01-02-01-24_16k", True),
        ("03-01-05-01-02-01-25", False),
        ("103-01-05-01-02-01-24", False),
        ("03a01Fa", False),
    ],
)
def test_names_of_files_tell_the_corpus_and_the_speaker(corpus_folder, name, seen):
    corpus = load_source(None, str(corpus_folder / "tones.csv"), None, None)
    asked = Study(audio="alexnet", text="minilm", manifest="tones.csv", allow_contaminated=True)
    found = check_unseen(asked, corpus, ("audio",), renamed(corpus, name), Sounds())
    ways = [dict(contamination.ways) for contamination in found]
    assert ways == [{"the names of their files": 12}] * seen


@pytest.mark.parametrize(
    ("file", "corpus", "speaker"),
    [
        ("03a01Fa", "emodb", "03"),
        ("1001_DFA_ANG_XX", "crema-d", "1001"),
        ("Ses05F_impro04_F003", "iemocap", "Ses05F"),
        ("Ses05F_impro04_M003", "iemocap", "Ses05M"),
        ("OAF_back_fear", "tess", "OAF"),
        ("DC_a01", "savee", "DC"),
        ("dis-f1-b1", "emovo", "f1"),
        ("MSP-PODCAST_0001_0008", "msp-podcast", None),
        ("clip1", None, None),
    ],
)
def test_known_names(file, corpus, speaker):
    by_file = known_name(Utterance(id="x", audio=Path(f"{file}.wav")))
    by_id = known_name(Utterance(id=file, audio=Path("clip.wav")))
    for name in (by_file, by_id):
        assert (name and name.corpus, name and name.speaker) == (corpus, speaker)


@pytest.mark.parametrize(
    "typed",
    [
        {"audio": "ser-hubert-large", "arms": ("audio",)},
        {"audio": "finetuned:superb/hubert-large-superb-er", "arms": ("audio",)},
        {"audio": "logmel", "arms": ("audio", "pretrained:superb/hubert-large-superb-er")},
        {"audio": "logmel", "arms": ("audio", "pretrained:ser-hubert-large")},
    ],
)
def test_a_checkpoint_that_heard_the_corpus_is_refused(corpus_folder, typed):
    corpus = load_source(None, str(corpus_folder / "tones.csv"), None, None)
    asked = Study(text="minilm", manifest="tones.csv", **typed)
    check_unseen(asked, corpus, asked.arms, corpus.utterances, Sounds())
    heard = replace(corpus, name="iemocap")
    with pytest.raises(ConfigError, match="12 by their corpus, which the checkpoint was trained"):
        check_unseen(asked, heard, asked.arms, heard.utterances, Sounds())


def test_random_weights_have_heard_nothing(corpus_folder):
    corpus = load_source(None, str(corpus_folder / "tones.csv"), None, None)
    asked = Study(audio="ser-hubert-large:untrained", text="minilm", manifest="tones.csv")
    heard = replace(corpus, name="iemocap")
    assert check_unseen(asked, heard, ("audio",), heard.utterances, Sounds()) == ()


@pytest.mark.realdata
def test_the_alexnet_that_ships_knows_resampled_copies_of_ravdess(data_folder):
    record = provenance_of(parse_modality("alexnet", "audio").encoder)
    assert record is not None
    known = FingerprintSet.unpacked(record.fingerprints)
    assert len(known) == len(record.keys)
    signed = []
    for path in sorted((data_folder / "ravdess").rglob("*.flac"))[::40]:
        audio = resample(read_segment(path), 16_000)
        signed.append(signature_of(Audio(audio.samples[160:], 16_000)))
    assert known_again(signed, known).same.all()
    known_parts = unpacked(record.landmarks)
    assert len(known_parts) == len(record.keys)
    wholes = [
        read_segment(path) for path in sorted((data_folder / "ravdess").rglob("*.flac"))[::40]
    ]
    parts = [Audio(a.samples[: 6 * len(a.samples) // 10], a.sample_rate_hz) for a in wholes]
    assert in_part_known(list(map(landmarks_of, parts)), known_parts).mean() > 0.95
    others = sorted((data_folder / "emodb").rglob("*.flac"))[::10]
    heard = known_again([signature_of(read_segment(path)) for path in others], known)
    assert not (heard.same | heard.changed).any()
    assert not in_part_known(
        [landmarks_of(read_segment(path)) for path in others], known_parts
    ).any()


def test_parts_are_known_where_the_whole_is_not():
    samples = [babble(np.random.default_rng(seed)) for seed in range(12)]
    record = unpacked(packed_marks([landmarks_of(Audio(np.concatenate(samples), RATE))]))
    part = landmarks_of(Audio(np.concatenate(samples[4:8]), RATE))
    other = landmarks_of(Audio(np.concatenate([babble(np.random.default_rng(99))] * 4), RATE))
    assert in_part_known([part, other, None], record).tolist() == [True, False, False]


def test_landmarks_of_a_record_are_one_in_eight_and_come_back():
    marked = [landmarks_of(Audio(babble(np.random.default_rng(n)), RATE)) for n in range(30)]
    again = unpacked(packed_marks(marked))
    numbers = sorted(n for few in again for n in few.numbers.tolist())
    assert numbers == sorted(n for m in marked for n in thinned(m).numbers.tolist())
    assert 0.06 < len(numbers) / sum(map(len, marked)) < 0.2
    with pytest.raises(ValueError, match="four bytes"):
        unpacked("AAAA")
