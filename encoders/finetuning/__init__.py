"""Train an encoder on training speakers, then freeze it.

Of encoders, imports only analysis, asr, audio, device, manifest_rows, networks, packing,
pretrained, provenance, specs, store, utterance, weights and windows.
"""
