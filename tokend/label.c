#include "config.h"

#include "tokend/label.h"

void label_add(struct mx_buf *b, const char *key, const char *value)
{
	mx_buf_adds(b, key);
	mx_buf_adds(b, "=\"");
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			mx_buf_addc(b, '\\');
		mx_buf_addc(b, *value == '\n' ? 'n' : *value);
	}
	mx_buf_addc(b, '"');
}
