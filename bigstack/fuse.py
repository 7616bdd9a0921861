"""Moved to bigstack/fusion.py, because a module `bigstack.fuse` would hide the function of that name; use `from bigstack.fusion import fuse`. This file goes away."""

from bigstack.fusion import *  # noqa: F403
from bigstack.fusion import METHODS, fuse, fuse_by, method_options  # noqa: F401
