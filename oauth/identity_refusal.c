/*
 * What goes wrong with a platform's identity endpoint, in an administrator's terms.
 */
#include "config.h"

#include <string.h>

#include "catalogue/catalogue.h"
#include "oauth/identity.h"

/* MX_TEMP: it heals by itself; else held. Cause and fix are the catalogue's. */
struct row { enum mx_class cls; const char *code; };

static const struct row
    not_found = { MX_PROVIDER, "identity-not-found" },
    ambiguous = { MX_PROVIDER, "identity-ambiguous" },
    resource = { MX_PROVIDER, "identity-resource" },
    updating = { MX_TEMP, "identity-updating" },
    throttled = { MX_TEMP, "identity-throttled" },
    failing = { MX_TEMP, "identity-failing" },
    refused = { MX_PROVIDER, "identity-refused" },
    bad = { MX_PROVIDER, "identity-reply" },
    bad_now = { MX_TEMP, "identity-reply" };

static bool says(const struct oauth_failure *f, const char *part)
{
	return strcasestr(f->description, part) != NULL;
}

/* Microsoft's texts are matched where its codes say "invalid_request" to everything. */
static const struct row *tell(const struct oauth_failure *f)
{
	long status = f->http_status;

	if (status == 410)
		return &updating;
	if (status == 429)
		return &throttled;
	/* 404: IMDS says so while it starts, or has not heard of a new identity yet */
	if (status == 404 || status == 408 || status == 425 || status >= 500)
		return &failing;
	if (status < 300)
		return f->permanent ? &bad : &bad_now;
	if (says(f, "multiple user assigned"))
		return &ambiguous;
	if (f->aadsts != 0 || strcmp(f->error, "invalid_resource") == 0 ||
	    strcmp(f->error, "invalid_scope") == 0)
		return &resource;
	if (says(f, "identity not found") || says(f, "managed identity found") ||
	    says(f, "identity was not found"))
		return &not_found;
	return &refused;
}

static const char *const nouns[] = {
	[OAUTH_PLATFORM_IMDS] = "the VM's identity service (IMDS)",
	[OAUTH_PLATFORM_APP_SERVICE] = "App Service's identity endpoint",
	[OAUTH_PLATFORM_AZURE_ARC] = "Azure Arc's agent",
};

void oauth_identity_refused(const char *client, const struct oauth_credential *k,
    enum oauth_platform p, struct oauth_failure *f)
{
	bool said = f->description[0] != '\0';
	const struct cat_row *c;
	const struct row *r;

	if (strcmp(f->err.code, "no-memory") == 0)
		return;
	r = tell(f);
	c = cat_get(r->code);
	f->permanent = f->credential = r->cls != MX_TEMP;
	mx_fail(&f->err, r->cls, r->code,
	    "client \"%.64s\": %s, HTTP %ld%s%.40s: %s; %s (resource %.80s)%s%s%s", client,
	    nouns[p], f->http_status, f->error[0] == '\0' ? "" : " ", f->error, c->cause, c->fix,
	    k->platform_resource, said ? " [" : "", f->description, said ? "]" : "");
}

void oauth_identity_unreachable(
    const char *client, enum oauth_platform p, const char *url, struct oauth_failure *f)
{
	static const char *const what[] = {
		[OAUTH_PLATFORM_IMDS] = "this machine is no Azure VM, or a firewall or a "
					"container's network keeps it from there",
		[OAUTH_PLATFORM_APP_SERVICE] = "IDENTITY_ENDPOINT leads nowhere: start the daemon "
					       "with the app's own environment",
		[OAUTH_PLATFORM_AZURE_ARC] = "Azure Arc's agent does not run (systemctl status "
					     "himdsd)",
	};
	const char *p0 = strstr(url, "://"), *host = p0 != NULL ? p0 + 3 : url;
	const struct cat_row *c = cat_get(bad_now.code);
	int n = (int)strcspn(host, "/?#");

	if (strcmp(f->err.code, "no-memory") == 0)
		return;
	if (f->permanent) {
		f->credential = true;
		mx_fail(&f->err, MX_CONFIG, "identity-environment",
		    "client \"%.64s\": %s is asked by plain http at an address of this machine or "
		    "its link alone (127.0.0.0/8, ::1, "
		    "169.254.0.0/16, fe80::/10), and \"%.*s\" is none; correct %s",
		    client, nouns[p], n < 80 ? n : 80, host,
		    p == OAUTH_PLATFORM_IMDS ? "AZURE_POD_IDENTITY_AUTHORITY_HOST"
					     : "IDENTITY_ENDPOINT");
		return;
	}
	if (strncmp(f->err.code, "reply-", 6) == 0) {
		mx_fail(&f->err, bad_now.cls, bad_now.code, "client \"%.64s\": %s, %.*s: %s; %s",
		    client, nouns[p], n < 80 ? n : 80, host, c->cause, c->fix);
		return;
	}
	mx_fail(&f->err, MX_TEMP, "identity-unreachable",
	    "client \"%.64s\": %s does not answer at %.*s: %s; check managed_identity (it is tried "
	    "again by itself)",
	    client, nouns[p], n < 80 ? n : 80, host, what[p]);
}
