"""What ./quickstart does once everything is installed and built: one real mail, and the proof of each hop."""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from . import net, paths, users
from .chain import Chain
from .pki import Pki
from .postfix import Postfix
from .proc import Failed, raise_on_sigterm, stop_kept, supervisor, wait_for
from .tokend import Tokend

KEPT = paths.CACHE / "kept"
BEGAN = float(os.environ.get("MX_BEGAN") or time.time())
BOX, FRIEND = "app@example.test", "friend@example.net"


def say(text=""):
    print(f"[{time.time() - BEGAN:3.0f}s] {text}" if text else "", flush=True)


def hop(number, title, *proofs):
    print(f"\n {number}. {title}")
    for proof in proofs:
        for line in str(proof).splitlines():
            print(f"      {line}")
    sys.stdout.flush()


def tail(text, count=12):
    return "\n".join(text.strip().splitlines()[-count:]) or "(empty)"


def without_pings(log):
    """The daemon's log without the lines that our own waiting for it made."""
    return "\n".join(ln for ln in log.splitlines() if "verb=PING" not in ln)


def smtp_process(postfix):
    """(pid, its root folder, whether our plugin is mapped) of the smtp process that delivered, None when it has ended."""
    for line in postfix.lines(r"postfix/smtp\[\d+\]: \w+: to="):
        pid = line.partition("postfix/smtp[")[2].partition("]")[0]
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
            return pid, os.readlink(f"/proc/{pid}/root"), "libmta-xoauth2.so" in maps
        except OSError:
            continue
    return None


def show_mta(postfix):
    proofs = postfix.lines("Verified TLS connection")[-1:] + postfix.lines("status=sent")[-1:]
    process = smtp_process(postfix)
    if process:
        pid, root, mapped = process
        proofs.append(f"smtp[{pid}] runs chrooted in {root}" if root != "/" else f"smtp[{pid}] runs without a chroot")
        if mapped:
            proofs.append("libmta-xoauth2.so is mapped into it; the password map holds no password:")
            proofs.append("  " + (postfix.etc / "sasl_passwd").read_text().strip())
    hop(1, "Postfix relayed the mail (its mail log)", *proofs)


def show_daemon(tokend):
    hop(2, "mta-xoauth2-tokend gave the plugin the token (its log)", tail(without_pings(tokend.log()), 8))


def local(keep, folder):
    """The chain on this machine. Returns what to tell about the kept servers."""
    pki = Pki(folder / "pki")
    chain = Chain(folder, pki, box=BOX)
    for title, server in (("identity provider (oidc-provider) on " + chain.idp.issuer, chain.idp),
                          (f"sink on 127.0.0.1:{chain.sink.port}", chain.sink),
                          (f"Dovecot submission on localhost:{chain.dovecot.port}", chain.dovecot),
                          (f"mta-xoauth2-tokend on {chain.tokend.socket}", chain.tokend),
                          ("private Postfix, smtp chrooted", chain.postfix)):
        say("starting " + title)
        server.start()
    say(f"sending a mail from {BOX} to {FRIEND}")
    chain.postfix.send(1, BOX, FRIEND, subject="Sent with XOAUTH2",
                       body="This mail was relayed with an OAuth 2.0 token and without a password.")
    status, line = chain.outcome(60)
    if status != "sent":
        raise Undelivered(chain.postfix, chain.tokend, line)
    mail, = chain.sink.wait(1)
    chain.postfix.wait_log("status=sent")
    say("it arrived; the proof of each hop:")
    show_mta(chain.postfix)
    show_daemon(chain.tokend)
    requests = [r for r in chain.idp.requests() if r["path"] == "/token"]
    hop(3, f"The identity provider had {len(requests)} token request (its own count)",
        *(f"{r['at']} POST {r['path']} grant={r.get('grant')} client={r['client']} auth={r['auth']} -> {r['status']}"
          for r in requests))
    hop(4, "Dovecot checked the token and logged the client in (its log)",
        chain.dovecot.wait_log(f"Login: user=<{BOX}>, method=XOAUTH2"))
    hop(5, "The mail that arrived in the sink", f"MAIL FROM {mail.sender}, RCPT TO {mail.recipients[0]}", mail.data.strip())
    chain.deliver(2, sender=BOX, recipient=FRIEND, subject="Again")
    sent = chain.postfix.wait_log("status=sent", 3)
    again = chain.idp.token_requests()
    hop(6, f"Two more mails, still {again} token request: the daemon keeps the token",
        *(ln.partition(": ")[2] for ln in sent[-2:]))
    if again != 1:
        raise Failed(f"the provider counted {again} token requests for three mails, expected 1")
    return [f"send more:    {chain.postfix.root}/usr/sbin/sendmail -C {chain.postfix.etc} -f {BOX} {FRIEND} < a-mail".replace("//", "/"),
            f"mail log:     {chain.postfix.log_file}", f"daemon's log: {chain.tokend.log_file}",
            f"daemon:       MTA_XOAUTH2_SOCKET={chain.tokend.socket} {paths.ours('tool')} status",
            f"Dovecot log:  {chain.dovecot.log_file}", f"arrived:      {chain.sink.dir}",
            f"provider:     curl http://127.0.0.1:{chain.idp.admin_port}/counts"]


class Undelivered(Exception):
    """A mail that was not sent: mail log and daemon's log tell why."""

    def __init__(self, postfix, tokend, line):
        super().__init__(line)
        self.postfix, self.tokend, self.line = postfix, tokend, line


def exchange(args, folder):
    """The same to Exchange Online."""
    secret = Path(args.secret_file).read_bytes()
    postfix = Postfix(folder / "p", ("smtp.office365.com", 587), args.mailbox, "/etc/ssl/certs/ca-certificates.crt",
                      mechanisms="xoauth2", processes=1)
    tokend = Tokend(folder / "t", {"exchange": {
        "provider": "exchange-online", "tenant": args.tenant, "client_id": args.client_id,
        "client_secret_file": "secret:client.secret"}},
        {args.mailbox: {"client": "exchange", "allow_users": ["root", "postfix"]}},
        secrets={"client.secret": secret}, jail=postfix)
    postfix.socket = tokend.socket
    say("starting mta-xoauth2-tokend and a private Postfix, smtp chrooted")
    tokend.start()
    postfix.start()
    reply = tokend.sasl(args.mailbox, host="smtp.office365.com")
    say(f"Microsoft gave a token, good for {reply.expires_in} s" if reply.ok else f"no token: {reply.text}")
    say(f"sending a mail from {args.mailbox} to {args.to} through [smtp.office365.com]:587")
    postfix.send(1, args.mailbox, args.to, subject="Sent with XOAUTH2 by mta-xoauth2",
                 body="This mail was relayed with an OAuth 2.0 token and without a password.")
    lines = wait_for(lambda: f"a delivery status:\n{tail(postfix.log(), 20)}",
                     lambda: postfix.lines(r"postfix/(smtp|error)\[\d+\]: \w+: to=.* status="), 120, 0.1)
    if "status=sent" not in lines[-1]:
        raise Undelivered(postfix, tokend, lines[-1])
    say("Exchange Online took it; the proof of each hop:")
    show_mta(postfix)
    show_daemon(tokend)
    return [f"mail log:     {postfix.log_file}", f"daemon's log: {tokend.log_file}",
            f"send more:    {postfix.root}/usr/sbin/sendmail -C {postfix.etc} -f {args.mailbox} {args.to} < a-mail".replace("//", "/")]


def stop_kept_run():
    """quickstart --stop."""
    if not KEPT.exists():
        print("nothing is running that quickstart --keep left")
        return 0
    state = json.loads(KEPT.read_text())
    count = stop_kept(state["processes"])
    net.remove_dir(Path(state["folder"]))
    KEPT.unlink()
    users.ensure()
    gone = users.remove_created()
    print(f"stopped {count} servers, removed {state['folder']}" + (f" and the users {' '.join(gone)}" if gone else ""))
    return 0


def explain(err, hide):
    """What went wrong, with the logs that tell the cause; `hide` (the secret) is never shown."""
    def shown(text):
        return text.replace(hide, "***") if hide else text
    out = sys.stderr
    if isinstance(err, Undelivered):
        print(shown(f"\nquickstart: the mail was not delivered. The mail log says:\n\n{err.line}\n"), file=out)
        more = err.postfix.lines("warning|error|fatal|TLS")[-10:]
        print(shown("About the same delivery:\n" + "\n".join(more) if more else ""), file=out)
        print(shown(f"\nThe daemon's log:\n\n{tail(without_pings(err.tokend.log()), 15)}"), file=out)
    elif isinstance(err, (Failed, paths.Missing, OSError)):
        print(shown(f"\nquickstart: {err}"), file=out)
    else:
        print(shown(traceback.format_exc()), file=out)


def arguments(argv):
    p = argparse.ArgumentParser(prog="quickstart", add_help=False)
    p.add_argument("--keep", action="store_true")
    p.add_argument("--stop", action="store_true")
    for name in ("tenant", "client-id", "secret-file", "mailbox", "to"):
        p.add_argument("--" + name)
    return p.parse_args(argv)


def next_steps():
    print("""
Where to go next
   README.md                  set-up for your own Postfix and Exchange Online
   ./quickstart --keep        leaves all this running, to look around
   ./quickstart --tenant ... --client-id ... --secret-file ... --mailbox ... --to ...
                              the same mail through Exchange Online
   ./runtests                 every test
""")


def main(argv):
    args = arguments(argv)
    raise_on_sigterm()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o022)
    if args.stop:
        return stop_kept_run()
    if args.keep and KEPT.exists():
        print("quickstart: an earlier --keep is still there; ./quickstart --stop ends it", file=sys.stderr)
        return 1
    supervisor.keep = args.keep
    hide = Path(args.secret_file).read_text(errors="replace").strip() if args.secret_file else ""
    folder, kept, code = net.private_dir("mxq"), False, 1
    try:
        users.ensure()
        told = exchange(args, folder) if args.tenant else local(args.keep, folder)
        if args.keep:
            KEPT.write_text(json.dumps({"folder": str(folder), "processes": supervisor.release()}))
            kept = True
            print(f"\nLeft running in {folder}:")
            print("\n".join("   " + t for t in told))
            print("\nTo stop it and remove it:   ./quickstart --stop")
        else:
            next_steps()
        code = 0
    except KeyboardInterrupt:
        print("\nquickstart: interrupted", file=sys.stderr)
        code = 130
    except SystemExit as err:
        code = err.code
    except Exception as err:  # whatever it is: say it, stop everything
        explain(err, hide)
        if not isinstance(err, (Undelivered, paths.Missing)):
            for log in sorted(folder.rglob("*.log")):
                if log.stat().st_size:
                    print(f"--- {log.name}:\n{tail(log.read_text(errors='replace'), 6)}".replace(hide or "\0", "***"), file=sys.stderr)
    finally:
        if not kept:
            for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(sig, signal.SIG_IGN)
            supervisor.stop_all()
            net.remove_dir(folder)
            users.remove_created()
            say("stopped and removed everything that was started" if code in (0, 1) else "stopped everything")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
