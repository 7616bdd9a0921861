"""Fusion methods: each file holds one, as folds over the frames of a tile."""
