#include "config.h"

#include <stdio.h>

#include "ctl/help.h"
#include "ctl/verb.h"

#define INDENT 22	/* column at which the explanations begin */

static void option_list(const struct ctl_option *o)
{
	char name[40];

	for (; o != NULL && o->name != NULL; o++) {
		(void)snprintf(name, sizeof name, "%s%c%s%s%s%s", o->letter != 0 ? "-" : "   ",
		    o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "", o->name,
		    o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
		printf("  %-*s %s\n", INDENT, name, o->help);
	}
}

static void synopsis(const struct verb *v)
{
	const struct ctl_option *o;

	printf("%s", v->name);
	for (o = v->options; o != NULL && o->name != NULL; o++)
		printf(" [%s%s%s]", o->name, o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
	if (v->arg != NULL)
		printf(" %s", v->arg);
}

static void whole(void)
{
	const struct verb *v;
	char name[40];

	puts("usage: mta-xoauth2 [OPTIONS] VERB [ARGUMENT]\n\n"
	    "Asks and steers mta-xoauth2-tokend, which obtains OAuth 2.0 tokens for mail "
	    "servers.\n\nverbs:");
	for (v = verbs; v->name != NULL; v++) {
		(void)snprintf(name, sizeof name, "%s%s%s", v->name, v->arg != NULL ? " " : "",
		    v->arg != NULL ? v->arg : "");
		printf("  %-*s %s\n", INDENT, name, v->help);
	}
	puts("\noptions, before or after the verb:");
	option_list(global_options);
	puts("\nmta-xoauth2 VERB --help says more of a verb.\n\n"
	    "exit status: 0 fine, 1 something found, 2 usage, 3 configuration or denied,\n"
	    "4 daemon unreachable, 5 identity provider, 6 mail server, 75 temporary; status --check has\n"
	    "its own. See mta-xoauth2(8).");
}

void help_print(const struct verb *v)
{
	if (v == NULL) {
		whole();
		return;
	}
	printf("usage: mta-xoauth2 ");
	synopsis(v);
	printf("\n\n%s: %s.\n\n%s\noptions:\n", v->name, v->help, v->more);
	option_list(v->options);
	option_list(global_options);
}
