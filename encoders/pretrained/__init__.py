"""Transformers as published: speech, text, and classifiers with their own head."""
