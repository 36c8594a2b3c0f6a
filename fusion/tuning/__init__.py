"""Search of hyperparameters: spaces, studies, where they are kept, pruning."""
