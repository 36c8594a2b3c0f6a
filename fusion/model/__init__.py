"""A trained arm with everything that prediction needs: the model, its file, its card.

Of fusion, imports only batch, bundled, evaluation, networks and training.
"""
