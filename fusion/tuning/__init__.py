"""Search of hyperparameters: spaces, studies, where they are kept, pruning.

Of fusion, imports only networks.
"""
