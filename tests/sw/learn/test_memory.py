"""Networks that are too large for the device's memory."""

import pytest
import torch

from sw.cli import UserError
from sw.learn import memory


def test_refuses_what_the_memory_cannot_hold(monkeypatch):
    monkeypatch.setattr(memory, "_memory", lambda device: 10**6)
    memory.check_memory((100, 10, 10), torch.device("cpu"))
    with pytest.raises(
        UserError, match=r"^9999-999-10: training takes 0\.\d GB .* take fewer --hidden units$"
    ):
        memory.check_memory((9999, 999, 10), torch.device("cpu"))


def test_memory_that_nothing_tells_of(monkeypatch):
    monkeypatch.setattr(memory, "_memory", lambda device: None)
    memory.check_memory((10**6, 10**6), torch.device("cpu"))
