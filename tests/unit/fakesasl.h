/*
 * A scripted Cyrus SASL host: hands the plugin a sasl_utils of its own, answers its callbacks and
 * prompts as told, and remembers every line the plugin reports and every piece of memory it takes.
 * For tests only.
 */
#ifndef MX_TESTS_FAKESASL_H
#define MX_TESTS_FAKESASL_H

#include <stdbool.h>
#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

enum fs_how {
	FS_NONE = 0,		/* the host knows no such callback */
	FS_CALLBACK,		/* answers at once */
	FS_PROMPT,		/* SASL_INTERACT, answered between two steps */
	FS_FAIL			/* its callback fails */
};

#define FS_LINES 16

struct fakesasl {
	/* the script; set after fs_init() */
	enum fs_how authname_how, user_how;
	const char *authname, *user;		/* NULL: answers, but with nothing */
	const char *opt_socket, *opt_timeout;	/* SASL options; NULL: not set */
	const char *canon_as;		/* what canon_user makes of any name; NULL: blanks go */
	int canon_result;			/* not SASL_OK: canon_user fails */
	bool no_prompts;			/* like Postfix: prompt_need is NULL */
	bool loses_prompts;			/* comes back without the prompts it was given */
	int fail_malloc;			/* the n-th allocation from now fails; 0: none */

	/* what came of it */
	char errors[FS_LINES][2048], logs[FS_LINES][2048];
	unsigned nerrors, nlogs;
	int log_level;				/* of the last log line */
	unsigned live;				/* allocations not given back */
	bool dirty;				/* memory was given back with the needle in it */
	const char *needle;		/* must not be in memory that is given back; NULL: may */
	unsigned passwords;			/* times PASS was asked for */
	unsigned interactions;			/* times SASL_INTERACT came back */
	char prompted[8];			/* ids asked for, as letters: A, U, ? for others */

	const char *out;			/* of the last step */
	unsigned out_len;

	sasl_utils_t utils;
	sasl_client_params_t params;
	sasl_out_params_t op;
	sasl_interact_t *prompt_need;
	char authid[1100], authzid[1100];
	const sasl_client_plug_t *plug;
	void *conn;
};

/* The mechanism's record from $MX_BUILD/.libs/libmta-xoauth2.so, loaded once. Never NULL. */
const sasl_client_plug_t *fs_plug(const char *mech);

/* A host with AUTHNAME app@contoso.com by callback, service smtp, server smtp.example.com. */
void fs_init(struct fakesasl *fs, const char *socket);

/* mech_new and steps until the plugin wants the server (or fails), answering prompts on the way. */
int fs_start(struct fakesasl *fs, const char *mech);

/* One step with what the server said; in may be NULL. */
int fs_step(struct fakesasl *fs, const char *in, unsigned len);

/* mech_dispose; fails the test if memory was kept, or given back with the needle in it. */
void fs_end(struct fakesasl *fs);

#endif
