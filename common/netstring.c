#include "config.h"

#include "common/netstring.h"

enum mx_netstring mx_netstring_parse(const char *p, size_t n, size_t max, const char **s, size_t *len, size_t *used)
{
	size_t i, want = 0;

	for (i = 0; i < n && p[i] >= '0' && p[i] <= '9'; i++) {
		size_t digit = (size_t)(p[i] - '0');

		if ((i > 0 && want == 0) || want > max / 10 || want * 10 + digit > max)
			return MX_NETSTRING_BAD;
		want = want * 10 + digit;
	}
	if (i == n)
		return MX_NETSTRING_MORE;
	if (i == 0 || p[i] != ':')
		return MX_NETSTRING_BAD;
	i++;
	if (n - i <= want)
		return MX_NETSTRING_MORE;
	if (p[i + want] != ',')
		return MX_NETSTRING_BAD;
	*s = p + i;
	*len = want;
	*used = i + want + 1;
	return MX_NETSTRING_OK;
}

void mx_netstring_add(struct mx_buf *b, const void *s, size_t n)
{
	mx_buf_addf(b, "%zu:", n);
	mx_buf_add(b, s, n);
	mx_buf_addc(b, ',');
}
