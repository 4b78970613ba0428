/*
 * mta-xoauth2-tokend: options and the order of things at the start. Sockets are made as root if it starts
 * as root; everything that will be read again at a reload is read as the user that will do it.
 */
#include "config.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oauth/http.h"
#include "tokend/cache.h"
#include "tokend/listen.h"
#include "tokend/log.h"
#include "tokend/notify.h"
#include "tokend/process.h"
#include "tokend/reload.h"
#include "tokend/sandbox.h"
#include "tokend/server.h"

#define EXIT_USAGE 2
#define EXIT_CONFIG 3
#define DEFAULT_CONF MX_SYSCONFDIR "/mta-xoauth2/tokend.yaml"

static const char usage[] =
    "usage: mta-xoauth2-tokend [--config FILE] [--foreground] [--no-sandbox] [--check]\n"
    "\n"
    "Obtains OAuth 2.0 access tokens and hands them to mail servers over a UNIX socket.\n"
    "\n"
    "  -c, --config FILE  configuration (" DEFAULT_CONF "), with conf.d/*.yaml beside it\n"
    "  -f, --foreground   stay in the foreground and log to standard error\n"
    "      --no-sandbox   start without Landlock and seccomp, to find out whether a fault is theirs\n"
    "  -t, --check        check the configuration, say what is wrong with it, and stop\n"
    "  -h, --help         this text\n"
    "  -V, --version      version\n"
    "\n"
    "Exit status: 0 fine, 2 usage, 3 configuration, 75 temporary. Manual: mta-xoauth2-tokend(8), tokend.conf(5).\n";

struct options { const char *conf; bool foreground, check, no_sandbox; };

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "foreground", no_argument, NULL, 'f' },
		{ "no-sandbox", no_argument, NULL, 1 }, { "check", no_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 }
	};
	int c;

	*o = (struct options){ .conf = DEFAULT_CONF };
	while ((c = getopt_long(argc, argv, "c:fthV", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->conf = optarg; break;
		case 'f': o->foreground = true; break;
		case 1: o->no_sandbox = true; break;
		case 't': o->check = true; break;
		case 'h': fputs(usage, stdout); return 0;
		case 'V': puts("mta-xoauth2-tokend " PACKAGE_VERSION); return 0;
		default: fputs("try: mta-xoauth2-tokend --help\n", stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "mta-xoauth2-tokend: unexpected argument \"%s\"; try --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* Loads and tells every complaint on standard error. */
static struct conf *load(const char *path, unsigned flags, bool warnings)
{
	struct conf_report rep;
	struct conf *c = conf_load(path, flags, &rep);
	char line[1024];
	size_t i;

	for (i = 0; i < rep.n; i++)
		if (rep.c[i].severity == 'e' || warnings)
			fprintf(stderr, "%s\n", conf_complaint_str(line, sizeof line, &rep.c[i]));
	conf_report_free(&rep);
	return c;
}

/* What a start as root needs: the daemon's own user, and the owners of its sockets. */
static bool users_exist(const struct conf *c)
{
	bool all = getpwnam(c->user) != NULL;
	size_t i;

	if (!all)
		fprintf(stderr, "error: there is no user \"%s\" for the daemon to run as; make it (useradd --system "
		    "--no-create-home --shell /usr/sbin/nologin %s) or name another one by \"user:\"\n", c->user,
		    c->user);
	for (i = 0; i < c->nlisten; i++) {
		const struct conf_listen *l = &c->listen[i];

		if ((l->owner != NULL && getpwnam(l->owner) == NULL) || (l->group != NULL &&
		    getgrnam(l->group) == NULL)) {
			fprintf(stderr, "%s:%u:%u: error: the owner or group of this socket does not exist\n",
			    l->at.file, l->at.line, l->at.column);
			all = false;
		}
	}
	return all;
}

static int check(const char *path)
{
	struct conf *c = load(path, CONF_CHECK_SECRETS, true);

	if (c == NULL)
		return EXIT_CONFIG;
	if (geteuid() == 0 && !users_exist(c)) {
		conf_free(c);
		return EXIT_CONFIG;
	}
	printf("%s: no errors (%zu clients, %zu accounts)\n", path, c->nclients, c->naccounts);
	if (geteuid() == 0)
		printf("checked as root: that user \"%s\" can read the secrets is checked at the start\n", c->user);
	conf_free(c);
	return 0;
}

static int complain(const struct mx_err *e)
{
	fprintf(stderr, "mta-xoauth2-tokend: %s\n", e->text);
	return e->cls == MX_CONFIG ? EXIT_CONFIG : mx_class_info(e->cls)->exit_code;
}

/* Sockets, then the user, then the configuration as that user reads it, then the sandbox. */
static enum mx_class prepare(struct server *s, const char *path, bool sandbox, struct mx_err *e)
{
	const bool root = geteuid() == 0;		/* then it is read twice, and the second time knows more to warn of */
	struct conf *c = load(path, root ? 0 : CONF_CHECK_SECRETS, !root);
	size_t i;
	int handed = notify_listen_fds();
	enum mx_class cls;
	static const char wrong[] = "the configuration is wrong (see above); nothing was started";

	if (c == NULL)
		return mx_fail(e, MX_CONFIG, "configuration-wrong", wrong);
	if ((cls = listen_inherit(&s->listeners, handed, e)) != MX_OK)
		goto out;
	for (i = 0; i < c->nlisten; i++)
		if (listen_wanted(s->listeners, &c->listen[i]) &&
		    (cls = listen_make(&s->listeners, &c->listen[i], c->user, e)) != MX_OK)
			goto out;
	if (root) {
		if ((cls = process_drop(c->user, e)) != MX_OK)
			goto out;
		conf_free(c);
		if ((c = load(path, CONF_CHECK_SECRETS, true)) == NULL) {
			cls = mx_fail(e, MX_CONFIG, "configuration-wrong", wrong);
			goto out;
		}
	}
	cache_open(s, c, handed);
	log_level(c->log_level);
	sandbox_enter(c, sandbox);
	if (!server_adopt(s, c)) {
		cls = mx_fail(e, MX_TEMP, "no-memory", "the configuration cannot be taken into service");
		goto out;
	}
	c = NULL;
	cache_settle(s);
out:
	conf_free(c);
	return cls;
}

int main(int argc, char **argv)
{
	struct server s = { 0 };
	struct options o;
	struct mx_err e;
	char *path;
	int r = parse(argc, argv, &o), ready = -1;

	if (r != -1)
		return r;
	process_harden();
	process_considerate();
	if (!oauth_http_global_init()) {
		fputs("mta-xoauth2-tokend: libcurl or OpenSSL cannot be initialized\n", stderr);
		return 75;
	}
	if (o.check)
		return check(o.conf);
	if ((path = realpath(o.conf, NULL)) == NULL)
		path = strdup(o.conf);		/* the reader says what is wrong with it */
	/* Nothing is found by chance in the folder where it was started; in the background it leaves that anyway. */
	if (o.foreground && chdir("/") == -1)
		perror("mta-xoauth2-tokend: cannot go to /");
	if (!o.foreground && !process_background(&ready, &e))
		return complain(&e);
	log_open(LOG_TO_STDERR, "mta-xoauth2-tokend");
	if (path == NULL || !server_init(&s, path)) {
		fputs("mta-xoauth2-tokend: no memory\n", stderr);
		return 75;
	}
	if (prepare(&s, path, !o.no_sandbox, &e) != MX_OK) {
		r = complain(&e);
	} else {
		if (!o.foreground)
			log_open(LOG_TO_SYSLOG, "mta-xoauth2-tokend");
		process_ready(ready);
		server_run(&s);
		r = 0;
		log_event(LOG_NOTICE, "stopped", "status=%d", r);
	}
	server_done(&s);
	free(path);
	return r;
}
