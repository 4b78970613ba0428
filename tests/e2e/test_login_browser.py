"""mta-xoauth2 login by a browser: the redirect to this host, the pasted address, and who else knocks."""

import re
import signal
import socket
import termios

import pytest

from mxtest import browser
from mxtest.chain import BOX, SECRET
from mxtest.idp import Idp
from mxtest.login import GRANTED, OLD, World, bodies, idp, public, rec, world  # noqa: F401
from mxtest.proc import wait_for


def shown_address(terminal):
    url = terminal.see(r"\s(https://\S+/auth\?\S+)\s").group(1)
    port = int(terminal.see(r"http://127\.0\.0\.1:(\d+)/").group(1))
    terminal.see(r"minutes? left")
    return url, port


@pytest.mark.parametrize("auth", ["none", "client_secret_post"])
def test_a_browser_on_this_host(up, workdir, pki, binaries, auth):
    idp = up(Idp(workdir / "idp", pki, [public(auth=auth, **({} if auth == "none" else {"client_secret": SECRET}))]))
    world = World(up, workdir, pki, idp.token_endpoint, None, client_auth=auth, authorization_endpoint=idp.issuer + "/auth",
                  secrets={"s": SECRET}, client_secret_file=None if auth == "none" else "secret:s")
    world.tokend.start()
    terminal = world.login()    # no device endpoint: no option is needed
    url, _ = shown_address(terminal)
    assert "code_challenge_method=S256" in url and "login_hint=app%40example.test" in url
    assert "You can close this page" in browser.Browser(pki.ca).open(url)
    assert terminal.ends() == 0, terminal.shown
    assert "the daemon has a token" in terminal.shown and world.stored()
    for secret in (world.stored(), SECRET, world.tokend.ask("TOKEN", account=BOX).token):
        assert secret not in terminal.shown


def test_the_last_address_is_pasted(world, idp, pki):
    terminal = world.login("--browser")
    url, port = shown_address(terminal)
    with pytest.raises(browser.Stopped) as stopped:
        browser.Browser(pki.ca).open(url, stop=f"http://127.0.0.1:{port}/")
    last = stopped.value.url
    code = re.search(r"code=([^&]+)", last).group(1)
    terminal.type("what?\n")
    terminal.see("That is not it")
    terminal.type(re.sub(r"state=[^&]+", "state=another", last) + "\n")
    wait_for("the second refusal", lambda: terminal.shown.count("That is not it") == 2)
    terminal.type("x\x7f" + last + "\r")
    assert terminal.ends() == 0, terminal.shown
    assert world.stored()
    assert code not in terminal.shown and "what?" not in terminal.shown, "the terminal shows what is pasted"


def test_a_long_address_is_taken_whole(up, workdir, pki, rec):
    """Longer than the lines a terminal puts together (4096)."""
    world = World(up, workdir, pki, rec.url, None, OLD, authorization_endpoint=rec.url.replace("/token", "/auth"))
    rec.script(GRANTED)
    terminal = world.login()
    url, port = shown_address(terminal)
    state, code = re.search(r"state=([^&]+)", url).group(1), "c" * 6000
    terminal.type(f"http://127.0.0.1:{port}/?state={state}&code={code}\n")
    assert terminal.ends() == 0, terminal.shown
    body, = bodies(rec)
    assert f"grant_type=authorization_code&code={code}&redirect_uri=http%3A%2F%2F127.0.0.1%3A{port}%2F&code_verifier=" in body
    verifier = re.search(r"code_verifier=([\w-]{43})&client_id=pub$", body).group(1)
    assert verifier not in terminal.shown
    world.untouched("new-refresh-token")


def knock(port, request):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(request)
        s.settimeout(5)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
        except ConnectionResetError:    # of a request that was not read to its end
            pass
    return out.decode()


def get(port, target, host=None, method="GET"):
    return knock(port, f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\n\r\n".encode())


def test_who_else_knocks_changes_nothing(world, idp, pki):
    terminal = world.login("--browser")
    url, port = shown_address(terminal)
    state = re.search(r"state=([^&]+)", url).group(1)
    good = f"/?code=stolen&state={state}"
    assert get(port, "/?code=x&state=wrong").startswith("HTTP/1.1 400")
    assert get(port, "/?error=access_denied").startswith("HTTP/1.1 400")
    assert get(port, f"{good}&iss=https%3A%2F%2Fevil.test").startswith("HTTP/1.1 400")
    assert get(port, good, host="evil.test").startswith("HTTP/1.1 404")
    assert get(port, good, host=f"127.0.0.1:{port}0").startswith("HTTP/1.1 404")
    assert get(port, good, method="POST").startswith("HTTP/1.1 404")
    assert get(port, "/favicon.ico").startswith("HTTP/1.1 404")
    assert "200" not in knock(port, b"x" * 20000 + b"\r\n\r\n")
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    assert terminal.proc.poll() is None and not re.search("consent given|declined", terminal.shown) and world.stored() is None
    assert "You can close this page" in browser.Browser(pki.ca).open(url)
    assert terminal.ends() == 0, terminal.shown
    for s in silent:
        s.close()


def test_declined_in_the_browser(world, idp, pki):
    idp.set("pub", decline=True)
    terminal = world.login("--browser")
    url, _ = shown_address(terminal)
    assert "no consent" in browser.Browser(pki.ca).open(url)
    assert terminal.ends() == 5 and "consent was declined" in terminal.shown and world.stored() is None


@pytest.mark.parametrize("key, sig", [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)])
def test_interrupted_at_the_browser(world, key, sig):
    """The terminal is as it was before."""
    terminal = world.login("--browser")
    shown_address(terminal)
    with terminal.kept_open() as tty:
        assert not termios.tcgetattr(tty)[3] & termios.ECHO
        terminal.type("half an add")
        terminal.type(key)
        assert terminal.ends() == -sig and "nothing is stored" in terminal.shown
        assert termios.tcgetattr(tty)[3] & (termios.ECHO | termios.ICANON) == termios.ECHO | termios.ICANON
    assert world.stored() is None
