/*
 * The form in which accounts and relays are compared, the same for patterns and for what askers
 * send.
 */
#ifndef MX_SETTINGS_ACCOUNT_H
#define MX_SETTINGS_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

/* ASCII letters to lower case, in place. */
void cf_lower(char *s, size_t n);

/*
 * name (n bytes, at most MX_ACCOUNT_MAX) into out (n + 1 bytes): the domain in lower case and
 * without one trailing dot. Returns the length.
 */
size_t cf_account_key(char *out, const char *name, size_t n);

/*
 * A relay's name or pattern (n bytes, at most MX_HOST_MAX) into out (n bytes), not NUL-terminated:
 * in lower case, without one trailing dot and without the brackets of an address. Returns the
 * length.
 */
size_t cf_host_key(char *out, const char *host, size_t n);

/*
 * The form in which mailboxes with tokens of their own are told apart and named at the provider: the domain in lower
 * case. out: MX_ACCOUNT_MAX + 1 bytes. false: it is no address of plain characters (RFC 5322's atext and dots).
 */
bool cf_mailbox_key(char *out, const char *mailbox);

#endif
