"""Fine-tuning: it learns, it repeats itself to the byte, and it says what it has seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio, AudioError
from encoders.encoder import fingerprint_of, load_encoder
from encoders.finetuning.augmentation import Masks, WaveformChanges
from encoders.finetuning.finetune import Finetuned, finetune, held_out_score
from encoders.finetuning.labelled_audio import prepare
from encoders.finetuning.settings import FinetuneError, Settings, default_settings
from encoders.networks.spectrogram_cnn import to_unit, windows_of
from encoders.provenance import PROVENANCE, WEIGHTS, provenance_of, seen, trained_spec
from encoders.specs import LogMelSpec, MfccSpec, SentenceSpec, SpectrogramCnnSpec
from encoders.store import audio_key
from encoders.utterance import Utterance, one_hot

TARGETS = ("high", "low")
HERTZ = {"high": 1200.0, "low": 300.0}
RATE = 8000
SPEC = SpectrogramCnnSpec(
    untrained=True, image_size=63, window_s=0.5, hop_s=0.25, n_mels=32, trim_db=None
)
QUICK = Settings(
    epochs=5,
    batch_size=8,
    learning_rate=1e-3,
    masks=Masks(most_bands=6, most_frames=10),
    projection_dim=16,
)


def tones(folder: Path, speakers: range, each: int = 4) -> list[Utterance]:
    """High and low tones in noise, each speaker with a pitch of their own."""
    found = []
    for number, speaker in enumerate(speakers):
        for index in range(each):
            label = TARGETS[index % 2]
            rng = np.random.default_rng(100 * speaker + index)
            time = np.arange(round(0.7 * RATE)) / RATE
            hertz = HERTZ[label] * rng.uniform(0.9, 1.1)
            wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.05 * rng.standard_normal(len(time))
            path = folder / f"{speaker}-{number}-{index}.wav"
            soundfile.write(path, wave.astype(np.float32), RATE, subtype="FLOAT")
            target = one_hot(label, TARGETS)
            found.append(Utterance(id=path.stem, audio=path, speaker=f"s{speaker}", target=target))
    return found


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> tuple[list[Utterance], list[Utterance], list[Utterance]]:
    """Training, development and new speakers."""
    folder = tmp_path_factory.mktemp("tones")
    return tones(folder, range(6)), tones(folder, range(6, 8)), tones(folder, range(8, 10))


def trained(sides, spec=SPEC, settings=QUICK, seed=0) -> Finetuned:
    train, dev, _ = sides
    return finetune(train, dev, TARGETS, spec, settings, seed=seed, corpus="tones", notice="CC0")


@pytest.fixture(scope="module")
def tuned(sides) -> Finetuned:
    return trained(sides)


@pytest.fixture
def saved(tuned, tmp_path) -> SpectrogramCnnSpec:
    return tuned.save(tmp_path / "tuned")


def pooled(spec: SpectrogramCnnSpec, utterances: list[Utterance]) -> np.ndarray:
    hidden = load_encoder(spec).encode([read_utterance(one) for one in utterances])
    return torch.stack([one[0].mean(dim=0) for one in hidden]).numpy()


# ---------------------------------------------------------------- it learns


def test_two_kinds_of_tones_are_learned_from_other_speakers(tuned):
    record = tuned.provenance
    assert record.dev_uar[record.best_epoch] == max(record.dev_uar) == 1.0


def test_its_embeddings_tell_new_speakers_tones_apart(saved, sides):
    """Nearest mean of the training tones of each kind, on speakers that no one has heard."""
    train, _, new = sides
    known, asked = pooled(saved, train), pooled(saved, new)
    truth = np.array([one.target.index(1.0) for one in train])
    means = np.stack([known[truth == label].mean(axis=0) for label in (0, 1)])
    nearest = np.linalg.norm(asked[:, None] - means, axis=2).argmin(axis=1)
    assert nearest.tolist() == [one.target.index(1.0) for one in new]


def test_its_own_classifier_is_scored_on_new_speakers_only(tuned, sides):
    train, dev, new = sides
    assert held_out_score(tuned, new) == 1.0
    swapped = [replace(one, target=one.target[::-1]) for one in new]
    assert held_out_score(tuned, swapped) == 0.0
    for heard in (
        train[0],
        dev[0],
        replace(dev[0], speaker="renamed"),
        replace(new[0], speaker="s0"),
    ):
        with pytest.raises(FinetuneError, match=r"that is no held-out score"):
            held_out_score(tuned, [*new, heard])


def test_labels_that_the_tones_do_not_tell_are_not_learned(sides):
    """Without this a measure that is always 1 would satisfy the test above."""
    train, dev, _ = (
        [replace(u, target=one_hot(TARGETS[n // 2 % 2], TARGETS)) for n, u in enumerate(side)]
        for side in sides
    )
    assert max(trained((train, dev, None)).provenance.dev_uar) < 1.0


@pytest.mark.parametrize("architecture", ["resnext50", "densenet201"])
def test_the_other_networks_are_trained_and_loaded_too(sides, architecture, tmp_path):
    spec = replace(SPEC, architecture=architecture, checkpoint="", image_size=32)
    train, dev, new = sides
    settings = replace(QUICK, epochs=1, batch_size=2)
    few = finetune(train[:4], dev[:2], TARGETS, spec, settings, seed=0, corpus="tones")
    before = {name: value.clone() for name, value in few.pupil.network.state_dict().items()}
    assert pooled(few.save(tmp_path / "net"), new[:1]).shape == (1, 16)
    assert torch.equal(before["projection.weight"], few.pupil.network.projection.weight)
    counters = [value for name, value in before.items() if name.endswith("num_batches_tracked")]
    assert counters
    assert all(value == 2 for value in counters), "norms have seen both batches"


def test_what_is_loaded_is_what_was_trained(tuned, saved, sides):
    from encoders.networks.spectrogram_cnn import SpectrogramCnnEncoder

    own = SpectrogramCnnEncoder(tuned.pupil.network, tuned.spec, torch.device("cpu")).eval()
    audio = read_utterance(sides[2][0])
    with torch.no_grad():
        assert torch.equal(own([audio])[0], load_encoder(saved).encode([audio])[0])


def test_half_precision_halves_the_file_and_hardly_moves_an_embedding(
    tuned, saved, tmp_path, sides
):
    half = tuned.save(tmp_path / "half", torch.float16)
    sizes = [Path(spec.checkpoint, WEIGHTS).stat().st_size for spec in (half, saved)]
    assert sizes[0] < 0.51 * sizes[1]
    one, other = (pooled(spec, sides[2]) for spec in (half, saved))
    assert 0 < np.linalg.norm(one - other) / np.linalg.norm(other) < 2e-3


# ---------------------------------------------------------------- it repeats itself


def test_the_same_seed_gives_the_same_bytes(tuned, saved, sides, tmp_path):
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again = trained(sides).save(tmp_path / "again")
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's draws are left alone"
    for name in (WEIGHTS, PROVENANCE):
        assert (
            Path(again.checkpoint, name).read_bytes() == Path(saved.checkpoint, name).read_bytes()
        )


def test_another_seed_gives_other_weights(tuned, sides):
    few = (sides[0][:4], sides[1][:2], None)
    other, first = (trained(few, settings=replace(QUICK, epochs=1), seed=n) for n in (1, 0))
    assert not torch.equal(
        other.pupil.network.projection.weight, first.pupil.network.projection.weight
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 2e-3},
        {"dropout": 0.0},
        {"label_smoothing": 0.0},
        {"weight_decay": 0.5},
        {"precision": "bfloat16"},
        {"batch_size": 4},
        {"masks": Masks(frequency_masks=0, time_masks=0)},
        {"changes": WaveformChanges(copies=1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_setting_changes_the_weights(sides, changes):
    one = replace(QUICK, epochs=2, batch_size=2)
    few = (sides[0][:4], sides[1][:2], None)
    before, after = (trained(few, settings=s) for s in (one, replace(one, **changes)))
    assert not torch.equal(
        before.pupil.network.projection.weight, after.pupil.network.projection.weight
    )


def test_training_stops_when_development_no_longer_improves(sides):
    """The first epoch's development UAR is 1 or is reached soon, and nothing is better than 1."""
    found = trained(sides, settings=replace(QUICK, epochs=40, patience=2))
    record = found.provenance
    assert record.dev_uar[record.best_epoch] == 1.0
    assert len(record.dev_uar) == record.best_epoch + 3


# ---------------------------------------------------------------- it says what it has seen


def test_the_record_names_every_speaker_and_every_recording(saved, sides):
    train, dev, new = sides
    found = seen(saved)
    assert found.speakers == {one.speaker for one in (*train, *dev)}
    assert found.keys == {audio_key(read_utterance(one)) for one in (*train, *dev)}
    assert found.holds("tones", "s7", None), "development counts"
    assert not found.holds("other", "s7", None), "a name means something in its corpus only"
    assert found.holds("other", "x", audio_key(read_utterance(dev[0]))), "samples anywhere"
    assert not found.holds("tones", new[0].speaker, audio_key(read_utterance(new[0])))
    assert not found.holds("tones", None, None)


def test_the_record_holds_how_it_was_trained(tuned, saved):
    record = provenance_of(saved)
    assert (record.corpus, record.targets, record.notice, record.seed) == (
        "tones",
        TARGETS,
        "CC0",
        0,
    )
    assert record.settings["masks"]["most_bands"] == 6
    assert record.dev_uar == tuned.provenance.dev_uar


def test_a_changed_copy_is_no_recording_of_its_own(sides):
    train, _, _ = sides
    random = np.random.default_rng(0)
    plain = prepare(train[:3], SPEC, WaveformChanges(copies=0), random)
    copied = prepare(train[:3], SPEC, WaveformChanges(copies=2), random)
    assert copied.keys == plain.keys
    assert len(copied) == 3 * len(plain)
    assert torch.equal(copied.truth[::3], plain.truth)
    first = copied.windows[: int(plain.count[0])]
    assert torch.equal(first, plain.windows[: int(plain.count[0])])
    changed = copied.windows[int(copied.first[1]) : int(copied.first[2])]
    assert not torch.equal(changed, first)


@pytest.mark.parametrize("spec", [SPEC, LogMelSpec()])
def test_what_was_not_finetuned_has_seen_nothing(spec):
    assert seen(spec) is None


def test_the_preprocessing_is_found_in_the_record(saved):
    assert trained_spec(saved.checkpoint) == saved
    assert (saved.image_size, saved.untrained) == (63, False)


def test_weights_or_a_record_alone_are_refused(saved, tmp_path):
    folder = Path(saved.checkpoint)
    (folder / PROVENANCE).rename(folder / "aside.json")
    for ask in (seen, fingerprint_of):
        with pytest.raises(ValueError, match=r"provenance\.json, which says on whose speech"):
            ask(saved)
    renamed = folder / "renamed.safetensors"
    (folder / WEIGHTS).rename(renamed)
    with pytest.raises(ValueError, match="without it nothing may be scored"):
        seen(replace(saved, checkpoint=str(renamed)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"expected weights .* with provenance\.json beside"):
        trained_spec(tmp_path / "empty")


def test_a_record_of_other_weights_is_refused(saved):
    path = Path(saved.checkpoint) / PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": "0" * 64}))
    with pytest.raises(ValueError, match="is the record of weights with sha256 000000000000"):
        seen(saved)


@pytest.mark.parametrize("content", ["{", "[]", '{"corpus": "x"}', '{"surplus": 1}'])
def test_a_damaged_record_is_refused(saved, content):
    (Path(saved.checkpoint) / PROVENANCE).write_text(content)
    with pytest.raises(ValueError, match="is no record of a fine-tuned encoder"):
        seen(saved)


def test_the_key_holds_weights_and_record_and_no_path(tuned, saved, tmp_path):
    before = fingerprint_of(saved)
    assert fingerprint_of(tuned.save(tmp_path / "elsewhere")) == before
    path = Path(saved.checkpoint) / PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"train_speakers": ["s0"]}))
    assert fingerprint_of(saved) != before


# ---------------------------------------------------------------- what is refused


def test_a_speaker_on_both_sides_is_refused(sides):
    with pytest.raises(FinetuneError, match=r"speaker s0 \(1 in all\) is in both"):
        trained((sides[0], sides[1] + sides[0][:1], None))


@pytest.mark.parametrize("change", [{"speaker": None}, {"target": None}])
def test_an_unknown_speaker_or_label_is_refused(sides, change):
    with pytest.raises(
        FinetuneError, match="development: 1 utterances have no speaker or no label"
    ):
        trained((sides[0], [replace(sides[1][0], **change), *sides[1][1:]], None))


def test_a_side_that_lacks_a_class_is_refused(sides):
    high = [one for one in sides[1] if one.target == (1.0, 0.0)]
    with pytest.raises(FinetuneError, match="development: no utterance of low"):
        trained((sides[0], high, None))


def test_weights_that_were_finetuned_before_are_refused(saved, sides):
    with pytest.raises(FinetuneError, match="was fine-tuned before"):
        trained(sides, spec=saved)


def test_a_recording_that_is_gone_is_told(sides):
    gone = replace(sides[0][0], audio=Path("gone.wav"))
    with pytest.raises(AudioError, match=r"gone\.wav"):
        trained(([gone, *sides[0][1:]], sides[1], None))


def test_settings_that_cannot_be_are_named_all_at_once():
    said = r"epochs 0: expected 1 or more; batch_size 1: expected 2.*learning_rate -1"
    with pytest.raises(FinetuneError, match=said):
        replace(QUICK, epochs=0, batch_size=1, learning_rate=-1.0)


@pytest.mark.parametrize("fast", [False, True])
def test_the_default_precision_is_what_the_processor_multiplies_fast(fast, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: fast)
    assert default_settings(SPEC).precision == ("bfloat16" if fast else "float32")
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert default_settings(SPEC).precision == "float32"


@pytest.mark.parametrize("spec", [LogMelSpec(), MfccSpec(), SentenceSpec()])
def test_what_cannot_be_trained_has_no_settings(spec):
    with pytest.raises(FinetuneError, match=f"{spec.family}: .* cannot be trained"):
        default_settings(spec)


def test_eight_bits_are_half_a_step_off_at_most(sides):
    audio: Audio = read_utterance(sides[0][0])
    kept = prepare(sides[0][:1], SPEC, WaveformChanges(), np.random.default_rng(0))
    exact = torch.cat([to_unit(some, SPEC) for some in windows_of(audio.samples, SPEC)])
    found = kept.inputs(torch.arange(len(kept.windows)))
    assert 0 < (found - exact).abs().max() <= 0.5 / 255 + 1e-6
