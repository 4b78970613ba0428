/*
 * The daemon from the socket on: connections, both protocols, policy, engine, reports. What the provider would say is
 * part of the input, and time stands still between two steps. Every line of the input does one thing:
 *	> UID TEXT	somebody of that user connects to the usual socket and sends this; "\n", "\t" and "\\" as in C
 *	% UID TEXT	the same to the socketmap socket
 *	! N		the oldest request for a token ends: 0 with a token, 1 for good, 2 for now
 *	+ MS		so much time passes
 * An answer is whole, in its protocol's form, and a token reaches nobody whom the policy does not name.
 */
#include "config.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/netstring.h"
#include "tests/fuzz/fuzz.h"
#include "tokend/audit.h"
#include "tokend/conn.h"
#include "tokend/feedback.h"
#include "tokend/log.h"
#include "tokend/reload.h"
#include "tokend/side.h"

#define TOKEN "canary-token-0123456789"
#define POSTFIX 1001u		/* may have responses */
#define READER 1002u		/* may have tokens as well */
#define PEERS 16
#define FETCHES 16

static const char yaml[] =
    "listen: [{ path: /run/x.sock }, { path: /run/y.sock, protocol: socketmap }]\n"
    "admin_users: [0]\n"
    "clients:\n"
    "  contoso: { provider: custom, token_endpoint: 'https://idp.example/token', client_id: c, grant: client_credentials,"
    " scope: s, client_secret_file: /nowhere/secret }\n"
    "  each: { provider: google-workspace, service_account_file: /nowhere/sa.json }\n"
    "accounts:\n"
    "  a@contoso.com: { client: contoso, allow_users: [1001, 1002], allow_token_users: [1002], relays: [smtp.example.com],"
    " mechanisms: [XOAUTH2, OAUTHBEARER] }\n"
    "  '*@contoso.com': { client: contoso, allow_users: [1001], mechanisms: [XOAUTH2] }\n"
    "  '*@each.example': { client: each, allow_users: [1001], allow_token_users: [1002] }\n";

struct peer_end { int fd; uid_t uid; bool socketmap; };

static uint64_t clock_ms;
static struct server server;
static struct conf *conf;
static struct peer_end peers[PEERS];
static size_t npeers;
static struct pending { struct engine_client *c; } *pending[FETCHES];
static size_t npending;

/* In place of common/clock.c. */
uint64_t mx_now_ms(void) { return clock_ms; }
uint64_t mx_now_us(void) { return clock_ms * 1000; }
uint64_t mx_boot_ms(void) { return clock_ms; }
uint64_t mx_wall_ms(void) { return 1790000000000u + clock_ms; }

/* In place of tokend/log.c: a line is one line, and has no token. */
void log_level(int max) { (void)max; }
bool log_wanted(int priority) { (void)priority; return true; }
void log_forked(void) { }
uint64_t log_dropped_total(void) { return 0; }

void log_event(int priority, const char *event, const char *fmt, ...)
{
	static char line[8192];
	va_list ap;
	int n;

	(void)priority;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	FUZZ_CHECK(n >= 0 && (size_t)n < sizeof line && fuzz_is_clean(line, (size_t)n) && *event != '\0');
	FUZZ_CHECK(strstr(line, TOKEN) == NULL && strcmp(event, "bug") != 0);
}

/* In place of tokend/server.c and reload.c: nothing stops here, and there is nothing to read again. */
void server_last_answer(struct server *s) { (void)s; }

void reload_request(struct server *s, struct conn *asker)
{
	(void)s;
	conn_answer(asker, "OK\n", 3, NULL);
}

static void drop(size_t i)
{
	free(pending[i]);
	memmove(pending + i, pending + i + 1, (--npending - i) * sizeof pending[0]);
}

static void cancel(void *ctx, void *fetch)
{
	(void)ctx;
	for (size_t i = 0; i < npending; i++)
		if (pending[i] == fetch) {
			drop(i);
			return;
		}
	FUZZ_CHECK(false);
}

static void *fetch(void *ctx, struct engine_client *c, void *client, bool urgent)
{
	(void)ctx, (void)client, (void)urgent;
	if (npending == FETCHES)
		return NULL;
	for (size_t i = 0; i < npending; i++)
		FUZZ_CHECK(pending[i]->c != c);		/* one at a time */
	FUZZ_CHECK((pending[npending] = malloc(sizeof **pending)) != NULL);
	pending[npending]->c = c;
	return pending[npending++];
}

static void now(void *ctx, uint64_t *boot_ms, uint64_t *wall_ms)
{
	(void)ctx;
	*boot_ms = mx_boot_ms();
	*wall_ms = mx_wall_ms();
}

static uint32_t random_number(void *ctx)
{
	(void)ctx;
	return 4;
}

static void timer(void *ctx, uint64_t in_ms)
{
	(void)ctx;
	FUZZ_CHECK(in_ms <= ENGINE_TICK_MAX_MS);	/* "+ MS" is the only timer here */
}

static void note(void *ctx, struct engine_client *c, enum engine_note n, const struct mx_err *err, uint64_t in_ms)
{
	(void)ctx, (void)err, (void)in_ms;
	FUZZ_CHECK(n != EN_BUG);
	if (n == EN_GONE)
		side_free(c);
}

static void fetched(uint64_t how)
{
	struct engine_client *c;
	struct mx_secret token = { 0 };
	struct engine_result r = { .id = "0123456789abcdef", .expires_in_s = 3600, .retry_after_s = -1 };
	struct mx_err e;

	if (npending == 0)
		return;
	c = pending[0]->c;
	drop(0);
	if (how == 0) {
		FUZZ_CHECK(mx_secret_set(&token, TOKEN, sizeof TOKEN - 1));
		r.token = &token;
	} else {
		mx_fail(&e, how == 1 ? MX_PROVIDER : MX_TEMP, how == 1 ? "client-secret-rejected" : "provider-timeout", "no");
		r.err = &e;
		r.permanent = how == 1;
	}
	engine_fetched(c, &r);
	mx_secret_free(&token);
}

static bool is_line(const char *p, size_t n)
{
	return n > 0 && p[n - 1] == '\n';
}

static void check_error(const char *p, size_t n)
{
	const char *more;
	struct mx_err e;
	size_t k;
	enum mx_class cls = mx_reply_plain(p, n, &more, &k, &e);

	FUZZ_CHECK(cls != MX_OK && strcmp(e.code, "malformed-reply") != 0);
	fuzz_check_err(&e, cls);
}

static void check_tokend(const char *p, size_t n, uid_t uid)
{
	struct mx_reply r;
	struct mx_err e;

	if (memmem(p, n, TOKEN, sizeof TOKEN - 1) != NULL)	/* bare, or in a response of RAW */
		FUZZ_CHECK((uid == READER && mx_reply_parse(p, n, &r, &e) == MX_OK) || memcmp(p, "OK user=", 8) == 0 ||
		    memcmp(p, "OK n,a=", 7) == 0);
	if (n >= 4 && memcmp(p, "ERR\t", 4) == 0) {
		check_error(p, n);
	} else if (n >= 4 && memcmp(p, "ERR ", 4) == 0) {
		FUZZ_CHECK(fuzz_is_clean(p, n));
	} else if (n >= 3 && memcmp(p, "OK\t", 3) == 0) {
		FUZZ_CHECK(mx_reply_parse(p, n, &r, &e) == MX_OK && (uid == POSTFIX || uid == READER));
	} else if (n >= 3 && memcmp(p, "OK ", 3) == 0) {
		FUZZ_CHECK((uid == POSTFIX || uid == READER) && p[n - 1] == '\001');
	} else {
		FUZZ_CHECK(n >= 3 && memcmp(p, "OK\n", 3) == 0 && is_line(p, n) && (n == 3 || uid == 0));
	}
}

/* Netstrings alone, or the line for those who came to the wrong door. */
static void check_socketmap(const char *p, size_t n, uid_t uid)
{
	const char *s;
	size_t len, used;

	while (n > 0 && *p != 'E') {
		FUZZ_CHECK(mx_netstring_parse(p, n, 100000, &s, &len, &used) == MX_NETSTRING_OK);
		FUZZ_CHECK(fuzz_is_clean(s, len));
		FUZZ_CHECK((len >= 5 && memcmp(s, "TEMP ", 5) == 0) || (len == 9 && memcmp(s, "NOTFOUND ", 9) == 0) ||
		    (len > 3 && memcmp(s, "OK ", 3) == 0 && uid == READER));
		FUZZ_CHECK(uid == READER || memmem(s, len, TOKEN, sizeof TOKEN - 1) == NULL);
		p += used;
		n -= used;
	}
	if (n > 0)
		check_error(p, n);
}

/* Takes what has come; a connection that was closed by the daemon goes. */
static void collect(bool all)
{
	static char answer[1 << 20];

	for (size_t i = 0; i < npeers; ) {
		struct peer_end *p = &peers[i];
		size_t n = 0;
		ssize_t r;

		while ((r = recv(p->fd, answer + n, sizeof answer - n, MSG_DONTWAIT)) > 0)
			n += (size_t)r;
		if (n > 0)
			(p->socketmap ? check_socketmap : check_tokend)(answer, n, p->uid);
		if (r == 0 || all) {
			close(p->fd);
			peers[i] = peers[--npeers];
		} else {
			i++;
		}
	}
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(server.base, EVLOOP_NONBLOCK);
	collect(false);
}

static size_t unescape(char *s)
{
	char *o = s, *from = s;

	for (; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0') {
			s++;
			*o++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s == 'r' ? '\r' : *s;
		} else {
			*o++ = *s;
		}
	}
	return (size_t)(o - from);
}

static void connect_as(char *s, bool socketmap)
{
	struct peer who = { .pid = 0 };
	struct uid_entry *u;
	size_t n, i;
	int pair[2];

	who.uid = (uid_t)strtoul(s, &s, 10);
	who.gid = who.uid;
	s += *s == ' ';
	n = unescape(s);
	for (i = 0; socketmap && i < npeers; i++)	/* a second request on the connection that is there */
		if (peers[i].socketmap && peers[i].uid == who.uid) {
			(void)send(peers[i].fd, s, n, MSG_NOSIGNAL);	/* it may be closed */
			turn();
			return;
		}
	if (npeers == PEERS)
		return;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(send(pair[0], s, n, MSG_NOSIGNAL) == (ssize_t)n);
	if (!socketmap && n > 0 && s[n - 1] == ';')
		shutdown(pair[0], SHUT_WR);
	peers[npeers++] = (struct peer_end){ pair[0], who.uid, socketmap };
	u = uids_get(who.uid, mx_now_ms());
	uids_open(u);
	FUZZ_CHECK(conn_open(&server, pair[1], &who, u, socketmap));
	turn();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct fuzz_in in = { (const uint8_t *)yaml, sizeof yaml - 1 };
	struct conf_report r;

	(void)argc, (void)argv;
	conf = conf_load(fuzz_file("tokend.yaml", in), 0, &r);
	for (size_t i = 0; conf == NULL && i < r.n; i++)
		fprintf(stderr, "%s\n", r.c[i].text);
	FUZZ_CHECK(conf != NULL);
	conf_report_free(&r);
	return 0;
}

static void begin(void)
{
	static const struct engine_ops ops = {
		.now = now, .random = random_number, .fetch = fetch, .cancel = cancel, .timer = timer, .note = note
	};
	static struct conf_ref ref;

	clock_ms = 1000000;
	ref = (struct conf_ref){ conf, 1 };
	server = (struct server){ .conf_path = "/etc/tokend.yaml", .conf = &ref };
	server.base = event_base_new();
	server.engine = engine_new(&ops);
	FUZZ_CHECK(server.base != NULL && server.engine != NULL);
	for (size_t i = 0; i < conf->nclients; i++) {
		const struct conf_client *k = &conf->clients[i];
		struct engine_params p = {
			.name = k->oc.name, .fingerprint = k->fingerprint, .min_remaining_s = k->min_remaining_s,
			.stale_until_s = k->stale_until_s, .backoff_min_ms = k->backoff_min_ms,
			.backoff_max_ms = k->backoff_max_ms, .each = oauth_grant_each(k->oc.grant),
			.client = &conf->clients[i],
		};

		FUZZ_CHECK(engine_put(server.engine, &p) != NULL);
	}
	engine_commit(server.engine);
	while (engine_settle(server.engine, 100))
		;
}

/* Everybody who waits hears of the end. */
static void end(void)
{
	engine_free(server.engine);
	conn_close_all(&server);
	collect(true);
	audit_done();
	uids_reset();
	feedback_reset();
	event_base_free(server.base);
	FUZZ_CHECK(npending == 0 && server.nconns == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	char *text, *line, *lf;

	if (n > 1 << 14 || memmem(data, n, TOKEN, sizeof TOKEN - 1) != NULL)	/* who knows the token may say it */
		return 0;
	text = fuzz_str(in);
	begin();
	for (line = text; line != NULL && *line != '\0'; line = lf) {
		if ((lf = strchr(line, '\n')) != NULL)
			*lf++ = '\0';
		if (strlen(line) < 2)
			continue;
		if (*line == '>' || *line == '%') {
			connect_as(line + 2, *line == '%');
		} else if (*line == '!') {
			fetched(strtoul(line + 1, NULL, 10) % 3);
		} else if (*line == '+') {
			clock_ms += strtoul(line + 1, NULL, 10) % 100000000;
			engine_tick(server.engine);
		}
		turn();
	}
	end();
	free(text);
	return 0;
}
