"""What may have passed from one side of a fold to the other.

Of fusion, imports only batch, evaluation and splitting.
"""
