"""What large arguments are in the worker: the same, and writable."""

import sys

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from joblib import delayed
from numpy.testing import assert_array_equal

from tests.parallel.calls import ask, parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = pytest.mark.usefixtures("no_segment_is_left")

MEGABYTE = 2**20
rng = np.random.default_rng(0)


LARGE = {
    "float64": rng.random((400, 500)),
    "float16": rng.random(10**6).astype(np.float16),
    "fortran": np.asfortranarray(rng.random((400, 500))),
    "three dimensions": rng.random((40, 50, 100)).transpose(2, 0, 1),
    "every other column": rng.random((400, 1000))[:, ::2],
    "backwards": rng.random(200_000)[::-1],
    "broadcast": np.broadcast_to(rng.random(1000), (200, 1000)),
    "read-only": np.frombuffer(rng.bytes(2 * MEGABYTE), np.uint8),
    "structured": np.zeros(100_000, [("id", "i8"), ("name", "U4")]),
    "datetime": np.arange(200_000).astype("M8[s]"),
    "text": np.arange(200_000).astype("U8"),
    "bool": rng.random(2 * 10**6) < 0.5,
    "big-endian": rng.random(200_000).astype(">f8"),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("mmap_mode", ["r", "r+", None])
def test_an_array_arrives_as_it_is_whatever_its_layout(name, mmap_mode):
    array = LARGE[name]
    kind, copy = ask(lambda x: (type(x), x.copy()), array, mmap_mode=mmap_mode)
    assert kind is (np.ndarray if mmap_mode is None else np.memmap)
    assert copy.dtype == array.dtype
    assert_array_equal(copy, array)


@pytest.mark.parametrize(
    "array", [np.empty(0), np.empty((0, 5), "f2"), np.float64(3), np.array(7), np.zeros(3, "V0")]
)
def test_what_holds_nothing_arrives_even_with_no_threshold(array):
    assert_array_equal(ask(np.copy, array, max_nbytes=0), array)


def test_the_order_of_an_array_is_kept():
    assert ask(lambda x: x.flags.f_contiguous, LARGE["fortran"])


@pytest.mark.parametrize("name", LARGE)
def test_every_array_may_be_changed(name):
    assert ask(lambda x: x.flags.writeable, LARGE[name])


FRAME = pd.DataFrame(
    {
        "number": rng.random(200_000),
        "count": rng.integers(0, 9, 200_000),
        "text": np.char.add("row ", np.arange(200_000).astype(str)),
        "group": pd.Categorical(rng.choice(["a", "b"], 200_000)),
    }
)
FRAME.loc[::1000, ["number", "text"]] = np.nan


def test_a_data_frame_arrives_as_it_is_and_may_be_changed():
    def change(frame):
        before = frame.copy()
        frame.loc[0, "number"] = -1.0
        frame["count"] += 1
        frame.loc[0, "text"] = "changed"
        return before

    pd.testing.assert_frame_equal(ask(change, FRAME), FRAME)
    assert FRAME.loc[1, "text"] == "row 1"


@pytest.mark.parametrize("column", ["number", "text", "group"])
def test_a_series_arrives_as_it_is(column):
    pd.testing.assert_series_equal(ask(lambda s: s.copy(), FRAME[column]), FRAME[column])


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_a_sparse_matrix_arrives_as_it_is_and_may_be_changed(kind):
    def change(matrix):
        before = matrix.copy()
        matrix.data[:] = 0
        return before

    matrix = kind(scipy.sparse.random(1000, 1000, density=0.3, random_state=0))
    before = matrix.copy()
    result = ask(change, matrix)
    assert type(result) is kind
    assert (result != before).nnz == 0
    assert (matrix != before).nnz == 0


TENSORS = {
    "float": torch.rand(600, 700),
    "bfloat16": torch.rand(10**6).to(torch.bfloat16),
    "complex": torch.rand(200_000, dtype=torch.complex64),
    "transposed": torch.rand(600, 700).T,
    "every other": torch.rand(10**6)[::2],
    "channels last": torch.rand(4, 3, 200, 200).to(memory_format=torch.channels_last),
    "needs a gradient": torch.rand(600, 700, requires_grad=True),
    "parameter": torch.nn.Parameter(torch.rand(600, 700)),
    "conjugate": torch.rand(200_000, dtype=torch.complex64).conj(),
    "sparse": torch.eye(2000).to_sparse(),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_arrives_as_it_is_and_may_be_changed(name):
    def change(tensor):
        before = tensor.detach().clone()
        if tensor.layout is torch.strided:
            tensor.data.zero_()
        return type(tensor), tensor.requires_grad, before

    tensor = TENSORS[name]
    before = tensor.detach().clone()
    kind, requires_grad, copy = ask(change, tensor)
    assert kind is type(tensor)
    assert requires_grad == tensor.requires_grad
    assert torch.equal(copy.to_dense(), before.to_dense())
    assert torch.equal(tensor.detach().to_dense(), before.to_dense())


def test_the_memory_format_of_a_tensor_is_kept():
    def is_channels_last(tensor):
        return tensor.is_contiguous(memory_format=torch.channels_last)

    assert ask(is_channels_last, TENSORS["channels last"])


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda content: content.hex()])
def test_bytes_and_text_arrive_as_they_are(kind):
    content = kind(rng.bytes(3 * MEGABYTE))
    result = ask(lambda *x: x, content, {"and": content}, 5)
    assert result == (content, {"and": content}, 5)
    assert type(result[0]) is type(content)


def test_objects_that_may_change_are_pickled_for_each_task():
    objects = np.empty(200_000, object)
    objects[:] = [[i] for i in range(200_000)]
    assert ask(lambda x: (type(x), x[5], x[-1]), objects) == (np.ndarray, [5], [199_999])


@pytest.mark.parametrize("kind", [np.ma.masked_array, np.recarray])
def test_a_subclass_of_arrays_stays_one(kind):
    array = np.zeros(200_000, [("x", float)]).view(np.recarray)
    if kind is np.ma.masked_array:
        array = np.ma.masked_array(LARGE["float64"], LARGE["float64"] < 0.5)
    result = ask(lambda x: x.copy(), array)
    assert type(result) is type(array)
    assert_array_equal(np.ma.getdata(result), np.ma.getdata(array))
    assert_array_equal(np.ma.getmaskarray(result), np.ma.getmaskarray(array))


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_memory_mapped_array_is_handed_over_by_name_and_offset(tmp_path, mode):
    array = LARGE["float64"]
    np.save(tmp_path / "array.npy", array)
    mapped = np.load(tmp_path / "array.npy", mmap_mode=mode)
    views = [mapped, mapped[100:], mapped[:, 10:400], np.asarray(mapped).T, mapped[::2, ::3]]
    results = parallel(max_nbytes=1000)(
        delayed(lambda x: (x.filename, x.flags.writeable, x.copy()))(view) for view in views
    )
    for (name, writeable, copy), view in zip(results, views, strict=True):
        assert name == str(tmp_path / "array.npy")
        assert writeable
        assert_array_equal(copy, view)


@pytest.mark.parametrize("max_nbytes", [None, 100, "1M"])
def test_a_task_writes_into_a_file_that_is_mapped_for_writing_only(tmp_path, max_nbytes):
    def fill(arrays):
        arrays[0][:] = 1

    for mode in ("w+", "r+", "r"):
        mapped = np.memmap(tmp_path / mode, np.uint8, "w+", shape=(1000,))
        mapped = np.memmap(tmp_path / mode, np.uint8, mode, shape=(1000,))
        ask(fill, [mapped, mapped[:0]], max_nbytes=max_nbytes)
        assert set(mapped) == {0 if mode == "r" else 1}


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_mapped_file_can_be_a_result(tmp_path, batch_size):
    def make(name):
        mapped = np.memmap(tmp_path / name, np.uint8, "w+", shape=(1000,))
        mapped[:] = 5
        return mapped[10:20]

    results = parallel(batch_size=batch_size)(delayed(make)(str(i)) for i in range(4))
    assert [result.filename for result in results] == [str(tmp_path / str(i)) for i in range(4)]
    assert {result.sum() for result in results} == {50}


def test_changes_to_a_copy_on_write_mapping_are_handed_over(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(200_000))
    mapped = np.load(tmp_path / "array.npy", mmap_mode="c")
    mapped += 1
    assert ask(np.sum, mapped) == 200_000


def test_an_array_whose_file_was_removed_is_handed_over_all_the_same(tmp_path):
    np.save(tmp_path / "array.npy", LARGE["float64"])
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    (tmp_path / "array.npy").unlink()
    assert ask(np.sum, mapped) == LARGE["float64"].sum()
