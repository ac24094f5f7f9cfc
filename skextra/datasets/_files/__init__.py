"""Files: from an image in any format to pixels, and pixels to a file."""
