# servers.sh: Postfix, Exim, Sendmail, Dovecot, Cyrus' imtest and two small proxies beside the system, never installed on it.
# Sourced by packages.sh.
# shellcheck shell=bash disable=SC2154
#
# A server that is installed already is used as it is (its programs only; never its configuration). One that is missing is
# downloaded as Debian's package, unpacked to $mx_cache/NAME-VERSION-LAYOUT and made to run there:
#   - run paths (patchelf) lead to its own libraries;
#   - Dovecot has two paths compiled in that no setting changes, its library folder and doveconf: both are rewritten, in the
#     room they have, to the links $mx_cache/l and $mx_cache/dc. That is why $mx_cache is short;
#   - Exim and Sendmail lose their setuid and setgid bits: no such program is left behind. Exim's tests give it to copies
#     of theirs.
# $mx_cache/NAME is the link to the one in use.

servers_layout=3	# raise when the way of unpacking changes: old trees are then left unused

server_installed()
{
	case $1 in
	postfix)	[ -x /usr/sbin/postfix ] && [ -x /usr/lib/postfix/sbin/smtp ] ;;
	exim|exim-heavy|exim-new|sendmail) false ;;	# the tests want them as the packages have them
	dovecot)	[ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/submission ] && [ -x /usr/lib/dovecot/imap ] ;;
	imtest)		[ -x /usr/lib/cyrus/bin/imtest ] || command -v imtest >/dev/null ;;
	tinyproxy|microsocks)	command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
	esac
}

server_packages()
{
	case $1 in
	postfix)	echo postfix postfix-lmdb postfix-cdb ;;
	exim)		echo exim4-daemon-light exim4-config ;;
	exim-heavy)	echo exim4-daemon-heavy ;;
	exim-new)	echo exim4-daemon-light ;;	# of the backports: 4.97 and newer can do more
	sendmail)	echo sendmail-bin sendmail-base sendmail-cf ;;
	dovecot)	echo dovecot-core dovecot-submissiond dovecot-imapd ;;
	imtest)		echo cyrus-clients cyrus-common ;;
	tinyproxy)	echo tinyproxy-bin ;;
	microsocks)	echo microsocks ;;
	esac
}

# The plain libraries they need, for packages.sh to install; one a line.
servers_libraries()
{
	local s
	for s in "$@"; do
		server_installed "$s" && continue
		case $s in
		postfix) echo patchelf libcdb1 libdb5.3 libicu72 liblmdb0 libnsl2 libsasl2-2 libssl3 ;;
		exim) echo libdb5.3 libgnutls-dane0 libgnutls30 libidn12 libidn2-0 libnsl2 libpcre2-8-0 ;;
		exim-heavy) echo libldap-2.5-0 libmariadb3 libpam0g libperl5.36 libpq5 libsasl2-2 libspf2-2 libsqlite3-0 ;;
		sendmail) echo libdb5.3 libldap-2.5-0 libnsl2 libsasl2-2 libssl3 libwrap0 m4 ;;
		dovecot) echo patchelf libapparmor1 libbz2-1.0 libcap2 libcrypt1 libexttextcat-2.0-0 libicu72 liblua5.4-0 \
			liblz4-1 liblzma5 libpam0g libsodium23 libssl3 libstemmer0d libsystemd0 libtirpc3 libunwind8 \
			libwrap0 libzstd1 zlib1g ;;
		imtest) echo patchelf libicu72 libkrb5-3 libpq5 libpcre3 libsasl2-2 libsqlite3-0 libssl3 zlib1g ;;
		esac
	done | tr ' ' '\n' | sort -u
}

servers_unpack()
{
	local s
	for s in "$@"; do
		server_installed "$s" || server_ready "$s" || server_unpack "$s"
	done
}

server_ready()
{
	case $(readlink "$mx_cache/$1") in
	"$1"-*-"$servers_layout") [ -f "$mx_cache/$1/.complete" ] ;;
	*) return 1 ;;
	esac
}

# Options for apt by which it knows the backports of this release and nothing else; its own lists stay as they are.
# Fails where this machine's mirror has none.
backports=()
backports_on()
{
	local dir=$mx_cache/backports site
	[ ${#backports[@]} -eq 0 ] || return 0
	site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' 2>/dev/null | head -n 1)
	[ -n "$site" ] && mkdir -p "$dir/lists/partial" || return 1
	printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm-backports main\n' "$site" >"$dir/sources.list"
	backports=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$dir/lists"
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
	logged apt-backports apt_do "${backports[@]}" -o APT::Sandbox::User=root update && return
	backports=()
	return 1
}

server_unpack()
{
	local name=$1 new deb version f packages from=()
	if [ "$name" = exim-new ]; then
		backports_on || { warn "no backports to be had: tests of a newer Exim are skipped ($mx_log_dir/apt-backports.log)"; return 0; }
		from=("${backports[@]}")
	fi
	read -r -a packages <<<"$(server_packages "$name")"
	need_root "to unpack $name under $mx_cache"
	say "unpacking ${packages[*]} under $mx_cache (not installing)"
	mkdir -p "$mx_cache/debs" || die "cannot make $mx_cache"
	new=$(mktemp -d "$mx_cache/new-XXXXXX") || die "cannot make a folder in $mx_cache"
	chmod 755 "$new"
	rm -f "$mx_cache/debs/"*.deb
	if ! ( cd "$mx_cache/debs" && logged apt-download apt_do "${from[@]}" -o APT::Sandbox::User=root download "${packages[@]}" ); then
		if [ "$name" = exim-new ]; then
			warn "${packages[*]} cannot be downloaded: tests of a newer Exim are skipped"
			rm -rf "$new"
			return 0
		fi
		apt_update
		( cd "$mx_cache/debs" && logged apt-download apt_do -o APT::Sandbox::User=root download "${packages[@]}" ) || {
			log_tail apt-download
			die "apt-get could not download ${packages[*]}  (network?)"
		}
	fi
	for deb in "$mx_cache/debs/"*.deb; do
		dpkg -x "$deb" "$new" || die "cannot unpack $deb"
	done
	version=$(dpkg-deb -f "$mx_cache/debs/${packages[0]}"_*.deb Version | tr -c 'A-Za-z0-9.+\n' '_')
	rm -f "$mx_cache/debs/"*.deb
	f=$mx_cache/$name-$version-$servers_layout
	"server_fix_${name%-*}" "$new" "$f"
	touch "$new/.complete"
	rm -rf "$f"
	mv -T "$new" "$f" || die "cannot put $f in place"
	ln -sfn "${f##*/}" "$mx_cache/$name"
	server_check "$name"
}

# ELF files of a tree, one a line, links left out.
elf_files()
{
	find "$1" -type f \( -perm /111 -o -name '*.so*' \) -exec sh -c \
		'for f; do [ "$(head -c 4 "$f" | tr -d "\177")" = ELF ] && echo "$f"; done' sh {} +
}

# set_rpath TREE PATH: every program and library of the tree looks for libraries in PATH.
set_rpath()
{
	local f
	elf_files "$1" | while read -r f; do
		patchelf --set-rpath "$2" "$f" || exit 1
	done || die "patchelf failed in $1"
}

server_fix_postfix()
{
	set_rpath "$1" "$2/usr/lib/postfix"
}

server_fix_exim()
{
	chmod u-s "$1/usr/sbin/exim4" || die "cannot change $1/usr/sbin/exim4"
	rm -rf "${1:?}/usr/share/doc" "${1:?}/usr/share/man"
}

server_fix_sendmail()
{
	find "$1" -type f -perm /7000 -exec chmod ug-s {} + || die "cannot change $1"
	rm -rf "${1:?}/usr/share/doc" "${1:?}/usr/share/man"
}

server_fix_imtest()
{
	local lib
	lib=$(dirname "$(find "$1" -name libcyrus.so.0 | head -n 1)")
	find "$1/usr" -mindepth 1 -maxdepth 1 ! -name lib -exec rm -rf {} +
	rm -rf "${1:?}/etc" "${1:?}/var"
	set_rpath "$1" "$2${lib#"$1"}"
	mkdir -p "$mx_cache/bin"
	ln -sfn ../imtest/usr/lib/cyrus/bin/imtest "$mx_cache/bin/imtest"
	ln -sfn ../imtest/usr/lib/cyrus/bin/smtptest "$mx_cache/bin/smtptest"
}

# Proxies: one program each, which needs the C library alone.
server_fix_tinyproxy()
{
	mkdir -p "$mx_cache/bin"
	ln -sfn "../tinyproxy$(cd "$1" && find . -name tinyproxy -type f -perm /111 | head -n 1 | cut -c 2-)" "$mx_cache/bin/tinyproxy"
}

server_fix_microsocks()
{
	mkdir -p "$mx_cache/bin"
	ln -sfn "../microsocks$(cd "$1" && find . -name microsocks -type f -perm /111 | head -n 1 | cut -c 2-)" "$mx_cache/bin/microsocks"
}

server_fix_dovecot()
{
	local f list
	list=$(elf_files "$1")
	for f in $list; do
		if grep -aq -e /usr/lib/dovecot -e /usr/bin/doveconf "$f"; then
			rewrite_path /usr/lib/dovecot "$mx_cache/l" "$f"
			rewrite_path /usr/bin/doveconf "$mx_cache/dc" "$f"
		fi
	done
	# run paths last: the rewriting would change them
	set_rpath "$1" "$2/usr/lib/dovecot:$2/usr/lib/dovecot/modules:$2/usr/lib/dovecot/modules/old-stats"
	ln -sfn dovecot/usr/lib/dovecot "$mx_cache/l"
	ln -sfn dovecot/usr/bin/doveconf "$mx_cache/dc"
}

# rewrite_path OLD NEW FILE: replaces the path OLD, and OLD/..., in a binary by NEW in place. The room left over is filled
# with slashes, which the kernel reads as one.
rewrite_path()
{
	local old=$1 new=$2 pad
	pad=$((${#old} - ${#new}))
	[ "$pad" -ge 0 ] || die "$new is longer than $old"
	new=$(dirname "$2")$(printf '%*s' "$((pad + 1))" '' | tr ' ' /)$(basename "$2")
	LC_ALL=C sed -i "s|$old|$new|g" "$3"
}

# Says which libraries the programs that the tests run do not find.
server_check()
{
	local bad programs
	case $1 in
	postfix)	programs='usr/sbin/postqueue usr/lib/postfix/sbin/master usr/lib/postfix/sbin/smtp' ;;
	exim*)		programs=usr/sbin/exim4 ;;
	sendmail)	programs='usr/libexec/sendmail/sendmail usr/libexec/sendmail/makemap' ;;
	dovecot)	programs='usr/sbin/dovecot usr/bin/doveconf usr/lib/dovecot/auth usr/lib/dovecot/submission
				usr/lib/dovecot/imap usr/lib/dovecot/modules/libssl_iostream_openssl.so' ;;
	imtest)		programs=usr/lib/cyrus/bin/imtest ;;
	*)		programs=../bin/$1 ;;
	esac
	bad=$(cd "$mx_cache/$1" && echo "$programs" | xargs ldd 2>/dev/null | awk '/not found/ { print $1 }' | sort -u)
	[ -z "$bad" ] || warn "$1: libraries not found: $bad"
}
