dnl Where things go: SASL plugin directory, systemd units, the socket's path, and the account's name.

AC_DEFUN([MX_DIRS], [
  AC_ARG_WITH([sasldir],
    [AS_HELP_STRING([--with-sasldir=DIR], [SASL plugin directory (LIBDIR/sasl2, or Debian's multiarch one with --prefix=/usr)])],
    [], [with_sasldir=auto])
  AC_ARG_WITH([systemdsystemunitdir],
    [AS_HELP_STRING([--with-systemdsystemunitdir=DIR], [systemd system units, sysusers and tmpfiles beside them (no: none)])],
    [], [with_systemdsystemunitdir=auto])
  AC_ARG_WITH([socket],
    [AS_HELP_STRING([--with-socket=PATH], [the daemon's socket (/run/mta-xoauth2/tokend.sock)])],
    [], [with_socket=/run/mta-xoauth2/tokend.sock])
  AC_ARG_WITH([user],
    [AS_HELP_STRING([--with-user=NAME], [account of the daemon (mta-xoauth2)])], [], [with_user=mta-xoauth2])

  mx_prefix=$prefix; test "$mx_prefix" = NONE && mx_prefix=$ac_default_prefix
  mx_host_sasl=`$PKG_CONFIG --variable=libdir libsasl2`/sasl2
  sasldir_note=
  AS_IF([test "$with_sasldir" != auto], [sasldir=$with_sasldir sasldir_shown=$with_sasldir],
    [test "$mx_prefix" = /usr -a "$libdir" = '${exec_prefix}/lib'],
    [sasldir=$mx_host_sasl sasldir_shown=$mx_host_sasl],
    [sasldir='${libdir}/sasl2'
     sasldir_shown=`eval "prefix=$mx_prefix exec_prefix=$mx_prefix; eval echo $libdir"`/sasl2
     AS_IF([test "$sasldir_shown" != "$mx_host_sasl"],
       [sasldir_note="this system's Cyrus SASL looks for plugins in $mx_host_sasl only; to be found there, configure with --prefix=/usr --sysconfdir=/etc --localstatedir=/var or --with-sasldir=$mx_host_sasl"])])
  AC_SUBST([sasldir])

  AS_CASE([$with_systemdsystemunitdir],
    [no], [systemdsystemunitdir=],
    [yes|auto], [AS_IF([test "$mx_prefix" = /usr],
      [systemdsystemunitdir=`$PKG_CONFIG --variable=systemdsystemunitdir systemd 2>/dev/null`
       test -n "$systemdsystemunitdir" || systemdsystemunitdir=/lib/systemd/system],
      [systemdsystemunitdir='${prefix}/lib/systemd/system'])],
    [systemdsystemunitdir=$with_systemdsystemunitdir])
  AC_SUBST([systemdsystemunitdir])
  AM_CONDITIONAL([SYSTEMD], [test -n "$systemdsystemunitdir"])

  MX_SOCKET=$with_socket MX_USER=$with_user
  AC_SUBST([MX_SOCKET]) AC_SUBST([MX_USER])
  AC_DEFINE_UNQUOTED([MX_SOCKET], ["$with_socket"], [Path of the daemon's socket])
  AC_DEFINE_UNQUOTED([MX_USER], ["$with_user"], [Account the daemon runs as])
  sysconfdir_shown=`eval "prefix=$mx_prefix; eval echo $sysconfdir"`
])
