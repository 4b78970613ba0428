#!/bin/bash
# The admin tool, verb by verb: against a scripted peer, against nothing, and against the real daemon.
# Prints TAP. Needs python3; what needs root, another user or openssl is skipped without.

set -u
build=${MX_BUILD:?}
python=$(command -v /usr/bin/python3 || command -v python3) || { echo '1..0 # SKIP python3 is missing'; exit 0; }
tmp=$(mktemp -d) && chmod 755 "$tmp" || exit 1
pids=()
cleanup()
{
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
unset MTA_XOAUTH2_SOCKET MTA_XOAUTH2_TIMEOUT
export LC_ALL=C
# Copies, so that another user reaches them wherever the build is.
cp "$build/mta-xoauth2" "$tmp/tool" || exit 1
tool=$tmp/tool daemon=$build/mta-xoauth2-tokend
me=$(id -un) n=0 failed=0 s=$tmp/s

# result STATUS DESCRIPTION
result()
{
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=$((failed + 1))
		sed 's/^/# stdout: /' "$tmp/out" | head -n 20 | cut -c 1-200
		sed 's/^/# stderr: /' "$tmp/err" | head -n 20 | cut -c 1-400
		echo "# status: ${st-}"
	fi
}
skip()	{ n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
run()	{ "$@" >"$tmp/out" 2>"$tmp/err" </dev/null; st=$?; }
on()	{ run "$tool" --socket "$s" "$@"; }
# is STATUS DESCRIPTION [TEST...]: the last run's status, and perhaps a test more
is()
{
	local want=$1 what=$2 r=0
	shift 2
	[ "$st" -eq "$want" ] || r=1
	[ $# -eq 0 ] || "$@" || r=1
	result $r "$what"
}
out()	{ grep -qF -e "$1" "$tmp/out"; }
err()	{ grep -qF -e "$1" "$tmp/err"; }
just()	{ printf '%b' "$1" | cmp -s - "$tmp/out" && [ ! -s "$tmp/err" ]; }
one_error_line()
{
	[ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -q '^mta-xoauth2: ' "$tmp/err" && [ ! -s "$tmp/out" ]
}
both()	{ one_error_line && err "$1"; }
# No control character but TAB and LF, none of C1, nothing that turns the direction of writing.
clean()
{
	! cat "$tmp/out" "$tmp/err" | LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]'
}
# value EXPRESSION WANTED: of the JSON that was printed, called d
value()
{
	"$python" -m json.tool "$tmp/out" >/dev/null && [ "$("$python" -c \
	    "import json,sys; d=json.load(open(sys.argv[1], encoding='utf-8')); print(($1))" "$tmp/out")" = "$2" ]
}

cat >"$tmp/fake.py" <<'PY'
"""Scripted peer: fake.py SOCKET REPLY-FILE REQUEST-FILE [hang|close]. Answers every connection the same; if there is a
REPLY-FILE.first, that one is the answer, once."""
import socket, sys, time
path, reply, seen = sys.argv[1:4]
how = sys.argv[4] if len(sys.argv) > 4 else "answer"
s = socket.socket(socket.AF_UNIX)
s.bind(path + "~")
s.listen(20)
import os
os.chmod(path + "~", 0o666)
os.rename(path + "~", path)
while True:
    c, _ = s.accept()
    line = b""
    while not line.endswith(b"\n"):
        got = c.recv(9000)
        if not got:
            break
        line += got
    with open(seen, "wb") as f:
        f.write(line)
    try:
        if how == "hang":
            time.sleep(60)
        elif how == "answer":
            now = reply + ".first" if os.path.exists(reply + ".first") else reply
            with open(now, "rb") as f:
                data = f.read()
            if now != reply:
                os.remove(now)
            c.sendall(data)
    except OSError:
        pass
    c.close()
PY
# peer [hang|close]: a new one at $s; what it answers stands in $tmp/reply
peer()
{
	local i
	rm -f "$s"
	"$python" "$tmp/fake.py" "$s" "$tmp/reply" "$tmp/seen" "$@" 2>"$tmp/fake.err" &
	pids+=($!)
	for ((i = 0; i < 100; i++)); do [ -S "$s" ] && return; sleep 0.05; done
	echo "Bail out! the scripted peer does not start"; exit 1
}
says()	{ printf "$@" >"$tmp/reply"; }
asked()	{ [ "$(cat "$tmp/seen")" = "$(printf '%b' "$1")" ]; }

# --- command line -------------------------------------------------------------------------------
run "$tool" --help; is 0 "--help" out "usage: mta-xoauth2"
verbs=$(sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$tmp/out")
run true; is 0 "--help lists the verbs" [ "$(echo $verbs)" = "check diagnose status setup postfix exim token login flush reload ping metrics report rehearse" ]
run "$tool" -h; is 0 "-h" out "usage: mta-xoauth2"
run "$tool" --version; is 0 "--version" grep -qx 'mta-xoauth2 [0-9.]*' "$tmp/out"
run "$tool" -V; is 0 "-V" out "mta-xoauth2 "
for v in $verbs; do
	run "$tool" "$v" --help; is 0 "$v --help" out "usage: mta-xoauth2 $v"
	run "$tool" "$v" --version; is 0 "$v --version" out "mta-xoauth2 "
done
run "$tool" token -h; is 0 "token -h needs no account" out "token ACCOUNT"
run "$tool" --help; is 0 "no line of the help is longer than 110" [ "$(wc -L <"$tmp/out")" -le 110 ]
while IFS='|' read -r args text; do
	eval "run \"\$tool\" $args"
	is 2 "usage: ${args:-no arguments}" both "$text"
done <<'TABLE'
|a verb is missing
statsu|did you mean "status"?
chekc|did you mean "check"?
xyzzy|there is no verb "xyzzy"
$'\e[31m'|\x1b[31m
''|there is no verb ""
--json status|belongs behind it
--jason|unknown option "--jason"
--sokcet x ping|did you mean "--socket"?
status --jsn|did you mean "--json"?
ping --json|unknown option
ping -x|unknown option "-x"
-Vh|unknown option
-hx|unknown option
status --json --check|exclude each other
status --json=yes|takes no value
ping extra|unexpected argument "extra"
ping -- -h|unexpected argument "-h"
token|token needs an argument: ACCOUNT
token a b|unexpected argument "b"
token ''|the account must be
token $'a\tb'|the account must be
token $'a\xff'|the account must be
token "$(printf '%0321d' 0)"|the account must be
flush|flush needs an argument: ACCOUNT
--socket|--socket needs a value
ping --socket=|--socket is empty
ping --timeout|--timeout needs a value: --timeout SECONDS
ping --timeout 0|not a number of seconds
ping --timeout 601|not a number of seconds
ping --timeout 1.5|not a number of seconds
ping --timeout -1|not a number of seconds
check --config=|--config is empty
check -c|--config needs a value
TABLE
run env MTA_XOAUTH2_TIMEOUT=soon "$tool" ping; is 2 "a timeout of the environment is judged" both MTA_XOAUTH2_TIMEOUT
run env MTA_XOAUTH2_TIMEOUT=soon "$tool" --help; is 0 "but not where it is not needed"

# --- no daemon ----------------------------------------------------------------------------------
for v in "ping" "status" "status --json" "metrics" "reload" "flush a@b" "token a@b"; do
	on --timeout 1 $v; is 4 "no daemon: $v" both "$s cannot be reached"
done
err "is mta-xoauth2-tokend running?"; result $? "no daemon: the next step is named"
on --timeout 1 status --check; is 2 "no daemon: status --check" grep -q '^CRITICAL - .*cannot be reached' "$tmp/out"
run "$tool" --socket "$tmp/$(printf '%0120d' 0)" ping; is 4 "a path that is too long" both "longer than"
run "$tool" ping --timeout=1 --socket="$tmp/nothing"; is 4 "global options behind the verb" both "$tmp/nothing"
run env MTA_XOAUTH2_SOCKET="$tmp/nowhere" MTA_XOAUTH2_TIMEOUT=1 "$tool" ping; is 4 "socket of the environment" both "$tmp/nowhere"
: >"$tmp/file"
run "$tool" --timeout 1 --socket "$tmp/file" ping; is 4 "a file that is no socket" both "$tmp/file"

# --- scripted peer ------------------------------------------------------------------------------
peer
says 'OK\n'
on ping; is 0 "ping" out "$s: the token daemon answers"
asked 'TOKEND/1\tPING'; result $? "ping asks PING"
run env MTA_XOAUTH2_SOCKET="$s" "$tool" ping; is 0 "ping by the environment's socket"
run env MTA_XOAUTH2_SOCKET="$tmp/nowhere" "$tool" --socket "$s" ping; is 0 "the option wins over the environment"
on reload; is 0 "reload" just 'reloaded\n'
asked 'TOKEND/1\tRELOAD'; result $? "reload asks RELOAD"
on flush jane@example.com; is 0 "flush" out "jane@example.com: forgotten"
asked 'TOKEND/1\tFLUSH\taccount=jane@example.com'; result $? "flush asks FLUSH"
on flush -- -jane@example.com; is 0 "an account behind --" out "-jane@example.com: forgotten"
on metrics; is 0 "metrics, empty" just ''
says 'OK\n# HELP a b\na{c="d\\\\e"} 1\n'
on metrics; is 0 "metrics: the bytes as they are" just '# HELP a b\na{c="d\\\\e"} 1\n'
says 'OK\na 1\nb'
on metrics; is 4 "metrics, cut off" both "not complete"

says 'OK\t3599\tabc-1\tey.JK-_~+/=\n'
on token jane@example.com; is 0 "token: nothing but the token" just 'ey.JK-_~+/=\n'
grep -qP '^TOKEND/1\tTOKEN\taccount=jane@example.com\tdeadline_ms=\d+$' "$tmp/seen"; result $? "token asks TOKEN"
{ printf 'OK\t3599\tabc\t'; head -c 12000 /dev/zero | tr '\0' x; echo; } >"$tmp/reply"
on token a@b; is 0 "a token of 12,000 bytes" [ "$(wc -c <"$tmp/out")" -eq 12001 ]
{ printf 'OK\t3599\tabc\t'; head -c 20000 /dev/zero | tr '\0' x; echo; } >"$tmp/reply"
on token a@b; is 4 "a token that is too long" both "longer than the protocol allows"
for bad in 'OK\t3599\tabc\tto ken\n' 'OK\t3599\tabc\tto"ken\n' 'OK\t1\tabc\t\303\244\n' 'OK\t1\ta\tt\033[31m\n' \
    'OK\t1\ta\tt\r\n' 'OK\t1\ta\tt' 'OK\t1\ta\tt\nt\n' 'OK\t1\ta\t\n' 'OK\n' '\n' 'HTTP/1.0 400 Bad Request\r\n\r\n' 'OKAY\n'; do
	says "$bad"
	on token a@b
	is 4 "token, hostile: $(printf %q "$bad")" one_error_line
	clean; result $? "... and nothing of it reaches the terminal"
done
while IFS='|' read -r class code status; do
	says 'ERR\t%s\t%s\tjane: the sentence\n' "$class" "$code"
	on token a@b; is "$status" "token: $class $code" both "jane: the sentence"
done <<'TABLE'
temp|no-token-yet|75
temp|socket-unreachable|75
provider|client-secret-rejected|5
config|account-unknown|3
busy|too-many-connections|75
bad-request|unknown-verb|2
new-class|some-code|75
TABLE
says 'ERR\tdenied\tdenied\tdenied by policy\n'
on token a@b; is 3 "token denied: who must be listed where" both "add user \"$me\" to allow_token_users"
on status; is 3 "status denied: who must be listed where" both "add user \"$me\" to admin_users"
on status --check; is 3 "status --check denied is UNKNOWN" grep -q '^UNKNOWN - denied by policy; .*admin_users' "$tmp/out"
says 'ERR\tconfig\tconfiguration-wrong\tthe old configuration stays in force: f.yaml:3:1: error: x\n'
on reload; is 3 "reload of a broken configuration" both "f.yaml:3:1: error: x; mta-xoauth2 check shows all of it"
says 'ERR\tbusy\ttoo-many-connections\ttoo many\n'
on status --check; is 2 "status --check of a busy daemon" out "CRITICAL - too many"
for bad in 'ERR\ttemp\tcode\ttext \033]0;x\007\n' 'ERR\ttemp\tcode\t\233\n' 'ERR\ttemp\n' 'ERR\ttemp\tco de\tx\n' 'ERR\tok\tx\ty\n'; do
	says "$bad"
	on ping; is 4 "hostile error: $(printf %q "$bad")" both "does not speak its protocol"
	clean; result $? "... and nothing of it reaches the terminal"
done
says 'ERR\ttemp\tcode\tC1 \302\2331m and \342\200\256turned\n'
on ping; is 75 "an error text with C1 and right-to-left override" both 'C1 \xc2\x9b1m and \xe2\x80\xaeturned'

# --- status -------------------------------------------------------------------------------------
head='OK\ndaemon\tversion=0.1.0\tpid=7\tuptime=90061\tconfiguration=/etc/x.yaml\tloaded_ago=59\tclients=%d\taccounts=4\tconnections=1\tsecret_bytes=4096\tsecret_bytes_not_locked=0\tnew=1\n'
fresh='client\tname=contoso\tstate=fresh\twaiting=0\tfetches=2\tfailures=0\tanswers=44\trejections=1\ttoken=ab12\texpires_in=3599\tnext_in=1800\n'
idle='client\tname=idle\tstate=empty\twaiting=0\tfetches=0\tfailures=0\tanswers=0\trejections=0\n'
stale='client\tname=stale\tstate=wait\twaiting=0\tfetches=2\tfailures=1\tanswers=4\trejections=0\ttoken=cd34\texpires_in=600\tnext_in=5\tfailed_ago=3\tclass=temp\tcode=provider-unreachable\terror=no route | to host\n'
dead='client\tname=dead\tstate=hold\twaiting=2\tfetches=1\tfailures=1\tanswers=0\trejections=0\tnext_in=60\tfailed_ago=61\tclass=provider\tcode=client-secret-rejected\terror=dead: the secret is wrong\n'
gone='client\tname=gone\tstate=hold\ttoken=cd34\texpires_in=-2\tfailed_ago=61\tclass=provider\tcode=x\terror=y\n'
says "$head$fresh$idle" 2
on status; is 0 "status" grep -qE '^contoso +fresh +59m59s +30m00s +- +0 +2 +0 +44 +1  ab12$' "$tmp/out"
out "up 1d01h"; result $? "status: uptime"
grep -qE '^idle +empty +- +- ' "$tmp/out"; result $? "status: a client nobody asked for"
asked 'TOKEND/1\tSTATUS'; result $? "status asks STATUS"
on status --check; is 0 "status --check: OK" just 'OK - clients: 2, none of them in trouble | clients=2 warning=0 critical=0\n'
on status --json; is 0 "status --json" value "d['format'], d['health'], d['daemon']['pid'], d['clients'][0]['expires_in_s'], d['clients'][1]['token_id'], len(d['clients'])" "(1, 'ok', 7, 3599, None, 2)"
value "sorted(d['daemon'])" "['accounts', 'clients', 'configuration', 'connections', 'loaded_ago_s', 'mailboxes', 'pid', 'reload_ago_s', 'reload_code', 'reload_error', 'sandbox', 'secret_bytes', 'secret_bytes_not_locked', 'uptime_s', 'version']"
result $? "status --json: the documented members of daemon"
value "sorted(d['clients'][1])" "['answers', 'credential', 'credential_expires', 'credential_expires_in_s', 'credential_failures', 'credential_kind', 'error', 'error_class', 'error_code', 'expires_in_s', 'failed_ago_s', 'failures', 'fetches', 'fetches_ok', 'fetches_permanent', 'fetches_temporary', 'health', 'last_failure_ago_s', 'last_failure_class', 'last_failure_code', 'last_failure_error', 'last_success_ago_s', 'margin_s', 'name', 'next_in_s', 'rejections', 'state', 'token_id', 'waiting']"
result $? "status --json: the documented members of a client, given or not"
says "$head$fresh$stale" 2
on status --check; is 1 "status --check: WARNING" just 'WARNING - 1 of 2 clients failed to renew a token that still serves: stale: no route / to host | clients=2 warning=1 critical=0\n'
says "$head$stale$dead$fresh" 3
on status --check; is 2 "status --check: CRITICAL" just 'CRITICAL - 1 of 3 clients without a token: dead: dead: the secret is wrong | clients=3 warning=1 critical=1\n'
on status; is 0 "status: why a client failed" out "    critical: client-secret-rejected, 1m01s ago: dead: the secret is wrong"
on status --json; is 0 "status --json: health" value "d['health'], [c['health'] for c in d['clients']], d['clients'][1]['error_code']" "('critical', ['warning', 'critical', 'ok'], 'client-secret-rejected')"
says "$head$gone" 1
on status --json; is 0 "a token that has ended does not serve" value "d['health'], d['clients'][0]['expires_in_s'], d['clients'][0]['waiting']" "('critical', -2, None)"
lost='mailbox\tname=work/lost@example.org\tstate=hold\twaiting=0\tfetches=1\tfailures=1\tanswers=0\trejections=0\tnext_in=60\tfailed_ago=61\tclass=provider\tcode=mailbox-unknown\terror=no such mailbox\n'
says "$head$fresh$lost" 1
on status --json; is 0 "status --json: mailboxes" value "d['health'], [(m['name'], m['health']) for m in d['mailboxes']], len(d['clients'])" "('ok', [('work/lost@example.org', 'critical')], 1)"
on status --check; is 0 "status --check: one mailbox is no client" just 'OK - clients: 1, none of them in trouble | clients=1 warning=0 critical=0\n'
on status; is 0 "status: a mailbox" out "work/lost@example.org"
says "$head" 0
on status --json; is 0 "status --json without clients" value "d['clients']" "[]"
on status; is 0 "status without clients" out "clients 0"
says "$head$fresh" 2
on status; is 4 "a row is missing: not shown as if it were whole" both "not complete"
on status --check; is 2 "... and CRITICAL for --check" out "CRITICAL - "
says "$head${fresh%\\n}" 1
on status; is 4 "the last line is cut off" both "not complete"
says 'OK\n'
on status; is 4 "status without its first line" both "not complete"
printf "$head$fresh..." 2 >"$tmp/reply.first"
says "$head$fresh$idle" 2
on status --check; is 0 "an answer that a reload has ended early is asked for again" out "OK - clients: 2"
[ ! -e "$tmp/reply.first" ]; result $? "... having been cut off"
rm -f "$tmp/reply.first"
past='client\tname=past\tstate=fresh\twaiting=0\tfetches=5\tfailures=3\tanswers=4\trejections=0\tfetches_ok=2\tfetches_temporary=1\tfetches_permanent=2\ttoken=cd34\texpires_in=600\tmargin=300\tlast_success_ago=60\tlast_failure_ago=7200\tlast_failure_class=temp\tlast_failure_code=dns-failed\tlast_failure_error=no name\n'
says "$head$past" 1
on status --check; is 0 "status --check: what is mended is no trouble" out "OK - "
on status; is 0 "status: what was mended" out "    mended: dns-failed, 2h00m ago: no name"
on status --json; is 0 "status --json: the last failure" value "d['health'], d['clients'][0]['error_code'], d['clients'][0]['last_failure_code'], d['clients'][0]['fetches_permanent'], d['clients'][0]['last_success_ago_s']" "('ok', None, 'dns-failed', 2, 60)"
margin='client\tname=hve\tstate=hold\ttoken=cd34\texpires_in=%d\tmargin=900\tfailed_ago=61\tclass=temp\tcode=x\terror=y\n'
says "$head$margin" 1 899
on status --check; is 2 "a token with less life than its margin does not serve" out "CRITICAL - 1 of 1 client without a token: hve: y"
says "$head$margin" 1 900
on status --check; is 1 "... and with its margin it does" out "WARNING - 1 of 1 client failed to renew"
dated='client\tname=dated\tstate=fresh\ttoken=cd34\texpires_in=3000\tcredential_expires_in=%d\n'
for row in "1209600|0|OK - clients: 1, none" "1209599|1|WARNING - 1 of 1 client with a credential that expires soon: dated: in 13d23h |" \
    "1|1|soon: dated: in 1s |" "0|2|CRITICAL - 1 of 1 client with a credential that has expired: dated |" "-86400|2|has expired: dated |"; do
	IFS='|' read -r left status said <<<"$row"
	says "$head$dated" 1 "$left"
	on status --check; is "$status" "credential with $left s left" out "$said"
done
on status; is 0 "status: an expired credential" out "    critical: credential has expired"
listed='client\tname=dated\tstate=fresh\ttoken=cd34\texpires_in=3000\tcredential_failures=4\tcredential=2\tcredential_expires_in=%d\tcredential_expires=3\tcredential_kind=certificate\n'
says "$head$listed" 1 604800
on status; is 0 "status: which credential ends" out "    warning: credential 3 (certificate) expires in 7d00h"
on status; is 0 "status: which credential is in use" out "    credential 2 is in use; refused or unusable so far: 4 times"
on status --check; is 1 "status --check: which credential ends" out "soon: dated: credential 3 (certificate) in 7d00h |"
on status --json; is 0 "status --json: credentials" value "d['clients'][0]['credential'], d['clients'][0]['credential_failures'], d['clients'][0]['credential_expires'], d['clients'][0]['credential_kind']" "(2, 4, 3, 'certificate')"
says "$head$listed" 1 -1
on status --check; is 2 "status --check: which credential has ended" out "has expired: dated: credential 3 (certificate) |"
on status; is 0 "status: which credential has ended" out "    critical: credential 3 (certificate) has expired"
says "$head${listed/=certificate/=a\033[2J}" 1 604800
on status; is 0 "status: a hostile kind" clean
on status --check; is 1 "status --check: a hostile kind" clean
says "$head$dated$stale" 2 86400
on status --check; is 1 "status --check: different troubles" out "WARNING - 2 of 2 clients in trouble: dated: in 1d00h |"
broken=${head/\\tnew=1/\\treload_ago=61\\treload_code=configuration-wrong\\treload_error=x.yaml:3: a | b}
says "$broken$fresh" 1
on status --check; is 1 "status --check: a failed reload" just 'WARNING - the last reload failed, 1m01s ago: x.yaml:3: a / b | clients=1 warning=0 critical=0\n'
on status; is 0 "status: a failed reload" out "warning: the last reload failed, 1m01s ago: x.yaml:3: a | b"
on status --json; is 0 "status --json: a failed reload" value "d['health'], d['clients'][0]['health'], d['daemon']['reload_ago_s'], d['daemon']['reload_code']" "('warning', 'ok', 61, 'configuration-wrong')"
says "$broken$dead" 1
on status --check; is 2 "status --check: a failed reload and a client without a token" out "the secret is wrong; the last reload failed, 1m01s ago: x.yaml"
says "${head}${fresh}user\tuid=0\tconnections=1\trequests=9\tanswers=7\tdenied=2\tturned_away=0\nuser\tuid=4000000\tdenied=8\nothers\tconnections=0\trequests=3\tanswers=0\tdenied=3\tturned_away=5\n" 1
on status; is 0 "status: users" grep -qE '^root +1 +9 +7 +2 +0$' "$tmp/out"
grep -qE '^4000000 +- +- +- +8 +-$' "$tmp/out" && grep -qE '^others +0 +3 +0 +3 +5$' "$tmp/out"; result $? "status: one without a name, and the others"
on status --json; is 0 "status --json: users" value "[u['uid'] for u in d['users']], d['users'][1]['denied'], d['users'][1]['answers'], sorted(d['others']), d['others']['turned_away']" "([0, 4000000], 8, None, ['answers', 'connections', 'denied', 'requests', 'turned_away'], 5)"
says "$head" 0
on status --json; is 0 "status --json without users" value "d['users'], d['others']" "([], None)"
evil='client\tname=\033[2Jx\302\233y\377z\342\200\256\tstate=a"b\\c\twaiting=9x\tfetches=-\tfailures=99999999999999999999\tanswers=\trejections\tcode=\007\terror=\a\v|\177\n'
says "$head$evil" 1
for v in "" --json --check; do
	on status $v; is "$([ "$v" = --check ] && echo 2 || echo 0)" "hostile status $v" clean
done
on status --json
is 0 "hostile status is JSON" value "ascii(d['clients'][0]['name']), d['clients'][0]['state'], d['clients'][0]['waiting'], d['clients'][0]['failures']" "(\"'\\\\x1b[2Jx\\\\x9by\\\\ufffdz\\\\u202e'\", 'a\"b\\\\c', None, None)"
says 'OK\nx\033 1\na\0b 2\n'
on metrics; is 0 "hostile metrics" clean
says "$head\n\n\t\t\nother\tx=1\nclient\nclient\t\t=\t==\tname\n" 2
on status --json; is 0 "odd lines of status" value "len(d['clients'])" 2
"$python" - "$tmp/reply" <<'PY'
import sys
with open(sys.argv[1], "w") as f:
    f.write("OK\ndaemon\tversion=1\tclients=100000\n")
    for i in range(100000):
        f.write("client\tname=client-%06d\tstate=fresh\twaiting=0\tfetches=1\tfailures=0\tanswers=10\trejections=0"
                "\ttoken=0123456789abcdef\texpires_in=3000\tnext_in=1500\tpad=%s\n" % (i, "x" * 180))
PY
on --timeout 60 status --json; is 0 "status of 100,000 clients, 30 MB" value "len(d['clients']), d['clients'][-1]['name']" "(100000, 'client-099999')"
on --timeout 60 status; is 0 "... as a table" [ "$(wc -l <"$tmp/out")" -eq 100005 ]

# --- output that cannot be written --------------------------------------------------------------
says 'OK\t3599\tabc\tTOKEN\n'
for v in "token a@b"; do
	"$tool" --socket "$s" $v >/dev/full 2>"$tmp/err"; st=$?; : >"$tmp/out"
	is 75 "full disk: $v" both "No space left"
	"$tool" --socket "$s" $v >&- 2>"$tmp/err"; st=$?
	is 75 "closed output: $v" both "cannot be written"
done
says "$head$fresh" 1
for v in status "status --json" "status --check" metrics ping reload --help --version "token --help"; do
	"$tool" --socket "$s" $v >/dev/full 2>"$tmp/err"; st=$?
	is 75 "full disk: $v" both "cannot be written"
	"$tool" --socket "$s" $v >&- 2>"$tmp/err"; st=$?
	is 75 "closed output: $v" both "cannot be written"
done
"$tool" --socket "$s" ping <&- >&- 2>&-; st=$?
is 75 "all standard descriptors closed"

# --- slow and silent peers ----------------------------------------------------------------------
peer hang
SECONDS=0
on --timeout 1 ping; is 4 "a peer that never answers" both "did not answer in time"
result $((SECONDS > 4)) "... is not waited for"
on --timeout 1 status --check; is 2 "... and is CRITICAL" out "CRITICAL - "
peer close
on --timeout 1 ping; is 4 "a peer that closes" both "without an answer"

# --- check --------------------------------------------------------------------------------------
mkdir "$tmp/etc" && printf 'S3cret-with-enough-length' >"$tmp/etc/secret" && chmod 600 "$tmp/etc/secret"
cat >"$tmp/etc/good.yaml" <<YAML
user: $me
listen:
  - path: $tmp/d.sock
admin_users: [$me]
clients:
  one:
    provider: custom
    token_endpoint: https://127.0.0.1:1/token
    client_id: someone
    client_secret_file: $tmp/etc/secret
    scope: mail
accounts:
  "*@example.com":
    client: one
    allow_users: [$me, root]
    allow_token_users: [$me]
YAML
run "$tool" check --config "$tmp/etc/good.yaml"
is 0 "check: fine" just "$tmp/etc/good.yaml: no errors, no warnings; clients: 1, accounts: 1\n"
run "$tool" check -c "$tmp/etc/good.yaml"; is 0 "check -c"
sed 's/^    client: one/    client: two/; s/scope:/scop:/' "$tmp/etc/good.yaml" >"$tmp/etc/bad.yaml"
run "$tool" check --config="$tmp/etc/bad.yaml"
is 3 "check: an error has file, line and column" grep -qE "^$tmp/etc/bad.yaml:[0-9]+:[0-9]+: error: " "$tmp/err"
err "2 errors" && [ ! -s "$tmp/out" ]; result $? "check: errors are counted"
run sed 's/allow_token_users: .*/allow_token_users: [no-such-user-here]/' "$tmp/etc/good.yaml"
cp "$tmp/out" "$tmp/etc/warn.yaml"
run "$tool" check --config "$tmp/etc/warn.yaml"
is 0 "check: warnings alone are no failure" grep -qE "^$tmp/etc/warn.yaml:[0-9]+:[0-9]+: warning: " "$tmp/err"
out "no errors, 1 warning"; result $? "check: warnings are counted"
run "$tool" check --config "$tmp/none.yaml"; is 3 "check: no such file" err "$tmp/none.yaml: error: cannot be read"
mkdir "$tmp/$(printf 'e\033vil')"; cp "$tmp/etc/bad.yaml" "$tmp/$(printf 'e\033vil')/t.yaml"
run "$tool" check --config "$tmp/$(printf 'e\033vil')/t.yaml"; is 3 "check: a file name with a control character" clean
"$tool" check --config "$tmp/etc/good.yaml" >/dev/full 2>"$tmp/err"; st=$?
is 75 "full disk: check" err "cannot be written"
other=$(getent passwd daemon bin sys 2>/dev/null | head -n 1 | cut -d: -f1)
if [ "$(id -u)" -eq 0 ] && [ -n "$other" ]; then
	sed "s/^user: .*/user: $other/" "$tmp/etc/good.yaml" >"$tmp/etc/other.yaml"
	chmod 644 "$tmp/etc/other.yaml"
	run "$tool" check --config "$tmp/etc/other.yaml"
	is 3 "check as root: the daemon's user may not read the secret" err "user $other may not read the secret file"
	err "read as user \"$other\", whom the daemon runs as"; result $? "... and it is said who reads"
	chgrp "$other" "$tmp/etc/secret" && chmod 640 "$tmp/etc/secret"
	run "$tool" check --config "$tmp/etc/other.yaml"
	is 0 "check as root: it may by its group" out "read as user \"$other\""
	"$tool" check --config "$tmp/etc/other.yaml" >/dev/full 2>"$tmp/err"; st=$?
	is 75 "full disk: check in the child" err "cannot be written"
	chmod 700 "$tmp/etc"
	run "$tool" check --config "$tmp/etc/other.yaml"; is 3 "check as root: nor the file itself" err "cannot be read"
	chmod 755 "$tmp/etc"
	sed "s/^user: .*/user: no-such-user-here/" "$tmp/etc/good.yaml" >"$tmp/etc/other.yaml"
	run "$tool" check --config "$tmp/etc/other.yaml"
	is 0 "check as root: the daemon's user is missing" err 'there is no user "no-such-user-here"'
	chmod 600 "$tmp/etc/secret"
else
	skip "check as root" "not root, or no other user"
fi

# --- the real daemon ----------------------------------------------------------------------------
run "$daemon" --help; is 0 "daemon --help" out "usage: mta-xoauth2-tokend"
run "$daemon" --version; is 0 "daemon --version" out "mta-xoauth2-tokend "
run "$daemon" --nonsense; is 2 "daemon: unknown option"
run "$daemon" extra; is 2 "daemon: unexpected argument"
run "$daemon" --check --config "$tmp/etc/good.yaml"; is 0 "daemon --check"
run "$daemon" --check --config "$tmp/etc/bad.yaml"; is 3 "daemon --check of a broken file"

# endpoint: a token endpoint with TLS, verified by $tmp/ca.pem. Its port goes to $tmp/port.
cat >"$tmp/endpoint.py" <<'PY'
import http.server, json, ssl, sys
count = 0
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        count += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"access_token": "TOKEN-%d" % count, "token_type": "Bearer", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
x = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
x.load_cert_chain(sys.argv[1] + "/ca.pem", sys.argv[1] + "/key.pem")
s.socket = x.wrap_socket(s.socket, server_side=True)
with open(sys.argv[1] + "/port", "w") as f:
    f.write("%d\n" % s.server_address[1])
s.serve_forever()
PY
start_daemon()
{
	local i
	"$daemon" --foreground --config "$tmp/etc/good.yaml" >"$tmp/daemon.log" 2>&1 &
	daemon_pid=$!
	pids+=($daemon_pid)
	for ((i = 0; i < 100; i++)); do [ -S "$tmp/d.sock" ] && return; sleep 0.05; done
	sed 's/^/# /' "$tmp/daemon.log"; echo "Bail out! the daemon does not start"; exit 1
}
s=$tmp/d.sock
start_daemon
on ping; is 0 "daemon: ping"
on status; is 0 "daemon: status" grep -qE '^one +empty ' "$tmp/out"
on status --json; is 0 "daemon: status --json" value "d['health'], d['daemon']['configuration'] == '$tmp/etc/good.yaml', d['clients'][0]['state'], [k for k in sorted(d['daemon']) if d['daemon'][k] is None]" "('ok', True, 'empty', ['reload_ago_s', 'reload_code', 'reload_error'])"
on metrics; is 0 "daemon: metrics" out "mta_xoauth2_requests_total{"
on --timeout 3 token jane@example.com; is 75 "daemon: token, the provider is unreachable" both "jane@example.com: "
on status --check; is 2 "daemon: status --check tells it" out "CRITICAL - 1 of 1 client without a token: one: "
on flush jane@example.com; is 0 "daemon: flush"
on status --check; is 0 "daemon: flush forgets the failure" out "OK - "
on flush jane@nowhere.example; is 3 "daemon: flush of an unknown account" one_error_line
on token jane@nowhere.example; is 3 "daemon: token of an unknown account is denied" both "add user \"$me\" to allow_token_users"
on reload; is 0 "daemon: reload" just 'reloaded\n'
cp "$tmp/etc/good.yaml" "$tmp/etc/keep.yaml.txt"
cp "$tmp/etc/bad.yaml" "$tmp/etc/good.yaml"
on reload; is 3 "daemon: reload of a broken configuration" both "the old configuration stays in force"
err "good.yaml:"; result $? "... with the file and the line"
on ping; is 0 "... and the daemon goes on"
cp "$tmp/etc/keep.yaml.txt" "$tmp/etc/good.yaml"
as_other=(setpriv --reuid 12345 --regid 12345 --clear-groups)
if [ "$(id -u)" -eq 0 ] && "${as_other[@]}" true 2>/dev/null; then
	as() { run "${as_other[@]}" "$tool" --socket "$s" "$@"; }
	as ping; is 0 "another user: ping"
	for v in status metrics reload "flush jane@example.com"; do
		as $v; is 3 "another user: $v is denied" both "use sudo, or add user"
	done
	as status --check; is 3 "another user: status --check" out "UNKNOWN - "
	as token jane@example.com; is 3 "another user: token is denied" both "allow_token_users"
	chmod 700 "$tmp"; mkdir -m 755 /tmp/ctl.$$ && cp "$tool" /tmp/ctl.$$/tool
	run "${as_other[@]}" /tmp/ctl.$$/tool --socket "$s" --timeout 1 ping
	is 4 "another user: the socket's directory is closed" both "may not be used"
	rm -r /tmp/ctl.$$; chmod 755 "$tmp"
else
	skip "another user" "not root, or no setpriv"
fi
if command -v openssl >/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ctl \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$tmp/key.pem" -out "$tmp/ca.pem" 2>/dev/null; then
	"$python" "$tmp/endpoint.py" "$tmp" 2>"$tmp/endpoint.err" &
	pids+=($!)
	for ((i = 0; i < 100; i++)); do [ -s "$tmp/port" ] && break; sleep 0.05; done
	sed -i "s|127.0.0.1:1/|127.0.0.1:$(cat "$tmp/port")/|; s|^    scope: .*|&\n    ca_file: $tmp/ca.pem|" "$tmp/etc/good.yaml"
	on reload; is 0 "daemon: reload to an endpoint that answers"
	on token jane@example.com; is 0 "daemon: token" just 'TOKEN-1\n'
	on token jane@example.com; is 0 "daemon: the same from the cache" just 'TOKEN-1\n'
	on status; is 0 "daemon: status of a fresh token" grep -qE '^one +fresh +(59m|1h)' "$tmp/out"
	on status --json; is 0 "... as JSON" value "d['clients'][0]['health'], d['clients'][0]['expires_in_s'] > 3500, d['clients'][0]['error']" "('ok', True, None)"
	on flush jane@example.com; is 0 "daemon: flush"
	on token jane@example.com; is 0 "daemon: a new token after it" just 'TOKEN-2\n'
	! grep -q TOKEN- "$tmp/daemon.log"; result $? "no token in the daemon's log"
else
	skip "a token from the real daemon" "no openssl"
fi
kill "$daemon_pid"; wait "$daemon_pid"
on --timeout 1 ping; is 4 "daemon stopped" both "cannot be reached"

echo "1..$n"
[ "$failed" -eq 0 ]
