# shellcheck shell=sh
# Sourced by tests/scripts: results as TAP. Needs $tmp, a folder; n counts.
n=0
: "${tmp:?}"

# ok NAME: what is in $tmp/out is what is wrong; nothing is fine.
ok()
{
	n=$((n + 1))
	if [ -s "$tmp/out" ]; then
		echo "not ok $n - $1"
		sed 's/^/#   /' "$tmp/out"
	else
		echo "ok $n - $1"
	fi
	: >"$tmp/out"
}

# skip NAME REASON
skip()
{
	n=$((n + 1))
	echo "# NOT TESTED: $1: $2"
	echo "ok $n - $1 # SKIP $2"
	: >"$tmp/out"
}
