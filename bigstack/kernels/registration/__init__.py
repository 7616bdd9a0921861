"""Registration of two frames, and of many: 3x3 matrices between images, measured in pixels.

Every matrix here maps pixel coordinates (x, y, 1) of a first image to those of a second one; the centre of
the top left pixel is (0, 0). One method a file: `features`, `phase` and `ecc` find a matrix from nothing or
from a guess, `patches` measures what is left of it on small windows, `fit` turns measurements into a
matrix, `solve` makes the matrices of all frames agree and `plausible` says which to believe.
"""
