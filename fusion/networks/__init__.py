"""The heads: layers, attention, losses.

Of fusion, imports only batch.
"""
