/*
 * The device authorization grant at a terminal: show where to agree, and ask the provider until somebody has.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/login.h"
#include "ctl/out.h"

#define WAITING "waiting for consent"

static void show(const struct login *l, const struct oauth_device *d)
{
	fputs("Sign in, in any browser on any device, as ", stdout);
	out_text(stdout, l->mailbox, strlen(l->mailbox));
	fputs(":\n\n    open     ", stdout);
	out_text(stdout, d->uri, strlen(d->uri));
	fputs("\n    enter    ", stdout);
	out_text(stdout, d->user_code, strlen(d->user_code));
	if (d->uri_complete[0] != '\0') {
		fputs("\n    or open  ", stdout);
		out_text(stdout, d->uri_complete, strlen(d->uri_complete));
		fputs("\n             and compare the code", stdout);
	}
	fputs("\n\nand agree to what client \"", stdout);
	out_text(stdout, l->oc->name, strlen(l->oc->name));
	puts("\" asks for. Whoever agrees is whose mailbox it will be.");
	(void)fflush(stdout);
}

static int ask_for_codes(struct login *l, struct oauth_device *d)
{
	const struct oauth_want w = { .purpose = OAUTH_FOR_DEVICE, .device = d, .stop = &login_signal };
	struct oauth_failure f;
	enum mx_class cls = login_ask(l, &w, &f);

	if (cls == MX_OK)
		return CTL_FINE;
	if (login_signal != 0)
		return LOGIN_STOPPED;
	out_error("%s", f.err.text);
	return mx_class_info(cls)->exit_code;
}

/* On a terminal a new code is a key away. */
static int run_out(struct login *l)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	login_line_end(l);
	out_error("the code has expired before anybody agreed%s", l->tty ? "" : "; nothing is stored: run this again "
	    "for a new one");
	if (!l->tty)
		return CTL_TEMP;
	(void)tcflush(STDIN_FILENO, TCIFLUSH);	/* what was typed while there was nothing to answer */
	fputs("Press Enter for a new code, Ctrl-C to end: ", stdout);
	(void)fflush(stdout);
	while (login_signal == 0) {
		if (poll(&in, 1, 500) <= 0)
			continue;
		if (read(STDIN_FILENO, &c, 1) <= 0)
			return CTL_TEMP;
		if (c == '\n')
			return LOGIN_ANEW;
	}
	return LOGIN_STOPPED;
}

static int refused(struct login *l, const struct oauth_failure *f)
{
	login_line_end(l);
	if (strcmp(f->error, "access_denied") == 0 || strcmp(f->error, "authorization_declined") == 0)
		out_error("consent was declined, and nothing is stored%s%s%s; if that was a mistake, run this again; "
		    "if there was no way to agree, an administrator has to allow the application",
		    f->description[0] != '\0' ? " [provider: " : "", f->description,
		    f->description[0] != '\0' ? "]" : "");
	else
		out_error("%s; nothing is stored", f->err.text);
	return mx_class_info(f->err.cls)->exit_code;
}

static void lost(struct login *l, unsigned before, unsigned now, const struct oauth_failure *f)
{
	if ((before == 0) == (now == 0))
		return;
	login_line_end(l);
	if (now != 0)
		out_error("%s; trying again", f->err.text);
	else
		puts("the provider answers again");
}

static int wait_for_consent(struct login *l, const struct oauth_device *d)
{
	const struct oauth_want w = { .purpose = OAUTH_FOR_DEVICE_TOKEN, .code = &d->device_code,
	    .stop = &login_signal };
	enum oauth_poll_next next = OAUTH_POLL_AGAIN;
	struct oauth_failure f;
	struct oauth_poll p;
	uint64_t due;
	unsigned before;

	oauth_poll_begin(&p, d, mx_boot_ms());
	due = oauth_poll_first(&p, mx_boot_ms());
	while (next == OAUTH_POLL_AGAIN) {
		if (!login_sleep(l, due, p.end_ms, WAITING))
			return LOGIN_STOPPED;
		if (login_ask(l, &w, &f) == MX_OK) {
			login_line_end(l);
			return CTL_FINE;
		}
		if (login_signal != 0)
			return LOGIN_STOPPED;
		before = p.lost;
		next = oauth_poll_after(&p, &f, mx_boot_ms(), &due);
		if (next == OAUTH_POLL_AGAIN)
			lost(l, before, p.lost, &f);
	}
	return next == OAUTH_POLL_EXPIRED ? run_out(l) : refused(l, &f);
}

int login_device(struct login *l)
{
	struct oauth_device d;
	int r;

	do {
		if ((r = ask_for_codes(l, &d)) != CTL_FINE)
			return r;
		show(l, &d);
		r = wait_for_consent(l, &d);
		oauth_device_free(&d);
	} while (r == LOGIN_ANEW);
	return r;
}
