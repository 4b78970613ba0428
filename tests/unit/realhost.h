/*
 * The real libsasl2 as a host of the plugin: callbacks like those of smtp(8) and mbsync, the lines
 * that would reach the mail log, an allocator that looks for the token in what comes back. For
 * tests only.
 */
#ifndef MX_TESTS_REALHOST_H
#define MX_TESTS_REALHOST_H

#include <stdbool.h>

#include <sasl/sasl.h>

#define RH_NEEDLE "secret-body"		/* what no memory may hold when it is given back */
#define RH_LINES 32

extern char rh_lines[RH_LINES][2048];	/* logged at SASL_LOG_WARN or worse, since rh_init() */
extern unsigned rh_nlines;
extern bool rh_dirty;			/* memory came back with the needle in it */

extern char rh_app[];			/* app@contoso.com */
extern const sasl_callback_t rh_postfix[];	/* AUTHNAME and a PASS that fails the test */
extern const sasl_callback_t rh_with_user[];	/* USER shared@contoso.com beside them */
extern const sasl_callback_t rh_mbsync[];	/* all three by prompt */

/*
 * Before and after all tests: a plugin directory with nothing but the plugin of $MX_BUILD in it
 * (the build's .libs may hold other modules). -1: it cannot be made, and why is on stderr.
 */
int rh_open(void);
void rh_close(void);

/* sasl_client_init(), with the system's own plugins behind ours if wanted. Forgets the lines. */
void rh_init(bool with_system_plugins);

/* A connection to smtp.example.com with Postfix's security properties (flags: SASL_SEC_...). */
sasl_conn_t *rh_connect(const sasl_callback_t *callbacks, unsigned flags);

#endif
