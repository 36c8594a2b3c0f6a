"""Transformers as published: speech, text, and classifiers with their own head.

Of encoders, imports only audio, context, packing, pooling, provenance, specs, store and weights.
"""
