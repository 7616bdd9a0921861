"""Depth from focus: which frame, to a fraction, shows each pixel sharp."""
