"""Makes ``demo``, the model that ships: voice from RAVDESS, words from MELD, fused late."""
