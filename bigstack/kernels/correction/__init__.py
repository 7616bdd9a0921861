"""Photometric corrections of a frame, one a file: balance, vignetting, hot pixels, noise."""
