/*
 * What stands behind a name, by the name alone: a secret, or a person.
 */
#ifndef MX_CTL_REPORT_ANNOUNCE_H
#define MX_CTL_REPORT_ANNOUNCE_H

#include "ctl/report/mask.h"

/* How log lines write a quote within quotes. */
#define RP_INNER "\\x22"
#define RP_INNER_N (sizeof RP_INNER - 1)

bool rp_inner_quote(const char *s, const char *stop);
bool rp_is_word(const char *s, size_t n, const char *const *list);
bool rp_secret_key(const char *s, size_t n);
bool rp_secret_name(const char *s, size_t n);
bool rp_person_key(const char *s, size_t n);
bool rp_address_key(const char *s, size_t n);
bool rp_exim_login(const char *key, size_t n, const char *value, const char *end);

/* What a word of len bytes, before stop, says of the next one, which begins at *at at the earliest. RP_WORD: nothing. */
enum rp_kind rp_announces(const char *s, size_t len, const char *stop, const char **at);

#endif
