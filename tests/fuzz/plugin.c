/*
 * The plugin in the real libsasl2, with this program as its daemon and as the mail server. Parts: mechanism, what the host
 * says of the account, of the mailbox ("-": nothing), of the server; the daemon's answer to the request, the mail server's
 * challenge, the daemon's answer to what it is then told. The host gets a response that the daemon gave, or none; what
 * reaches its log is clean and has no token; what the daemon hears is a request of the protocol.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "common/base64.h"
#include "common/response.h"
#include "common/text.h"
#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_client_plug_t **list, int *n);

#define PIECE 12		/* bytes of a token in a row that no log may have */
#define ANSWERS 2

/* Written before the plugin is called, read by the daemon's thread after its accept(). */
static struct fuzz_in answers[ANSWERS];
static size_t asked;
static int listener = -1;
static char path[sizeof ((struct sockaddr_un *)0)->sun_path];
static const char *account, *mailbox;
static char logged[16384];
static size_t nlogged;

static void check_request(char *line, size_t n, size_t which)
{
	struct mx_request r;
	struct mx_err e;

	FUZZ_CHECK(mx_request_parse(line, n, &r, &e) == MX_OK);
	FUZZ_CHECK(r.verb == (which == 0 ? MX_VERB_SASL : MX_VERB_REJECTED) && r.account.s != NULL);
	FUZZ_CHECK(strcmp(r.account.s, account) == 0);
}

/* One connection: the line is read, the answer written, and both sides are done. */
static void serve(int fd)
{
	static char line[MX_WIRE_REQUEST_MAX + 1];
	size_t n = 0, which = asked < ANSWERS ? asked : ANSWERS - 1, done = 0;
	ssize_t r;

	while (n < MX_WIRE_REQUEST_MAX && memchr(line, '\n', n) == NULL &&
	    (r = read(fd, line + n, MX_WIRE_REQUEST_MAX - n)) > 0)
		n += (size_t)r;
	if (n > 1) {		/* else it is settled() */
		const struct fuzz_in answer = answers[which];

		check_request(line, n, which);
		asked++;
		while (done < answer.n && (r = send(fd, answer.p + done, answer.n - done, MSG_NOSIGNAL)) > 0)
			done += (size_t)r;
	}
	close(fd);
}

/* Connections are served in turn: when this one has been closed, nothing of the input is looked at any more. */
static void settled(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;

	memcpy(sa.sun_path, path, strlen(path) + 1);
	FUZZ_CHECK(fd != -1 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && write(fd, "\n", 1) == 1);
	FUZZ_CHECK(read(fd, &c, 1) == 0);
	close(fd);
}

static void *daemon_thread(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(listener, NULL, NULL)) != -1 || errno == EINTR)
		if (fd != -1)
			serve(fd);
	return NULL;
}

static int host_name(void *context, int id, const char **result, unsigned *len)
{
	(void)context;
	*result = id == SASL_CB_AUTHNAME ? account : mailbox;
	if (len != NULL)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

static int host_log(void *context, int level, const char *text)
{
	size_t n = strlen(text);

	(void)context, (void)level;
	FUZZ_CHECK(fuzz_is_clean(text, n));
	if (nlogged + n < sizeof logged) {
		memcpy(logged + nlogged, text, n + 1);
		nlogged += n;
	}
	return SASL_OK;
}

static int host_path(void *context, const char **search)
{
	(void)context;
	*search = fuzz_dir();		/* no other plugin */
	return SASL_OK;
}

#define PROC(f) ((int (*)(void))(void (*)(void))(f))

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const sasl_callback_t global[] = {
		{ SASL_CB_GETPATH, PROC(host_path), NULL }, { SASL_CB_LOG, PROC(host_log), NULL },
		{ SASL_CB_LIST_END, NULL, NULL }
	};
	const struct fuzz_in nothing = { NULL, 0 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pthread_t t;

	(void)argc, (void)argv;
	snprintf(path, sizeof path, "%s", fuzz_file("socket", nothing));	/* the name is remembered, to be removed */
	FUZZ_CHECK(unlink(path) == 0);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(listener != -1 && bind(listener, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(listener, 8) == 0);
	FUZZ_CHECK(pthread_create(&t, NULL, daemon_thread, NULL) == 0 && pthread_detach(t) == 0);
	FUZZ_CHECK(setenv("MTA_XOAUTH2_SOCKET", path, 1) == 0);
	FUZZ_CHECK(sasl_client_init(global) == SASL_OK);
	FUZZ_CHECK(sasl_client_add_plugin("mta-xoauth2", sasl_client_plug_init) == SASL_OK);
	return 0;
}

/* A response is what the daemon's line has, to the byte. */
static void check_response(const char *out, unsigned n)
{
	static char line[MX_WIRE_REPLY_MAX], raw[MX_WIRE_REPLY_MAX];
	struct mx_reply r;
	struct mx_err e;
	ssize_t d;

	FUZZ_CHECK(answers[0].n <= sizeof line);
	memcpy(line, answers[0].p, answers[0].n);
	FUZZ_CHECK(mx_reply_parse(line, answers[0].n, &r, &e) == MX_OK);
	d = mx_b64_decode(raw, sizeof raw, r.payload, r.payload_len);
	FUZZ_CHECK(d >= 0 && (unsigned)d == n && memcmp(raw, out, n) == 0);
	FUZZ_CHECK(n > 7 && memcmp(out + n - 2, "\001\001", 2) == 0);
}

/* What was logged on top of from, with a challenge that may repeat the token. */
static void check_log(const char *from, const char *response, size_t n)
{
	static const char mark[] = "auth=Bearer ";
	const char *t = memmem(response, n, mark, sizeof mark - 1);
	size_t token_n;

	if (t == NULL || strstr(from, "\\x") != NULL)
		return;
	t += sizeof mark - 1;
	token_n = strcspn(t, "\001");
	/* what host and plugin would say anyway is no echo: names, and the plugin's own words */
	if (!mx_is_b64token(t, token_n) || strstr(account, t) != NULL)
		return;
	for (size_t i = 0; i + PIECE <= token_n; i++)
		if (memmem(account, strlen(account), t + i, PIECE) == NULL && memmem(path, strlen(path), t + i, PIECE) == NULL &&
		    memmem("mta-xoauth2:smtp.example.com", 28, t + i, PIECE) == NULL &&
		    memmem("token-rejected", 14, t + i, PIECE) == NULL)
			FUZZ_CHECK(memmem(from, strlen(from), t + i, PIECE) == NULL);
}

static void refused(sasl_conn_t *conn, enum mx_mech m, struct fuzz_in challenge, const char *response, size_t n)
{
	char *in = fuzz_copy(challenge), *kept = malloc(n + 1);
	const char *out = NULL;
	size_t from = nlogged;
	unsigned out_n = 0;
	int r;

	FUZZ_CHECK(kept != NULL);
	memcpy(kept, response, n);	/* the plugin may wipe its own */
	kept[n] = '\0';
	r = sasl_client_step(conn, in, (unsigned)challenge.n, NULL, &out, &out_n);
	FUZZ_CHECK(r == SASL_OK || r == SASL_CONTINUE || r == SASL_BADPROT || r == SASL_BADAUTH || r == SASL_FAIL);
	if (r == SASL_CONTINUE && challenge.n > 0)
		FUZZ_CHECK(out_n == (m == MX_MECH_OAUTHBEARER ? 1u : 0u));
	if (asked < 2 || memmem(answers[1].p, answers[1].n, "ERR", 3) == NULL)	/* the daemon may say what it likes */
		check_log(logged + from, kept, n);
	free(kept);
	free(in);
}

static void login(enum mx_mech m, const char *server, struct fuzz_in challenge)
{
	const sasl_callback_t callbacks[] = {
		{ SASL_CB_AUTHNAME, PROC(host_name), NULL }, { mailbox != NULL ? SASL_CB_USER : SASL_CB_LIST_END,
		    mailbox != NULL ? PROC(host_name) : NULL, NULL }, { SASL_CB_LIST_END, NULL, NULL }
	};
	sasl_security_properties_t props = { .max_ssf = 0 };
	sasl_conn_t *conn = NULL;
	const char *out = NULL, *chosen = NULL;
	unsigned n = 0;
	int r;

	if (sasl_client_new("smtp", server, NULL, NULL, callbacks, 0, &conn) != SASL_OK)
		return;
	FUZZ_CHECK(sasl_setprop(conn, SASL_SEC_PROPS, &props) == SASL_OK);
	r = sasl_client_start(conn, mx_mech_name(m), NULL, &out, &n, &chosen);
	if (r == SASL_CONTINUE || r == SASL_OK) {
		FUZZ_CHECK(asked == 1 && out != NULL);
		check_response(out, n);
		refused(conn, m, challenge, out, n);
	} else {
		FUZZ_CHECK(r < 0 && nlogged > 0);
	}
	sasl_dispose(&conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n }, mech = fuzz_part(&in), name = fuzz_part(&in), user = fuzz_part(&in),
	    server = fuzz_part(&in), challenge;
	char *a = fuzz_str(name), *u = fuzz_str(user), *s = fuzz_str(server);

	answers[0] = fuzz_part(&in);
	challenge = fuzz_part(&in);
	answers[1] = in;
	account = a;
	mailbox = user.n == 1 && *u == '-' ? NULL : u;
	asked = nlogged = 0;
	logged[0] = '\0';
	/* A daemon without a word is tried again for two seconds: tests/unit/test_common_client.c has that. */
	if (answers[0].n > 0 && answers[1].n > 0 && n < 1 << 15)
		login(mech.n % 2 == 0 ? MX_MECH_XOAUTH2 : MX_MECH_OAUTHBEARER, s, challenge);
	settled();
	free(a);
	free(u);
	free(s);
	return 0;
}
