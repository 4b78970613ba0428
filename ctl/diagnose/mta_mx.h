/*
 * Mail servers of domains, by the DNS. Apart from mta.h, since the system's headers for this have names that Postfix's parts have too.
 */
#ifndef MX_CTL_DIAGNOSE_MTA_MX_H
#define MX_CTL_DIAGNOSE_MTA_MX_H

#include "common/wire.h"

/* The one of a domain that comes first; "": it has none of its own, or that cannot be told. */
void dg_mx(const char *domain, char out[MX_HOST_MAX + 1]);

#endif
