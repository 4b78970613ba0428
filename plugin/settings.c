/*
 * The plugin's two settings. In smtp(8) only the environment and the defaults count (Postfix gives
 * its plugins no options); other Cyrus hosts may hand options on.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/client.h"
#include "common/text.h"
#include "plugin/plugin.h"

#define TIMEOUT_MIN_S 1
#define TIMEOUT_MAX_S 600

_Static_assert(sizeof MX_SOCKET <= sizeof ((struct mxp_conn *)0)->socket,
    "the compiled-in socket path is too long");

/* NULL in a process that has more rights than its caller, who must not choose the daemon. */
static const char *environment(const char *name)
{
#if defined(HAVE_SECURE_GETENV)
	return secure_getenv(name);
#elif defined(HAVE_ISSETUGID)
	return issetugid() ? NULL : getenv(name);
#else
	return getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
#endif
}

/* The value as somebody wrote it, and where; NULL if nobody did. */
static const char *lookup(const sasl_utils_t *u, const char *env, const char *option,
    const char **where)
{
	const char *v = environment(env);

	*where = env;
	if (v != NULL && *v != '\0')
		return v;
	v = NULL;
	*where = option;
	if (u->getopt == NULL || u->getopt(u->getopt_context, NULL, option, &v, NULL) != SASL_OK)
		return NULL;
	return v != NULL && *v != '\0' ? v : NULL;
}

static void warn(const sasl_utils_t *u, const char *where, const char *value, const char *wanted,
    const char *used)
{
	char q[160];

	u->log(u->conn, SASL_LOG_WARN, "mta-xoauth2: %s is %s, which is not %s; using %s instead",
	    where, mx_quote(q, sizeof q, value, strlen(value)), wanted, used);
}

void mxp_settings(struct mxp_conn *c, const sasl_utils_t *utils)
{
	const char *v, *where;
	uint64_t s;

	memcpy(c->socket, MX_SOCKET, sizeof MX_SOCKET);
	v = lookup(utils, "MTA_XOAUTH2_SOCKET", "mta_xoauth2_socket", &where);
	if (v != NULL && (*v != '/' || strlen(v) >= sizeof c->socket || mx_has_ctl(v, strlen(v))))
		warn(utils, where, v, "an absolute path that a socket can have", MX_SOCKET);
	else if (v != NULL)
		memcpy(c->socket, v, strlen(v) + 1);

	c->timeout_ms = MX_TIMEOUT_MS;
	v = lookup(utils, "MTA_XOAUTH2_TIMEOUT", "mta_xoauth2_timeout", &where);
	if (v != NULL && !mx_parse_uint(v, strlen(v), TIMEOUT_MIN_S, TIMEOUT_MAX_S, &s))
		warn(utils, where, v, "a number of seconds from 1 to 600", "10");
	else if (v != NULL)
		c->timeout_ms = (uint32_t)s * 1000;
}

_Static_assert(MX_TIMEOUT_MS == 10000 && TIMEOUT_MAX_S == 600, "the warning's text says otherwise");
