#include "config.h"

#include <string.h>

#include "common/text.h"
#include "common/wire.h"
#include "ctl/args.h"
#include "ctl/out.h"
#include "settings/suggest.h"

/* Of the verb if there is one, else of the global ones. */
static const struct ctl_option *find(const struct call *c, const char *name, size_t n)
{
	const struct ctl_option *o = verb_option(global_options, name, n);

	return o == NULL && c->verb != NULL ? verb_option(c->verb->options, name, n) : o;
}

static int unknown_option(const struct call *c, const char *name, size_t n)
{
	const struct ctl_option *o;
	const struct verb *v;
	struct cf_near near;
	char hint[80];

	for (v = verbs; c->verb == NULL && v->name != NULL; v++)
		if (verb_option(v->options, name, n) != NULL)
			return out_usage(NULL, "%.*s is an option of \"%s\" and belongs behind it",
			    (int)n, name, v->name);
	cf_near_begin(&near, name, n);
	for (o = global_options; o->name != NULL; o++)
		cf_near_try(&near, o->name);
	for (o = c->verb != NULL ? c->verb->options : NULL; o != NULL && o->name != NULL; o++)
		cf_near_try(&near, o->name);
	return out_usage(c->verb, "unknown option \"%.*s\"%s", (int)n, name,
	    cf_near_text(hint, sizeof hint, &near));
}

static int set(struct call *c, const struct ctl_option *o, const char *value)
{
	void *at = (char *)c + o->offset;
	uint64_t seconds;

	switch (o->type) {
	case CTL_FLAG:
		*(bool *)at = true;
		break;
	case CTL_TEXT:
		if (*value == '\0')
			return out_usage(c->verb, "%s is empty", o->name);
		*(const char **)at = value;
		break;
	case CTL_SECONDS:
		if (!mx_parse_uint(value, strlen(value), ARGS_TIMEOUT_MIN_S, ARGS_TIMEOUT_MAX_S,
		    &seconds))
			return out_usage(c->verb, ARGS_BAD_TIMEOUT, o->name, value);
		*(uint32_t *)at = (uint32_t)seconds;
		break;
	}
	return CTL_FINE;
}

/* argv[*i] is "--name", "--name=value" or "-x"; takes its value too. */
static int option(int argc, char **argv, int *i, struct call *c)
{
	const char *s = argv[*i], *value = NULL;
	bool is_long = s[1] == '-';
	size_t n = is_long ? strcspn(s, "=") : 1;
	const struct ctl_option *o = find(c, is_long ? s : s + 1, n);

	if (o == NULL || (!is_long && o->type == CTL_FLAG && s[2] != '\0'))
		return unknown_option(c, s, is_long ? n : strlen(s));
	if (is_long && s[n] == '=')
		value = s + n + 1;
	else if (!is_long && s[2] != '\0')
		value = s + 2;
	if (o->type == CTL_FLAG && value != NULL)
		return out_usage(c->verb, "%s takes no value", o->name);
	if (o->type != CTL_FLAG && value == NULL) {
		if (++*i == argc)
			return out_usage(c->verb, "%s needs a value: %s %s", o->name, o->name,
			    o->value);
		value = argv[*i];
	}
	return set(c, o, value);
}

static int word(struct call *c, const char *s)
{
	size_t n = strlen(s);
	const char *near;

	if (c->verb == NULL) {
		if ((c->verb = verb_find(s)) != NULL)
			return CTL_FINE;
		near = verb_nearest(s);
		if (near == NULL)
			return out_usage(NULL, "there is no verb \"%s\"", s);
		return out_usage(NULL, "there is no verb \"%s\"; did you mean \"%s\"?", s, near);
	}
	if (c->verb->arg == NULL || c->arg != NULL)
		return out_usage(c->verb, "unexpected argument \"%s\"", s);
	if (n == 0 || n > MX_ACCOUNT_MAX || mx_has_ctl(s, n) || !mx_utf8_ok(s, n))
		return out_usage(c->verb, "the account must be 1 to %d bytes of UTF-8 without "
		    "control characters", MX_ACCOUNT_MAX);
	c->arg = s;
	return CTL_FINE;
}

int args_parse(int argc, char **argv, struct call *c)
{
	bool options = true;
	int i, r;

	*c = (struct call){ 0 };
	for (i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		r = options && argv[i][0] == '-' && argv[i][1] != '\0' ? option(argc, argv, &i, c) :
		    word(c, argv[i]);
		if (r != CTL_FINE)
			return r;
	}
	if (c->help || c->version)
		return CTL_FINE;
	if (c->verb == NULL)
		return out_usage(NULL, "a verb is missing");
	if (c->verb->arg != NULL && c->arg == NULL)
		return out_usage(c->verb, "%s needs an argument: %s", c->verb->name, c->verb->arg);
	if (c->json && c->check)
		return out_usage(c->verb, "--json and --check exclude each other");
	return CTL_FINE;
}
