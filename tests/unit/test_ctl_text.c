/* ctl/: what is printed of others' text, the command line, the lines of STATUS. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"
#include "ctl/args.h"
#include "ctl/out.h"
#include "ctl/status.h"

#define S(s) s, sizeof s - 1

static const struct {
	const char *in; size_t n;
	const char *text; size_t width;
	const char *json;
} shown[] = {
	{ S(""), "", 0, "\"\"" },
	{ S("plain \\ \"x\""), "plain \\ \"x\"", 11, "\"plain \\\\ \\\"x\\\"\"" },
	{ S("\303\244\342\202\254\360\237\230\200"), "\303\244\342\202\254\360\237\230\200", 3,
	    "\"\303\244\342\202\254\360\237\230\200\"" },
	{ S("\0\t\n\033[m\177"), "\\x00\\x09\\x0a\\x1b[m\\x7f", 22,
	    "\"\\u0000\\u0009\\u000a\\u001b[m\\u007f\"" },
	{ S("\302\200\302\237\302\240"), "\\xc2\\x80\\xc2\\x9f\302\240", 17,
	    "\"\\u0080\\u009f\302\240\"" },
	{ S("\342\200\256\342\201\246\357\273\277\330\234"),
	    "\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xef\\xbb\\xbf\\xd8\\x9c", 44,
	    "\"\\u202e\\u2066\\ufeff\\u061c\"" },
	{ S("\342\200\250\342\200\213"), "\\xe2\\x80\\xa8\\xe2\\x80\\x8b", 24,
	    "\"\\u2028\\u200b\"" },
	{ S("\233\377\300\200\355\240\200"), "\\x9b\\xff\\xc0\\x80\\xed\\xa0\\x80", 28,
	    "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	{ S("a\342\202"), "a\\xe2\\x82", 9, "\"a\\ufffd\\ufffd\"" },
	{ S("\364\220\200\200"), "\\xf4\\x90\\x80\\x80", 16, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
};

static char *caught(void (*put)(FILE *, const char *, size_t), const char *s, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	put(f, s, n);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void put_text(FILE *f, const char *s, size_t n)
{
	assert_int_equal(out_text(f, s, n), out_width(s, n));
}

static void showing(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		char *text = caught(put_text, shown[i].in, shown[i].n);
		char *json = caught(out_json, shown[i].in, shown[i].n);
		size_t width = out_width(shown[i].in, shown[i].n);

		if (strcmp(text, shown[i].text) != 0 || width != shown[i].width)
			fail_msg("row %zu: text %s, width %zu", i, text, width);
		if (strcmp(json, shown[i].json) != 0)
			fail_msg("row %zu: JSON %s", i, json);
		free(text);
		free(json);
	}
}

static bool printable(const char *s)
{
	return !mx_has_ctl(s, strlen(s)) && mx_utf8_ok(s, strlen(s));
}

/* Whatever comes in, printable UTF-8 comes out: pairs of bytes, within a character and alone. */
static void showing_all_bytes(void **state)
{
	static const char *const around[] = { "", "\342", "\360\237", "\303" };
	unsigned a, b;
	size_t i, n;
	char s[8];

	(void)state;
	for (i = 0; i < sizeof around / sizeof around[0]; i++)
		for (a = 0; a < 256; a++)
			for (b = 0; b < 256; b++) {
				char *text, *json;

				n = strlen(around[i]);
				memcpy(s, around[i], n);
				s[n] = (char)a, s[n + 1] = (char)b;
				text = caught(put_text, s, n + 2);
				json = caught(out_json, s, n + 2);
				if (!printable(text) || !printable(json))
					fail_msg("row %zu, %02x %02x: %s %s", i, a, b, text, json);
				free(text);
				free(json);
			}
}

static int parse(struct call *c, char **argv)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	return args_parse(argc, argv, c);
}

#define ARGS(...) (char *[]){ (char *)(uintptr_t)"tool", __VA_ARGS__, NULL }
#define A(s) ((char *)(uintptr_t)s)

static void command_line(void **state)
{
	struct call c;

	(void)state;
	assert_int_equal(parse(&c, ARGS(A("--timeout"), A("7"), A("status"), A("--socket=/s"),
	    A("--json"))), CTL_FINE);
	assert_string_equal(c.verb->name, "status");
	assert_string_equal(c.socket, "/s");
	assert_int_equal(c.timeout_s, 7);
	assert_true(c.json && !c.check && !c.help && !c.version && c.arg == NULL &&
	    c.config == NULL);

	assert_int_equal(parse(&c, ARGS(A("check"), A("-cfile"))), CTL_FINE);
	assert_string_equal(c.config, "file");
	assert_int_equal(parse(&c, ARGS(A("check"), A("-c"), A("-h"))), CTL_FINE);
	assert_string_equal(c.config, "-h");
	assert_int_equal(parse(&c, ARGS(A("check"), A("--config"), A("a"), A("--config=b=c"))),
	    CTL_FINE);
	assert_string_equal(c.config, "b=c");
	assert_int_equal(parse(&c, ARGS(A("token"), A("--"), A("--help"))), CTL_FINE);
	assert_string_equal(c.arg, "--help");
	assert_false(c.help);
	assert_int_equal(parse(&c, ARGS(A("token"), A("-"))), CTL_FINE);
	assert_string_equal(c.arg, "-");
	assert_int_equal(parse(&c, ARGS(A("--help"))), CTL_FINE);
	assert_true(c.help && c.verb == NULL);
	assert_int_equal(parse(&c, ARGS(A("flush"), A("-V"))), CTL_FINE);
	assert_true(c.version);
	assert_int_equal(parse(&c, (char *[]){ NULL }), CTL_USAGE);
	assert_int_equal(parse(&c, ARGS(A("pong"))), CTL_USAGE);
	assert_int_equal(parse(&c, ARGS(A("status"), A("--check"), A("--json"))), CTL_USAGE);
}

/* The table itself: names are unique, every verb can be found, nothing hides a global option. */
static void table(void **state)
{
	const struct ctl_option *o;
	const struct verb *v, *w;

	(void)state;
	for (v = verbs; v->name != NULL; v++) {
		assert_ptr_equal(verb_find(v->name), v);
		assert_string_equal(verb_nearest(v->name), v->name);
		assert_non_null(v->run);
		assert_true(*v->help >= 'a' && *v->help <= 'z' &&
		    v->more[strlen(v->more) - 1] == '\n');
		for (w = verbs; w < v; w++)
			assert_string_not_equal(v->name, w->name);
		for (o = v->options; o != NULL && o->name != NULL; o++) {
			assert_null(verb_option(global_options, o->name, strlen(o->name)));
			if (o->letter != 0)
				assert_null(verb_option(global_options, &o->letter, 1));
			assert_int_equal(o->value == NULL, o->type == CTL_FLAG);
		}
	}
}

static const char whole[] =
    "daemon\tversion=1\tclients=3\n"
    "client\tname=a\tstate=fresh\ttoken=t\texpires_in=9\n"
    "client\tname=b\ttoken=t\texpires_in=9\tclass=temp\tcode=x\terror=a=b\n"
    "mailbox\tname=a/long.name@example\tcode=x\terror=y\n"
    "client\tname=c\tname=d\tcode=y\terror=z\n";

static void status_whole(void **state)
{
	struct answer a = { .more = whole, .n = sizeof whole - 1 };
	struct status_sum s;
	int64_t n;

	(void)state;
	assert_true(status_sum(&a, &s));
	assert_int_equal(s.clients, 3);
	assert_int_equal(s.mailboxes, 1);		/* in no health, and in the width of names */
	assert_int_equal(s.name_width, 19);
	assert_int_equal(s.by_health[STATUS_GOOD], 1);
	assert_int_equal(s.by_health[STATUS_WARNING], 1);
	assert_int_equal(s.worst, STATUS_CRITICAL);
	assert_memory_equal(s.worst_client.v[SC_NAME].s, "c", s.worst_client.v[SC_NAME].n);
	assert_true(status_number(&s.daemon.v[SD_CLIENTS], &n) && n == 3);
	assert_false(status_number(&s.daemon.v[SD_PID], &n));
}

/* No prefix is taken for the whole, and none is read beyond its end: the copies have exact size. */
static void status_prefixes(void **state)
{
	struct status_sum s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof whole - 1; i++) {
		char *copy = malloc(i + 1);
		struct answer a = { .more = copy, .n = i };

		assert_non_null(copy);
		memcpy(copy, whole, i);
		copy = realloc(copy, i > 0 ? i : 1);
		a.more = copy;
		/* Behind the last "client" the count is right; ask() misses the line's end. */
		if (status_sum(&a, &s) && strstr(whole, "client\tname=c") + 6 > whole + i)
			fail_msg("a prefix of %zu bytes passes", i);
		free(copy);
	}
}

static void numbers(void **state)
{
	static const struct { const char *s; bool ok; int64_t n; } t[] = {
		{ "0", true, 0 }, { "-1", true, -1 }, { "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775807", true, -INT64_MAX }, { "9223372036854775808", false, 0 },
		{ "", false, 0 }, { "-", false, 0 }, { "--1", false, 0 }, { "+1", false, 0 },
		{ "01", false, 0 }, { "1x", false, 0 }, { " 1", false, 0 }, { "1e3", false, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct mx_span v = { t[i].s, strlen(t[i].s) };
		int64_t n = 0;

		if (status_number(&v, &n) != t[i].ok || n != t[i].n)
			fail_msg("number \"%s\"", t[i].s);
	}
}

static void exit_statuses(void **state)
{
	struct mx_err e;

	(void)state;
	mx_fail(&e, MX_TEMP, "socket-unreachable", "x");
	assert_int_equal(ask_exit(&e, false), 4);
	assert_int_equal(ask_exit(&e, true), 75);
	mx_fail(&e, MX_CONFIG, "socket-forbidden", "x");
	assert_int_equal(ask_exit(&e, false), 4);
	mx_fail(&e, MX_BAD_REQUEST, "malformed-reply", "x");
	assert_int_equal(ask_exit(&e, false), 4);
	mx_fail(&e, MX_TEMP, "no-memory", "x");
	assert_int_equal(ask_exit(&e, false), 75);
	mx_fail(&e, MX_PROVIDER, "client-secret-rejected", "x");
	assert_int_equal(ask_exit(&e, true), 5);
	mx_fail(&e, MX_DENIED, "denied", "x");
	assert_int_equal(ask_exit(&e, true), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(showing), cmocka_unit_test(showing_all_bytes),
		cmocka_unit_test(command_line), cmocka_unit_test(table),
		cmocka_unit_test(status_whole), cmocka_unit_test(status_prefixes),
		cmocka_unit_test(numbers), cmocka_unit_test(exit_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
