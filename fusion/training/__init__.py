"""Arms, how their heads are trained on what, and where what was trained is kept."""
