#include "config.h"

#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/rows.h"

static const struct { const struct cat_row *rows; const size_t *n; } tables[] = {
	{ mx_rows, &mx_rows_n },
	{ cat_rows_daemon, &cat_rows_daemon_n },
	{ cat_rows_file, &cat_rows_file_n },
	{ cat_rows_way, &cat_rows_way_n },
	{ cat_rows_provider, &cat_rows_provider_n },
	{ cat_rows_here, &cat_rows_here_n },
	{ cat_rows_mta, &cat_rows_mta_n },
	{ cat_rows_server, &cat_rows_server_n },
	{ cat_rows_reach, &cat_rows_reach_n },
	{ cat_rows_token, &cat_rows_token_n },
};

static const struct cat_place places[] = {
	{ "client", "the SASL plugin and mta-xoauth2, of the way to the daemon and of mail programs" },
	{ "daemon", "the daemon, in answer to a request" },
	{ "start", "the daemon, when it starts or reads its configuration" },
	{ "file", "the daemon and mta-xoauth2 check, of files with secrets, keys and tokens" },
	{ "way", "the daemon, of the way to the identity provider and of what answers there" },
	{ "platform", "the daemon, of the platform of a managed identity" },
	{ "provider", "the daemon, of what the identity provider says" },
	{ "login", "mta-xoauth2 login" },
	{ "here", "mta-xoauth2 diagnose, of this host" },
	{ "mta", "mta-xoauth2 diagnose, of the mail server's settings on this host" },
	{ "token", "mta-xoauth2 diagnose, of what the token says of itself" },
	{ "server", "mta-xoauth2 diagnose, of the mail server" },
};

const struct cat_row *cat_at(size_t i)
{
	for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
		if (i < *tables[t].n)
			return &tables[t].rows[i];
		i -= *tables[t].n;
	}
	return NULL;
}

const struct cat_row *cat_find(const char *code)
{
	const struct cat_row *r;

	for (size_t i = 0; (r = cat_at(i)) != NULL; i++)
		if (strcmp(r->code, code) == 0)
			return r;
	return NULL;
}

const struct cat_row *cat_get(const char *code)
{
	static const struct cat_row none = CAT_ROW("", MX_TEMP, "daemon", "nobody knows what is behind this",
	    "please report it, with the line that you see");
	const struct cat_row *r = cat_find(code);

	return r != NULL ? r : &none;
}

const struct cat_place *cat_place_at(size_t i)
{
	return i < sizeof places / sizeof places[0] ? &places[i] : NULL;
}
