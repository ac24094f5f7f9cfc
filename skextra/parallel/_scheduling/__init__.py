"""The parent's half of the backend, whatever runs the attempts."""
