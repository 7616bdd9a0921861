"""Graphs made leaner and given out in slices compute what they computed whole."""

from operator import add

import dask
import pytest
from dask._task_spec import Alias, DataNode, List, Task, TaskRef
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st

from bigstack.cluster.lean import in_order, lean
from bigstack.cluster.stream import Stream, slices_of


def read(folder, name):
    return folder[name]


read.loads = True


def gather(parts):
    return sum(parts)


gather.gathers = True


def total(*values):
    return sum(values) + 1


MADE = []


def note(number):
    MADE.append(number)


def computed(tasks, keys):
    return dict(zip(keys, dask.get(tasks, list(keys)), strict=True))


def task(key, function, *needs):
    return Task(key, function, *(TaskRef(need) for need in needs))


def test_what_lies_on_disk_is_read_by_all_who_need_it():
    graph = {
        "disk": Task("disk", dict, a=3),
        "loaded": Task("loaded", read, TaskRef("disk"), "a"),
        **{i: Task(i, add, TaskRef("loaded"), i) for i in range(4)},
    }
    found = lean(graph, range(4))
    assert set(found) == {"disk", *range(4)}
    assert computed(found, range(4)) == {i: i + 3 for i in range(4)}


def test_a_chain_is_one_task_and_a_task_of_two_is_not():
    graph = {"a": DataNode("a", 1), "b": task("b", total, "a"), "c": task("c", total, "b"),
             "d": task("d", total, "c"), "e": task("e", total, "c"), "f": Alias("f", "e")}  # fmt: skip
    assert set(lean(graph, ["d", "f"])) == {"c", "d", "f"}
    assert computed(lean(graph, ["d", "f"]), ["d", "f"]) == {"d": 4, "f": 4}
    assert set(lean(graph, ["b", "d"])) == {"b", "d"}, "what is wanted stays"


def test_blocks_that_are_merged_stay_parallel():
    parts = {f"part{i}": task(f"part{i}", total) for i in range(3)}
    graph = {**parts, "merge": task("merge", total, *parts), "pick": task("pick", total, "merge")}
    graph["store"] = Task("store", gather, List(TaskRef("pick")))
    assert set(lean(graph, ["store"])) == {*parts, "store"}


def test_a_gathering_task_does_all_that_it_alone_needs():
    graph = {"fold": task("fold", total), "image": task("image", total, "fold"),
             "depth": task("depth", total, "fold")}  # fmt: skip
    graph["store"] = Task("store", gather, List(TaskRef("image"), TaskRef("depth")))
    assert set(lean(graph, ["store"])) == {"store"}
    assert computed(lean(graph, ["store"]), ["store"]) == computed(graph, ["store"])


@st.composite
def graphs(draw):
    """Tasks that need earlier ones, and which of them are wanted, in any order."""
    size = draw(st.integers(1, 30))
    graph = {}
    for i in range(size):
        needs = draw(st.lists(st.integers(0, i - 1), max_size=4, unique=True)) if i else []
        graph[i] = task(i, draw(st.sampled_from([total, lambda *x: sum(x) * 2])), *needs)
    return graph, draw(st.permutations(range(size)).flatmap(lambda p: st.just(p[: 1 + size // 3])))


@given(graphs(), st.integers(1, 9))
def test_any_graph_in_any_slices(case, size):
    graph, wanted = case
    found = lean(graph, wanted)
    assert computed(found, wanted) == computed(graph, wanted)
    slices = slices_of(found, wanted, size)
    seen = set()
    for i, part in enumerate(slices):
        later = {need for other in slices[i + 1 :] for need in other.needs}
        assert part.needs <= seen
        assert set(part.asked) == {key for key in part.tasks if key in wanted or key in later}
        seen |= set(part.tasks)
    assert seen == set(found) == set(in_order(found, wanted))


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            dashboard_address=":0",
            host="127.0.0.1",
            protocol="tcp",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_the_scheduler_holds_a_window_only_and_forgets_it(client, monkeypatch):
    """A row needs its neighbours, as tiles do: what later slices need has to be there still."""
    MADE.clear()
    count = 600
    graph = {("fold", i): Task(("fold", i), note, i) for i in range(count)}
    for i in range(count):
        near = [("fold", n) for n in range(max(0, i - 20), min(count, i + 21))]
        graph["store", i] = task(("store", i), lambda *parts: len(parts), *near)
    monkeypatch.setattr("bigstack.cluster.stream.WINDOW", 80)
    scheduler = client.cluster.scheduler
    most, found = [], {}

    def done(key, value):
        found[key] = value
        most.append(len(scheduler.tasks))

    keys = [("store", i) for i in range(count)]
    stream = Stream(client, graph, keys, threads=1, retries=0)
    stream.run(done)
    assert found == {("store", i): min(count, i + 21) - max(0, i - 20) for i in range(count)}
    assert sorted(MADE) == list(range(count)), "nothing is computed twice"
    assert max(most) < 300 < len(graph)
    assert not stream.held


def test_what_a_task_raises_is_raised(client):
    graph = {"a": Task("a", total), "b": Task("b", divmod, TaskRef("a"), 0)}
    with pytest.raises(ZeroDivisionError):
        Stream(client, graph, ["b"], threads=1, retries=0).run(print)
