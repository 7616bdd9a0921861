"""Plots and pages about results; matplotlib only here."""
