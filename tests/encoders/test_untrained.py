"""Untrained models: weights of their own, the same in every process, of the true architecture."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.audio.waveform import Audio
from encoders.encoder import fingerprint_of, load_encoder
from encoders.pretrained.speech import weights_sha256
from encoders.pretrained.text import untrained_tokenizer
from encoders.typed_names import parse_modality

pytestmark = pytest.mark.arithmetic


def test_untrained_weights_do_not_depend_on_the_random_state(speech_checkpoint):
    spec = parse_modality(f"{speech_checkpoint('hubert')}:untrained", "audio").encoder
    torch.manual_seed(1)
    first = fingerprint_of(spec)
    torch.manual_seed(2)
    assert fingerprint_of(spec) == first


def test_untrained_leaves_the_random_state_alone(speech_checkpoint):
    spec = parse_modality(f"{speech_checkpoint('hubert')}:untrained", "audio").encoder
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_encoder(spec)
    assert torch.equal(torch.rand(1), expected)


def test_untrained_has_the_architecture_of_the_checkpoint(speech_checkpoint):
    spec = parse_modality(f"{speech_checkpoint('hubert')}:untrained", "audio").encoder
    assert type(load_encoder(spec).module.model).__name__ == "HubertModel"


def test_untrained_architectures_with_equal_weights_have_their_own_keys(
    speech_checkpoint, tmp_path
):
    """The order of the norms changes the embedding and leaves no trace in the weights."""
    folder = tmp_path / "other"
    shutil.copytree(speech_checkpoint("wav2vec2-layer-norm"), folder)
    spec = parse_modality(f"{folder}:untrained", "audio").encoder
    before = weights_sha256(spec)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    assert weights_sha256(spec) != before


def test_an_untrained_text_model_reads_any_character():
    tokenizer = untrained_tokenizer()
    text = "Grüße, 世界! 😀 ok"
    assert max(tokenizer(text)["input_ids"]) < len(tokenizer)
    assert tokenizer.unk_token_id in tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer("plain words!")["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "family"), [("bert-base", "Bert"), ("roberta-base", "Roberta")])
def test_an_untrained_text_model_has_the_true_size(name, family):
    spec = parse_modality(f"{name}:untrained", "text").encoder
    encoder = load_encoder(spec)
    assert type(encoder.module.model).__name__ == f"{family}Model"
    assert [hidden.shape for hidden in encoder.encode(["ab", "a"])] == [(13, 4, 768), (13, 3, 768)]


FRESH = """
import hashlib, sys
import numpy as np
from encoders.audio.reading import Audio
from encoders.encoder import fingerprint_of, load_encoder
from encoders.specs import MfccArchitecture, MfccCnnSpec
from encoders.typed_names import parse_modality
spec = parse_modality(sys.argv[1], "audio").encoder
wave = np.sin(np.arange(8000, dtype=np.float32) / 7)
hidden = load_encoder(spec).encode([Audio(wave, 16000)])[0]
print(fingerprint_of(spec), hashlib.sha256(hidden.numpy().tobytes()).hexdigest())
"""


def test_a_fresh_process_gives_the_same_key_and_bytes(speech_checkpoint):
    name = f"{speech_checkpoint('wav2vec2-group-norm')}:untrained"
    done = subprocess.run(
        [sys.executable, "-c", FRESH, name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
    )
    spec = parse_modality(name, "audio").encoder
    wave = np.sin(np.arange(8000, dtype=np.float32) / 7)
    hidden = load_encoder(spec).encode([Audio(wave, 16000)])[0]
    expected = [fingerprint_of(spec), hashlib.sha256(hidden.numpy().tobytes()).hexdigest()]
    assert done.stdout.split() == expected
