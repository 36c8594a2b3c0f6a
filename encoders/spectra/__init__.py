"""Spectrograms, cepstra and descriptors: computed, not learned."""
