#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "tokend/log.h"
#include "tokend/metrics_file.h"
#include "tokend/report.h"
#include "tokend/server.h"

#define SUFFIX ".tmp"		/* no name that the collector takes */

struct metrics_file {
	struct server *s;
	struct event *timer;
	struct report report;
	char *path, *tmp;
	unsigned interval_s;
	int fd;			/* of tmp while it is being written; -1: between two times */
	bool failing;		/* and it has been logged */
};

static void again(struct metrics_file *m, unsigned seconds)
{
	const struct timeval tv = { (time_t)seconds, 0 };

	(void)event_add(m->timer, &tv);
}

/* Takes back what was begun. */
static void give_up(struct metrics_file *m)
{
	if (m->fd == -1)
		return;
	close(m->fd);
	m->fd = -1;
	(void)unlink(m->tmp);
}

static void failed(struct metrics_file *m, const char *what, int sys)
{
	char path[300], text[900];

	give_up(m);
	if (!m->failing) {
		snprintf(text, sizeof text, "%s (%s); the file as it was stays, and this is tried again every %u s: let "
		    "user %s make files in that folder, and under systemd name the folder in ReadWritePaths=", what,
		    strerror(sys), m->interval_s, m->s->conf->conf->user);
		log_event(LOG_WARNING, "metrics_file_failed", "path=%s text=\"%s\"",
		    mx_quote(path, sizeof path, m->path, strlen(m->path)), text);
	}
	m->failing = true;
	again(m, m->interval_s);
}

/* A name left by a crash is taken away first; never through a link that somebody else has put there. */
static bool begin(struct metrics_file *m)
{
	if (unlink(m->tmp) == -1 && errno != ENOENT) {
		failed(m, "an old file beside it cannot be removed", errno);
		return false;
	}
	m->fd = open(m->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (m->fd == -1) {
		failed(m, "no file can be made beside it", errno);
		return false;
	}
	(void)fchmod(m->fd, 0644);	/* whatever the umask is: the collector has to read it */
	report_begin(&m->report, m->s, &report_metrics);
	return true;
}

static bool put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r > 0) {
			p += r;
			n -= (size_t)r;
		} else if (r == 0 || errno != EINTR) {
			errno = r == 0 ? ENOSPC : errno;
			return false;
		}
	}
	return true;
}

static void end(struct metrics_file *m)
{
	int r = close(m->fd);

	m->fd = -1;
	if (r == -1 || rename(m->tmp, m->path) == -1) {
		r = errno;
		(void)unlink(m->tmp);
		failed(m, "it cannot be replaced", r);
		return;
	}
	if (m->failing) {
		char path[300];

		log_event(LOG_NOTICE, "metrics_file_written", "path=%s",
		    mx_quote(path, sizeof path, m->path, strlen(m->path)));
	}
	m->failing = false;
	again(m, m->interval_s);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	static char piece[REPORT_PIECE];
	struct metrics_file *m = arg;
	struct mx_buf b;
	enum report_step step;

	(void)fd, (void)what;
	if (m->fd == -1 && !begin(m))
		return;
	mx_buf_init(&b, piece, sizeof piece);
	step = report_next(&m->report, &b);
	if (!put(m->fd, b.p, b.len)) {
		failed(m, "it cannot be written", errno);
	} else if (step == REPORT_END) {
		end(m);
	} else {
		if (step == REPORT_CHANGED)
			give_up(m);
		again(m, 0);		/* the rest, or all of it anew, when the others have had their turn */
	}
}

void metrics_file_stop(struct server *s)
{
	struct metrics_file *m = s->metrics_file;

	s->metrics_file = NULL;
	if (m == NULL)
		return;
	give_up(m);
	if (m->timer != NULL)
		event_free(m->timer);
	free(m->path);
	free(m->tmp);
	free(m);
}

void metrics_file_start(struct server *s)
{
	const struct conf *c = s->conf->conf;
	struct metrics_file *m = s->metrics_file;
	size_t n;
	bool failing;

	failing = m != NULL && m->failing && c->metrics_file != NULL && strcmp(m->path, c->metrics_file) == 0;
	metrics_file_stop(s);
	if (c->metrics_file == NULL)
		return;
	n = strlen(c->metrics_file);
	if ((s->metrics_file = m = calloc(1, sizeof *m)) != NULL) {
		*m = (struct metrics_file){ .s = s, .fd = -1, .interval_s = c->metrics_interval_s, .failing = failing };
		m->path = strdup(c->metrics_file);
		m->tmp = malloc(n + sizeof SUFFIX);
		m->timer = event_new(s->base, -1, 0, on_timer, m);
	}
	if (m == NULL || m->path == NULL || m->tmp == NULL || m->timer == NULL) {
		metrics_file_stop(s);
		log_event(LOG_ERR, "no_memory", "for=metrics_file");
		return;
	}
	memcpy(m->tmp, c->metrics_file, n);
	memcpy(m->tmp + n, SUFFIX, sizeof SUFFIX);
	again(m, 0);
}
