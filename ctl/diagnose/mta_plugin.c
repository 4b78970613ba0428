/*
 * The plugin: is it where this mail server's Cyrus SASL looks, and the only one for its mechanism.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/diagnose/mta.h"
#include "ctl/setup/plugins.h"

/* The first folder of a path. */
static void tell_folder(struct dg_walk *w, const char *path)
{
	char *first = strndup(path, strcspn(path, ":"));

	dg_value(w, "folder", first);
	free(first);
}

void dg_mta_plugin(struct dg_walk *w)
{
	struct su_plugins found = { 0 };
	char *path = NULL;

	if (w->mta_name == NULL || strcmp(w->mta_name, "postfix") != 0) {
		dg_skip(w, w->mta_name == NULL ? "no mail server is looked at" :
		    "Exim's client asks the daemon without a SASL library");
		return;
	}
	if ((path = pf_sasl_path(&w->mta->pf)) == NULL || !su_plugins_look(path, &found, NULL, NULL)) {
		w->no_memory = true;
	} else if (found.other != NULL) {
		dg_value(w, "file", found.other);
		dg_broken(w, "plugin-shadowed", "%s knows XOAUTH2 too, and Cyrus SASL may take that one", found.other);
	} else if (found.found) {
		dg_ok(w, SU_PLUGIN_FILE " is in %s, and nothing else there knows XOAUTH2", path);
	} else if (found.closed != NULL) {
		dg_value(w, "file", found.closed);
		dg_broken(w, "plugin-closed", "%s may not be read by everybody", found.closed);
	} else if (strcmp(path, MX_SASLDIR) != 0 && access(MX_SASLDIR "/" SU_PLUGIN_FILE, R_OK) == 0) {
		tell_folder(w, path);
		dg_value(w, "file", MX_SASLDIR "/" SU_PLUGIN_FILE);
		dg_broken(w, "plugin-elsewhere", SU_PLUGIN_FILE " is in " MX_SASLDIR ", and import_environment of this Postfix has "
		    "SASL_PATH=%s", path);
	} else {
		tell_folder(w, path);
		dg_broken(w, "plugin-missing", SU_PLUGIN_FILE " is not in %s", path);
	}
	su_plugins_free(&found);
	free(path);
}
