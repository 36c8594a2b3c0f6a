"""A trained arm with everything that prediction needs: the model, its file, its card."""
