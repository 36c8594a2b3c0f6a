"""Transcripts that are missing, recognised once."""
