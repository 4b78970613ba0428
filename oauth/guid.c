#include "config.h"

#include <sys/random.h>
#include <unistd.h>

#include "common/buf.h"
#include "oauth/guid.h"

bool oauth_guid(char out[OAUTH_GUID_LEN + 1])
{
	unsigned char r[16];
	struct mx_buf b;

	if (getentropy(r, sizeof r) != 0)
		return false;
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	mx_buf_init(&b, out, OAUTH_GUID_LEN + 1);
	for (size_t i = 0; i < sizeof r; i++)
		mx_buf_addf(&b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", r[i]);
	return mx_buf_str(&b) != NULL;
}
