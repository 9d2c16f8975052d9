"""Files from outside: plain ones are read, others refused at once."""

import os
from pathlib import Path

import pytest

from penni_escalate.common.files import read_plain_file


@pytest.mark.parametrize("size", [0, 9, 10])
def test_a_plain_file_is_read_up_to_the_limit(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    (tmp_path / "link").symlink_to("file")
    assert read_plain_file(tmp_path / "link", 10) == b"x" * size


def test_a_larger_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="it has more than 10 bytes"):
        read_plain_file(path, 10)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # A hole: it takes no room on the disk, and would in the memory.
    with pytest.raises(OSError, match="it has more than 10 bytes"):
        read_plain_file(path, 10)


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no plain file"):
            read_plain_file(path, 10)
    with pytest.raises(IsADirectoryError):
        read_plain_file(tmp_path, 10)
    with pytest.raises(FileNotFoundError):
        read_plain_file(tmp_path / "none", 10)
