"""Arms, how their heads are trained on what, and where what was trained is kept.

Of fusion, imports only batch, evaluation, networks, splitting and tuning.
"""
