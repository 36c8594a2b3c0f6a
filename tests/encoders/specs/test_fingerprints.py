"""Fingerprints of today: another one would make every cache of every user worthless."""

from __future__ import annotations

import subprocess
import sys

import pytest

from encoders.specs import (
    FAMILIES,
    BertSpec,
    EgemapsSpec,
    LogMelSpec,
    MfccCnnSpec,
    MfccSpec,
    SentenceSpec,
    SpectrogramCnnSpec,
    SpeechClassifierSpec,
    SpeechSpec,
    TextClassifierSpec,
    WhisperEncoderSpec,
    fingerprint,
)

PINNED = {
    LogMelSpec(): "00e1a1f51b696b28d2f545dc9b274915aee7871863957a80d8864687ed6a27ae",
    MfccSpec(): "6a00e7dafb4bb09ec2d59a79b9a184533f18e8a6cdda2b42b982fc89dec4565c",
    EgemapsSpec(): "dce1120c8258ee79aee06e2196cf85bb788a5d48173e843b009a0f0f3b5a6eb2",
    SpectrogramCnnSpec(
        checkpoint="serfusion/alexnet-ravdess", window_s=2.0, hop_s=0.5, image_size=128
    ): "fbafa7d09080d04a422ff488cff6f62b1bedeb3937120bdae1e7a7ccf0a2bf2a",
    SpectrogramCnnSpec(
        architecture="resnet50", checkpoint="resnet50-0676ba61.pth"
    ): "0bdd307571675865013e07fa3ff51d0ff6fede879b630480f70d5710d18e2da5",
    MfccCnnSpec(): "1ed05eae15f67e7eef831efad50bd14b15fea8f46bdf17059929ecf9adbb6264",
    SpeechSpec(): "07ed11bf2d1a2185f861940bb0ff6bbd68eeaf5b1c4f76683e9a7b529f36e21a",
    SentenceSpec(): "193f0f97265f3fdb92163d6ce2900cfb3a15fa7e445cc25fb957e072b3c7d2c1",
    BertSpec(): "cbdb4be0f7bd2b2c4ec69eb3a8824b59dfdca4fa2f2ac75de6c86ff75799897d",
    SpeechSpec(
        storage="frames",
        storage_dtype="float16",
        checkpoint="a/b",
        revision="r",
        untrained=True,
        time_pool=4,
        layers=(1, 2),
        window_s=10.0,
        overlap_s=1.0,
        precision="bfloat16",
        backend="openvino",
    ): "52fdaa8eb3eef65a6a083a6a32abc3614090f2fbd7e1d3031a5af00d79260adf",
    WhisperEncoderSpec(): "11433266e298930006e53971755ff692ea005cb8ffbb98b9f17abc9d0711445d",
    WhisperEncoderSpec(
        checkpoint="a/b", window="30", layers=(2,)
    ): "643acb922cb0a3c5d35b86a8f1551e8e5ed76862962f4e70e34289572e0e3d6a",
    SpeechClassifierSpec(
        checkpoint="a/b"
    ): "7c7c3f5c949020c410d63469dc4e6b0814cdbc3b3adee87c983da4c672e4e8ba",
    TextClassifierSpec(
        checkpoint="a/b", revision="r"
    ): "f7cb9b24b6a0e6ee2de647d80390aed5130b6606db6382223ed3e7f2e786796b",
    BertSpec(
        storage="frames", max_length=64, clean="s4", layers=(3,)
    ): "e21ed50aab48810c99ee0cb486e09e8ca7c78e6239299464559314d8d0427d83",
    SentenceSpec(max_length=32): "17034c25fe09adb7a63bdec9f617adac4a5aaa1ad123d229203f40630143e7dc",
    LogMelSpec(
        storage="frames", deltas=0, time_pool=4
    ): "66a8dcdf7b6e19ec22a7568707350e61eee1efa76f64080f2732ff7d7d0fb28d",
    MfccSpec(
        trim_db=30.0, axis="frequency"
    ): "443cb84a239388c81f3b03e795641e87b8ba19810e8e7f22fb0e56339d5d5ceb",
    EgemapsSpec(time_pool=4): "4b78dfc86329380752ae6604fbea332da88bcee649c576cde3281ebecf787abe",
    SpectrogramCnnSpec(
        architecture="resnet50", checkpoint="resnet50-0676ba61.pth", untrained=True
    ): "f1b12e47f0acc46a973f8e3fe7d98973aa944b130fd31bde44530bf222edfd9e",
    MfccCnnSpec(
        architecture="cnn-lstm", n_mfcc=None
    ): "32035c8cd61d4380e42d79c2cf056a86f6de35de51bdff7641dcc9650312a35f",
}
HEAVY = ("numpy", "torch", "transformers", "optuna")


@pytest.mark.parametrize("spec", PINNED, ids=lambda spec: spec.title)
def test_a_fingerprint_is_what_it_was(spec):
    assert fingerprint(spec, "w", 1) == PINNED[spec]


def test_every_family_is_pinned():
    assert {spec.family for spec in PINNED} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_names_a_family_as_its_spec_does(family):
    assert {spec.family for spec in PINNED if type(spec) is FAMILIES[family].spec} == {family}


@pytest.mark.parametrize("spec", PINNED, ids=lambda spec: spec.title)
def test_every_spec_has_the_whole_face(spec):
    assert spec.kind in ("audio", "text")
    assert spec.title in (spec.checkpoint, spec.family)
    assert set(spec.after_forward) | set(spec.sequence) | set(spec.options) <= {
        name for name in type(spec).__dataclass_fields__
    }
    assert spec.untrained in (True, False)
    assert spec.time_pool >= 1
    assert set(spec.default_pooling.split("+")) <= set(spec.statistics)
    assert spec.max_length is None or spec.kind == "text"
    assert spec.revision is None or spec.checkpoint


def test_what_can_be_chosen_is_a_field():
    assert SpeechSpec.has("layers")
    assert not LogMelSpec.has("layers")
    assert BertSpec.has("untrained")
    assert not SentenceSpec.has("untrained")


def test_the_room_of_specs_imports_nothing_heavy():
    program = f"import sys, encoders.specs; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
