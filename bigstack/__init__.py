"""Focus stacking and depth from focus for image stacks that outgrow memory."""

__version__ = "0.1.0"
