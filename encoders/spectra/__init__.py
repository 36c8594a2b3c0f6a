"""Spectrograms, cepstra and descriptors: computed, not learned.

Of encoders, imports only audio, pooling, specs and weights.
"""
