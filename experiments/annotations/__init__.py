"""Annotations of recordings: turns in, from what people annotate in; timelines out, one file each.

Turns are read by :func:`experiments.annotations.turns.read_turns`; what is written stands in
:mod:`experiments.annotations.segments`.

Of experiments, imports nothing.
"""
