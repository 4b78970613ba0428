# --- tests/fuzz: each target is replayed over its corpus by "make check"; "make fuzz" needs --enable-fuzzers ------
fuzz_programs = \
	tests/fuzz/fuzz_challenge tests/fuzz/fuzz_conf tests/fuzz/fuzz_daemon tests/fuzz/fuzz_dates tests/fuzz/fuzz_fill tests/fuzz/fuzz_jwt \
	tests/fuzz/fuzz_key tests/fuzz/fuzz_lines tests/fuzz/fuzz_metrics tests/fuzz/fuzz_netstring \
	tests/fuzz/fuzz_plugin tests/fuzz/fuzz_provider tests/fuzz/fuzz_reply tests/fuzz/fuzz_request tests/fuzz/fuzz_response \
	tests/fuzz/fuzz_smtp tests/fuzz/fuzz_status tests/fuzz/fuzz_store tests/fuzz/fuzz_text
check_LTLIBRARIES += libmxfuzz.la
libmxfuzz_la_SOURCES = tests/fuzz/fuzz.c tests/fuzz/fuzz.h
libmxfuzz_la_LIBADD = libmxcommon.la
fuzz_ldflags = $(AM_LDFLAGS) $(MX_FUZZ_LDFLAGS)
check_PROGRAMS += $(fuzz_programs)
.PHONY: fuzz
if FUZZERS
fuzz: $(fuzz_programs)
	MX_SRC='$(abs_top_srcdir)' MX_BUILD='$(abs_top_builddir)' '$(srcdir)/tests/fuzz/run' $(FUZZ_TARGETS)
else
libmxfuzz_la_SOURCES += tests/fuzz/replay.c
TESTS += $(fuzz_programs)
fuzz:
	@echo 'fuzzing needs its own build: configure CC=clang --enable-fuzzers' >&2; exit 1
endif
EXTRA_DIST += tests/fuzz/README.md tests/fuzz/run tests/fuzz/corpus tests/fuzz/dict

tests_fuzz_fuzz_challenge_SOURCES = tests/fuzz/challenge.c plugin/challenge.c plugin/json.c plugin/report.c plugin/plugin.h
tests_fuzz_fuzz_challenge_CPPFLAGS = $(AM_CPPFLAGS) $(SASL_CFLAGS)
tests_fuzz_fuzz_challenge_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_challenge_LDADD = libmxfuzz.la libmxcommon.la
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/conf.c
tests_fuzz_fuzz_conf_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_conf_LDADD = libmxfuzz.la libmxsettings.la
tests_fuzz_fuzz_dates_SOURCES = tests/fuzz/dates.c
tests_fuzz_fuzz_dates_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_dates_LDADD = libmxfuzz.la libmxoauth.la
tests_fuzz_fuzz_fill_SOURCES = tests/fuzz/fill.c
tests_fuzz_fuzz_fill_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_fill_LDADD = libmxfuzz.la libmxcatalogue.la
tests_fuzz_fuzz_jwt_SOURCES = tests/fuzz/jwt.c
tests_fuzz_fuzz_jwt_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_jwt_LDADD = libmxfuzz.la libmxctl.la
tests_fuzz_fuzz_key_SOURCES = tests/fuzz/key.c
tests_fuzz_fuzz_key_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_key_LDADD = libmxfuzz.la libmxoauth.la
tests_fuzz_fuzz_lines_SOURCES = tests/fuzz/lines.c
tests_fuzz_fuzz_lines_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_lines_LDADD = libmxfuzz.la libmxctl.la
tests_fuzz_fuzz_metrics_SOURCES = tests/fuzz/metrics.c
tests_fuzz_fuzz_metrics_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_metrics_LDADD = libmxfuzz.la libmxobserve.la
tests_fuzz_fuzz_netstring_SOURCES = tests/fuzz/netstring.c
tests_fuzz_fuzz_netstring_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_netstring_LDADD = libmxfuzz.la libmxcommon.la
tests_fuzz_fuzz_provider_SOURCES = tests/fuzz/provider.c
tests_fuzz_fuzz_provider_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_provider_LDADD = libmxfuzz.la libmxoauth.la
tests_fuzz_fuzz_reply_SOURCES = tests/fuzz/reply.c
tests_fuzz_fuzz_reply_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_reply_LDADD = libmxfuzz.la libmxcommon.la
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/request.c
tests_fuzz_fuzz_request_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_request_LDADD = libmxfuzz.la libmxcommon.la
tests_fuzz_fuzz_response_SOURCES = tests/fuzz/response.c
tests_fuzz_fuzz_response_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_response_LDADD = libmxfuzz.la libmxcommon.la
tests_fuzz_fuzz_smtp_SOURCES = tests/fuzz/smtp.c
tests_fuzz_fuzz_smtp_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_smtp_LDADD = libmxfuzz.la libmxsmtp.la
tests_fuzz_fuzz_status_SOURCES = tests/fuzz/status.c
tests_fuzz_fuzz_status_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_status_LDADD = libmxfuzz.la libmxctl.la
tests_fuzz_fuzz_store_SOURCES = tests/fuzz/store.c
tests_fuzz_fuzz_store_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_store_LDADD = libmxfuzz.la libmxengine.la
tests_fuzz_fuzz_text_SOURCES = tests/fuzz/text.c
tests_fuzz_fuzz_text_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_text_LDADD = libmxfuzz.la libmxcommon.la
tests_fuzz_fuzz_daemon_SOURCES = tests/fuzz/daemon.c tokend/audit.c tokend/conn.c tokend/expiry.c tokend/feedback.c tokend/mailbox.c \
	tokend/metrics.c tokend/peer.c tokend/policy.c tokend/report.c tokend/sandbox.c tokend/sandbox_calls.c tokend/sandbox_files.c tokend/side.c \
	tokend/socketmap.c tokend/status.c \
	tokend/verbs.c tokend/watch.c
tests_fuzz_fuzz_daemon_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(SECCOMP_CFLAGS)
tests_fuzz_fuzz_daemon_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_daemon_LDADD = libmxfuzz.la libmxobserve.la libmxengine.la libmxsettings.la $(EVENT_LIBS) $(SECCOMP_LIBS)
tests_fuzz_fuzz_plugin_SOURCES = tests/fuzz/plugin.c $(libmta_xoauth2_la_SOURCES)
tests_fuzz_fuzz_plugin_CPPFLAGS = $(AM_CPPFLAGS) $(SASL_CFLAGS)
tests_fuzz_fuzz_plugin_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_plugin_LDADD = libmxfuzz.la libmxcommon.la $(SASL_LIBS)
