"""Nobody but the page whose address has the token gets anything."""

import http.client
import json
import threading

import pytest
from splinegeo.viz.explorer import ExplorerServer, source_of

import splinegeo as sg


@pytest.fixture(scope="module")
def server(parts):
    with ExplorerServer(source_of(parts), "test") as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def header(answer):
    assert answer[:4] == b"sgx1"
    return json.loads(answer[8 : 8 + int.from_bytes(answer[4:8], "little")])


def test_the_page_and_its_questions(server):
    status, page = ask(server, "GET", f"/{server.token}/")
    assert (status, b"Content-Security-Policy" in page) == (200, True)
    status, about = ask(server, "POST", f"/{server.token}/ask", json.dumps({"ask": "about"}))
    assert (status, header(about)["live"]) == (200, False)


@pytest.mark.parametrize("path", ["/", "/ask", "//", "/{token}", "/{token}/..", "/{token}/server.py", "/{token}x/"])
def test_other_paths_are_not_there(server, path):
    path = path.format(token=server.token)
    assert ask(server, "GET", path)[0] == 404
    assert ask(server, "POST", path, "{}")[0] == 404
    assert ask(server, "PUT", path, "{}")[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", ""])
def test_other_hosts_are_refused(server, host):
    for method, path in (("GET", f"/{server.token}/"), ("POST", f"/{server.token}/ask")):
        assert ask(server, method, path, "{}", Host=host)[0] == 403


def test_pages_of_other_sites_are_refused(server):
    path, about = f"/{server.token}/ask", json.dumps({"ask": "about"})
    assert ask(server, "POST", path, about, Origin="http://evil.example")[0] == 403
    assert ask(server, "POST", path, about, Origin="null")[0] == 403
    assert ask(server, "POST", path, about, Origin=server.address.split(f"/{server.token}")[0])[0] == 200


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[]", "null", "3", '{"ask": "everything"}', '{"ask": ["about"]}', "[" * 9000, '{"ask": NaN}'],
)
def test_senseless_questions_are_answered_in_words(server, body):
    status, answer = ask(server, "POST", f"/{server.token}/ask", body)
    assert status == 200
    assert header(answer)["refused"]


def test_a_question_has_an_end(server):
    path = f"/{server.token}/ask"
    assert "bytes" in header(ask(server, "POST", path, **{"Content-Length": "999999999"})[1])["refused"]
    assert "bytes" in header(ask(server, "POST", path, **{"Content-Length": "-1"})[1])["refused"]
    assert "bytes" in header(ask(server, "POST", path, **{"Content-Length": "x"})[1])["refused"]


def test_only_this_machine_is_listened_to(server):
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 32


def test_a_port_that_is_taken(server, parts):
    with pytest.raises(sg.InvalidInputError, match="cannot listen"):
        ExplorerServer(source_of(parts), "second", port=server.server_port)
    with pytest.raises(sg.InvalidInputError, match="cannot listen"):
        ExplorerServer(source_of(parts), "second", port=99999)
