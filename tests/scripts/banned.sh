#!/bin/sh
# Functions that truncate, overflow, block, keep hidden state or start processes are not used; third-party headers
# stay in their few files; arrows between folders run one way. A line may carry "ok: why" in a comment.
set -u
cd "${MX_SRC:-$(dirname "$0")/../..}" || exit 1
n=0

result() {	# what, offending lines
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
	fi
}

ours="plugin common catalogue oauth smtp settings engine tokend ctl"

echo "1..10"
# shellcheck disable=SC2086 # a list of folders
result "no banned function" "$(grep -nwE '(strcpy|strncpy|strcat|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|system|popen|signal|gmtime|localtime|alloca|rand|srand|mktemp|tmpnam|usleep) *\(' $(find $ours -name '*.[ch]') /dev/null | grep -v 'ok: ')"
# shellcheck disable=SC2086
result "syslog(3), which blocks, is not used" "$(grep -nwE '(syslog|vsyslog|openlog) *\(' $(find $ours -name '*.c') | grep -v 'ok: ')"
# shellcheck disable=SC2086
result "no bare free of a secret" "$(grep -nE 'free\((.*(secret|token)(\.p|->p)|password)' $(find $ours -name '*.c') | grep -v 'mx_secret_free' | grep -v 'ok: ')"
result "plugin and common include no third-party header but sasl's" "$(grep -nE '#include *<(curl|openssl|json-c|event2|yaml)' -r plugin common)"
result "the token engine knows neither curl, JSON, libevent nor a clock" "$(grep -nE '#include *[<"](curl|openssl|json-c|event2|yaml|time\.h|common/clock|oauth|settings)' engine/*.[ch])"
for most in curl=4 openssl=4 json-c=3; do	# which and why: doc/internals.md
	h=${most%=*}
	found=$(grep -lE "#include *<$h/" -r oauth smtp settings engine tokend ctl)
	[ "$(echo "$found" | wc -l)" -gt "${most#*=}" ] || found=
	result "<$h/...> is included by ${most#*=} files at most" "$found"
done
up=$(
	grep -nE '#include "(catalogue|oauth|smtp|settings|engine|tokend|ctl|plugin)/' -r common
	grep -nE '#include "(catalogue|oauth|smtp|settings|engine|tokend|ctl)/' -r plugin
	grep -nE '#include "(oauth|smtp|settings|engine|tokend|ctl|plugin)/' -r catalogue
	grep -nE '#include "(smtp|settings|engine|tokend|ctl|plugin)/' -r oauth
	grep -nE '#include "(settings|engine|tokend|ctl|plugin)/' -r smtp
	grep -nE '#include "(smtp|engine|tokend|ctl|plugin)/' -r settings
	grep -nE '#include "(catalogue|oauth|smtp|settings|tokend|ctl|plugin)/' -r engine
	grep -nE '#include "(smtp|ctl|plugin)/' -r tokend
	grep -nE '#include "(engine|tokend|plugin)/' -r ctl
)
result "arrows between folders run one way" "$up"
# shellcheck disable=SC2086
result "no source file has more than 600 lines" "$(find $ours -name '*.[ch]' -exec wc -l {} + | awk '$1 > 600 && $2 != "total"')"
