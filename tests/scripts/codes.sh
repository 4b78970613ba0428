#!/bin/sh
# Every code in the sources has its row in the catalogue, with the classes that it is said with; no row is without use; the
# manual page is the catalogue's. Prints TAP. MX_SRC: the sources, MX_BUILD: the build folder.
# shellcheck disable=SC2016  # backquotes in patterns are Markdown

set -u
LC_ALL=C
export LC_ALL
src=${MX_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${MX_BUILD:-$src/build/gcc}
page=$build/catalogue/errors-page
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$src" || exit 1

if [ ! -x "$page" ]; then
	echo "1..0 # SKIP catalogue/errors-page is not built in $build"
	exit 0
fi

# shellcheck source=tests/lib/tap.sh
. "$src/tests/lib/tap.sh"

"$page" --codes | sort >"$tmp/rows"
cut -d' ' -f1 "$tmp/rows" >"$tmp/known"

# --- where a code can be said: calls and tables ------------------------------------------------------
# One line for each: code, and the classes that are named beside it (none: the row's own).
find common plugin oauth settings engine tokend ctl -name '*.[ch]' ! -name row.c ! -name row.h | sort | xargs cat | tr '\n\t' '  ' >"$tmp/sources"
grep -oE '([a-z_]*fail|[a-z_]*fail_row|fail_with|bad|turn_away|dg_broken|cat_get|cat_find)\([^;"]*"[a-z0-9-]+"( : "[a-z0-9-]+")?|\{ MX_[A-Z_]+, "[a-z0-9-]+"' "$tmp/sources" |
	awk '{
		n = split($0, part, "\""); s = part[1]; classes = ""
		while (match(s, /MX_(TEMP|PROVIDER|CONFIG|DENIED|BUSY|BAD_REQUEST)/)) {
			c = substr(s, RSTART + 3, RLENGTH - 3)
			classes = classes " " tolower(c); s = substr(s, RSTART + RLENGTH)
		}
		gsub(/_/, "-", classes)
		for (i = 2; i <= n; i += 2) print part[i] classes
	}' | sort -u >"$tmp/said"
[ "$(cut -d' ' -f1 "$tmp/said" | sort -u | wc -l)" -gt 100 ] || echo "the search for codes finds too few" >"$tmp/out"
cut -d' ' -f1 "$tmp/said" | sort -u | comm -23 - "$tmp/known" | sed 's/$/: has no row in catalogue\//' >>"$tmp/out"
ok "every code in the sources has a row"

awk 'NR == FNR { row[$1] = " " $2 " " $3 " "; next }
	{ for (i = 2; i <= NF; i++) if ($1 in row && index(row[$1], " " $i " ") == 0) print $1 ": class " $i " in the sources, and" row[$1] "in its row" }' \
	"$tmp/rows" "$tmp/said" >"$tmp/out"
ok "classes are those of the rows"

# A row is used by a call or a table, or by a pattern.
{ cat "$tmp/sources"; cat catalogue/refusal_data.c catalogue/smtp_data.c; } | grep -oE '"[a-z0-9-]+"' | tr -d '"' | sort -u >"$tmp/used"
comm -13 "$tmp/used" "$tmp/known" | sed 's/$/: nobody says it/' >"$tmp/out"
ok "no row is without use"

# --- the page ----------------------------------------------------------------------------------------
"$page" man/mta-xoauth2-errors.7.in >"$tmp/page" || echo "errors-page failed" >"$tmp/out"
cmp -s "$tmp/page" man/mta-xoauth2-errors.7 || echo "man/mta-xoauth2-errors.7 is not current: make errors-page" >>"$tmp/out"
ok "mta-xoauth2-errors(7) is the catalogue's"
while read -r code; do
	grep -q "^\.It Cm $code Pq " "$tmp/page" || echo "$code: not in mta-xoauth2-errors(7)"
done <"$tmp/known" >"$tmp/out"
grep '@' "$tmp/page" | grep -oE '@[a-z]+@$' >>"$tmp/out"
ok "mta-xoauth2-errors(7) has every code"

# A placeholder whose name says nothing, or that has grown together with what is behind it.
grep -nE '^(Fix: )?RELOAD$|&& RELOAD|[A-Z]{3,}smtp_|[A-Z]{3,}PARAMETER' "$tmp/page" >"$tmp/out"
ok "the fixes of mta-xoauth2-errors(7) can be read without the values"

# What other pages say in brackets or name as a code exists.
grep -ohE '`\[[a-z0-9-]+\]`' README.md doc/*.md | tr -d '`[]' | sort -u | comm -23 - "$tmp/known" | sed 's/$/: no such code/' >"$tmp/out"
ok "the codes that other pages name exist"

echo "1..$n"
