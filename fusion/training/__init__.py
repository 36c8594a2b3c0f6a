"""Arms, and how their heads are trained. Imports batches, networks, folds and their metrics."""
