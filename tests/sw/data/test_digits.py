"""The data set ``digits``."""

import numpy as np
import pytest


@pytest.mark.smoke
def test_digits(digits):
    assert digits.train_images.shape == (1442, 8, 8)
    assert digits.test_images.shape == (355, 8, 8)
    assert digits.train_images.dtype == np.uint8
    assert digits.shape == (8, 8)
    assert digits.labels == tuple("0123456789")
    # 0 … 16 become round(x * 255 / 16)
    assert set(np.unique(digits.train_images)) == {round(x * 255 / 16) for x in range(17)}
    # every fifth image of each class
    for k in range(10):
        tests, all_ = (digits.test_labels == k).sum(), (digits.train_labels == k).sum()
        assert tests == (tests + all_) // 5
