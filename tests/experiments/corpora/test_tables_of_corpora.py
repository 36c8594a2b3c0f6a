"""Corpora that come with tables: counts of the real ones, their rules on a few rows, bad rows."""

from __future__ import annotations

import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus
from experiments.corpora.cmu import ANNOTATIONS, of_sentiment
from fusion.splitting.splits import SplitError, outer_folds


@pytest.fixture
def real(data_folder):
    def read(name: str, folder: str, *labels: str):
        if not (data_folder / folder).is_dir():
            pytest.skip(f"no {folder} in {data_folder}")
        return read_corpus(name, data_folder / folder, labels or None)

    return read


# ---------------------------------------------------------------- MELD

MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
)
ROW = '1,"Oh my God, no.",Phoebe,{},negative,0,{},4,7,"00:20:57,256","00:21:00,049"\n'


@pytest.mark.realdata
def test_meld_has_the_published_counts(real, counts):
    corpus = real("meld", "meld")
    splits = [u.split for u in corpus.utterances]
    assert [splits.count(name) for name in ("train", "dev", "test")] == [9989, 1109, 2610]
    # Of the paper's table: 4710 + 470 + 1256 and so on.
    assert counts(corpus) == {
        **{"neutral": 6436, "joy": 2308, "surprise": 1636, "anger": 1607},
        **{"sadness": 1002, "disgust": 361, "fear": 358},
    }


@pytest.mark.realdata
def test_meld_says_nothing_of_counts_that_are_the_published_ones(real):
    assert not [note for note in real("meld", "meld").notes if "were published" in note]


@pytest.mark.realdata
def test_the_official_split_of_meld_shares_speakers(real):
    corpus = real("meld", "meld")
    with pytest.raises(SplitError, match="is in both"):
        outer_folds(corpus.utterances, "split")
    assert outer_folds(corpus.utterances, corpus.folds)


def test_equal_names_in_the_folders_of_meld_are_different_clips(plant):
    plant.text("train_sent_emo.csv", MELD + ROW.format("joy", 0))
    plant.text("test_sent_emo.csv", MELD + ROW.format("fear", 0))
    root = plant("train_splits/dia0_utt0.mp4", "output_repeated_splits_test/dia0_utt0.mp4")
    found = {u.id: u.audio and u.audio.parent.name for u in read_corpus("meld", root).utterances}
    assert found == {
        "train/dia0_utt0": "train_splits",
        "test/dia0_utt0": "output_repeated_splits_test",
    }


def test_utterances_of_meld_without_clip_stay_and_are_counted(plant):
    plant.text("dev_sent_emo.csv", MELD + ROW.format("joy", 0) + ROW.format("anger", 7))
    corpus = read_corpus("meld", plant("dev_splits_complete/dia0_utt0.mp4"))
    assert len(corpus.utterances) == 2
    assert "no clip of 1 utterance: dev/dia0_utt7" in corpus.notes


def test_utterances_by_several_speakers_are_told(plant):
    root = plant.text("dev_sent_emo.csv", MELD + ROW.format("joy", 0).replace("Phoebe", "All"))
    assert [n for n in read_corpus("meld", root).notes if n.startswith("spoken by several at once")]


def test_bytes_of_windows_in_meld_are_read(plant):
    line = ROW.format("joy", 0).replace("Oh my", "it\x92s")
    root = plant.text("dev_sent_emo.csv", MELD + line, "latin-1")
    assert read_corpus("meld", root).utterances[0].transcript == "it\u2019s God, no."


def test_every_unknown_emotion_of_meld_is_told_at_once(plant):
    root = plant.text("dev_sent_emo.csv", MELD + ROW.format("love", 0) + ROW.format("love", 1))
    with pytest.raises(CorpusError, match=r"2 rows \(first dev/dia0_utt0\): unknown label 'love'"):
        read_corpus("meld", root)


def test_a_table_without_a_column_says_which_were_expected(plant):
    root = plant.text("dev_sent_emo.csv", "Utterance,Speaker\nx,y\n")
    with pytest.raises(CorpusError, match=r"expected the columns Utterance.*found Utterance"):
        read_corpus("meld", root)


def test_a_broken_line_is_named(plant):
    root = plant.text("dev_sent_emo.csv", MELD + "1,2\n" + ROW.format("joy", 0))
    with pytest.raises(CorpusError, match="line 2: expected 11 cells, found 2"):
        read_corpus("meld", root)


# ---------------------------------------------------------------- CREMA-D

NAMES = '"Stimulus_Number","Filename"\n1,"1001_IEO_NEU_XX"\n2,"1001_IEO_HAP_LO"\n'
PEOPLE = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'
VOTES = '"","A","D","F","H","N","S","fileName","numResponses"\n'
SUMMARY = '"","FileName","VoiceVote","VoiceLevel"\n'


@pytest.mark.realdata
def test_crema_d_has_7442_names_of_91_actors(real, counts):
    corpus = real("crema-d", "cremad")
    assert (len(corpus.utterances), len({u.speaker for u in corpus.utterances})) == (7442, 91)
    # Cao et al. 2014: 1271 of each emotion and 1087 neutral.
    others = dict.fromkeys([t for t in corpus.targets if t != "neutral"], 1271)
    assert counts(corpus) == {"neutral": 1087, **others}


@pytest.mark.realdata
def test_crema_d_has_48_men_and_43_women_with_their_sentences(real):
    utterances = real("crema-d", "cremad").utterances
    sexes = list({u.speaker: u.sex for u in utterances}.values())
    assert (sexes.count("male"), sexes.count("female")) == (48, 43)
    assert len({u.transcript for u in utterances}) == 12


@pytest.mark.realdata
def test_three_classes_of_crema_d(real, counts):
    corpus = real("crema-d", "cremad", "3-class")
    assert counts(corpus) == {"happy": 1271, "neutral": 1087, "angry": 1271}


def test_clips_that_crema_d_lists_and_are_not_here_are_told(plant):
    plant.text("SentenceFilenames.csv", NAMES)
    corpus = read_corpus("crema-d", plant("AudioWAV/1001_IEO_NEU_XX.wav"))
    assert len(corpus.utterances) == 1
    assert corpus.notes == ("of SentenceFilenames.csv not here: 1 clip (1001_IEO_HAP_LO)",)


def test_age_and_sex_are_those_of_the_actor(plant):
    plant.text("VideoDemographics.csv", PEOPLE)
    (one,) = read_corpus("crema-d", plant("AudioWAV/1001_IEO_NEU_XX.wav")).utterances
    assert (one.age, one.sex) == (51.0, "male")


def test_votes_are_shares_of_those_who_only_heard(plant):
    heard = '"100001",1,0,0,0,3,0,"1001_IEO_NEU_XX",4\n'
    seen = '"200001",0,9,0,0,0,0,"1001_IEO_NEU_XX",9\n'
    plant.text("processedResults/tabulatedVotes.csv", VOTES + heard + seen)
    corpus = read_corpus("crema-d", plant("AudioWAV/1001_IEO_NEU_XX.wav"), ("votes",))
    assert corpus.task == "distribution"
    assert corpus.utterances[0].target == (0.25, 0.0, 0.0, 0.0, 0.75, 0.0)


def test_majorities_stand_for_votes_where_these_are_not_there(plant):
    plant.text("summaryTable.csv", SUMMARY + '"1","1001_IEO_NEU_XX","A:N","60:70"\n')
    root = plant("AudioWAV/1001_IEO_NEU_XX.wav")
    corpus = read_corpus("crema-d", root, ("votes",))
    assert corpus.utterances[0].target == (0.5, 0.0, 0.0, 0.0, 0.5, 0.0)
    assert "votes are majorities in summaryTable.csv" in corpus.notes[0]
    assert read_corpus("crema-d", root, ("perceived",)).utterances[0].target is None


def test_votes_without_a_table_are_refused(plant):
    root = plant("AudioWAV/1001_IEO_NEU_XX.wav")
    with pytest.raises(CorpusError, match=r"expected processedResults/tabulatedVotes\.csv"):
        read_corpus("crema-d", root, ("votes",))


# ---------------------------------------------------------------- MOSEI and MOSI

WIDE = "video_id,clip_id,text,happy,sad,anger,surprise,disgust,fear,sentiment,mode\n"


@pytest.mark.realdata
def test_mosei_has_23259_label_rows(real):
    corpus = real("mosei", "mosei")
    assert len(corpus.utterances) == 23259
    assert sum(u.target is None for u in corpus.utterances) == 399


@pytest.mark.realdata
def test_videos_of_the_official_split_of_mosei_are_apart(real):
    corpus = real("mosei", "mosei")
    rows = [u for u in corpus.utterances if u.target is not None]
    (fold,) = outer_folds(rows, corpus.folds)
    assert (len(fold.train), len(fold.dev), len(fold.test)) == (16327, 1871, 4662)


@pytest.mark.realdata
def test_mosei_without_intensities_says_what_its_labels_can_do(real):
    with pytest.raises(CorpusError, match="they can do label6, sentiment-2, sentiment-3"):
        real("mosei", "mosei", "7-class")


@pytest.mark.realdata
def test_mosi_has_2199_segments_of_93_videos(real, counts):
    corpus = real("mosi", "mosi")
    assert (len(corpus.utterances), len({u.speaker for u in corpus.utterances})) == (2199, 93)
    (fold,) = outer_folds(corpus.utterances, corpus.folds)
    assert (len(fold.train), len(fold.test)) == (1447, 752)


@pytest.mark.realdata
def test_segments_of_mosi_are_named_as_in_its_features(real):
    assert real("mosi", "mosi").utterances[0].id == "1DmNV9C1hbY_1"


@pytest.fixture
def mosei(plant):
    rows = (
        "v1,0,one,1,0,0,0,0,0,1.5,train\n",  # one emotion
        "v1,1,none,0,0,0,0,0,0,0,train\n",  # neutral
        "v2,0,two,0.33,2,0,0,0,0,-0.5,valid\n",  # several
        "v3,0,anger,0,0,3,0,0,0,-2.6,test\n",
    )
    return plant.text("CMU-MOSEI/label.csv", WIDE + "".join(rows))


def test_several_emotions_at_once_are_several_labels(mosei):
    corpus = read_corpus("mosei", mosei)
    assert corpus.task == "multi-label"
    assert [u.target for u in corpus.utterances] == [
        *((1, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0)),
        *((1, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0)),
    ]


def test_intensities_are_values(mosei):
    corpus = read_corpus("mosei", mosei, ("intensity",))
    assert (corpus.task, corpus.utterances[2].target) == ("regression", (0.33, 2, 0, 0, 0, 0))


def test_the_single_label_filter_and_the_neutral_rule(mosei, counts):
    corpus = read_corpus("mosei", mosei, ("7-class",))
    assert {k: n for k, n in counts(corpus).items() if n} == {"happy": 1, "neutral": 1, "angry": 1}
    assert "1 segment left out (with more than one emotion)" in corpus.notes


def test_four_classes_of_mosei_drop_and_count_the_others(plant, counts):
    rows = "v,0,a,1,0,0,0,0,0,0,train\nv,1,b,0,0,0,0,1,0,0,train\nw,0,c,0,0,0,0,0,0,0,train\n"
    root = plant.text("label.csv", WIDE + rows)
    corpus = read_corpus("mosei", root, ("4-class",))
    assert counts(corpus) == {"happy": 1, "neutral": 1}
    assert "left out disgust (1)" in corpus.notes[-1]


def test_sentiment_as_value_sign_polarity_and_whole_number(mosei, counts):
    values = [u.target for u in read_corpus("mosei", mosei, ("sentiment",)).utterances]
    assert values == [(1.5,), (0.0,), (-0.5,), (-2.6,)]
    label = {
        name: [c.label(u) for u in c.utterances]
        for name in ("sentiment-2", "sentiment-3", "sentiment-7")
        for c in [read_corpus("mosei", mosei, (name,))]
    }
    assert label == {
        "sentiment-2": ["non-negative", "non-negative", "negative", "negative"],
        "sentiment-3": ["positive", "neutral", "negative", "negative"],
        "sentiment-7": ["2", "0", "-1", "-3"],
    }


@pytest.mark.parametrize("file", ["v1_0.wav", "v1[0].wav", "v1/0.mp4"])
def test_a_segment_has_its_own_file_however_it_is_named(file, mosei, plant):
    plant(f"Raw/{file}")
    (heard,) = [u for u in read_corpus("mosei", mosei).utterances if u.audio]
    assert (heard.id, heard.start_s, heard.end_s) == ("v1[0]", 0.0, None)


def test_a_segment_without_file_is_cut_from_its_video(plant):
    table = "file,index,start,end,label6,label7,split\nv1,0,23.199,30.325,0,1,0\n"
    plant.text("CMU_MOSEI_Labels.csv", table)
    (one,) = read_corpus("mosei", plant("Full/WAV_16000/v1.wav")).utterances
    assert (one.start_s, one.end_s, one.audio is not None) == (23.199, 30.325, True)


def test_cells_that_are_no_numbers_are_told(plant):
    root = plant.text("label.csv", WIDE + "v,0,a,many,0,0,0,0,0,nan,train\n")
    with pytest.raises(CorpusError, match=r"happy 'many' is not a number(.|\n)*sentiment 'nan'"):
        read_corpus("mosei", root)


@pytest.mark.parametrize("value", [-3.0, -2.5, -0.5, -0.4, 0.0, 0.5, 1.5, 2.49, 3.0])
def test_every_sentiment_is_in_one_class_of_each_kind(value):
    told = of_sentiment(value)
    for name in ("sentiment-2", "sentiment-3", "sentiment-7"):
        assert sum(ANNOTATIONS[name].target(told) or ()) == 1.0


# ---------------------------------------------------------------- SMILE


def test_smile_has_several_emotions_none_and_unlabelled_rows(plant):
    rows = '1,"a, b",happy\n2,b,happy|sad\n3,c,nocode\n4,d,angry\n'
    root = plant.text("smile-annotations-final.csv", rows)
    corpus = read_corpus("smile", root)
    assert [u.target for u in corpus.utterances] == [
        *((0, 0, 1, 0, 0), (0, 0, 1, 1, 0), None, (1, 0, 0, 0, 0))
    ]
    one = read_corpus("smile", root, ("one-emotion",))
    assert [one.label(u) for u in one.utterances] == ["happy", "angry"]


def test_an_unknown_label_of_smile_is_refused(plant):
    root = plant.text("smile-annotations-final.csv", "1,a,bliss\n")
    with pytest.raises(CorpusError, match="unknown label 'bliss'"):
        read_corpus("smile", root)


# ---------------------------------------------------------------- ESD's encodings

MANDARIN, ENGLISH = ("今天天气很好。", "我想回家。"), ("The weather is fine.", "I want to go home.")


@pytest.mark.parametrize(
    ("speaker", "encoding", "separator", "words"),
    [
        ("0001", "gb2312", "\t", MANDARIN),
        ("0003", "utf-16", "\t", MANDARIN),
        ("0004", "utf-16-le", "\t", MANDARIN),
        ("0011", "utf-8", "\t", ENGLISH),
        ("0012", "cp1252", "\t", ("Déjà vu.", "It’s late.")),
        ("0015", "utf-8", " ", ENGLISH),
    ],
)
def test_words_of_esd_are_read_in_every_encoding(plant, speaker, encoding, separator, words):
    names = [f"{speaker}_{k:06d}" for k in (1, 2)]
    lines = [separator.join([n, w, "Neutral"]) for n, w in zip(names, words, strict=True)]
    plant.text(f"{speaker}/{speaker}.txt", "\r\n".join(lines), encoding)
    corpus = read_corpus("esd", plant(*(f"{speaker}/Neutral/{name}.wav" for name in names)))
    assert tuple(u.transcript for u in corpus.utterances) == words
    read_as = {"gb2312": "gb18030"}.get(encoding, encoding)
    told = [] if encoding == "utf-8" else [f"{speaker}.txt: read as {read_as}"]
    assert [note for note in corpus.notes if "read as" in note] == told


def test_a_table_of_esd_without_a_line_that_can_be_read_is_refused(plant):
    plant.text("0011/0011.txt", "0011_000001;Hello;Neutral\n")
    root = plant("0011/Neutral/0011_000001.wav")
    with pytest.raises(CorpusError, match=r"0011\.txt: no line of it is name, words, emotion"):
        read_corpus("esd", root)


def test_a_table_of_esd_that_contradicts_the_folders_is_refused(plant):
    plant.text("0011/0011.txt", "0011_000001\tHello\tAngry\n")
    root = plant("0011/Neutral/0011_000001.wav")
    with pytest.raises(CorpusError, match="its table says angry, its folder neutral"):
        read_corpus("esd", root)


def test_control_codes_of_a_wrong_decoding_are_letters_again(plant):
    line = ROW.format("joy", 0).replace("Oh my", "it\x92s")
    corpus = read_corpus("meld", plant.text("dev_sent_emo.csv", MELD + line))
    assert corpus.utterances[0].transcript == "it\u2019s God, no."
    assert "dev_sent_emo.csv: 1 character of a wrong decoding mended" in corpus.notes
