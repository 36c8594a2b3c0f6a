"""Weights: what is published, where a name says they lie, one way to find or fetch them.

Whoever needs weights makes a source of a name
(:mod:`encoders.weights.sources`) and calls :func:`encoders.weights.locate.locate` with it.

Of encoders, imports only bundled and specs.
"""
