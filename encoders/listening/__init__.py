"""What is heard in a recording of any kind and length, before any encoder."""
