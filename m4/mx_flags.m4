dnl Warnings, hardening and sanitizers. Sets MX_CFLAGS, MX_CPPFLAGS, MX_LDFLAGS, MX_PIE_CFLAGS, MX_PIE_LDFLAGS, MX_PLUGIN_LDFLAGS.

dnl MX_TRY_FLAG(VARIABLE, FLAG): appends FLAG to VARIABLE when compiler and linker take it.
AC_DEFUN([MX_TRY_FLAG], [
  AC_MSG_CHECKING([whether $CC takes $2])
  mx_saved="$CFLAGS"; CFLAGS="$CFLAGS -Werror $2"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
  CFLAGS="$mx_saved"
])

AC_DEFUN([MX_FLAGS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers=LIST], [build with these, e.g. address,undefined])],
    [AS_CASE([$enableval], [yes], [mx_sanitizers=address,undefined], [no], [mx_sanitizers=], [mx_sanitizers=$enableval])],
    [mx_sanitizers=])
  AC_ARG_ENABLE([fuzzers],
    [AS_HELP_STRING([--enable-fuzzers], [build the targets of tests/fuzz with libFuzzer (clang) and sanitizers])],
    [], [enable_fuzzers=no])
  AS_IF([test "$enable_fuzzers" = yes && test -z "$mx_sanitizers"], [mx_sanitizers=address,undefined])
  AM_CONDITIONAL([FUZZERS], [test "$enable_fuzzers" = yes])
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [warnings are errors (CI)])], [], [enable_werror=no])
  AM_CONDITIONAL([SANITIZED], [test -n "$mx_sanitizers"])

  MX_CFLAGS= MX_CPPFLAGS= MX_LDFLAGS= MX_PLUGIN_LDFLAGS= MX_PIE_CFLAGS= MX_PIE_LDFLAGS= MX_FUZZ_LDFLAGS=
  for f in -std=gnu11 -Wall -Wextra -Wshadow -Wformat=2 -Wconversion -Wstrict-prototypes \
      -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef -Wwrite-strings \
      -fvisibility=hidden -fno-strict-overflow; do
    MX_TRY_FLAG([MX_CFLAGS], [$f])
  done
  AS_IF([test "$enable_werror" = yes], [MX_CFLAGS="$MX_CFLAGS -Werror"])
  AS_IF([test -n "$mx_sanitizers"], [
    MX_CFLAGS="$MX_CFLAGS -fsanitize=$mx_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
    MX_LDFLAGS="$MX_LDFLAGS -fsanitize=$mx_sanitizers"
    AC_DEFINE([MX_SANITIZED], [1], [Define when built with sanitizers])
    mx_saved="$CFLAGS"; CFLAGS="$CFLAGS -fsanitize=$mx_sanitizers"
    AC_MSG_CHECKING([whether $CC can link with -fsanitize=$mx_sanitizers])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no]); AC_MSG_ERROR([the compiler cannot link with -fsanitize=$mx_sanitizers])])
    CFLAGS="$mx_saved"
  ], [
    MX_TRY_FLAG([MX_CFLAGS], [-fstack-protector-strong])
    MX_TRY_FLAG([MX_CFLAGS], [-fstack-clash-protection])
    MX_TRY_FLAG([MX_CFLAGS], [-fcf-protection])
    MX_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
    MX_TRY_FLAG([MX_PLUGIN_LDFLAGS], [-Wl,-z,defs])
  ])
  AS_IF([test "$enable_fuzzers" = yes], [
    MX_TRY_FLAG([MX_FUZZ_LDFLAGS], [-fsanitize=fuzzer-no-link])
    AS_IF([test -z "$MX_FUZZ_LDFLAGS"], [AC_MSG_ERROR([--enable-fuzzers needs clang: configure CC=clang --enable-fuzzers])])
    MX_CFLAGS="$MX_CFLAGS -fsanitize=fuzzer-no-link"
    MX_LDFLAGS="$MX_LDFLAGS -fsanitize=fuzzer-no-link"
    MX_FUZZ_LDFLAGS=-fsanitize=fuzzer
  ])
  for f in -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed; do
    MX_TRY_FLAG([MX_LDFLAGS], [$f])
  done
  dnl _FORTIFY_SOURCE needs optimization; a build without it (CFLAGS=-O0 for debugging) must not warn.
  AS_CASE([" $CFLAGS "], [*" -O0 "*], [MX_CPPFLAGS=])
  MX_PIE_CFLAGS=-fPIE MX_PIE_LDFLAGS=-pie
  AC_SUBST([MX_CFLAGS]) AC_SUBST([MX_CPPFLAGS]) AC_SUBST([MX_LDFLAGS]) AC_SUBST([MX_PLUGIN_LDFLAGS])
  AC_SUBST([MX_FUZZ_LDFLAGS])
  AC_SUBST([MX_PIE_CFLAGS]) AC_SUBST([MX_PIE_LDFLAGS])
])
