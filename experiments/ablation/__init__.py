"""Ablations: one factor at a time, everything else held fixed, and the page that tells of it.

Of experiments, imports only comparing, config, reporting and templates.
"""
