"""Who is trained on, who stops the training, who is scored.

Of fusion, imports nothing.
"""
