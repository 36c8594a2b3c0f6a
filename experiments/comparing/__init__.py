"""``serfusion compare``: from a corpus to predictions."""
