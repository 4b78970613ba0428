/*
 * The door that a browser on this host comes back through (RFC 8252 section 7.3): enough of HTTP for that, on 127.0.0.1
 * alone. Anybody on the host can knock; what is not the answer that is awaited changes nothing.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "ctl/login.h"

#define GUESTS (LOGIN_DOOR_FDS - 1)
#define HEAD_MAX 16384		/* bytes of a request */
#define PATIENCE_MS 10000	/* browsers connect in advance and keep silent */

struct guest {
	int fd;			/* -1: nobody */
	uint64_t since;
	size_t n;
	char *head;
};

struct login_door {
	int fd;
	struct guest guest[GUESTS];
	char host[24];		/* as the Host field has it */
};

static bool own(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 && fcntl(fd, F_SETFL, O_NONBLOCK) != -1;
}

struct login_door *login_door_open(unsigned *port, struct mx_err *e)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct login_door *d = calloc(1, sizeof *d);
	socklen_t n = sizeof sin;
	struct mx_buf b;

	if (d == NULL) {
		mx_fail(e, MX_TEMP, "no-memory", "no memory for a login; try again");
		return NULL;
	}
	for (size_t i = 0; i < GUESTS; i++)
		d->guest[i].fd = -1;
	if ((d->fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 || !own(d->fd) ||
	    bind(d->fd, (struct sockaddr *)&sin, sizeof sin) == -1 || listen(d->fd, GUESTS) == -1 ||
	    getsockname(d->fd, (struct sockaddr *)&sin, &n) == -1) {
		mx_fail(e, MX_TEMP, "no-loopback", "no port of 127.0.0.1 can be had for the browser to come back to "
		    "(%s)", strerror(errno));
		login_door_close(d);
		return NULL;
	}
	*port = ntohs(sin.sin_port);
	mx_buf_init(&b, d->host, sizeof d->host);
	mx_buf_addf(&b, "127.0.0.1:%u", *port);
	(void)mx_buf_str(&b);
	return d;
}

static void leave(struct guest *g)
{
	if (g->fd == -1)
		return;
	close(g->fd);
	mx_wipe(g->head, HEAD_MAX);
	free(g->head);
	*g = (struct guest){ .fd = -1 };
}

void login_door_close(struct login_door *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < GUESTS; i++)
		leave(&d->guest[i]);
	if (d->fd != -1)
		close(d->fd);
	free(d);
}

size_t login_door_fds(const struct login_door *d, struct pollfd *fd)
{
	size_t n = 0;

	fd[n++] = (struct pollfd){ .fd = d->fd, .events = POLLIN };
	for (size_t i = 0; i < GUESTS; i++)
		if (d->guest[i].fd != -1)
			fd[n++] = (struct pollfd){ .fd = d->guest[i].fd, .events = POLLIN };
	return n;
}

/* The one who has been here longest without saying a thing makes room. */
static void let_in(struct login_door *d)
{
	struct guest *at = &d->guest[0];
	int fd;

	while ((fd = accept(d->fd, NULL, NULL)) != -1) {
		for (size_t i = 0; i < GUESTS && at->fd != -1; i++)
			if (d->guest[i].fd == -1 || d->guest[i].since < at->since)
				at = &d->guest[i];
		leave(at);
		*at = (struct guest){ .fd = fd, .since = mx_now_ms(), .head = malloc(HEAD_MAX) };
		if (at->head == NULL || !own(fd)) {
			close(fd);
			free(at->head);
			*at = (struct guest){ .fd = -1 };
		}
	}
}

static void answer(const struct guest *g, const char *status, const char *text)
{
	char page[1024];
	struct mx_buf b;

	mx_buf_init(&b, page, sizeof page);
	mx_buf_addf(&b, "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\n"
	    "Connection: close\r\n\r\n%s", status, strlen(text), text);
	if (mx_buf_str(&b) != NULL)
		/* it fits into any socket's buffer; and nothing hangs on it */
		(void)!send(g->fd, page, b.len, MSG_NOSIGNAL);
}

/* Is it for 127.0.0.1, by that name? A page from elsewhere whose name was made to point here is not. */
static bool for_us(const struct login_door *d, const char *head)
{
	const char *host = strcasestr(head, "\r\nHost:");

	if (host == NULL)
		return false;
	host += 7;
	host += strspn(host, " ");
	return strncmp(host, d->host, strlen(d->host)) == 0 && host[strlen(d->host)] == '\r';
}

/* A whole head. */
static enum oauth_code_answer serve(struct login_door *d, const struct guest *g, login_door_judge *judge, void *arg)
{
	static const char get[] = "GET /?";
	enum oauth_code_answer r = OAUTH_CODE_NONE;

	if (!for_us(d, g->head) || strncmp(g->head, get, sizeof get - 1) != 0) {
		answer(g, "404 Not Found", "<p>There is nothing here.</p>\n");
		return r;
	}
	r = judge(arg, g->head + sizeof get - 1, strcspn(g->head + sizeof get - 1, " \r\n#"));
	if (r == OAUTH_CODE_GOT)
		answer(g, "200 OK", "<p>Thank you. You can close this page; the rest is said in the terminal.</p>\n");
	else if (r == OAUTH_CODE_REFUSED)
		answer(g, "200 OK", "<p>There was no consent. The terminal says more.</p>\n");
	else
		answer(g, "400 Bad Request", "<p>This is not the answer to what mta-xoauth2 has asked.</p>\n");
	return r;
}

enum oauth_code_answer login_door_turn(struct login_door *d, login_door_judge *judge, void *arg)
{
	enum oauth_code_answer r = OAUTH_CODE_NONE;

	let_in(d);
	for (size_t i = 0; i < GUESTS && r == OAUTH_CODE_NONE; i++) {
		struct guest *g = &d->guest[i];
		ssize_t n;

		if (g->fd == -1)
			continue;
		n = recv(g->fd, g->head + g->n, HEAD_MAX - 1 - g->n, 0);
		if (n > 0) {
			g->n += (size_t)n;
			g->head[g->n] = '\0';
			if (strstr(g->head, "\r\n\r\n") == NULL && g->n < HEAD_MAX - 1)
				continue;
			r = serve(d, g, judge, arg);
		} else if (n == -1 && (errno == EAGAIN || errno == EINTR) && mx_now_ms() - g->since < PATIENCE_MS) {
			continue;
		}
		leave(g);
	}
	return r;
}
