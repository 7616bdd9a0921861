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
-13.7477   3.5700   0.1151  -0.0168  -0.0005  -0.0162  -0.0150  -0.0454   0.0241   0.1170  -0.0461
 -2.3026  10.1942  -0.0582  -0.0873  -0.3969   0.0611   0.1283  -0.1166   0.2423  -0.0757  -0.3330
 -2.3026   1.9476  -0.3130  -0.2254   0.2371   0.6094   0.1506  -0.2138  -0.1828  -0.1208  -0.5414
 -4.6052   0.0048   0.1142   0.0553  -0.0501  -0.1323  -0.0934  -0.2727   0.0966  -0.0522   0.4287
 -2.6741   5.3443  -0.1424  -0.1318   0.2367   0.1994   0.5980  -0.3413   0.2812  -0.3829   0.1608
 -4.2125   3.2159   0.2278  -0.4199   0.3880   0.5048  -0.6555   0.2887   0.1251   0.0428   0.0159
 -3.9842   3.3896   0.1575  -0.1064   0.1613   0.0111   0.1300  -0.1196   0.0771  -0.1991  -0.1014
  2.4935  18.3096  -0.0187   0.0770  -0.0733  -0.0116  -0.0417  -0.2238  -0.0488   0.1902  -0.0235
 -4.5671   1.0807   0.3224   1.0953   0.9379   0.7325  -0.2324  -0.2499   0.1590   0.5233   0.0923
 -6.8355   1.6832   0.2679  -0.0844  -0.2342  -0.3995  -0.4615  -0.1712   0.3399  -0.2613   0.2099
  1.7918   2.3979   0.6978  -7.2343  -0.4106  -7.3916  -0.4031   3.9394   2.3307  14.0491  -1.8115
 -6.6760   0.0002   0.1335  -0.0225  -0.1216  -0.0477   0.0743   0.0251   0.5412  -0.1766   0.0706
 -4.6041   2.7110   0.1945   0.2655   0.0159  -0.3884  -0.0988   0.0550  -0.0638   0.0245  -0.2728
"""
# Shift of each unit and of the answer, weight of each unit.
_UNITS = """
 17.1439   3.0940  12.0916  -3.0468  -7.4615   0.0628 -26.4826   6.8754   1.0147
  0.8224  -1.0394   0.8896   0.9398   0.6373  -0.7326   0.9488   0.5132   0.0000
"""


@lru_cache
def tables() -> tuple[np.ndarray, ...]:
    """Floors, least and largest logarithms, units, their shifts, weights of units and of signs."""
    low, high, straight, *hidden = _table(_TABLE).T.copy()
    shift, answer = _table(_UNITS)
    return FLOORS, low, high, np.stack(hidden), shift, answer[:-1].copy(), straight


def _table(text: str) -> np.ndarray:
    return np.array([row.split() for row in text.strip().splitlines()], np.float32)
