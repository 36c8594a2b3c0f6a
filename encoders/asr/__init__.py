"""Transcripts that are missing, recognised once.

Of encoders, imports only audio, decode_index, device, extraction, manifest_rows, provenance,
store, utterance and weights.
"""
