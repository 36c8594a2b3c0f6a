"""Transcripts that are missing, recognised once.

Of encoders, imports only audio, dealing, decode_index, device, extraction, files, manifest_rows,
store, utterance and weights.
"""
