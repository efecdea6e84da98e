import hashlib
import threading

import numpy as np
import pytest

from tiae_zoo.download import fetch
from tiae_zoo.messages import UserError

CONTENT = np.random.default_rng(0).bytes(700_000)
ELSEWHERE = "set --data.root to a folder you may write"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def target(tmp_path, server):
    server.files["file.bin"] = CONTENT
    return tmp_path / "new" / "folder" / "file.bin"


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_file_arrives_whole_and_alone(server, target):
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == ["file.bin"]
    assert server.agents[0].startswith("tiae-zoo/")


def test_existing_file_is_not_fetched_again(server, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert target.read_bytes() == b"mine"
    assert server.ranges == []


def test_partial_file_is_continued(server, target):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(CONTENT[:500_000])
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert server.ranges == ["bytes=500000-"]
    assert target.read_bytes() == CONTENT


def test_broken_connection_is_continued_at_once(server, target):
    server.cut_after, server.cuts_left = 300_000, 2
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert target.read_bytes() == CONTENT


def test_truncation_is_told_and_the_part_kept_for_the_next_run(server, target):
    server.cut_after = 10_000
    with pytest.raises(UserError, match=r"ended after 40000 of 700000 bytes.*Run again to continue"):
        fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert visible(target.parent) == ["file.bin.part"]
    server.cut_after = None
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert server.ranges[-1] == "bytes=40000-"
    assert target.read_bytes() == CONTENT


def test_next_address_continues_what_the_first_began(server, target):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(CONTENT[:1000])
    fetch([f"{server.url}/gone.bin", f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert server.ranges == ["bytes=1000-", "bytes=1000-"]
    assert target.read_bytes() == CONTENT


def test_server_without_ranges_starts_over(server, target):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(CONTENT[:1000])
    server.ignores_ranges = True
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left_over", [b"x" * 900_000, b"x" * 1000], ids=["longer than the file", "of another file"])
def test_useless_partial_file_is_dropped(server, target, left_over):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(left_over)
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert target.read_bytes() == CONTENT


def test_complete_partial_file_only_needs_its_name(server, target):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(CONTENT)
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert target.read_bytes() == CONTENT


def test_busy_server_is_asked_again(server, target):
    server.busy_answers = 2
    fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert target.read_bytes() == CONTENT


def test_wrong_digest_leaves_nothing(server, target):
    other = "md5:" + "0" * 32
    with pytest.raises(UserError) as caught:
        fetch([f"{server.url}/file.bin"], target, other, ELSEWHERE)
    assert other in str(caught.value)
    assert hashlib.md5(CONTENT).hexdigest() in str(caught.value)
    assert visible(target.parent) == []


def test_missing_everywhere_names_each_address_and_the_way_by_hand(server, target):
    with pytest.raises(UserError) as caught:
        fetch([f"{server.url}/one.bin", f"{server.url}/two.bin"], target, DIGEST, ELSEWHERE)
    message = str(caught.value)
    assert "one.bin: the server answered 404" in message
    assert "two.bin: the server answered 404" in message
    assert str(target) in message
    assert DIGEST.replace(":", " ") in message


def test_no_network_is_told(target):
    with pytest.raises(UserError, match=r"no connection to 127\.0\.0\.1"):
        fetch(["http://127.0.0.1:1/file.bin"], target, DIGEST, ELSEWHERE)


def test_read_only_folder_is_told_before_downloading(server, target):
    target.parent.mkdir(parents=True)
    target.parent.chmod(0o555)
    with pytest.raises(UserError, match=r"read-only.*--data\.root"):
        fetch([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)
    assert server.ranges == []


def test_two_at_once_download_once(server, target):
    threads = [
        threading.Thread(target=fetch, args=([f"{server.url}/file.bin"], target, DIGEST, ELSEWHERE)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert len(server.ranges) == 1
