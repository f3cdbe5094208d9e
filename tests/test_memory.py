"""What a device has left: a machine and a container that are told by files."""

import os

import pytest

from kdlib import memory

KB = 1024


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that writes the files of a machine and of its container, as Linux does."""
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)

    def write(available=None, limit=None, used=0):
        if available is not None:
            lines = f"MemTotal:  999 kB\nMemFree:  1 kB\nMemAvailable:   {available} kB\nCached:  77 kB\n"
            (tmp_path / "meminfo").write_text(lines)
        if limit is not None:
            (tmp_path / "memory.max").write_text(f"{limit}\n")
            (tmp_path / "memory.stat").write_text(f"inactive_anon 5\nanon {used}\nfile 333333\n")

    return write


@pytest.mark.parametrize(
    "files, left",
    [
        (dict(available=600), 600 * KB),
        (dict(available=600, limit="max", used=KB), 600 * KB),
        (dict(available=600, limit=10**9, used=KB), 600 * KB),  # the machine has less than the container may take
        (dict(available=600, limit=500 * KB, used=200 * KB), 300 * KB),  # caches of files are not counted as used
        (dict(available=600, limit=900 * KB, used=200 * KB), 600 * KB),
    ],
)
def test_what_is_free_is_the_machine_or_the_rest_of_the_container(machine, files, left):
    machine(**files)
    assert memory.free("cpu") == left


def test_without_the_files_of_linux_it_is_the_whole_memory(machine):
    assert memory.free("cpu") == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_what_does_not_fit_by_one_byte_is_refused(machine):
    machine(available=2 * KB * KB)
    memory.require(2 * KB**3, "cpu", "a matrix")
    with pytest.raises(MemoryError, match="^a matrix needs 2.0 GiB, but 2.0 GiB are free on cpu; try less$"):
        memory.require(2 * KB**3 + 1, "cpu", "a matrix", "; try less")
