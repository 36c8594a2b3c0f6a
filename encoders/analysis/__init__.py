"""What is measured of a recording: speech, quality, fingerprint, vectors of its speakers.

Of encoders, imports only audio, spectra, store and weights.
"""
