/*
 * Plugins of Cyrus SASL in the folders that it looks into: ours, and others for the same mechanism.
 */
#ifndef MX_CTL_SETUP_PLUGINS_H
#define MX_CTL_SETUP_PLUGINS_H

#include <stdbool.h>

#define SU_PLUGIN_FILE "libmta-xoauth2.so"

struct su_plugins {
	bool found;		/* ours, readable for everybody */
	char *ours;		/* its path; owned */
	char *closed;		/* its path where it is there, and not readable; owned */
	char *other;		/* the first that knows XOAUTH2 too; owned; NULL: none */
};

/*
 * path: folders with colons between them. rival is called for each that knows XOAUTH2 too; NULL: it is not wanted. false: no
 * memory. To be freed in any case.
 */
bool su_plugins_look(const char *path, struct su_plugins *p, void (*rival)(void *arg, const char *dir, const char *name),
    void *arg);
void su_plugins_free(struct su_plugins *p);

#endif
