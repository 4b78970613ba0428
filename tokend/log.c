#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tokend/log.h"

#define LINE_MAX_BYTES 2000		/* below PIPE_BUF: a line is written whole or not at all */

static struct {
	enum log_target target;
	const char *ident;
	int max, fd;			/* fd of /dev/log; -1: not connected */
	bool journal;
	mode_t kind;			/* of standard error: S_IFMT bits */
	unsigned long dropped;		/* and not told of yet */
	uint64_t dropped_total;
} lg = { .max = LOG_INFO, .fd = -1, .ident = "mta-xoauth2-tokend" };

static bool stderr_is_journal(void)
{
	const char *v = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return v != NULL && sscanf(v, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	    st.st_dev == dev && st.st_ino == ino;
}

void log_open(enum log_target where, const char *ident)
{
	struct stat st;

	lg.target = where;
	lg.ident = ident;
	lg.journal = where == LOG_TO_STDERR && stderr_is_journal();
	if (fstat(STDERR_FILENO, &st) == 0)
		lg.kind = st.st_mode & S_IFMT;
}

void log_forked(void)
{
	lg.fd = -1;
}

void log_level(int max_priority)
{
	lg.max = max_priority;
}

bool log_wanted(int priority)
{
	return priority <= lg.max;
}

/* syslog(3) blocks when the socket is full, so the datagram is written here. */
static bool to_syslog(int priority, const char *line, size_t n)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	char msg[LINE_MAX_BYTES + 128], when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int try, len;

	if (localtime_r(&now, &tm) != NULL)
		strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
	len = snprintf(msg, sizeof msg, "<%d>%s %s[%ld]: %.*s", LOG_MAIL | priority, when, lg.ident,
	    (long)getpid(), (int)n, line);
	if (len < 0)
		return false;
	for (try = 0; try < 2; try++) {		/* twice: syslogd may have been restarted */
		if (lg.fd == -1) {
			lg.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
			if (lg.fd == -1)
				return false;
			if (connect(lg.fd, (struct sockaddr *)&sa, sizeof sa) == -1)
				goto again;
		}
		if (send(lg.fd, msg, (size_t)len < sizeof msg ? (size_t)len : sizeof msg - 1, MSG_NOSIGNAL) != -1)
			return true;
		if (errno == EAGAIN)
			return false;
again:
		close(lg.fd);
		lg.fd = -1;
	}
	return false;
}

static bool to_stderr(int priority, char *line, size_t n)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char msg[LINE_MAX_BYTES + 8];
	int len;

	len = lg.journal ? snprintf(msg, sizeof msg, "<%d>%.*s\n", priority, (int)n, line)
	    : snprintf(msg, sizeof msg, "%.*s\n", (int)n, line);
	if (len < 0)
		return false;
	if (lg.kind == S_IFSOCK)		/* the journal's */
		return send(STDERR_FILENO, msg, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len;
	if (lg.kind != S_IFREG && (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)))
		return false;
	return write(STDERR_FILENO, msg, (size_t)len) == len;
}

static void emit(int priority, char *line, size_t n)
{
	bool ok = lg.target == LOG_TO_SYSLOG ? to_syslog(priority, line, n) : to_stderr(priority, line, n);

	if (!ok)
		lg.dropped++, lg.dropped_total++;
}

uint64_t log_dropped_total(void)
{
	return lg.dropped_total;
}

void log_event(int priority, const char *event, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t n;
	va_list ap;
	int k;

	if (priority > lg.max)
		return;
	if (lg.dropped > 0) {
		unsigned long was = lg.dropped;

		k = snprintf(line, sizeof line, "log_dropped lines=%lu", was);
		lg.dropped = 0;
		emit(LOG_WARNING, line, (size_t)k);
		if (lg.dropped > 0) {
			lg.dropped = was;	/* still no room: keep the count */
			lg.dropped_total--;	/* that one was none of those */
		}
	}
	k = snprintf(line, sizeof line, "%s%s", event, *fmt != '\0' ? " " : "");
	n = k < 0 ? 0 : (size_t)k;
	va_start(ap, fmt);
	k = vsnprintf(line + n, sizeof line - n, fmt, ap);
	va_end(ap);
	if (k > 0)
		n += (size_t)k < sizeof line - n ? (size_t)k : sizeof line - n - 1;
	emit(priority, line, n);
}
