"""What `sigma` is made of: weights fitted by `benchmarks/depth_sigma.py`, which writes this.

The logarithm of the deviation is a weighted sum of logarithms of `uncertainty.signs`, and of softsigns
x / (1 + |x|) of such sums.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_FLOORS = {
    "variance": 1e-06,
    "excess": 0.1,
    "fall": 0.1,
    "missing": 0.01,
    "doubt": 0.01,
    "range": 0.01,
    "wider": 0.01,
    "texture": 1,
    "moves": 0.01,
    "slope": 0.001,
    "hidden": 1,
    "unlike": 0.001,
    "moved": 0.01,
}
SIGNS = tuple(_FLOORS)
"""Names of the signs."""
FLOORS = np.array(tuple(_FLOORS.values()), np.float32)
"""What is added to each before its logarithm is taken."""

# A row for each sign: least and largest logarithm that the fit saw, weight in the answer and in each unit.
_TABLE = """
-13.7477   3.5700   0.1361  -0.0424  -0.0008  -0.0292   0.0045  -0.1878  -0.0300   0.1026  -0.0532
 -2.3026  10.1942  -0.0241  -0.0281  -0.3572  -0.0908   0.0782  -0.0856   0.2173  -0.0470  -0.2689
 -2.3026   1.9476  -0.1597  -0.2689   0.1483   0.0968   0.2647  -0.0860   0.1641  -0.0051  -0.4433
 -4.6052   0.0048   0.1429   0.1295  -0.1384  -0.4698  -0.1147  -0.1622   0.1439   0.0190   0.4680
 -2.6741   5.3443  -0.1562  -0.0121   0.3699  -0.1237   0.4623   0.6816   0.5107  -0.3276   0.3852
 -4.2125   3.2159   0.2760  -0.3737   0.2944   0.3272  -0.5460  -0.0482   0.0693   0.0267   0.0962
 -3.9842   3.3896   0.1999  -0.0672   0.1683  -0.0627  -0.0425   0.0658   0.0696  -0.1895  -0.1363
  2.4935  18.3096  -0.0259   0.0773  -0.0838   0.0061  -0.0697  -0.1758  -0.0704   0.2277  -0.1834
 -4.5671   1.0807   0.3086   1.0559   0.9186   0.8424  -0.3452  -0.0563   0.0931   0.5452   0.1333
 -6.8355   1.6832   0.2966  -0.2040  -0.2212  -0.3653  -0.4535  -0.4956   0.1398  -0.2907   0.1120
  1.7918   2.3979   0.9559  -9.1658  -0.6687  -6.0973   0.8230   0.9687  -0.1216  12.8120  -3.6789
 -6.6760   0.0002   0.1223  -0.0167  -0.0718   0.0442   0.1096   0.0603   0.5139  -0.2171   0.0866
 -4.6041   2.7110   0.1833   0.3187   0.0391  -0.3738  -0.2170   0.0564  -0.0880   0.0336  -0.3506
"""
# Shift of each unit and of the answer, weight of each unit.
_UNITS = """
 20.1391   3.2638   9.8440  -5.2715  -4.7934   3.5436 -24.5899  11.5882   0.6929
  0.8134  -1.0192   0.8142   0.9067   0.6928  -0.8329   0.9269   0.6015   0.0000
"""


@lru_cache
def tables() -> tuple[np.ndarray, ...]:
    """Floors, least and largest logarithms, units, their shifts, weights of units and of signs."""
    low, high, straight, *hidden = _table(_TABLE).T.copy()
    shift, answer = _table(_UNITS)
    return FLOORS, low, high, np.stack(hidden), shift, answer[:-1].copy(), straight


def _table(text: str) -> np.ndarray:
    return np.array([row.split() for row in text.strip().splitlines()], np.float32)
