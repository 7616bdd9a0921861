"""Triangles over a grid of heights: where they are needed, cut out, and what they miss."""
