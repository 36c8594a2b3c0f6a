"""The command line: each command parses, makes one call, and prints what came of it.

Of experiments, imports only ablation, cache, checking, cluster, comparing, config, corpora, demo,
doctor, embed, interviews, models, predicting, reporting and tracking.
"""
