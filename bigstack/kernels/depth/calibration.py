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
-13.7796   3.7263   0.0372  -0.0104   0.0433  -0.0038   0.0426  -0.0015  -0.0537   0.2633  -0.0676
 -2.3026  10.0563  -0.0367  -0.0967  -0.2076   0.1321  -0.0032  -0.0130   0.2544   0.1050  -0.2868
 -2.3026   2.0125  -0.2904  -0.4817   0.3049   0.5598   0.7107  -0.1823  -0.1534   0.2644  -0.4903
 -4.6052   0.0047  -0.0024   0.1905   0.1151  -0.1720  -0.2782   0.0437   0.0456   0.0196   0.5340
 -3.0553   5.6213  -0.0786  -0.0200   0.2482   0.3588   0.3357  -0.3630   0.4811   0.1840  -0.1957
 -4.1941   3.2286   0.1704  -0.4489   0.0003   0.6216   0.1038   0.3911   0.0320  -0.2440  -0.0663
 -3.9383   3.4714   0.2407  -0.4708   0.1097   0.0518  -0.0408   0.2034   0.0827  -0.0338   0.0214
  2.3984  18.1905  -0.0780   0.1125  -0.0778  -0.0573   0.0286   0.0470  -0.0213   0.1929   0.0340
 -4.5804   1.1019   0.4239   0.9516   1.1085   0.6790  -0.0912   0.3801   0.3704   0.6602  -0.0738
 -6.8586   1.7693   0.1642   0.0617  -0.3385  -0.7161  -0.3522   0.1814   0.4147  -0.3212   0.3928
  1.7918   2.3979  -0.2818  -2.8077  -0.6460  -8.0225  -4.8354   1.1405   0.8455  10.5141  -1.2653
 -6.6940   0.0002   0.1499  -0.0533  -0.0759  -0.0653   0.4029   0.0220   0.1728  -0.0721   0.1526
 -4.6044   2.7805   0.1800   0.2378  -0.1577  -0.4208  -0.3533   0.4794  -0.1952  -0.1087   0.1048
"""
# Shift of each unit and of the answer, weight of each unit.
_UNITS = """
  9.3656   3.6329  11.7667   6.4506   1.1418   1.1030 -20.1320   7.6146   2.3644
  0.9515  -1.2042   1.1121  -0.6241  -0.8704  -1.2951   1.2994   0.7250   0.0000
"""


@lru_cache
def tables() -> tuple[np.ndarray, ...]:
    """Floors, least and largest logarithms, units, their shifts, weights of units and of signs."""
    low, high, straight, *hidden = _table(_TABLE).T.copy()
    shift, answer = _table(_UNITS)
    return FLOORS, low, high, np.stack(hidden), shift, answer[:-1].copy(), straight


def _table(text: str) -> np.ndarray:
    return np.array([row.split() for row in text.strip().splitlines()], np.float32)
