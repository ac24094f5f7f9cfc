"""Finished calls on disk: the file, the recorder that writes to it, and the public reader."""
