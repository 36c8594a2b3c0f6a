"""The heads: layers, attention, losses."""
