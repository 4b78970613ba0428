#include "config.h"

#include <string.h>

#include "catalogue/refusal.h"
#include "common/text.h"
#include "oauth/claims.h"
#include "oauth/federated.h"
#include "oauth/file.h"

/*
 * Others may read it: Kubernetes writes these files with mode 0644 for pods that run as root, they
 * live for an hour, and the platform has chosen so. "mta-xoauth2 check" warns.
 */
static const struct oauth_file_kind kind = {
	.noun = "federated token",
	.store = "check the path, or the volume that the platform projects it into",
	.mend = "let the daemon's group read it (in Kubernetes by fsGroup in the pod's "
		"securityContext)",
	.missing = { MX_CONFIG, "federated-token-missing" },
	.unreadable = { MX_CONFIG, "federated-token-unreadable" },
	.busy = { MX_TEMP, "federated-token-unreadable" },
	.not_a_file = { MX_CONFIG, "federated-token-unreadable" },
	.malformed = { MX_CONFIG, "federated-token-malformed" },
};

enum mx_class oauth_federated_read(const char *path, struct mx_secret *out, struct mx_err *e)
{
	struct mx_secret s = { 0 };
	enum mx_class cls;
	size_t n;

	*out = (struct mx_secret){ 0 };
	if ((cls = oauth_file_read_key(&kind, path, &s, e)) != MX_OK)
		return cls;
	for (n = s.len; n > 0 &&
	     (s.p[n - 1] == '\n' || s.p[n - 1] == '\r' || s.p[n - 1] == ' ' || s.p[n - 1] == '\t');
	     n--)
		;
	if (!mx_is_b64token(s.p, n))
		cls = mx_fail(e, MX_CONFIG, "federated-token-malformed",
		    "the federated token is empty or has characters that no token has; the file "
		    "must hold the token (a JWT) and "
		    "nothing else: %s",
		    path);
	else if (!mx_secret_set(out, s.p, n))
		cls = mx_fail(
		    e, MX_TEMP, "no-memory", "no memory to read the federated token %s", path);
	mx_secret_free(&s);
	return cls;
}

static bool is_mismatch(uint32_t aadsts)
{
	static const uint32_t all[] = { 70021, 700211, 700212, 700213, 7002137, 7002138 };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] == aadsts)
			return true;
	return false;
}

void oauth_federated_explain(
    const char *client, const struct mx_secret *assertion, struct oauth_failure *f)
{
	const struct cat_refusal hint = cat_refusal_find(f->error, f->aadsts, f->description);
	struct oauth_claims c;

	if (!f->permanent || !is_mismatch(f->aadsts))
		return;
	f->credential = true; /* 70021 comes as invalid_request, and is about it all the same */
	if (!oauth_claims_read(assertion->p, assertion->len, &c))
		return;
	/*
	 * What is to be compared must not be cut off; it is bounded, and the trace id is left to
	 * the log.
	 */
	mx_fail(&f->err, f->err.cls, hint.code,
	    "client \"%.64s\": AADSTS%u: %s: it has issuer %s, subject %s, audience %s; %s", client,
	    (unsigned)f->aadsts, hint.cause, c.iss[0] != '\0' ? c.iss : "(none)",
	    c.sub[0] != '\0' ? c.sub : "(none)", c.aud[0] != '\0' ? c.aud : "(none)", hint.fix);
}
