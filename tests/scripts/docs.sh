#!/bin/sh
# The documents say what the code does. Prints TAP. MX_SRC: the sources, MX_BUILD: the build folder.
# shellcheck disable=SC2016  # backquotes in patterns are Markdown

set -u
LC_ALL=C
export LC_ALL
src=${MX_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${MX_BUILD:-$src/build/gcc}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$src" || exit 1
# shellcheck source=tests/lib/tap.sh
. "$src/tests/lib/tap.sh"

# differ A B TEXT-A TEXT-B: lines that only one of two sorted files has.
differ()
{
	comm -23 "$1" "$2" | sed "s|\$|: $3|"
	comm -13 "$1" "$2" | sed "s|\$|: $4|"
}

one_line()	# the C sources of the folders named, without their line ends
{
	for d in "$@"; do cat "$d"/*.c; done | tr '\n\t' '  '
}

# --- refusals (error codes: codes.sh) ------------------------------------------------------------------
one_line tokend | grep -oE 'deny\(v, *"[a-z-]+"' | cut -d'"' -f2 | sort -u >"$tmp/code"
sed -n '/^| reason |/,/^$/p' doc/protocol.md | grep -oE '^\| `[a-z-]+`' | tr -d '|` ' | sort >"$tmp/doc"
differ "$tmp/code" "$tmp/doc" "not in doc/protocol.md" "no such reason" >"$tmp/out"
ok "every reason of a refusal is in doc/protocol.md"

# --- the wire ----------------------------------------------------------------------------------------
# Key and limits as the table of common/wire.c has them; names of limits from common/wire.h.
awk '
	/^#define MX_[A-Z_]+ [0-9]+/ { value[$2] = $3 }
	/^[ \t]*F\([a-z_0-9]+,/ {
		gsub(/[ \t]/, ""); sub(/^F\(/, ""); sub(/\),.*/, "")
		split($0, f, ",")
		max = f[4] in value ? value[f[4]] : f[4] == "1u<<20" ? 1048576 : f[4]
		print f[1], f[3], max
	}' common/wire.h common/wire.c | sort >"$tmp/code"
awk -F'|' '/^\| key \| what \| limits/ { on = 1 } /^$/ { on = 0 }
	on && $2 ~ /`/ { gsub(/[` ]/, "", $2); split($4, w, " "); print $2, w[1], w[3] }' doc/protocol.md | sort >"$tmp/doc"
differ "$tmp/code" "$tmp/doc" "not so in doc/protocol.md" "not so in common/wire.c" >"$tmp/out"
[ "$(wc -l <"$tmp/code")" -gt 8 ] || echo "the search for keys finds too few" >>"$tmp/out"
ok "the keys of the protocol and their limits"

sed -n '/verbs\[MX_VERB_N\]/,/};/p' common/wire.c | grep -oE '"[A-Z]+"' | tr -d '"' | sort >"$tmp/code"
awk -F'|' '/^\| verb \| what \| reply/ { on = 1 } /^$/ { on = 0 } on && $2 ~ /`/ { gsub(/[` ]/, "", $2); print $2 }' doc/protocol.md |
	sort >"$tmp/doc"
differ "$tmp/code" "$tmp/doc" "not in doc/protocol.md" "no such verb" >"$tmp/out"
ok "the verbs of the protocol"

sed -n 's/.*\[MX_[A-Z_]*\] *= { "\([a-z-]*\)", *\(-\{0,1\}[0-9]*\), *\([0-9]*\),.*/\1 \2 \3/p' common/status.c | grep -v '^ok ' | sort >"$tmp/code"
awk -F'|' '/^\| class \| meaning \| SASL/ { on = 1 } /^$/ { on = 0 }
	on && $2 ~ /`/ { gsub(/[` ]/, "", $2); gsub(/ /, "", $4); gsub(/ /, "", $5); print $2, $4, $5 }' doc/protocol.md | sort >"$tmp/doc"
differ "$tmp/code" "$tmp/doc" "not so in doc/protocol.md" "not so in common/status.c" >"$tmp/out"
[ "$(wc -l <"$tmp/code")" -gt 4 ] || echo "the search for classes finds too few" >>"$tmp/out"
ok "the classes of errors, their SASL results and exit statuses"

grep -E '^\| (daemon|client|user|user, others) \|' doc/protocol.md | cut -d'|' -f3 | tr -d '`' | tr -s ' ' '\n' | sed '/^$/d' | sort -u >"$tmp/doc"
grep -oE '\\t[a-z_]+=' tokend/status.c | sed 's/\\t//' | tr -d '=' | sort -u >"$tmp/code"
differ "$tmp/code" "$tmp/doc" "not in doc/protocol.md" "STATUS has no such key" >"$tmp/out"
ok "the keys of STATUS"

grep -oE '\{ "[a-z_]+", "(gauge|counter|histogram)"' tokend/metrics.c | sed 's/{ "\([a-z_]*\)", "\([a-z]*\)"/mta_xoauth2_\1 \2/' | sort >"$tmp/code"
[ "$(wc -l <"$tmp/code")" -gt 15 ] || echo "the search for families finds too few" >"$tmp/out"
grep -E '^\| `mta_xoauth2_' doc/protocol.md | awk -F'|' '{ gsub(/[` ]/, "", $2); gsub(/ /, "", $3); print $2, $3 }' | sort >"$tmp/doc"
differ "$tmp/code" "$tmp/doc" "not in doc/protocol.md" "METRICS has no such family" >>"$tmp/out"
ok "the families of METRICS"

# --- configuration -----------------------------------------------------------------------------------
# One line for each key: section, name, refused or not, default, bounds; as settings/keys.c has them and as the page has.
awk '
	function product(s,   p, i, k, v) {
		gsub(/[ \t]/, "", s)
		if (s == "H") return 3600000
		if (s ~ /^0[0-7]+$/) return s
		if (s == "MX_ACCOUNT_MAX") return 320
		v = 1; k = split(s, p, "*"); for (i = 1; i <= k; i++) v *= p[i]
		return v
	}
	function ms(v) { return v % 1000 ? v "ms" : v / 1000 "s" }
	/^static const struct conf_key [a-z]+\[\]/ { section = $5; sub(/\[\]/, "", section) }
	/^};/ { section = "" }
	section == "" { next }
	/^\t\{ "/ { row = "" }
	{ row = row " " $0 }
	/\},$/ {
		gsub(/[ \t]+/, " ", row); sub(/^ *\{ /, "", row)
		split(row, f, ", ")
		name = f[1]; gsub(/"/, "", name)
		def = f[4]; gsub(/"/, "", def)
		if (def == "NULL") def = "-"
		if (def == "MX_USER") def = "mta-xoauth2"
		min = product(f[5]); max = product(f[6])
		bounds = "-"
		if (f[2] == "CONF_T_MS") bounds = "From " ms(min) " to " ms(max)
		else if (f[2] == "CONF_T_SECONDS") bounds = "From " min "s to " max "s"
		else if (f[2] == "CONF_T_COUNT") bounds = "From " min " to " max
		else if (f[2] != "CONF_T_MODE" && max > 0) bounds = "At most " max " bytes"
		if (row ~ /CONF_K_REFUSED/) print "refused|" name
		else print section "|" name "|" def "|" bounds
		row = ""
	}' settings/keys.c >"$tmp/keys"
[ "$(grep -vc '^refused' "$tmp/keys")" -gt 40 ] || echo "the search for configuration keys finds too few" >"$tmp/out"
# The page: a section of the manual for each section of the configuration.
awk '
	BEGIN { of[".Sh TOP LEVEL"] = "top"; of[".Sh SOCKETS"] = "listens"; of[".Sh CLIENTS"] = "clients"
		of[".Sh ACCOUNTS"] = "accounts" }
	/^\.S[hs] / { section = of[$0]; name = "" }
	/^\.It Ic [a-z_]+ :/ { name = $3; if (section != "") print section "|" name "|here" }
	name != "" && section != "" && /Default: [^ ]+\.$/ { s = $0; sub(/.*Default: /, "", s); sub(/\.$/, "", s); print section "|" name "|def|" s }
	name != "" && section != "" && /^(From|Each at most|At most) / { s = $0; sub(/^Each at/, "At", s); sub(/\.$/, "", s); print section "|" name "|bounds|" s }
	' man/tokend.conf.5 >"$tmp/page"
while IFS='|' read -r section name def bounds; do
	if [ "$section" = refused ]; then
		sed -n '/^\.Ss Keys that this version refuses/,/^\.S[sh] [^K]/p' man/tokend.conf.5 | grep -qw -- "$name" ||
			echo "refused key $name: not in tokend.conf(5)"
		continue
	fi
	[ "$section" != credentials ] || continue		# its one key is told with "credentials"
	if ! grep -qxF "$section|$name|here" "$tmp/page"; then
		echo "$section, $name: not in tokend.conf(5)"
		continue
	fi
	[ "$def" = - ] || grep -qxF "$section|$name|def|$def" "$tmp/page" || echo "$section, $name: tokend.conf(5) lacks \"Default: $def.\""
	[ "$bounds" = - ] || grep -qxF "$section|$name|bounds|$bounds" "$tmp/page" || echo "$section, $name: tokend.conf(5) lacks \"$bounds.\""
done <"$tmp/keys" >>"$tmp/out"
grep '|here$' "$tmp/page" | cut -d'|' -f1,2 | while IFS= read -r key; do
	grep -qF "$key|" "$tmp/keys" || echo "$key: in tokend.conf(5), but not in settings/keys.c"
done >>"$tmp/out"
ok "tokend.conf(5) has every configuration key, its default and its bounds"

# Words a key takes: word_NAME's list in the key's own paragraph.
awk '
	/^static const char \*word_/ { fn = $4; sub(/^\*/, "", fn); sub(/\(.*/, "", fn) }
	/ w\[\] = \{/ && fn != "" { s = $0; sub(/^[^{]*\{/, "", s); gsub(/["{}; ,]+/, " ", s); words[fn] = s; fn = "" }
	/^\t\{ "/ { key = $2; gsub(/[",]/, "", key) }
	{ for (i = 1; i <= NF; i++) { f = $i; sub(/,$/, "", f); if (f in words) { n = split(words[f], w, " "); for (k = 1; k <= n; k++) print key, w[k] } } }
	' settings/keys.c >"$tmp/words"
[ "$(wc -l <"$tmp/words")" -gt 8 ] || echo "the search for words finds too few" >"$tmp/out"
while read -r key word; do
	sed -n "/^\.It Ic $key :/,/^\.\(It Ic [a-z_]* :\|S[hs]\)/p" man/tokend.conf.5 | grep -qwF -- "$word" ||
		echo "$key: tokend.conf(5) lacks the word $word"
done <"$tmp/words" >>"$tmp/out"
ok "tokend.conf(5) has the words that a key takes"

# --- programs ----------------------------------------------------------------------------------------
# options PROGRAM PAGE: every option and verb of --help is in the page.
options()
{
	"$build/$1" --help >"$tmp/help" 2>&1 || echo "$1 --help failed"
	if [ "$1" = mta-xoauth2 ]; then
		sed -n '/^verbs:/,/^$/p' "$tmp/help" | awk 'NF && $1 != "verbs:" { print $1 }' >"$tmp/verbs"
		while read -r v; do
			grep -qE "^\.It Cm $v( |\$)" "$2" || echo "verb $v: not in $2"
			"$build/$1" "$v" --help >>"$tmp/help" 2>&1
		done <"$tmp/verbs"
	fi
	grep -oE -- '--[a-z][a-z-]*' "$tmp/help" | sort -u | while read -r o; do
		grep -qE -- "Fl -${o#--}( |\$)" "$2" || echo "option $o: not in $2"
	done
	grep -oE -- 'Fl -[a-z][a-z-]*' "$2" | cut -d' ' -f2 | sort -u | while read -r o; do
		grep -qE -- "-$o([^a-z]|\$)" "$tmp/help" || echo "$2: -$o is no option of $1"
	done
}
for p in mta-xoauth2-tokend mta-xoauth2; do
	if [ -x "$build/$p" ]; then
		options "$p" "man/$p.8" >"$tmp/out"
		ok "$p(8) has every option"
	else
		skip "$p(8) has every option" "$p is not built in $build"
	fi
done

one_line tokend | grep -oE 'log_event\(([A-Z_]+|priority|[^"]*), *"[a-z_]+"' | grep -oE '"[a-z_]+"$' | tr -d '"' | sort -u >"$tmp/code"
grep -oE '"log_dropped ' tokend/log.c | tr -d '" ' >>"$tmp/code"	# log.c writes that one itself
one_line tokend | grep -oE '"(answer|configuration|denied|refused)", "' | cut -d'"' -f2 | sort -u - "$tmp/code" >"$tmp/code2"
sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh SEE/p' man/mta-xoauth2-tokend.8 | sed -n 's/^\.It //p' | sed 's/ , /\n/g' | sort -u >"$tmp/doc"
differ "$tmp/code2" "$tmp/doc" "not in mta-xoauth2-tokend(8)" "logged nowhere" >"$tmp/out"
ok "mta-xoauth2-tokend(8) has every log event"

grep -oE '\{ "[a-z_]+", "[a-z_]+", (true|false) \}' ctl/status_read.c | cut -d'"' -f4 | sort -u >"$tmp/code"
sed -n '/^\.Ss JSON/,/^\.Sh/p' man/mta-xoauth2.8 | tr ' ' '\n' | sort -u >"$tmp/doc"
comm -23 "$tmp/code" "$tmp/doc" | sed 's/$/: not in mta-xoauth2(8)/' >"$tmp/out"
ok "mta-xoauth2(8) has every key of status --json"

if command -v mandoc >/dev/null; then
	(cd man && mandoc -Tlint -Wall ./*.5 ./*.7 ./*.8) >"$tmp/out" 2>&1
	ok "mandoc -Tlint -Wall"
else
	skip "mandoc -Tlint -Wall" "mandoc is not installed"
fi

# --- units -------------------------------------------------------------------------------------------
if ! command -v systemd-analyze >/dev/null; then
	skip "systemd-analyze verify" "systemd is not installed"
elif [ ! -f "$build/conf/systemd/mta-xoauth2-tokend.service" ]; then
	skip "systemd-analyze verify" "the units are not built in $build"
else
	mkdir "$tmp/units"
	for u in service socket; do	# with a program that exists
		sed "s|^\(Exec[A-Za-z]*\)=/[^ ]*/mta-xoauth2-tokend|\1=/bin/true|" "$build/conf/systemd/mta-xoauth2-tokend.$u" >"$tmp/units/mta-xoauth2-tokend.$u"
	done
	mkdir "$tmp/units/mta-xoauth2-tokend.socket.d"
	cp conf/systemd/postfix-chroot.conf conf/systemd/socketmap.conf "$tmp/units/mta-xoauth2-tokend.socket.d/"
	systemd-analyze verify --man=no "$tmp/units/mta-xoauth2-tokend.service" "$tmp/units/mta-xoauth2-tokend.socket" >"$tmp/out" 2>&1 ||
		echo "systemd-analyze verify failed" >>"$tmp/out"
	grep -l '@[A-Za-z_]*@' "$build"/conf/*/mta-xoauth2* 2>/dev/null | sed 's/$/: not all names were replaced/' >>"$tmp/out"
	ok "systemd-analyze verify"
fi
# The mark is systemd-analyze's, ten times.
if ! command -v systemd-analyze >/dev/null || ! systemd-analyze security --help 2>/dev/null | grep -q -- --threshold; then
	skip "systemd-analyze security gives 1.5 or better" "this systemd-analyze is not installed, or too old for --threshold"
elif [ ! -d "$tmp/units" ]; then
	skip "systemd-analyze security gives 1.5 or better" "the units are not built in $build"
else
	systemd-analyze security --offline=yes --no-pager --threshold=15 "$tmp/units/mta-xoauth2-tokend.service" >"$tmp/mark" 2>&1 ||
		grep -v '^✓' "$tmp/mark" >"$tmp/out"
	grep -q 'Overall exposure level' "$tmp/mark" || cat "$tmp/mark" >"$tmp/out"
	ok "systemd-analyze security gives 1.5 or better"
fi
grep -q '^PrivateUsers=' conf/systemd/*.in && echo "PrivateUsers= makes every peer look like user 65534" >"$tmp/out"
ok "the service leaves users as they are"

# --- samples -----------------------------------------------------------------------------------------
# What README and the Postfix page show is what the files have.
for f in conf/postfix/*; do
	case ${f##*/} in
	main.cf | master.cf | exo_accounts) page=README.md ;;
	*) page=doc/postfix.md ;;
	esac
	grep -v '^#' "$f" | tr '\t' ' ' | sed '/^ *$/d' | while IFS= read -r line; do
		tr '\t' ' ' <"$page" | grep -qxF -- "$line" || echo "$f: $page lacks \"$line\""
	done
done >"$tmp/out"
ok "README.md, doc/postfix.md and conf/postfix agree"

# --- files -------------------------------------------------------------------------------------------
# Links, and paths in backquotes that look like ours.
for page in README.md CONTRIBUTING.md doc/*.md conf/README.md man/README.md; do
	dir=$(dirname "$page")
	grep -oE '\]\([^)]+\)' "$page" | sed 's/^](//; s/)$//' | grep -v '^https\{0,1\}:' | while IFS= read -r to; do
		file=${to%%#*} anchor=${to#"${to%%#*}"}
		[ -n "$file" ] || file=$(basename "$page")
		if [ ! -e "$dir/$file" ]; then
			echo "$page: no such file: $to"
		elif [ -n "$anchor" ]; then
			sed -n 's/^##* //p' "$dir/$file" | tr 'A-Z ' 'a-z-' | tr -d "\`',.()" | grep -qxF -- "${anchor#\#}" ||
				echo "$page: no such heading: $to"
		fi
	done
	grep -oE '(^|[ `(])(\./)?(common|plugin|catalogue|oauth|settings|tokend|ctl|tests|conf|doc|man)/[A-Za-z0-9_./-]+' "$page" |
		sed 's/^[ `(]//' | sort -u | while IFS= read -r file; do
		file=${file%.}
		[ -e "$file" ] || [ -e "$dir/$file" ] || echo "$page: no such file: $file"
	done
done >"$tmp/out"
for command in quickstart runtests bootstrap; do
	[ -x "$command" ] || echo "./$command is missing or not executable"
done >>"$tmp/out"
ok "links and paths lead somewhere"

# Each threat names the tests that show the defence: FILE::NAME, a file of tests/e2e or a path.
grep -ohE '`[a-z0-9_/]+\.(py|c)::[a-z0-9_]+`' SECURITY.md doc/security-model.md | tr -d '`' | sort -u >"$tmp/named"
[ "$(wc -l <"$tmp/named")" -ge 30 ] || echo "doc/security-model.md names hardly any test" >"$tmp/out"
while IFS= read -r t; do
	f=${t%%::*} name=${t##*::}
	case $f in */*) ;; *) f=tests/e2e/$f ;; esac
	case $f in
	*.py)	grep -q "^def $name(" "$f" 2>/dev/null ;;
	*)	grep -q "^static void $name(void \*\*" "$f" 2>/dev/null && grep -q "cmocka_unit_test.*(${name}[,)]" "$f" ;;
	esac || echo "doc/security-model.md: no test $t"
done <"$tmp/named" >>"$tmp/out"
awk -F'|' '/^### /{ on = 1 } /^## /{ on = 0 } on && /^\|/ && !/^\|---/ && !/\| test \|$/ && $4 !~ /::/ && !/memory of a mail server/ {
	print "doc/security-model.md: no test for" $2 }' doc/security-model.md >>"$tmp/out"
ok "the security model names tests that are there"

# Every folder with files of ours has a README that names each of them. Where the README above names a folder as a whole (the
# unit tests: one program per module), that is enough.
if [ -e .git ] && command -v git >/dev/null; then
	git -c safe.directory="$src" ls-files -- common plugin catalogue oauth settings tokend ctl rehearse conf doc man tests
else
	find common plugin catalogue oauth settings tokend ctl rehearse conf doc man tests -name node_modules -prune -o -type f -print |
		grep -vE '\.(o|lo|la|log|trs|pyc)$|/\.|README\.md$'
fi | grep -vE '/(README\.md|__init__\.py)$' | while IFS= read -r f; do
	[ -e "$f" ] || continue
	d=$(dirname "$f") name=$(basename "$f")
	up=$d		# a folder may be described by the README above it
	while [ ! -f "$up/README.md" ] && [ "$up" != . ]; do up=$(dirname "$up"); done
	if [ "$up" = . ]; then
		echo "$d: no README.md"
	elif grep -qF -- "$name" "$up/README.md"; then
		continue
	elif [ "$up" = tests ] && grep -qF -- "| \`$(echo "$d" | cut -d/ -f2)/\`" tests/README.md; then
		continue
	else
		stem=${name%.*}
		case $name in		# `name.c` `.h`, or a pattern with *
		*.h)	grep -qE -- "\`(.*/)?$stem\.c\`[^|]*\`\.h\`" "$up/README.md" && continue ;;
		esac
		found=no
		for pattern in $(grep -oE '`[^` ]*\*[^` ]*`' "$up/README.md" | tr -d '`'); do
			# shellcheck disable=SC2254  # a pattern it is
			case ${f#"$up"/} in $pattern) found=yes ;; esac
			# shellcheck disable=SC2254
			case $name in $pattern) found=yes ;; esac
		done
		[ "$found" = yes ] || echo "$up/README.md does not name $f"
	fi
done | sort -u >"$tmp/out"
ok "every folder has a README that names its files"

echo "1..$n"
