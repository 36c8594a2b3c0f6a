"""Train an encoder on training speakers, then freeze it."""
