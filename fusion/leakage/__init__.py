"""What may have passed from one side of a fold to the other."""
