"""``serfusion compare``: from a corpus to predictions.

Of experiments, imports only cache, config, corpora, locks and reporting.
"""
