#!/bin/bash
# packages.sh: install what a Debian 12 machine lacks to build and test mta-xoauth2.
#
#   tests/lib/packages.sh [GROUP...]     groups: build e2e quickstart mta analysis idp systemd; default: build e2e idp
#
# Rules it keeps:
#   - nothing is done, and no root is needed, when all is there already;
#   - no package that brings an MTA or a mail server is ever installed: those that are missing are downloaded,
#     unpacked under /var/cache/mxt and made to run from there (servers.sh);
#   - no service is started by an installation: policy-rc.d says no meanwhile, and goes again afterwards;
#   - a Node (18 or newer) that is on PATH is used; else Debian's is installed.

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/common.sh
. "$here/common.sh"
# shellcheck source=tests/lib/servers.sh
. "$here/servers.sh"

build_packages=(gcc libc6-dev make autoconf automake libtool pkg-config
	libsasl2-dev libcurl4-openssl-dev libssl-dev libjson-c-dev libevent-dev libyaml-dev libseccomp-dev libcmocka-dev)
e2e_packages=(python3-minimal python3 openssl curl ca-certificates procps binutils
	libsasl2-modules sasl2-bin isync socat python3-pytest
	msmtp mutt swaks git git-email libauthen-sasl-perl libio-socket-ssl-perl libmailtools-perl libnet-ssleay-perl)
quickstart_packages=(python3-minimal python3 openssl ca-certificates procps libsasl2-modules)
systemd_packages=(mmdebstrap systemd-container)
analysis_packages=(clang cppcheck libclang-rt-14-dev xz-utils valgrind mandoc binutils shellcheck
	apparmor checkpolicy make policycoreutils-dev selinux-policy-dev semodule-utils
	openssl swtpm swtpm-tools tpm2-tools tpm2-openssl libtss2-tcti-swtpm0)	# the last ones: a TPM in software

policy=/usr/sbin/policy-rc.d
policy_is_ours=no
apt_updated=no

policy_on()
{
	[ ! -e "$policy" ] || return 0
	policy_is_ours=yes
	if ! printf '#!/bin/sh\n# placed by mta-xoauth2 tests/lib/packages.sh while it installs\nexit 101\n' >"$policy" ||
	    ! chmod 755 "$policy"; then
		die "cannot write $policy"
	fi
}

policy_off()
{
	[ "$policy_is_ours" = no ] || rm -f "$policy"
	policy_is_ours=no
}

# Names among the arguments that dpkg does not have installed.
missing_packages()
{
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		awk -v want="$*" '$1 == "installed" { have[$2] = 1 }
			END { n = split(want, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

apt_do()
{
	# setsid: a Ctrl-C does not tear dpkg apart; our trap runs when apt-get is done
	DEBIAN_FRONTEND=noninteractive setsid -w apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
		-o Dpkg::Use-Pty=0 "$@" </dev/null
}

apt_update()
{
	[ "$apt_updated" = no ] || return 1
	apt_updated=yes
	say "updating apt's package lists"
	logged apt-update apt_do update
}

apt_install()
{
	need_root "to install: $*"
	policy_on
	say "installing $*"
	logged apt-install apt_do install -y --no-install-recommends "$@" && return
	if apt_update; then	# lists absent or out of date
		logged apt-install apt_do install -y --no-install-recommends "$@" && return
	fi
	log_tail apt-install
	die "apt-get could not install: $*  (network? see $mx_log_dir/apt-install.log)"
}

node_is_good()
{
	local v
	v=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) && [ "$v" -ge 18 ] && command -v npm >/dev/null
}

# npm_modules FOLDER: the npm packages of tests/FOLDER, exactly those of its lock file.
npm_modules()
{
	local dir=$here/../$1 stamp want
	stamp=$dir/node_modules/.mx-lock
	want=$(cat "$dir/package-lock.json" "$dir/package.json" | sha256sum | cut -d' ' -f1)
	[ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
	say "npm ci in tests/$1 ($(node --version))"
	if ! logged npm-ci npm ci --prefix "$dir" --no-audit --no-fund --ignore-scripts --loglevel=error; then
		log_tail npm-ci
		die "npm could not install what tests/$1 needs  (network? see $mx_log_dir/npm-ci.log)"
	fi
	echo "$want" >"$stamp"
}

# Debian's node, if none is there; then the modules.
group_idp()
{
	if ! node_is_good; then
		if command -v node >/dev/null && ! dpkg-query -S "$(command -v node)" >/dev/null 2>&1; then
			warn "the node on PATH is older than 18 or has no npm; installing Debian's"
		fi
		apt_install nodejs npm
		hash -r
		node_is_good || die "no usable node: $(command -v node) is $(node --version 2>&1); 18 or newer and npm are needed"
	fi
	npm_modules idp
	npm_modules powershell
}

# A Debian with a systemd of its own, which tests/e2e/test_systemd.py copies and boots: $mx_cache/systemd is the link to the
# one in use. Without it those tests are skipped and say so: not every machine may make one.
group_systemd()
{
	local in_it=(systemd systemd-sysv libcurl4 libssl3 libjson-c5 libevent-core-2.1-7 libyaml-0-2)
	local layout=1 name new f mirror=()
	name=systemd-$(echo "${in_it[*]}" | sha256sum | cut -c1-12)-$layout
	if [ ! -f "$mx_cache/$name/.complete" ]; then
		need_root "to make a Debian in $mx_cache/$name"
		say "making a Debian with systemd in $mx_cache/$name (mmdebstrap)"
		mkdir -p "$mx_cache" && new=$(mktemp -d "$mx_cache/.$name-XXXXXX") || return 1
		for f in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
			[ ! -s "$f" ] || { mirror=("$f"); break; }
		done
		if ! logged mmdebstrap mmdebstrap --variant=minbase --include="$(IFS=,; echo "${in_it[*]}")" \
			--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Retries "3"' \
			bookworm "$new" "${mirror[@]}" || ! : >"$new/.complete" || ! chmod 755 "$new"; then
			rm -rf "$new"
			log_tail mmdebstrap
			warn "no Debian to boot: the tests with a real systemd will be skipped ($mx_log_dir/mmdebstrap.log)"
			return 0
		fi
		if ! mv -T "$new" "$mx_cache/$name" 2>/dev/null; then	# another run was faster
			rm -rf "$new"
			[ -f "$mx_cache/$name/.complete" ] || die "$mx_cache/$name is there and not complete; remove it"
		fi
	fi
	ln -sfn "$name" "$mx_cache/systemd"
}

main()
{
	local group want=() lack with_servers=()

	[ $# -gt 0 ] || set -- build e2e idp
	for group in "$@"; do
		case $group in
		build)		want+=("${build_packages[@]}") ;;
		e2e)		want+=("${e2e_packages[@]}"); with_servers=(postfix dovecot imtest exim exim-heavy exim-new sendmail tinyproxy microsocks) ;;
		quickstart)	want+=("${quickstart_packages[@]}"); with_servers=(postfix dovecot) ;;
		mta)		want+=("${quickstart_packages[@]}"); with_servers=(postfix) ;;
		analysis)	want+=("${analysis_packages[@]}") ;;
		systemd)	want+=("${systemd_packages[@]}") ;;
		idp)		;;
		*)		die "unknown package group: $group (build e2e quickstart mta analysis idp systemd)" ;;
		esac
	done
	need_debian
	if [ ${#with_servers[@]} -gt 0 ]; then
		mapfile -t lack < <(servers_libraries "${with_servers[@]}")
		want+=("${lack[@]}")
	fi
	lack=()
	[ ${#want[@]} -eq 0 ] || mapfile -t lack < <(missing_packages "${want[@]}")
	[ ${#lack[@]} -eq 0 ] || apt_install "${lack[@]}"
	[ ${#with_servers[@]} -eq 0 ] || servers_unpack "${with_servers[@]}"
	for group in "$@"; do
		[ "$group" != idp ] || group_idp
		[ "$group" != systemd ] || group_systemd
	done
}

trap policy_off EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
main "$@"
