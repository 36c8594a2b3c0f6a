"""Commands, corpora, comparisons and reports."""
