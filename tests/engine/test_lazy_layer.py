"""Tasks made when asked for."""

import pickle

import pytest
from dask._task_spec import Task
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.lazy_layer import LazyLayer


def make(key):
    return Task(key, sum, key[1:])


def test_it_is_a_mapping_of_its_grid_only():
    layer = LazyLayer("x", (2, 3), make, (0,))
    assert len(layer) == 6
    assert list(layer) == [("x", i, j, 0) for i in range(2) for j in range(3)]
    assert layer["x", 1, 2, 0]() == 3
    for key in [("x", 2, 0, 0), ("y", 0, 0, 0), ("x", 0, 0), ("x", 0, 0, 1), "x"]:
        assert key not in layer
        with pytest.raises(KeyError):
            layer[key]


def test_only_what_is_asked_for_is_made():
    graph = HighLevelGraph({"x": LazyLayer("x", (1000, 1000), make)}, {"x": set()})
    assert len(pickle.dumps(graph)) < 1000
    assert dict(graph.cull({("x", 5, 7)}))["x", 5, 7]() == 12
