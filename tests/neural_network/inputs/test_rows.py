"""Rows that are read in blocks: order, statistics, and fits that do not copy X."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextra import TumorCNNClassifier
from skextra.neural_network._inputs import _images, _rows
from skextra.neural_network._inputs._images import ImageTransform
from skextra.neural_network._inputs._rows import Rows, ranks, row_blocks
from skextra.neural_network._inputs._value_range import value_range

Y = np.arange(60) % 3


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 512)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(1, 30),
    n_columns=st.integers(1, 12),
    dtype=st.sampled_from([np.uint8, np.int16, np.float32, np.float64, bool]),
    n_bytes=st.sampled_from([1, 16, 10_000]),
    order=st.sampled_from("CF"),
    seed=st.integers(0, 9),
)
def test_ranks_are_the_order_of_the_bytes(n_rows, n_columns, dtype, n_bytes, order, seed):
    rng = np.random.default_rng(seed)
    rows = np.asarray(rng.integers(-1, 2, (n_rows, n_columns)).astype(dtype), order=order)
    kept = np.flatnonzero(rng.random(n_rows) < 0.8)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(_rows, "BLOCK_BYTES", n_bytes)
        found = ranks(rows, kept)
    texts = [rows[row].tobytes() for row in kept]
    assert found.tolist() == [sum(other < text for other in texts) for text in texts]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64, bool])
def test_range_of_blocks_is_that_of_all(dtype, monkeypatch):
    rows = np.random.default_rng(0).integers(0, 90, (50, 40)).astype(dtype)
    expected = value_range(rows)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 100)
    index = np.random.default_rng(1).permutation(50)
    assert len(list(row_blocks(rows))) > 1
    assert value_range(Rows(rows, index)) == expected


def test_scaling_of_blocks_of_features_has_the_same_bits(small_blocks):
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(3, 2, (60, 200)), rng.random(60)
    index = rng.permutation(60)
    found = ImageTransform.from_data(
        Rows(rows, index), weights, (1, 200, 1), (8, 200), are_features=True
    )
    mean = np.average(rows[index], axis=0, weights=weights)
    spread = np.sqrt(np.average((rows[index] - mean) ** 2, axis=0, weights=weights))
    assert np.array_equal(found.scale, 1 / spread)
    assert np.array_equal(found.offset, -mean / spread)


def test_digest_is_that_of_the_rows_in_order(small_blocks):
    rows = np.random.default_rng(0).integers(0, 9, (60, 50))
    index = np.random.default_rng(1).permutation(60)
    expected = Rows(rows, index).digest()
    assert Rows(rows[index], np.arange(60)).digest() == expected
    assert Rows(rows, np.roll(index, 1)).digest() != expected
    assert Rows(rows.astype(np.int32), index).digest() != expected


@pytest.mark.parametrize("architecture", ["resnet", "mlp"])
@pytest.mark.parametrize(
    ("shape", "dtype", "parameters"),
    [
        ((12, 16), np.uint8, {}),
        ((12, 16, 3), np.float32, {"early_stopping": True}),
        ((20, 24), np.uint8, {"image_size": 12, "augmentation": "scan"}),
        ((20, 24, 3), np.int16, {"image_size": 12}),
    ],
)
def test_streamed_images_are_learnt_to_the_same_bits(
    architecture, shape, dtype, parameters, monkeypatch, tmp_path
):
    images = np.random.default_rng(0).integers(0, 255, (60, *shape)).astype(dtype)
    images[5] = images[8]
    np.save(tmp_path / "images.npy", images)
    model = TumorCNNClassifier(
        architecture=architecture, max_epochs=2, random_state=0, **parameters
    )
    expected = model.fit(images, Y).predict_proba(images)
    monkeypatch.setattr(_images, "CACHE_BYTES", 0)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 512)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert np.array_equal(model.fit(mapped, Y).predict_proba(mapped), expected)


FIT = """
    import resource, sys
    import numpy as np
    from skextra import TumorCNNClassifier
    X = np.memmap(sys.argv[1], np.uint8, "r", shape=(320, 1024, 1024))
    y = np.arange(320) % 2
    model = TumorCNNClassifier(
        architecture="linear", image_size=8, max_epochs=1, random_state=0
    )
    model.fit(X[:64, :64, :64].copy(), y[:64])  # loads what is loaded on first use
    status = open("/proc/self/status").read()
    data = 1024 * int(status.partition("VmData:")[2].split()[0])
    limit = data + 2**28
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    model.fit(X, y).predict(X[:8])
    try:
        np.array(X)
    except MemoryError:
        print("too large")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts as said on Linux only")
def test_map_larger_than_memory_left_is_learnt(tmp_path):
    path = tmp_path / "images"
    with open(path, "wb") as file:
        file.truncate(320 * 2**20)  # a hole: it takes no room on the disk
    mapped = np.memmap(path, np.uint8, "r+", shape=(320, 2**20))
    mapped[:, :3] = np.random.default_rng(0).integers(0, 256, (320, 3))
    mapped.flush()
    # The limit also counts memory that malloc keeps for later, and the stacks of threads.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FIT), str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert "too large" in done.stdout
