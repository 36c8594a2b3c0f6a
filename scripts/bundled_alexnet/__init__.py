"""How the AlexNet that ships with :mod:`encoders.bundled` was made."""
