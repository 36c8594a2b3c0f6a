"""Small networks on windows of a spectrogram or of cepstra."""
