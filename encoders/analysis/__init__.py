"""What is measured of a recording: speech, quality, fingerprint, vectors of its speakers.

Of encoders, imports only audio, files, spectra, store and weights.
"""
