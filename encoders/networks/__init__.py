"""Small networks on windows of a spectrogram or of cepstra.

Of encoders, imports only audio, pooling, pretrained, provenance, specs, spectra and weights.
"""
