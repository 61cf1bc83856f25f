"""`mien serve` and `mien notice` as a process of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from mien.cli.main import command_line
from mien.errors import DataError, MienError

MIEN = [sys.executable, "-c", "from mien.cli.main import main\nmain()"]


@pytest.fixture
def serve(bundle, tmp_path):
    """Starts `mien serve` in an empty folder, with an empty folder for temporary files."""
    running: list[subprocess.Popen] = []
    for folder in ("here", "temporary"):
        (tmp_path / folder).mkdir()

    def start(*options: str) -> tuple[str, subprocess.Popen]:
        command = [*MIEN, "serve", "--no-open", "--port", "0", "--bundle", bundle.source, "--threads", "2", *options]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            command, cwd=tmp_path / "here", env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        line = process.stdout.readline()
        assert " answers at http://127.0.0.1:" in line, process.stderr.read()
        return line.split()[3].rstrip("/"), process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a signal")
def test_a_service_answers_writes_nothing_and_ends_when_it_is_told_to(serve, tmp_path, portrait, bundle):
    address, process = serve("--max-photos", "3")
    files = [("photo", (f"secret-{number}.jpg", portrait.read_bytes() + bytes(3_000_000))) for number in range(3)]
    answer = httpx.post(f"{address}/v1/faces", files=files, timeout=60)
    assert [photo["outcome"] for photo in answer.json()["photos"]] == ["ok"] * 3
    assert httpx.get(f"{address}/v1/config").json()["model"]["identity"] == bundle.identity
    assert httpx.get(f"{address}/v1/config", headers={"Host": "evil.example"}).status_code == 421
    process.send_signal(signal.SIGTERM)
    printed, log = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "POST /v1/faces 200" in log
    assert "secret" not in printed + log
    assert list((tmp_path / "here").iterdir()) + list((tmp_path / "temporary").iterdir()) == []


def run(*words: object) -> None:
    result = CliRunner().invoke(command_line(["serve"]), ["serve", "--no-open", *map(str, words)])
    if result.exception is not None:
        raise result.exception


def test_what_cannot_be_served_is_said_at_the_start(bundle, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MienError, match=f"port {port}: .*--port 0"):
            run("--port", port, "--bundle", bundle.source, "--quiet")
    with pytest.raises(DataError, match="There is no folder"):
        run("--store", tmp_path / "nothing", "--bundle", bundle.source)


@pytest.mark.parametrize("host", ["192.0.2.1", "300.1.1.1", "no..host"])
def test_an_address_that_is_not_this_machines_is_not_mended_by_another_port(bundle, host):
    with pytest.raises(MienError, match=f"cannot listen on {host}.*an address of this machine with --host"):
        run("--host", host, "--token", "x", "--bundle", bundle.source, "--quiet")


def test_a_missing_runtime_of_the_page_is_said_at_the_start(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.web.runtime.vendor_folder", lambda: tmp_path)
    monkeypatch.setattr("mien.web.server.serve", lambda *_, **__: None)
    words = ["serve", "--no-open", "--bundle", bundle.source]
    result = CliRunner().invoke(command_line(words), words)
    assert result.exit_code == 0
    assert "python -m mien.web.runtime" in result.stderr
    assert "the page reads photos on the server alone" in result.stderr


def test_the_notice_is_written_in_each_form(bundle, tmp_path):
    page = tmp_path / "notice.html"
    words = ["notice", "--bundle", bundle.source, "--name", "We & all", "--purpose", "a game."]
    invoke = CliRunner().invoke
    text = invoke(command_line(words), words).output
    assert "We & all uses a computer program" in text
    assert "It is used for: a game." in text
    assert "[contact]" in text
    told = json.loads(invoke(command_line(words), [*words, "--format", "json"]).output)
    assert "\n\n".join(told["information"]) + "\n" == text
    assert invoke(command_line(words), [*words, "--format", "html", "--output", str(page)]).exit_code == 0
    assert "We &amp; all" in Path(page).read_text(encoding="utf-8")
    with pytest.raises(MienError, match="cannot be written"):
        raise invoke(command_line(words), [*words, "--output", str(tmp_path / "no" / "n.txt")]).exception
