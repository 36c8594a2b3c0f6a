"""What is measured of a recording: speech, quality, fingerprint, vectors of its speakers."""
