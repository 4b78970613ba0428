#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "ctl/out.h"
#include "ctl/setup/client.h"

void su_client_free(struct su_client *k)
{
	char *const all[] = { k->provider, k->cloud, k->tenant, k->token_endpoint, k->grant, k->client_id, k->client_auth,
		k->client_secret_file, k->refresh_token_file, k->scope, k->proxy, k->ca_file, k->user, k->relay };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		free(all[i]);
	*k = (struct su_client){ 0 };
}

int su_judge_client(const struct call *c)
{
	const int client = (c->tenant != NULL) + (c->client_id != NULL) + (c->secret_file != NULL);

	if (client != 0 && client != 3)
		return out_usage(c->verb, "--tenant, --client-id and --secret-file are for a new client, and belong "
		    "together");
	if (client == 3 && (c->secret_file[0] != '/' || mx_has_ctl(c->secret_file, strlen(c->secret_file)) ||
	    mx_has_ctl(c->tenant, strlen(c->tenant)) || mx_has_ctl(c->client_id, strlen(c->client_id))))
		return out_usage(c->verb, "--secret-file must be an absolute path, and none of these may have control "
		    "characters");
	return CTL_FINE;
}

bool su_client_given(const struct call *c, struct su_client *k)
{
	*k = (struct su_client){ .provider = strdup("exchange-online"), .tenant = strdup(c->tenant),
		.client_id = strdup(c->client_id), .client_secret_file = strdup(c->secret_file) };
	return k->provider != NULL && k->tenant != NULL && k->client_id != NULL && k->client_secret_file != NULL;
}

/* One line behind text, which is taken over; NULL: no memory. */
static char *with_line(char *text, const char *name, const char *value)
{
	char *quoted, *out;

	if (text == NULL || value == NULL)
		return text;
	quoted = su_quoted(value);
	out = quoted != NULL ? su_concat(text, "    ", name, ": ", quoted, "\n", NULL) : NULL;
	free(quoted);
	free(text);
	return out;
}

char *su_client_text(const struct su_client *k, const char *account, const char *mail_user)
{
	const struct { const char *name, *value; } line[] = {
		{ "cloud", k->cloud }, { "tenant", k->tenant }, { "token_endpoint", k->token_endpoint },
		{ "grant", k->grant }, { "client_id", k->client_id }, { "client_auth", k->client_auth },
		{ "client_secret_file", k->client_secret_file }, { "refresh_token_file", k->refresh_token_file },
		{ "scope", k->scope }, { "proxy", k->proxy }, { "ca_file", k->ca_file },
	};
	char *text = su_concat("clients:\n  " SU_CLIENT ":\n    provider: ", k->provider, "\n", NULL), *name, *more;

	for (size_t i = 0; i < sizeof line / sizeof line[0]; i++)
		text = with_line(text, line[i].name, line[i].value);
	name = su_quoted(account);
	more = text != NULL && name != NULL ? su_concat(text, "accounts:\n  ", name, ":\n    client: " SU_CLIENT "\n"
	    "    allow_users: [root, ", mail_user, "]\n", NULL) : NULL;
	free(text);
	free(name);
	more = with_line(more, "user", k->user);
	if (more != NULL && k->relay != NULL) {
		text = su_concat(more, "    relays: [\"", k->relay, "\"]\n", NULL);
		free(more);
		more = text;
	}
	return more;
}

void su_find_no_account(const struct su_job *j, const char *account)
{
	su_find(j->found, SU_WRONG, "account", "%s has no account for %s: write \"%s:\" below \"accounts:\", and "
	    "\"client: NAME\" below that, or give --tenant, --client-id and --secret-file", j->config, account, account);
}

bool su_client_taken(const struct su_job *j, const struct conf *conf, const char *account)
{
	if (conf == NULL || conf_client_find(conf, SU_CLIENT) == NULL)
		return false;
	su_find(j->found, SU_WRONG, "account", "%s has a client \"" SU_CLIENT "\" already: write \"accounts:\" with "
	    "\"%s\" for it by hand", j->config, account);
	return true;
}
