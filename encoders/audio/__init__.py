"""From a file of any kind to samples, whole or as a stream.

Of encoders, imports only messages, utterance.
"""
