"""The certificate: what belongs together on two sides is found, counted once, and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from encoders.analysis.fingerprints import MOVES, TERMS, AudioFingerprint
from encoders.analysis.landmarks import Landmarks
from encoders.utterance import Utterance
from fusion.leakage.audio_copies import alike
from fusion.leakage.certificate import certify
from fusion.leakage.evidence import Evidence
from fusion.leakage.findings import Certificate, LeakError, LeakTest, TextProbe
from fusion.leakage.fold_sides import inner_sides
from fusion.splitting.folds import Fold, InnerFold, InnerFolds


def rows(count: int = 8, **fields: str | None) -> list[Utterance]:
    return [Utterance(id=f"u{n}", speaker=f"s{n}", **fields) for n in range(count)]


#: The first half is trained on, a quarter stopped on, a quarter scored.
SPLIT = (Fold("1", ("u0", "u1", "u2", "u3"), ("u6", "u7"), ("u4", "u5")),)


def found(evidence: Evidence, name: str, protocol: str = "fold") -> LeakTest:
    (test,) = (one for one in certify(evidence, SPLIT, protocol).tests if one.name == name)
    return test


def changed(place: int, **fields: object) -> list[Utterance]:
    plain = rows()
    plain[place] = replace(plain[place], **fields)
    return plain


# ---------------------------------------------------------------- sides


@pytest.mark.parametrize(
    ("place", "other", "leaks"),
    [(6, 0, 1), (6, 4, 1), (4, 0, 1), (4, 6, 1), (1, 0, 0), (7, 6, 0), (5, 4, 0)],
)
def test_a_speaker_leaks_between_sides_and_not_within_one(place, other, leaks):
    test = found(Evidence(changed(place, speaker=f"s{other}")), "same speaker")
    assert (test.found, test.of) == (leaks, 4)
    assert test.status == ("error" if leaks else "clean")


def test_a_row_that_leaks_in_several_folds_is_counted_once():
    plain = [Utterance(id=f"u{n}", speaker="s") for n in range(3)]
    folds = tuple(
        Fold(f"{n}", tuple(u.id for u in plain if u.id != f"u{n}"), (f"u{n}", "u9"))
        for n in range(3)
    )
    test = certify(Evidence(plain), folds, "random").tests[0]
    assert (test.found, test.of) == (3, 3)


def test_examples_name_both_rows_and_the_fold():
    test = found(Evidence(changed(6, speaker="s0")), "same speaker")
    assert test.examples == ("u6 and u0, fold 1",)


def test_dialogues_numbered_anew_in_each_session_are_different_ones():
    plain = [replace(u, dialogue="1", session=u.id) for u in rows()]
    assert found(Evidence(plain), "same dialogue").status == "clean"


@pytest.mark.parametrize("name", ["S0", " s_0", "s00", "s-0"])
def test_another_spelling_of_a_speaker_is_a_warning(name):
    test = found(Evidence(changed(6, speaker=name)), "speaker in another spelling")
    assert (test.status, test.found) == ("warning", 1)


def test_names_of_different_speakers_are_no_spellings():
    plain = [replace(u, speaker=f"s{10 * n + 1}") for n, u in enumerate(rows())]
    assert found(Evidence(plain), "speaker in another spelling").status == "clean"


@pytest.mark.parametrize(
    ("name", "other", "status"),
    [("anna", "anna b.", "warning"), ("p1", "p1_2", "warning"), ("spk1", "speaker1", "warning"),
     ("S01", "subject 1", "warning"), ("anna", "annabel", "clean"), ("s1", "s10", "clean"),
     ("Ses01F", "Ses01M", "clean"), ("f1", "m1", "clean"), ("anna", "Anna", "clean")],
)  # fmt: skip
def test_names_that_are_nearly_equal_are_told(name, other, status):
    plain = changed(0, speaker=name)
    plain[6] = replace(plain[6], speaker=other)
    assert found(Evidence(plain), "speaker of nearly that name").status == status


@pytest.mark.parametrize("name", ["D 1", "d-01", "d_1"])
def test_another_spelling_of_a_dialogue_is_told(name):
    plain = changed(0, dialogue="d1")
    plain[6] = replace(plain[6], dialogue=name)
    assert found(Evidence(plain), "dialogue in another spelling").status == "warning"
    assert found(Evidence(plain), "same dialogue").status == "clean"


@pytest.mark.parametrize(("name", "session"), [("d2", None), ("d1", "other")])
def test_other_dialogues_are_no_spellings(name, session):
    plain = [replace(u, session="one") for u in changed(0, dialogue="d1")]
    plain[6] = replace(plain[6], dialogue=name, session=session or "one")
    assert found(Evidence(plain), "dialogue in another spelling").status == "clean"


def test_two_numbers_are_not_one():
    plain = changed(0, dialogue="1-12")
    plain[6] = replace(plain[6], dialogue="11-2")
    assert found(Evidence(plain), "dialogue in another spelling").status == "clean"


# ---------------------------------------------------------------- inner folds

#: Inside the training rows u0 and u1 are trained on, u2 and u3 stopped on.
INSIDE = inner_sides(["1"], [InnerFolds((InnerFold(("u0", "u1"), ("u2", "u3")),))])


def inside(evidence: Evidence, name: str, folds: tuple[Fold, ...] = SPLIT) -> LeakTest:
    tests = certify(evidence, folds, "fold", inner=INSIDE).tests
    (test,) = (one for one in tests if one.name == name)
    return test


def test_a_copy_inside_the_training_rows_is_an_error():
    test = inside(Evidence(rows(), keys={"u0": "a", "u3": "a"}), "identical audio")
    assert (test.status, test.found, test.inner) == ("error", 0, 1)
    assert test.examples == ("u3 and u0, fold 1, inner 1",)
    assert test.sentence == "identical audio: 1 between training and development"


def test_a_row_that_leaks_outside_is_not_counted_inside_again():
    keys = {"u0": "a", "u3": "a", "u6": "a"}
    test = inside(Evidence(rows(), keys=keys), "identical audio")
    assert (test.found, test.inner) == (1, 1)
    folds = (*SPLIT, Fold("2", ("u0", "u1"), ("u3",)))
    assert inside(Evidence(rows(), keys=keys), "identical audio", folds).inner == 0


def test_people_of_one_dialogue_on_two_inner_sides_are_told():
    plain = changed(0, dialogue="d")
    plain[2] = replace(plain[2], dialogue="d")
    assert inside(Evidence(plain), "same dialogue").status == "warning"


def test_words_that_are_read_with_those_of_another_side_leak():
    """u1 is trained on, u5 stopped on, u6 scored; who reads whom does not matter."""
    around = {f"u{n}": () for n in range(8)}
    evidence, name = Evidence(rows()), "words in each other's context"

    def test_of(turns: dict[str, tuple[str, ...]]) -> LeakTest:
        certificate = certify(evidence, SPLIT, "fold", around={**around, **turns})
        return next(test for test in certificate.tests if test.name == name)

    for leak in ({"u1": ("u6",)}, {"u6": ("u1",)}, {"u6": ("u5", "unlabelled")}):
        assert (test_of(leak).status, test_of(leak).found) == ("error", 1)
    assert test_of({"u1": ("u0", "unlabelled"), "u7": ("u6",)}).status == "clean"
    assert name not in {test.name for test in certify(evidence, SPLIT, "fold").tests}
    sides = inner_sides(["1"], [InnerFolds((InnerFold(("u0", "u1"), ("u2", "u3")),))])
    (inside,) = (
        test
        for test in certify(
            evidence, SPLIT, "fold", inner=sides, around={**around, "u1": ("u2",)}
        ).tests
        if test.name == name
    )
    assert (inside.status, inside.inner) == ("warning", 1)


def test_a_model_is_certified_without_folds():
    keys = {"u0": "a", "u3": "a"}
    with pytest.raises(LeakError, match="development rows leak, 1 error: identical audio"):
        certify(Evidence(rows(), keys=keys), (), "fold", inner=INSIDE).check()


# ---------------------------------------------------------------- recordings


@pytest.mark.parametrize(
    ("start_s", "end_s", "status"),
    [(1.0, 2.0, "clean"), (0.95, 2.0, "clean"), (0.5, 2.0, "error"), (0.2, 0.6, "error"),
     (0.0, None, "error"), (5.0, None, "clean")],
)  # fmt: skip
def test_segments_of_one_file_that_overlap_are_an_error(start_s, end_s, status):
    plain = changed(0, audio=Path("a.wav"), start_s=0.0, end_s=1.0)
    plain[6] = replace(plain[6], audio=Path("a.wav"), start_s=start_s, end_s=end_s)
    assert found(Evidence(plain), "overlap in time").status == status


@pytest.mark.parametrize(
    ("child", "status"),
    [("a1_aug", "warning"), ("a1-noise20db", "warning"), ("a1_pitch+2", "warning"),
     ("sp0.9-a1", "warning"), ("a1_speed1.1", "warning"), ("a2", "clean"), ("a1b", "clean"),
     ("sp2-a1", "clean"), ("a1_sp2", "clean")],
)  # fmt: skip
def test_names_that_say_what_they_were_made_from(child, status):
    plain = changed(0, audio=Path("a1.wav"))
    plain[6] = replace(plain[6], audio=Path(f"{child}.wav"))
    assert found(Evidence(plain), "copies").status == status


def marks(seed: int, count: int = 40) -> Landmarks:
    numbers = np.random.default_rng(seed).permutation(1 << 20)[:count]
    return Landmarks(numbers.astype(np.int32), np.arange(count, dtype=np.int32))


def parted(row: int, other: int, shared: int, **known: object) -> Evidence:
    """Two rows with landmarks in common, among others that have none."""
    landmarks = {u.id: marks(n) for n, u in enumerate(rows())}
    whole, part = landmarks[f"u{row}"], marks(100)
    landmarks[f"u{other}"] = Landmarks(
        np.concatenate([whole.numbers[:shared], part.numbers[shared:]]),
        np.concatenate([whole.frames[:shared] + 70, part.frames[shared:]]),
    )
    signatures = {u.id: signature(n) for n, u in enumerate(rows())}
    return Evidence(rows(), signatures=signatures, landmarks=landmarks, **known)


@pytest.mark.parametrize(("shared", "status"), [(5, "clean"), (6, "clean"), (8, "error")])
def test_a_part_of_a_recording_is_an_error(shared, status):
    assert found(parted(0, 6, shared), "part of the same recording").status == status
    assert found(parted(0, 1, shared), "part of the same recording").status == "clean"


def test_a_part_inside_the_training_rows_is_an_error():
    test = inside(parted(0, 3, 20), "part of the same recording")
    assert (test.status, test.found, test.inner) == ("error", 0, 1)


def test_what_another_test_finds_is_no_part_too():
    keys = {"u0": "a", "u6": "a"}
    evidence = parted(0, 6, 30, keys=keys)
    assert found(evidence, "identical audio").status == "error"
    assert found(evidence, "part of the same recording").status == "clean"
    file = [replace(u, audio=Path("a.wav"), end_s=1.0) for u in rows()]
    segments = replace(parted(0, 6, 30), utterances=file)
    assert found(segments, "part of the same recording").status == "clean"
    assert found(segments, "overlap in time").status == "error"


def test_sounds_without_anything_to_be_known_by_are_not_tested():
    steady = {u.id: replace(signature(n), change=0.01) for n, u in enumerate(rows())}
    evidence = replace(parted(0, 6, 30), signatures=steady)
    assert found(evidence, "part of the same recording").status == "untested"


def signature(
    seed: int, near: AudioFingerprint | None = None, cosine: float = 1.0
) -> AudioFingerprint:
    """A random one, or one at a cosine to another."""
    rng = np.random.default_rng(seed)
    moved = rng.standard_normal((len(MOVES), TERMS))
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    if near is not None:
        base = near.moved[MOVES.index(0)].astype(float)
        side = moved[0] - (moved[0] @ base) * base
        moved[MOVES.index(0)] = cosine * base + (1 - cosine**2) ** 0.5 * side / np.linalg.norm(side)
    still = moved[MOVES.index(0)].astype(np.float32)
    return AudioFingerprint(moved.astype(np.float32), still, 2.0, 0.5)


@pytest.mark.parametrize(
    ("cosine", "test", "status"),
    [(0.99, "the same recording, changed", "error"), (0.95, "audio that sounds alike", "warning"),
     (0.95, "the same recording, changed", "clean"), (0.9, "audio that sounds alike", "clean")],
)  # fmt: skip
def test_how_alike_two_recordings_are_decides(cosine, test, status):
    signed = {f"u{n}": signature(n) for n in range(8)}
    signed["u6"] = signature(20, signed["u0"], cosine)
    evidence = Evidence(rows(), {f"u{n}": f"{n}" for n in range(8)}, signed)
    assert found(evidence, test).status == status


def test_identical_recordings_are_not_told_twice():
    signed = dict.fromkeys([f"u{n}" for n in range(8)], signature(0))
    evidence = Evidence(rows(), dict.fromkeys(signed, "k"), signed)
    assert found(evidence, "identical audio").found == 4
    assert found(evidence, "the same recording, changed").found == 0


@given(st.integers(1, 40), st.integers(0, 5))
def test_blocks_find_what_one_product_finds(count, speakers):
    signed = [signature(n) for n in range(count)]
    signed += [signature(100 + n, one, 0.99) for n, one in enumerate(signed[::3])]
    speaker = np.arange(len(signed)) % (speakers + 1)
    pairs = alike(signed, speaker).pairs
    expected = {
        (3 * n, count + n) for n in range(len(signed) - count)
        if speaker[3 * n] != speaker[count + n]
    }  # fmt: skip
    assert {tuple(map(int, pair)) for pair in pairs} == expected


# ---------------------------------------------------------------- words

LONG = "nobody told me that the train had left"


@pytest.mark.parametrize(
    ("text", "test", "status"),
    [
        (LONG.upper() + "!", "identical text", "warning"),
        (LONG + " early", "nearly identical text", "warning"),
        ("nobody told you where a train would go", "nearly identical text", "clean"),
    ],
)
def test_texts_of_free_speech_that_come_twice_are_a_warning(text, test, status):
    texts = {f"u{n}": f"word{n} other{n} third{n} fourth{n} fifth{n}" for n in range(8)}
    evidence = Evidence(rows(), gold={**texts, "u0": LONG, "u6": text})
    assert found(evidence, test).status == status


def test_short_free_speech_does_not_count():
    evidence = Evidence(rows(), gold={f"u{n}": "I don't know" for n in range(8)})
    assert found(evidence, "identical text").status == "untested"


def test_short_scripted_speech_counts_and_script_disjoint_is_offered():
    evidence = Evidence(rows(script="a"), gold={f"u{n}": "say yes" for n in range(8)})
    test = found(evidence, "identical text")
    assert (test.found, test.of) == (4, 4)
    assert "--folds script-disjoint" in test.note


@pytest.mark.parametrize(
    ("even", "p", "status"),
    [(False, 0.01, "warning"), (False, 0.3, "clean"), (True, 0.01, "clean")],
)
def test_a_sentence_that_tells_the_label_is_warned_about(even, p, status):
    probe = TextProbe(10, 1.0, even, 0.2, 0.18, p)
    tests = certify(Evidence(rows()), SPLIT, "fold", probe).tests
    assert tests[-1].status == status


# ---------------------------------------------------------------- the whole


def leaking(protocol: str) -> Certificate:
    return certify(Evidence(changed(6, speaker="s0")), SPLIT, protocol)


def test_an_error_stops_and_says_what_to_do():
    with pytest.raises(LeakError, match=r"1 error: same speaker: 1 of 4 .*u6 and u0.*--folds help"):
        leaking("fold").check()


def test_a_protocol_that_leaks_by_its_name_does_not_stop():
    certificate = leaking("random:3")
    certificate.check()
    assert certificate.leaky
    assert [test.name for test in certificate.errors] == ["same speaker"]


def test_what_is_absent_is_said_to_be_untested():
    tests = {test.name: test for test in certify(Evidence(rows()), SPLIT, "fold").tests}
    for name in ("same dialogue", "same session", "identical audio", "identical text"):
        assert tests[name].status == "untested"
        assert tests[name].note
