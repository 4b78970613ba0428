/*
 * Lines to paste that mend what a code means, where its fix alone would leave somebody looking for the words: for a shell, for
 * PowerShell, or for tokend.yaml. With placeholders as in catalogue.h, which a daemon's sentence would have no values for.
 */
#ifndef MX_CATALOGUE_PASTE_H
#define MX_CATALOGUE_PASTE_H

#include <stddef.h>

struct cat_paste {
	const char *code;	/* of its row in the catalogue; one paste each */
	const char *lines;	/* with line feeds between, none at the end */
};

const char *cat_paste_find(const char *code);		/* NULL: there is none */
const struct cat_paste *cat_paste_at(size_t i);		/* NULL past the end */

#endif
