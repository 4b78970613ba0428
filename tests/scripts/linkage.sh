#!/bin/sh
# The plugin inside a mail server: what it links, exports, imports and keeps. TAP.
# MX_BUILD: the build tree.
set -u
build=${MX_BUILD:-.}
so=$build/.libs/libmta-xoauth2.so
total=8
n=0

result()	# STATUS NAME [LINES that explain a failure]
{
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		[ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/#   /'
	fi
}

skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

grep -q '^#define MX_SANITIZED 1' "$build/config.h" 2>/dev/null &&
	skip_all "a sanitized plugin links the sanitizers' libraries"
for tool in readelf nm; do
	command -v "$tool" >/dev/null || skip_all "$tool is not installed (Debian: binutils)"
done
echo "1..$total"
[ -f "$so" ] || { echo "Bail out! $so is not there: make libmta-xoauth2.la"; exit 1; }

dynamic=$(readelf -W -d "$so")

needed=$(printf '%s\n' "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
case $needed in
libc.so*) [ "$(printf '%s\n' "$needed" | wc -l)" -eq 1 ]; result $? "links libc alone" "$needed" ;;
*)	result 1 "links libc alone" "$needed" ;;
esac

unwanted=$(printf '%s\n' "$dynamic" | grep -E '\((RPATH|RUNPATH|TEXTREL)\)')
[ -z "$unwanted" ]
result $? "has neither run path nor text relocations" "$unwanted"

exported=$(nm -D --defined-only "$so" | awk '{ print $NF }')
[ "$exported" = sasl_client_plug_init ]
result $? "exports sasl_client_plug_init alone" "$exported"

imported=$(nm -D --undefined-only "$so" | awk '{ sub(/@.*/, "", $NF); print $NF }')

# Whatever could end the host, fork it, change its signals, threads, locale or environment, write to its
# log or files behind its back, or bring in memory of another allocator.
banned=$(printf '%s\n' "$imported" | grep -Ex \
	'abort|_?exit|_Exit|quick_exit|atexit|__assert_fail|raise|kill|alarm|setitimer|v?fork|clone|exec.*|system|popen|posix_spawn.*|signal|bsd_signal|sigaction|sigprocmask|pthread_.*|__?pthread.*|thrd_.*|mtx_.*|v?syslog|__v?syslog_chk|openlog|setlocale|getenv|setenv|putenv|unsetenv|clearenv|open|open64|openat.*|__open.*|fopen.*|creat.*|opendir|dlopen|dlsym|getaddrinfo|gethostby.*|getpw.*|getgr.*|getsp.*|printf|fprintf|__f?printf_chk|puts|perror|fputs|fwrite|malloc|calloc|realloc|free|strdup|asprintf|sleep|usleep|nanosleep|select|setuid|setgid|umask|chdir|chroot')
[ -z "$banned" ]
result $? "imports nothing that ends, forks, signals, logs, opens or allocates" "$banned"

# Every versioned import is glibc's; elsewhere symbols have no version and this says nothing.
foreign=$(nm -D --undefined-only "$so" | awk '$1 == "U" { print $2 }' | grep '@' | grep -v '@GLIBC_')
[ -z "$foreign" ]
result $? "every import is libc's" "$foreign"

# Writable data of its own: none. What the compiler's start files bring takes 8 bytes in each section;
# .data.rel.ro is read-only once the dynamic linker is through (RELRO, next test).
writable=$(readelf -W -S "$so" | sed 's/^ *\[ *[0-9]*\]//' |
	awk '$1 ~ /^\.(t?data|t?bss)$/ { print $1, $5 }' | while read -r section size; do
	[ $((0x$size)) -le 16 ] || echo "$section: $((0x$size)) bytes"
done)
[ -z "$writable" ]
result $? "keeps no writable data" "$writable"

printf '%s\n' "$dynamic" | grep -Eq 'BIND_NOW|FLAGS_1.*NOW' && readelf -W -l "$so" | grep -q GNU_RELRO &&
	! readelf -W -l "$so" | grep GNU_STACK | grep -q E
result $? "is hardened: RELRO, BIND_NOW, no executable stack"

name="saslpluginviewer -c shows both mechanisms"
viewer=$(PATH=$PATH:/usr/sbin:/sbin command -v saslpluginviewer || PATH=$PATH:/usr/sbin:/sbin command -v pluginviewer)
if [ -z "$viewer" ]; then
	echo "# saslpluginviewer is not installed (Debian: sasl2-bin): that the plugin loads is NOT shown by this test"
	skip "$name" "saslpluginviewer is not installed"
else
	dir=$(mktemp -d) && ln -s "$(cd "$build" && pwd)/.libs/libmta-xoauth2.so" "$dir/libmta-xoauth2.so"
	seen=$(SASL_PATH=$dir "$viewer" -c 2>&1)
	rm -rf "$dir"
	printf '%s\n' "$seen" | grep -q 'SASL mechanism: XOAUTH2,' &&
		printf '%s\n' "$seen" | grep -q 'SASL mechanism: OAUTHBEARER,' &&
		[ "$(printf '%s\n' "$seen" | grep -c 'security flags: NO_ANONYMOUS|PASS_CREDENTIALS$')" -eq 2 ]
	result $? "$name" "$seen"
fi
