"""What the environment says of the network: whatever it is, one line names the variable, and no password is shown."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge_server import serving
from openai_judge import OK, judge, prompts

from evalharness._util import surroundings
from evalharness._util.surroundings import CERTIFICATES, HEADERS, certificates, check_surroundings, proxy_for
from evalharness.assets.download import download, download_small
from evalharness.doctor import system
from evalharness.errors import ConfigError, EndpointError

VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
VARIABLES += [name.upper() for name in VARIABLES] + [*CERTIFICATES, *HEADERS]
ELSEWHERE = "http://judge.invalid/v1"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_examples() -> None:
    assert doctest.testmod(surroundings).failed == 0


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SSL_CERT_FILE", "/none/ca.pem", "SSL_CERT_FILE names /none/ca.pem, which is no file"),
        ("SSL_CERT_FILE", __file__, "which holds no certificates"),
        ("SSL_CERT_DIR", "/none", "SSL_CERT_DIR names /none, which is no folder"),
        ("ALL_PROXY", "socks5://me:secret@host:1080", "ALL_PROXY names 'socks5://host:1080', which is no http proxy"),
        ("https_proxy", "http://[::1", "https_proxy names 'http://[::1', which is no http proxy"),
        ("HTTPS_PROXY", "http://host:port", "HTTPS_PROXY names 'http://host:port'"),
        ("HTTPS_PROXY", "http://a\nb", "HTTPS_PROXY names"),
        ("OPENAI_ORG_ID", "org\nx: y", "OPENAI_ORG_ID holds characters that no header can have"),
        ("OPENAI_PROJECT_ID", "é", "OPENAI_PROJECT_ID holds characters"),
    ],
)
def test_what_cannot_be_used_is_one_line_for_judges_downloads_and_the_doctor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EndpointError) as asked:
        list(judge("https://judge.invalid/v1").ask(prompts(1)))
    with pytest.raises(ConfigError) as fetched, (tmp_path / "file").open("w+b") as file:
        download("https://files.invalid/x", file, "x")
    with pytest.raises(ConfigError) as listed:
        download_small("https://files.invalid/x", 10)
    with pytest.raises(ConfigError) as examined:
        list(system.check_network())
    for caught in (asked, fetched, listed, examined):
        assert says in str(caught.value) and "secret" not in str(caught.value)


def test_no_proxy_catches_a_judge_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with serving(lambda call: OK) as (server, url):
        assert len(list(judge(url).ask(prompts(2)))) == 2
    assert len(server.calls) == 2
    for host in ("localhost", "127.8.9.1", "[::1]"):
        assert proxy_for(f"http://{host}:8000/v1") is None


def test_a_proxy_is_used_and_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda call: OK) as (server, url):
        monkeypatch.setenv("HTTP_PROXY", url.removesuffix("/v1").replace("//", "//me:secret@"))
        assert len(list(judge(ELSEWHERE).ask(prompts(1)))) == 1
    assert server.calls[0].path.startswith("http://judge.invalid/v1/")
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9")
    ((_, failure),) = judge(ELSEWHERE, retries=0).ask(prompts(1))
    assert "no connection through the proxy http://127.0.0.1:9 of HTTP_PROXY" in str(failure)
    assert "secret" not in str(failure)
    (line,) = system.check_network()
    assert line.message == "HTTP_PROXY=http://127.0.0.1:9"
    monkeypatch.setenv("NO_PROXY", ".invalid")
    assert proxy_for(ELSEWHERE) is None


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(VARIABLES),
    value=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(["http://", "://", "http://:80", "http://a:b@", "http://a:99999", "//x", "/", "."]),
)
def test_anything_in_any_variable_is_usable_or_one_line(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        try:
            check_surroundings(ELSEWHERE)
            check_surroundings(ELSEWHERE.replace("http:", "https:"))
        except ConfigError as error:
            assert name in str(error)


def test_the_usual_certificates() -> None:
    assert certificates().cert_store_stats()["x509_ca"] > 50
