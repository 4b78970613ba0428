#!/bin/sh
# AppArmor's profile and SELinux's module: that they are built, and whom they let to what. TAP.
# MX_SRC, MX_BUILD: as for docs.sh. Enforcing them needs a kernel with AppArmor or SELinux; that is NOT tested here, and said.
set -u
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
src=${MX_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${MX_BUILD:-$src/build/gcc}
devel=/usr/share/selinux/devel
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=tests/lib/tap.sh
. "$src/tests/lib/tap.sh"

# --- AppArmor ----------------------------------------------------------------------------------------
profile=$build/conf/apparmor/mta-xoauth2-tokend
client=$build/conf/apparmor/mta-xoauth2-client
if ! command -v apparmor_parser >/dev/null; then
	skip "AppArmor takes the profile" "apparmor_parser is not installed"
	skip "AppArmor takes what mail servers include" "apparmor_parser is not installed"
elif [ ! -f "$profile" ]; then
	skip "AppArmor takes the profile" "it is not built in $build"
	skip "AppArmor takes what mail servers include" "it is not built in $build"
else
	apparmor_parser -Q -K --config-file=/dev/null "$profile" >"$tmp/out" 2>&1 && : >"$tmp/out"
	ok "AppArmor takes the profile"
	mkdir -p "$tmp/aa/abstractions" && cp "$client" "$tmp/aa/abstractions/"
	for program in /usr/lib/postfix/sbin/smtp /usr/sbin/exim4 /usr/sbin/sendmail; do
		printf 'abi <abi/3.0>,\ninclude <tunables/global>\nprofile mail %s {\n  include <abstractions/base>\n  include <abstractions/mta-xoauth2-client>\n}\n' \
			"$program" >"$tmp/aa/mail"
		apparmor_parser -Q -K --config-file=/dev/null --base=/etc/apparmor.d -I "$tmp/aa" "$tmp/aa/mail" >"$tmp/said" 2>&1 ||
			cat "$tmp/said" >>"$tmp/out"
	done
	ok "AppArmor takes what mail servers include"
fi
if [ -f "$client" ]; then
	# The socket, outside and inside a chroot, and the plugin.
	grep -vE '^(#.*|abi .*)?$' "$client" | grep -vE '^[^ ]*/tokend\.sock rw,$|^[^ ]*/libmta-xoauth2\.so mr,$' >"$tmp/out"
	grep -q '/tokend.sock rw,$' "$client" || echo "no rule for the socket" >>"$tmp/out"
	ok "mail servers get the socket and the plugin, and nothing more of ours (AppArmor)"
	cat "$profile" "$client" | grep '@[A-Za-z_]*@' | grep -v '@{' >"$tmp/out"
	ok "all names were replaced"
fi
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ]; then
	skip "AppArmor enforces the profile" "this kernel has no AppArmor"
else
	skip "AppArmor enforces the profile" "loading one would change this host"
fi

# --- SELinux -----------------------------------------------------------------------------------------
if [ ! -f "$devel/Makefile" ] || ! command -v checkmodule >/dev/null || ! command -v semodule_package >/dev/null; then
	skip "SELinux's module is built" "checkmodule, semodule_package or the policy's headers are not installed"
	skip "mail servers get the socket and nothing more (SELinux)" "likewise"
else
	cp "$src"/conf/selinux/mta_xoauth2.* "$tmp/"
	(cd "$tmp" && make -f "$devel/Makefile" mta_xoauth2.pp) >"$tmp/said" 2>&1
	[ -s "$tmp/mta_xoauth2.pp" ] || cat "$tmp/said" >"$tmp/out"
	ok "SELinux's module is built"
	# As m4 leaves it: one rule a line.
	grep -E '^[[:space:]]*allow (postfix_smtp_t|exim_t|sendmail_t) mta_xoauth2_' "$tmp/tmp/mta_xoauth2.tmp" |
		sed 's/^[[:space:]]*allow //; s/ {.*//; s/ connectto;//' | sort -u >"$tmp/has"
	for who in exim_t postfix_smtp_t sendmail_t; do
		for what in mta_xoauth2_runtime_t:dir mta_xoauth2_runtime_t:sock_file mta_xoauth2_t:unix_stream_socket; do
			echo "$who $what"
		done
	done | sort >"$tmp/wants"
	diff "$tmp/wants" "$tmp/has" >"$tmp/out"
	ok "mail servers get the socket and nothing more (SELinux)"
fi
skip "SELinux enforces the module" "no test machine of ours runs with SELinux"

echo "1..$n"
