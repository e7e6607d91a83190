"""What is answered, and what is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mock_sweeps import SWEEP
from viewing import Viewing, viewing

import evalharness as eh


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is done."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(SWEEP)
    eh.run(folder / "tiny.yaml", out=folder / "r" / "tiny", quiet=True).close()
    return folder / "r" / "tiny"


@pytest.fixture(scope="module")
def served(run: Path) -> Iterator[Viewing]:
    with viewing(run) as server:
        yield server


def test_the_page_its_style_its_state_and_its_images_are_served(served: Viewing) -> None:
    response, body = served.ask("/")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<h1>tiny</h1>" in body
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert served.ask("/assets/view.css")[0].headers["Content-Type"] == "text/css; charset=utf-8"
    state = served.state()
    assert state["report"] is True
    response, body = served.ask(f"/images/{state['pictures'][0]['image']}.png")
    assert (response.status, body[:4]) == (200, b"\x89PNG")
    assert "immutable" in response.headers["Cache-Control"]


def test_the_report_is_served_and_can_send_nothing_anywhere(served: Viewing, run: Path) -> None:
    response, body = served.ask("/report/index.html")
    assert body == (run / "index.html").read_bytes()
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "connect-src" not in response.headers["Content-Security-Policy"]
    for name in ("assets/report.css", "data/samples.css", "results.json", "grid.html"):
        assert served.ask(f"/report/{name}")[1] == (run / name).read_bytes()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "", "127.0.0.1@evil.example"])
@pytest.mark.parametrize("path", ["/", "/state.json", "/report/index.html"])
def test_another_name_for_this_machine_is_refused(served: Viewing, host: str, path: str) -> None:
    response, body = served.ask(path, {"Host": host})
    assert response.status == 421
    assert body == b"this server answers to names of this machine alone\n"


def test_a_request_without_a_host_is_refused(served: Viewing) -> None:
    assert served.ask("/state.json", {})[0].status == 421


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/images/" + "0" * 64 + ".png",
        "/images/../../store.sqlite",
        "/assets/index.html.j2",
        "/assets/../page.py",
        "/assets/%2e%2e/page.py",
        "/report/",
        "/report/status.json",
        "/report/plan.json",
        "/report/.lock",
        "/report/../store/store.sqlite",
        "/report/%2e%2e/store/store.sqlite",
        "/report/..%2fstore%2fstore.sqlite",
        "/report//etc/passwd",
        "/report/%2Fetc%2Fpasswd",
        "/report/index.html%00.css",
    ],
)
def test_what_is_not_of_the_page_or_the_report_is_not_served(served: Viewing, path: str) -> None:
    response, body = served.ask(path)
    assert (response.status, body) == (404, b"there is nothing here\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(served: Viewing, method: str) -> None:
    assert served.ask("/state.json", method=method)[0].status == 501


def test_a_head_has_no_body(served: Viewing) -> None:
    response, body = served.ask("/", method="HEAD")
    assert (response.status, body) == (200, b"")
    assert int(response.headers["Content-Length"]) > 1000


def test_every_answer_forbids_guessing_its_type_and_use_by_other_pages(served: Viewing) -> None:
    for path in ("/", "/state.json", "/report/index.html", "/nothing"):
        headers = served.ask(path)[0].headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


def test_who_goes_away_leaves_no_trace(served: Viewing, capfd: pytest.CaptureFixture[str]) -> None:
    for request in (b"GET /report/index.html HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HT", b"\x00\xff\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(request)
    assert served.ask("/")[0].status == 200
    assert capfd.readouterr().err == ""
