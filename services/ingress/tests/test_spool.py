"""The spool's files: what was acknowledged is there again, whatever happened to the rest."""

import errno
import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.spool import MARK, SEGMENT, SUFFIX, Spool, SpoolTaken, SpoolUnusable, framed, frames

BUSY = settings(deadline=None)  # a busy machine is no fault of the code
texts = st.text(st.characters(codec="utf-8"), max_size=40).map(str.encode)


def segments(folder):
    return sorted(folder.glob(f"*{SUFFIX}"))


def put(spool, *payloads, at=1000):
    spool.append(
        [framed(payload, records=1, at=at + number) for number, payload in enumerate(payloads)],
        records=len(payloads),
        at=at,
    )


def drained(spool):
    """Everything in it, taken out as the replay does."""
    found = []
    while batch := spool.read():
        found += [frame.payload for frame in batch]
        for number, frame in enumerate(batch):
            spool.release(frame, frame.records, next(iter(batch[number + 1 : number + 2]), None))
    return found


def joined(payloads):
    """Their frames, and where each ends."""
    data, ends = b"", []
    for number, payload in enumerate(payloads):
        data += framed(payload, records=number + 1, at=number)
        ends.append(len(data))
    return data, ends


@BUSY
@given(st.lists(texts, max_size=6))
def test_what_was_written_is_read_again(payloads):
    data, ends = joined(payloads)
    found = list(frames(data))
    assert [frame.payload for frame in found] == payloads
    assert [frame.end for frame in found] == ends
    assert [(frame.records, frame.at) for frame in found] == [(number + 1, number) for number in range(len(payloads))]


@BUSY
@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_a_cut_loses_the_frames_behind_it_and_no_other(payloads, draw):
    data, ends = joined(payloads)
    cut = draw.draw(st.integers(0, len(data)))
    assert [frame.payload for frame in frames(data[:cut])] == payloads[: sum(end <= cut for end in ends)]


@BUSY
@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_damage_anywhere_loses_the_frames_it_touches_and_makes_up_none(payloads, draw):
    data, ends = joined(payloads)
    begin = draw.draw(st.integers(0, len(data) - 1))
    junk = draw.draw(st.binary(min_size=1, max_size=30))
    damaged = data[:begin] + junk + data[begin + len(junk) :]
    begins = [0, *ends[:-1]]
    whole = [
        payload
        for payload, first, end in zip(payloads, begins, ends, strict=True)
        if damaged[first:end] == data[first:end]
    ]
    assert [frame.payload for frame in frames(damaged)] == whole


@BUSY
@given(st.binary(max_size=200))
def test_no_noise_is_taken_for_a_frame(noise):
    assert list(frames(MARK + noise)) == []


def test_a_frame_that_a_customer_writes_is_a_text_and_no_frame(tmp_path):
    forged = framed(b"forged", records=1, at=1)
    with pytest.raises(UnicodeDecodeError):
        forged.decode()  # so it cannot stand in a payload, which is UTF-8


def test_what_a_process_left_is_there_for_the_next_in_order(tmp_path):
    first = Spool.open(tmp_path / "spool")
    put(first, b"1", b"2", at=5000)
    first.close()
    second = Spool.open(tmp_path / "spool")
    assert (second.records, second.oldest) == (2, 5000)
    put(second, b"3")
    assert len(segments(tmp_path / "spool")) == 2, "what may have a torn end is not added to"
    assert drained(second) == [b"1", b"2", b"3"]
    assert (second.records, second.size, second.left, second.oldest, segments(tmp_path / "spool")) == (
        0,
        0,
        0,
        None,
        [],
    )
    put(second, b"4")
    assert drained(second) == [b"4"]
    second.close()


def test_a_torn_end_is_cut_and_said_and_what_is_before_it_is_kept(tmp_path, capsys):
    spool = Spool.open(tmp_path)
    put(spool, b"1", b"2")
    spool.close()
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + framed(b"3", records=1, at=1)[:-1])
    again = Spool.open(tmp_path)
    assert "the spool's end was cut" in capsys.readouterr().out
    assert path.read_bytes() == whole
    assert (again.records, drained(again)) == (2, [b"1", b"2"])
    again.close()


def test_a_segment_without_a_whole_frame_goes(tmp_path):
    (tmp_path / f"000000000003{SUFFIX}").write_bytes(b"\xffCSP")
    (tmp_path / f"notes{SUFFIX}").write_bytes(b"somebody's")
    spool = Spool.open(tmp_path)
    assert (spool.records, spool.read()) == (0, [])
    put(spool, b"1")
    assert [path.stem for path in segments(tmp_path)] == ["000000000004", "notes"], "a number is used once"
    spool.close()


def test_a_second_process_is_refused_and_a_killed_one_holds_nothing_back(tmp_path):
    holds = f"import pathlib,sys; from ingress.spool import Spool; s=Spool.open(pathlib.Path({str(tmp_path)!r}));"
    holds += " print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    ) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(SpoolTaken, match="CONVOBOSS_SPOOL_DIRECTORY"):
            Spool.open(tmp_path)
        process.kill()
        process.wait()
    Spool.open(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_said_by_the_settings_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable, match="CONVOBOSS_SPOOL_DIRECTORY"):
        Spool.open(tmp_path / "file" / "spool")


def test_segments_are_rotated_and_deleted_one_by_one(tmp_path):
    spool = Spool.open(tmp_path)
    for _ in range(3):
        put(spool, b"x" * SEGMENT)
    assert len(segments(tmp_path)) == 3
    (frame,) = spool.read()
    spool.release(frame, 1, None)
    assert len(segments(tmp_path)) == 2
    assert (spool.records, spool.left) == (2, spool.size)
    spool.close()


def test_a_flush_that_fails_counts_for_nothing_and_ends_its_segment(tmp_path, monkeypatch):
    spool = Spool.open(tmp_path)
    put(spool, b"1")
    real = os.fsync

    def failing(_file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output"):
        put(spool, b"2")
    with pytest.raises(OSError, match="Input/output"):
        put(spool, b"3")  # not even a new segment
    monkeypatch.setattr(os, "fsync", real)
    put(spool, b"4")
    assert len(segments(tmp_path)) == 2
    assert spool.records == 2
    spool.close()
    again = Spool.open(tmp_path)
    assert drained(again) == [b"1", b"4"]
    again.close()


def test_a_full_disk_keeps_what_was_whole(tmp_path):
    """The kernel's own refusal in the middle of a write: the size of a file is limited."""
    script = f"""
import pathlib, resource, signal
from ingress.spool import Spool, framed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool.open(pathlib.Path({str(tmp_path)!r}))
spool.append([framed(b"1" * 500, records=1, at=1)], records=1, at=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    spool.append([framed(b"2" * 900, records=1, at=1)], records=1, at=1)
except OSError as error:
    print(error.errno, spool.records)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append([framed(b"3", records=1, at=1)], records=1, at=1)
"""
    told = subprocess.run(  # noqa: PLW1510 - its output is looked at
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )
    assert told.stdout.split() == [str(errno.EFBIG), "1"], told.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    spool = Spool.open(tmp_path)
    assert [payload[:1] for payload in drained(spool)] == [b"1", b"3"]
    spool.close()


def test_a_file_that_rots_while_it_waits_loses_what_rotted_and_goes_on(tmp_path, capsys):
    spool = Spool.open(tmp_path)
    put(spool, b"1", b"2")
    segments(tmp_path)[0].write_bytes(b"\0" * 200)
    assert drained(spool) == []
    assert "cannot be read any more" in capsys.readouterr().out
    put(spool, b"3")
    assert drained(spool) == [b"3"]
    spool.close()
