"""doc/exchange-online.md, "Six steps", as it is printed: on a host as Debian has it, each command in its order, to the first mail.

What is not run as it stands: step 1 (the build that is tested is there), the script of step 3 (what it does in Entra is done to the
stand-in; its text is looked at in test_setup_exchange.py), systemctl (the daemon runs), "tail -f". Added: the proxy by which the stand-in
for Entra is reached, and its CA, at step 2; --yes, since nobody is there to answer; the port of the stand-in for Exchange Online.
"""

import re

import pytest

from mxtest import paths
from mxtest.chain import Chain
from mxtest.entra import TENANT, Entra
from mxtest.postfix_host import PostfixHost, dovecot_of
from mxtest.proxies import StandIn
from mxtest.terminal import Terminal

PAGE = (paths.TOP / "doc/exchange-online.md").read_text()
STEPS = PAGE[PAGE.index("## Six steps"):PAGE.index("## Time")]
BOX, LOGIN, ID = "app@contoso.com", "login.microsoftonline.com", "11111111-2222-3333-4444-555555555555"


def printed(begin):
    """The one command of the page's steps that begins so and has options, without its remark."""
    lines = [ln.partition("  #")[0].strip() for block in re.findall(r"```sh\n(.*?)```", STEPS, re.S) for ln in block.splitlines()]
    line, = [ln for ln in lines if ln.startswith(begin)]
    return line


@pytest.fixture
def host(up, pki, workdir, binaries):
    if PostfixHost.refused():
        pytest.skip(PostfixHost.refused())
    entra = Entra(workdir / "idp", pki, [{"client_id": ID, "sub": BOX}], tenants=(TENANT, "contoso.onmicrosoft.com"), name=LOGIN,
                  cert=pki.cert("entra", names=(LOGIN,)))
    chain = Chain(workdir, pki, box=BOX, chroot=False, idp=entra, dovecot=dovecot_of(pki))
    # a daemon wants one client at least; the host's own is of no use here
    chain.tokend.config_text = (
        f"listen:\n  - path: {chain.tokend.socket}\ntoken_cache: none\nclients: {{other: {{provider: custom, token_endpoint: 'https://127.0.0.1/', "
        f"client_id: x, client_secret_file: {chain.tokend.dir}/chain.secret}}}}\naccounts: {{other@example.test: {{client: other}}}}\n")
    for server in (chain.idp, chain.sink, chain.dovecot):
        up(server)
    host = up(PostfixHost(workdir / "host", chain))
    host.proxy = up(StandIn(to=entra.port))
    return host


def test_there_are_six():
    assert [int(n) for n in re.findall(r"(?m)^\*\*(\d)\. ", STEPS)] == [1, 2, 3, 4, 5, 6]
    assert STEPS.count("```powershell") == 1, "one of them is in the cloud"


def test_six_steps_to_the_first_mail(host):
    ca = host.chain.pki.ca
    asked = host.run(f"cd /root 2>/dev/null || cd /run; {printed('mta-xoauth2 setup exchange --tenant')} --users root,postfix "
                     f"--proxy {host.proxy.url} --ca-file {ca} --output /run/exchange-setup.ps1")
    assert "--client-id ID" in asked.stdout and "exchange-setup.ps1" in asked.stdout
    folder = host.tokend.dir
    assert "PRIVATE" not in host.run("cat /run/exchange-setup.ps1").stdout
    host.chain.idp.set(ID, certificates=[(folder / "exchange.crt").read_text()])
    made = host.run(printed("mta-xoauth2 setup exchange --client-id"))
    assert "no errors" in made.stdout and "token daemon: reloaded" in made.stdout
    enable = printed("mta-xoauth2 postfix enable")
    assert enable in made.stdout, "what it says comes next is what the page has"
    shown = host.run(host.here(enable) + " --yes")
    assert f"gets a login for {BOX}" in shown.stdout
    host.run(printed("echo"))
    mail, = host.chain.sink.wait(1)
    assert (mail.sender, mail.recipients) == (BOX, ["you@example.org"])
    assert "status=sent" in host.wait_log(r"exo/smtp\[\d+\]: \w+: to=<you@example.org>")
    assert "method=XOAUTH2" in host.chain.dovecot.wait_log(f"Login: user=<{BOX}>")
    assert host.proxy.tunnels[0] == f"{LOGIN}:443"
    walked = host.run(printed("mta-xoauth2 diagnose"), check=False)
    assert walked.returncode == 0 and f"healthy: nothing is broken for {BOX}" in walked.stdout, walked.stdout


def test_what_it_offers_is_done(host):
    """At a terminal, with yes to each: Postfix is set up, and the way is walked, up to the port where nobody listens here."""
    host.run(f"cd /run; {printed('mta-xoauth2 setup exchange --tenant')} --users root,postfix --proxy {host.proxy.url} "
             f"--ca-file {host.chain.pki.ca} --output /run/exchange-setup.ps1")
    host.chain.idp.set(ID, certificates=[(host.tokend.dir / "exchange.crt").read_text()])
    person = Terminal(host.argv(printed("mta-xoauth2 setup exchange --client-id")), {"PATH": "/usr/bin:/bin"}).start()
    try:
        for question in ("Go on", "Have Postfix send its mail this way now", "Make these changes",
                         "Walk the whole way to Exchange now, to see that it works"):
            person.see(question + r"\? \[[yY]/[nN]\] ", 60)
            person.type("y\n")
        assert person.ends(60) == 75, person.shown
    finally:
        person.stop()
    assert f"gets a login for {BOX}" in person.shown
    assert "default_transport = exo:[smtp.office365.com]:587" in host.run("postconf default_transport").stdout
    walked = person.shown[person.shown.index("to the identity provider"):]
    assert re.search(r"ok +claims ", walked) and re.search(r"broken +TCP ", walked) and "[server-refuses-connection]" in walked
