"""Makes the built-in corpus of synthetic speech, which lies in ``experiments/demo_corpus``."""
