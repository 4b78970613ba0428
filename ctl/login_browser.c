/*
 * The authorization code grant at a terminal: an address to open, and two ways back, by the loopback or by hand.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "ctl/login.h"
#include "ctl/out.h"

#define PATIENCE_MS (15 * 60 * 1000)
#define NAP_MS 500
#define WAITING "waiting for consent"

struct ways {
	struct login *l;
	struct oauth_code asked;
	struct login_door *door;
	struct mx_secret code, line;	/* line: what has been pasted of a line so far */
	struct mx_err e;
	bool deaf;			/* standard input has ended */
	bool changed;			/* was is to be restored */
	struct termios was;
};

/* What is pasted is as good as a password for a minute, and longer than the lines that a terminal puts together. */
static void hush(struct ways *w)
{
	struct termios t;

	if (!w->l->tty || tcgetattr(STDIN_FILENO, &w->was) == -1)
		return;
	t = w->was;
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	w->changed = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

static void show(const struct ways *w, const char *url)
{
	const char *mailbox = w->l->mailbox;

	fputs("Open this address in a browser, sign in as ", stdout);
	out_text(stdout, mailbox, strlen(mailbox));
	fputs(", and agree to what client \"", stdout);
	out_text(stdout, w->l->oc->name, strlen(w->l->oc->name));
	fputs("\" asks for:\n\n    ", stdout);
	out_text(stdout, url, strlen(url));
	printf("\n\nAt the end the browser is sent to %s. If it runs on this host, that is all.\n"
	    "If not, it cannot get there: copy the address that it shows then, paste it here and press Enter%s.\n",
	    w->asked.redirect_uri, w->changed ? "\n(it is not shown)" : "");
	(void)fflush(stdout);
}

static enum oauth_code_answer judge(void *arg, const char *query, size_t n)
{
	struct ways *w = arg;

	return oauth_code_take(w->l->oc, &w->asked, query, n, &w->code, &w->e);
}

static enum oauth_code_answer line_done(struct ways *w)
{
	enum oauth_code_answer r;

	if (w->line.len == 0)
		return OAUTH_CODE_NONE;
	r = oauth_code_pasted(w->l->oc, &w->asked, (const char *)w->line.p, w->line.len, &w->code, &w->e);
	mx_wipe(w->line.p, w->line.cap);
	w->line.len = 0;
	if (r == OAUTH_CODE_NONE) {
		login_line_end(w->l);
		puts("That is not it. The address begins with http://127.0.0.1 and has \"code=\" and \"state=\" in it; "
		    "one of an earlier try does not serve.");
		(void)fflush(stdout);
	}
	return r;
}

static enum oauth_code_answer typed(struct ways *w)
{
	enum oauth_code_answer r = OAUTH_CODE_NONE;
	unsigned char c[512];
	ssize_t n = read(STDIN_FILENO, c, sizeof c);

	if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN)) {
		w->deaf = true;
		return line_done(w);
	}
	for (ssize_t i = 0; i < n && r == OAUTH_CODE_NONE; i++) {
		if (c[i] == '\n' || c[i] == '\r')
			r = line_done(w);
		else if (w->changed && (c[i] == 0x7f || c[i] == '\b'))
			w->line.len -= w->line.len > 0;
		else if (w->line.len < w->line.cap)
			w->line.p[w->line.len++] = c[i];
	}
	mx_wipe(c, sizeof c);
	return r;
}

/* OAUTH_CODE_NONE: a signal, or nobody came in time. */
static enum oauth_code_answer wait_for_code(struct ways *w)
{
	const uint64_t end = mx_boot_ms() + PATIENCE_MS;
	enum oauth_code_answer r = OAUTH_CODE_NONE;
	struct pollfd fd[LOGIN_DOOR_FDS + 1];
	size_t n;

	while (r == OAUTH_CODE_NONE && login_signal == 0 && mx_boot_ms() < end) {
		login_progress(w->l, end, WAITING);
		n = login_door_fds(w->door, fd);
		fd[n] = (struct pollfd){ .fd = w->deaf ? -1 : STDIN_FILENO, .events = POLLIN };
		if (poll(fd, n + 1, NAP_MS) == -1)
			continue;
		if (fd[n].revents != 0)
			r = typed(w);
		if (r == OAUTH_CODE_NONE)
			r = login_door_turn(w->door, judge, w);
	}
	login_line_end(w->l);
	return r;
}

static int exchange(struct ways *w)
{
	const struct oauth_want want = {
		.purpose = OAUTH_FOR_CODE, .code = &w->code, .asked = &w->asked, .stop = &login_signal,
	};
	struct oauth_failure f;
	enum mx_class cls = login_ask(w->l, &want, &f);

	if (cls == MX_OK)
		return CTL_FINE;
	if (login_signal != 0)
		return LOGIN_STOPPED;
	out_error("%s; nothing is stored", f.err.text);
	return mx_class_info(cls)->exit_code;
}

static int run(struct ways *w)
{
	char url[OAUTH_CODE_URL_MAX];
	unsigned port = 0;

	if ((w->door = login_door_open(&port, &w->e)) == NULL || oauth_code_begin(&w->asked, port, &w->e) != MX_OK) {
		out_error("%s", w->e.text);
		return mx_class_info(w->e.cls)->exit_code;
	}
	if (!mx_secret_alloc(&w->line, OAUTH_CODE_URL_MAX) ||
	    oauth_code_url(url, sizeof url, w->l->oc, &w->asked, w->l->mailbox) == NULL) {
		out_error("no memory for a login; try again");
		return CTL_TEMP;
	}
	hush(w);
	show(w, url);
	switch (wait_for_code(w)) {
	case OAUTH_CODE_GOT:
		return exchange(w);
	case OAUTH_CODE_REFUSED:
		out_error("%s", w->e.text);
		return mx_class_info(w->e.cls)->exit_code;
	case OAUTH_CODE_NONE:
	default:
		if (login_signal != 0)
			return LOGIN_STOPPED;
		out_error("nobody agreed within 15 minutes; nothing is stored: run this again");
		return CTL_TEMP;
	}
}

int login_browser(struct login *l)
{
	struct ways w = { .l = l };
	int r = run(&w);

	if (w.changed)
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &w.was);
	login_door_close(w.door);
	oauth_code_free(&w.asked);
	mx_secret_free(&w.code);
	mx_secret_free(&w.line);
	return r;
}
