"""A step as a CUDA graph, on a machine without a GPU: what stands in for CUDA only records."""

import gc
import weakref
from contextlib import nullcontext
from functools import partial
from unittest.mock import MagicMock

import pytest
import torch

from sw.learn.step import captured


@pytest.fixture
def graph(monkeypatch):
    """The graph that is captured."""
    result = MagicMock()
    monkeypatch.setattr(torch.cuda, "Stream", MagicMock())
    monkeypatch.setattr(torch.cuda, "current_stream", MagicMock())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: result)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: nullcontext())
    return result


def test_the_step_is_captured_once_after_others_have_warmed_up(graph):
    done = []
    replay = captured(lambda: done.append("step"), lambda: done.append("warm-up"))
    assert done == ["warm-up"] * 3 + ["step"]
    replay()
    assert (len(done), graph.replay.call_count) == (4, 1)


def test_tensors_of_a_graph_live_as_long_as_it(graph):
    """An optimizer that only its step knew was freed, and the graph wrote into the memory of
    others.
    """
    state = torch.zeros(3)
    alive = weakref.ref(state)
    replay = captured(partial(state.add_, 1), lambda: None)
    del state
    gc.collect()
    assert alive() is not None
    del replay
    gc.collect()
    assert alive() is None
