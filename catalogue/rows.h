/*
 * The tables behind catalogue.h. Private to catalogue/. A new table needs its line in catalogue.c.
 */
#ifndef MX_CATALOGUE_ROWS_H
#define MX_CATALOGUE_ROWS_H

#include <stddef.h>

#include "common/row.h"

extern const struct cat_row cat_rows_daemon[], cat_rows_file[], cat_rows_here[], cat_rows_mta[], cat_rows_provider[], cat_rows_server[],
    cat_rows_token[], cat_rows_way[];
extern const size_t cat_rows_daemon_n, cat_rows_file_n, cat_rows_here_n, cat_rows_mta_n, cat_rows_provider_n, cat_rows_server_n,
    cat_rows_token_n, cat_rows_way_n;
extern const struct cat_row cat_rows_reach[];
extern const size_t cat_rows_reach_n;

#endif
