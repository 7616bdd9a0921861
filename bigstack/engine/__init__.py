"""Tiles with halos that fold over z, sources of derived stacks, exact statistics, memory plan."""
