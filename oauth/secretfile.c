#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "oauth/file.h"
#include "oauth/provider.h"
#include "oauth/secretfile.h"

#define SECRET_SHORT 16			/* bytes: generated secrets are longer */

static const char bom[3] = { '\xEF', '\xBB', '\xBF' };

/* GUID: 8-4-4-4-12 hex digits. */
static bool is_guid(const struct mx_secret *s)
{
	if (s->len != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		unsigned char c = s->p[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex =
		    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

		if (dash ? c != '-' : !hex)
			return false;
	}
	return true;
}

/* What there is of control bytes, worst first, and the command that mends it, before the file's name. NULL: none. */
static const char *control(const struct mx_secret *s, const char **mend)
{
	*mend = "store the secret's value alone, as one line:";
	if (!mx_has_ctl(s->p, s->len))
		return NULL;
	if (memchr(s->p, '\0', s->len) != NULL)
		return "a NUL byte (is it UTF-16?)";
	if (memchr(s->p, '\n', s->len) != NULL)
		return "more than one line";
	if (memchr(s->p, '\r', s->len) == NULL)
		return "a control character";
	*mend = "sed -i 's/\\r//g'";
	return "a carriage return";
}

static bool has_bom(const struct mx_secret *s)
{
	return s->len >= sizeof bom && memcmp(s->p, bom, sizeof bom) == 0;
}

#define BOM_MEND "sed -i '1s/^\\xEF\\xBB\\xBF//'"

static enum mx_class judge(const char *noun, const char *path, const struct mx_secret *s, bool any_bytes,
    struct mx_err *e)
{
	const char *what, *mend;

	if (s->len == 0)
		return mx_fail(e, MX_CONFIG, "secret-empty", "the %s is empty; store the secret's value in it: %s",
		    noun, path);
	if (s->len > OAUTH_SECRET_MAX)
		return mx_fail(e, MX_CONFIG, "secret-too-long", "the %s holds more than %d bytes; it must hold the "
		    "secret's value and nothing else: %s", noun, OAUTH_SECRET_MAX, path);
	if (any_bytes)
		return MX_OK;
	if ((what = control(s, &mend)) != NULL)
		return mx_fail(e, MX_CONFIG, "secret-malformed", "the %s holds %s; %s %s", noun, what, mend, path);
	if (has_bom(s))
		return mx_fail(e, MX_CONFIG, "secret-has-bom", "the %s begins with a byte order mark, which is no part "
		    "of the secret; " BOM_MEND " %s", noun, path);
	if (is_guid(s))
		return mx_fail(e, MX_CONFIG, "secret-is-guid",
		    "the %s holds a GUID: this is the secret's ID, not its value; copy the Value column of "
		    "Certificates & secrets (shown only once, else make a new secret) into it: %s", noun, path);
	return MX_OK;
}

static enum mx_class read_named(const struct oauth_file_kind *kind, const char *path, bool any_bytes,
    struct mx_secret *out, struct mx_err *e)
{
	struct mx_secret s = { 0 };
	enum mx_class cls;

	*out = (struct mx_secret){ 0 };
	if (path == NULL || path[0] == '\0')
		return mx_fail(e, MX_CONFIG, "secret-missing",
		    "no secret file is named; set client_secret_file");
	/* CRLF and one byte more than the longest: what is longer shows itself. */
	if ((cls = oauth_file_read(kind, path, OAUTH_SECRET_MAX + 3, &s, e)) != MX_OK)
		return cls;
	if (s.len > 0 && s.len < OAUTH_SECRET_MAX + 3 && s.p[s.len - 1] == '\n') {
		s.len--;
		if (s.len > 0 && s.p[s.len - 1] == '\r')
			s.len--;
		s.p[s.len] = '\0';
	}
	if ((cls = judge(kind->noun, path, &s, any_bytes, e)) == MX_OK)
		mx_secret_move(out, &s);
	mx_secret_free(&s);
	return cls;
}

/* Hosts where secrets have an ID beside their value, and people mix the two up. */
static bool is_microsoft(const char *url)
{
	if (url == NULL || strncasecmp(url, "https://", 8) != 0)
		return false;
	url += 8;
	return oauth_clouds_of_login(url, strcspn(url, "/:?#")) != 0;
}

enum mx_class oauth_secret_read(const char *path, struct mx_secret *out, struct mx_err *e)
{
	return read_named(&oauth_file_secret, path, false, out, e);
}

enum mx_class oauth_secret_read_as(const struct oauth_file_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e)
{
	return read_named(kind, path, false, out, e);
}

enum mx_class oauth_secret_read_for(
    const struct oauth_client *c, const char *path, struct mx_secret *out, struct mx_err *e)
{
	return read_named(&oauth_file_secret, path, !is_microsoft(c->token_endpoint), out, e);
}

bool oauth_secret_lint(const char *path, const struct mx_secret *s, struct mx_err *e)
{
	const char *what, *mend;

	if (has_bom(s)) {
		mx_fail(e, MX_CONFIG, "secret-has-bom", "the secret begins with a byte order mark, which is sent as "
		    "part of it; " BOM_MEND " %s", path);
		return true;
	}
	if (s->len > 0 && (s->p[0] == ' ' || s->p[s->len - 1] == ' ')) {
		mx_fail(e, MX_CONFIG, "secret-has-blanks",
		    "the secret begins or ends with a blank, which is sent "
		    "as part of it; remove it unless it belongs there");
		return true;
	}
	if ((what = control(s, &mend)) != NULL) {
		mx_fail(e, MX_CONFIG, "secret-has-controls", "the secret holds %s, which is sent as part of it; unless "
		    "it belongs there, %s %s", what, mend, path);
		return true;
	}
	if (is_guid(s)) {
		mx_fail(e, MX_CONFIG, "secret-is-guid",
		    "the secret is a GUID; if the provider is Microsoft's, this "
		    "is the secret's ID and not its value");
		return true;
	}
	if (s->len < SECRET_SHORT) {
		mx_fail(e, MX_CONFIG, "secret-short",
		    "the secret has fewer than %d bytes; check that all of it was "
		    "copied",
		    SECRET_SHORT);
		return true;
	}
	return false;
}
