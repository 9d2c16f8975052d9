"""Archives that are not what they say: each is refused in one sentence, before its values take memory."""

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.golden.archive import ARRAYS_MAX, Archive, Wanted, file_limit, pack_arrays

BIAS = Wanted("bias", np.int32, (3,), -5, 5)
SHIFT = Wanted("shift", np.uint8, (2, 3), 0, 255)
VALUES = {"bias": np.array([-5, 0, 5], np.int32), "shift": np.arange(6, dtype=np.uint8).reshape(2, 3)}


def saved(array: np.ndarray) -> bytes:
    """What numpy.save writes."""
    member = io.BytesIO()
    np.save(member, array)
    return member.getvalue()


def archive_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def refusal(data: bytes, *wanted: Wanted) -> str:
    with pytest.raises(UserError) as caught:
        Archive("file", data).take_all(list(wanted))
    message = str(caught.value)
    assert message.startswith("file: ")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 300
    return message


def test_what_is_packed_is_read() -> None:
    found = Archive("file", pack_arrays(VALUES)).take_all([SHIFT, BIAS])
    assert list(found) == ["shift", "bias"]
    for name, array in VALUES.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert not found[name].flags.writeable


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, save) -> None:
    """Also a matrix that lies in memory column by column."""
    save(tmp_path / "file.npz", bias=VALUES["bias"], shift=np.asfortranarray(VALUES["shift"]))
    found = Archive("file", (tmp_path / "file.npz").read_bytes()).take_all([BIAS, SHIFT])
    for name, array in VALUES.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_scalar_stays_one() -> None:
    with np.load(io.BytesIO(pack_arrays({"x": np.array(3)}))) as archive:
        assert archive["x"].shape == ()


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([("bias.npy", b"")], "array 'bias' cannot be read (EOF: reading magic string"),
        ([("bias.npy", b"x" * 200)], "array 'bias' cannot be read (the magic string is not correct"),
        ([("bias.npy", saved(VALUES["bias"])[:-1])], "array 'bias' has fewer values than its shape (3,)"),
        ([("bias.npy", saved(VALUES["bias"]) + b"x")], "array 'bias' has more values than its shape (3,)"),
        ([("bias", b"12345")], "the file holds 'bias': every member must be an array, NAME.npy"),
        ([("readme.txt", b""), ("bias.npy", b"")], "the file holds 'readme.txt': every member must be an array"),
        ([("bias.npy", saved(VALUES["bias"]))] * 2, "array 'bias' is there twice"),
        ([("bias.npy", saved(VALUES["bias"])), ("a\nb\x1b[31m.npy", b"")], r"array 'a\nb\x1b[31m' is not known"),
        ([("bias.npy", saved(VALUES["bias"])), ("x" * 60_000 + ".npy", b"")], "xxx' is not known: remove it"),
        ([], "array 'bias' is missing: the file must hold it as int32 (3,)"),
        ([("bias.npy", saved(np.zeros(3, ">i4")))], "array 'bias' is >i4: it must be int32"),
        ([("bias.npy", saved(np.zeros(3, np.int64)))], "array 'bias' is int64: it must be int32"),
        ([("bias.npy", saved(np.zeros(3, [("a\x1b" * 2000, "i4")])))], "array 'bias' cannot be read ("),
        ([("bias.npy", saved(np.zeros(3, [("a" * 2000, "i4")])))], "aaa...: it must be int32"),
        ([("bias.npy", saved(np.zeros((3,) + (1,) * 30, np.int32)))], "array 'bias' has shape (3, 1, 1, 1, 1, 1, 1, 1"),
        ([("bias.npy", saved(np.array([-5, -6, 0], np.int32)))], "array 'bias' holds -6: values must be in -5..5"),
        ([("bias.npy", saved(np.array([5, 6, 0], np.int32)))], "array 'bias' holds 6: values must be in -5..5"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name", "ignore:Stored array in format")
def test_a_damaged_archive(members: list[tuple[str, bytes]], sentence: str) -> None:
    assert sentence in refusal(archive_of(*members), BIAS)


def test_pickled_objects_are_not_loaded() -> None:
    member = io.BytesIO()
    np.lib.format.write_array(member, np.array([1, 2, 3], object), allow_pickle=True)
    assert "array 'bias' is object: it must be int32" in refusal(archive_of(("bias.npy", member.getvalue())), BIAS)


def test_other_compressions_are_refused() -> None:
    data = archive_of(("bias.npy", saved(VALUES["bias"])), method=zipfile.ZIP_BZIP2)
    assert "array 'bias' cannot be read (it must be stored or deflated)" in refusal(data, BIAS)


def test_what_is_no_archive() -> None:
    assert "the file is not an .npz archive of plain arrays" in refusal(b"PK\x03\x04", BIAS)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("zeros.npy", "array 'bias' is missing"), ("bias.npy", "array 'bias' has shape (1073741824,): it must be (3,)")],
)
def test_an_archive_that_expands_to_gigabytes_is_not_expanded(name: str, sentence: str) -> None:
    """Of this one's gigabytes only a part is there, made piece by piece: reading it would show."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": (1 << 30,)})
        for _ in range(128):
            file.write(bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sentence in refusal(buffer.getvalue(), BIAS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 14, "kilobytes"


def test_many_members_are_looked_through_once() -> None:
    """Each is compared with all others by counting: ten thousand take no time."""
    data = archive_of(*((f"x{n}.npy", b"") for n in range(10_000)))
    assert "array 'bias' is missing" in refusal(data, BIAS)


def test_how_large_a_file_may_be() -> None:
    assert file_limit("file", [BIAS, SHIFT]) == 18 + (1 << 20)
    most = Wanted("images", np.uint8, (ARRAYS_MAX - 18,), 0, 255)
    assert file_limit("file", [BIAS, SHIFT, most]) > ARRAYS_MAX
    with pytest.raises(
        UserError, match=r"^file: the arrays would take 4294967297 bytes: at most 4294967296 in a file\.$"
    ):
        file_limit("file", [BIAS, SHIFT, most, Wanted("x", np.uint8, (1,), 0, 255)])


def test_an_incompressible_file_is_within_its_limit() -> None:
    values = np.random.default_rng(1).integers(0, 256, 1 << 22).astype(np.uint8)
    wanted = Wanted("images", np.uint8, values.shape, 0, 255)
    assert len(pack_arrays({"images": values})) < file_limit("file", [wanted])
