# common.sh: what quickstart, runtests and packages.sh share. Sourced by bash, prints progress on stdout.
# shellcheck shell=bash

# shellcheck disable=SC2034  # read by servers.sh
mx_cache=/var/cache/mxt		# short on purpose: servers.sh puts paths into it into fixed room
# Never a name in /tmp that somebody else could have prepared: root writes there.
mx_log_dir=${MX_LOG_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/logs}
export MX_BEGAN=${MX_BEGAN:-$EPOCHSECONDS}	# programs that are called go on counting from here

say()	{ printf '[%3ds] %s\n' "$((EPOCHSECONDS - MX_BEGAN))" "$*"; }
warn()	{ printf '[%3ds] warning: %s\n' "$((EPOCHSECONDS - MX_BEGAN))" "$*" >&2; }
die()	{ printf '%s: %s\n' "${mx_program:-${0##*/}}" "$*" >&2; exit 1; }

# Runs a command with its output in a log file: logged NAME COMMAND...
logged()
{
	local name=$1
	shift
	mkdir -p "$mx_log_dir" && chmod 700 "$mx_log_dir"
	"$@" >"$mx_log_dir/$name.log" 2>&1
}

log_tail()
{
	echo "--- the end of $mx_log_dir/$1.log:" >&2
	tail -n "${2:-25}" "$mx_log_dir/$1.log" >&2
	echo "---" >&2
}

need_root()
{
	[ "$(id -u)" -eq 0 ] || die "root is needed $*"
}

need_debian()
{
	local id='' version=''
	if [ -r /etc/os-release ]; then
		id=$(. /etc/os-release; echo "${ID:-} ${ID_LIKE:-}")
		version=$(. /etc/os-release; echo "${VERSION_ID:-}")
	fi
	case " $id " in
	*" debian "*) ;;
	*) die "this needs Debian 12 (or a system like it with apt); /etc/os-release says: ${id:-nothing}" ;;
	esac
	command -v apt-get >/dev/null || die "apt-get is not there: this needs Debian 12"
	[ "${version%%.*}" = 12 ] || warn "written for Debian 12, this is ${id%% *} ${version:-unknown}"
}

# Runs a step in a process group of its own, so that stop_step ends all of it. Returns its status.
mx_step=
step()
{
	local status
	set -m
	"$@" </dev/null &
	mx_step=$!
	set +m
	wait "$mx_step"
	status=$?
	mx_step=
	return "$status"
}

# For traps: ends the step that runs and waits for it (an apt-get that is under way is let finish).
stop_step()
{
	[ -n "$mx_step" ] || return 0
	printf '\n%s: stopping\n' "${mx_program:-$0}" >&2
	kill -TERM -- "-$mx_step" 2>/dev/null
	wait "$mx_step" 2>/dev/null
}

# Builds the tree out of place: build_tree SOURCE BUILD [configure options]. Says what fails, returns 1 then.
build_tree()
{
	local src=$1 dir=$2 jobs step
	shift 2
	jobs=$(nproc 2>/dev/null || echo 2)
	mkdir -p "$dir" || return 1
	if [ ! -x "$src/configure" ] || [ "$src/configure.ac" -nt "$src/configure" ] ||
	    [ "$src/Makefile.am" -nt "$src/Makefile.in" ]; then
		say "./bootstrap"
		step=bootstrap
		( cd "$src" && logged $step ./bootstrap ) || { build_failed $step; return 1; }
	fi
	if [ ! -f "$dir/Makefile" ] || [ "$src/configure" -nt "$dir/config.status" ] ||
	    [ "$(cat "$dir/.mx-options" 2>/dev/null)" != "$*" ]; then
		say "./configure $*"
		step=configure
		( cd "$dir" && logged $step "$(realpath --relative-to="$dir" "$src")/configure" "$@" ) ||
			{ build_failed $step; return 1; }
		printf '%s\n' "$*" >"$dir/.mx-options"
	fi
	say "make -j$jobs in ${dir#"$src"/}"
	step='make'
	logged $step make -C "$dir" -j"$jobs" || { build_failed $step; return 1; }
}

# The lines of a log that say what is wrong; a parallel make leaves them far from its end.
log_errors()
{
	grep -a -v -E '^(PASS|SKIP|XFAIL): ' "$mx_log_dir/$1.log" |
		grep -a -e ' error: ' -e 'Error [0-9]' -e 'No rule to make' -e 'undefined reference' | head -n 20 >&2
}

build_failed()
{
	log_tail "$1" 40
	log_errors "$1"
	printf 'the build failed in: %s\n' "$1" >&2
}
