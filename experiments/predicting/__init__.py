"""What a saved model says: of files in a table, of a corpus it has not seen in a report.

Of experiments, imports only comparing, config, corpora, interviews and reporting.
"""
