"""The 28 broken set-ups that each yield their own cause and fix, and the ten healthy ones: which test is whose, and what diagnose says there."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import test_diagnose_healthy

from mxtest import paths

HERE = Path(__file__).parent

# set-up: {test: code}. Several tests of one set-up are several ways to get there.
BROKEN = {
    "secret ID instead of value": {"provider::test_a_wrong_secret[its ID]": "secret-is-guid",
                                   "provider::test_a_secret_id_at_microsoft_is_not_even_sent": "secret-is-guid"},
    "secret truncated or with a newline": {"provider::test_a_wrong_secret[truncated]": "client-secret-rejected",
                                           "provider::test_a_wrong_secret[very short]": "secret-short",
                                           "provider::test_a_wrong_secret[a newline]": "secret-has-controls",
                                           "here::test_secret[secret_with_newline-secret-malformed]": "secret-malformed"},
    "secret expired": {"provider::test_an_expired_secret": "client-secret-expired"},
    "app not in tenant": {"provider::test_an_application_of_another_tenant": "client-unknown"},
    "tenant unknown": {"provider::test_an_unknown_tenant": "tenant-unknown"},
    "no service principal": {"provider::test_no_service_principal": "no-service-principal"},
    "scope SMTP.SendAsApp": {"provider::test_the_permission_s_name_as_scope": "scope-rejected",
                             "provider::test_the_permission_s_name_as_scope_at_microsoft": "scope-names-permission"},
    "scope of Graph": {"provider::test_a_token_for_graph": "token-audience"},
    "permission without admin consent": {"claims::test_a_permission_without_consent": "token-no-role"},
    "delegated instead of application permission": {"provider::test_a_delegated_permission": "token-delegated"},
    "wrong oid at New-ServicePrincipal": {"server::test_a_wrong_object_id": "exchange-object-id",
                                          "claims::test_all_claims_are_right": "exchange-object-id"},
    "SMTP AUTH disabled for the tenant": {"server::test_a_refused_login_has_its_cause[auth-off-tenant]": "smtp-auth-off-tenant"},
    "SMTP AUTH disabled for the mailbox": {"server::test_a_refused_login_has_its_cause[auth-off-mailbox]": "smtp-auth-off-mailbox"},
    "security defaults": {"server::test_a_refused_login_has_its_cause[security-defaults]": "security-defaults"},
    "password login left on": {"server::test_a_refused_login_has_its_cause[basic-disabled]": "password-login",
                               "server::test_a_refused_login_has_its_cause[basic-retired]": "basic-auth-retired"},
    "no mailbox permission (430)": {"server::test_a_refused_message_has_its_cause[logon-failure]": "mailbox-permission"},
    "SendAs denied": {"server::test_send_as_is_denied_without_it": "send-as-denied"},
    "HVE \"expire soon\"": {"server::test_a_refused_login_has_its_cause[hve-soon]": "hve-token-expiring"},
    "HVE app not allowed": {"server::test_a_refused_login_has_its_cause[hve-app]": "hve-app-not-allowed"},
    "wrong cloud": {"provider::test_a_tenant_of_another_cloud": "wrong-cloud", "provider::test_a_token_of_another_cloud": "wrong-cloud"},
    "clock wrong": {"provider::test_a_wrong_clock[3600-behind]": "clock-wrong", "provider::test_a_wrong_clock[-3600-ahead of]": "clock-wrong"},
    "certificate not uploaded": {"provider::test_a_certificate_that_was_not_uploaded": "certificate-unknown"},
    "key and certificate differ": {"provider::test_key_and_certificate_that_differ": "key-certificate-mismatch"},
    "federated subject mismatch": {"provider::test_a_federated_subject_that_differs": "federation-mismatch"},
    "captive portal or TLS interception": {"provider::test_a_captive_portal[page]": "captive-portal",
                                           "provider::test_tls_that_is_intercepted": "tls-intercepted"},
    "plugin missing for this MTA or shadowed by another": {"here::test_plugin_missing": "plugin-missing",
                                                           "here::test_plugin_shadowed": "plugin-shadowed"},
    "socket absent from the chroot": {"here::test_socket_not_in_chroot": "socket-not-in-chroot"},
    "uid not allowed": {"here::test_user_not_allowed": "uid-not-listed"},
}
HEALTHY = {
    "secret": "test_a_secret", "certificate": "test_a_certificate", "federated token": "test_a_federated_token",
    "managed identity": "test_a_managed_identity", "classic permission": "test_the_classic_permission", "App RBAC (no roles)": "test_app_rbac",
    "HVE": "test_high_volume_email", "GCC High": "test_gcc_high", "an opaque token from a custom provider": "test_an_opaque_token",
    "a shared mailbox with SendAs": "test_a_shared_mailbox",
}


def node(test):
    part, _, name = test.partition("::")
    return f"test_diagnose_{part}.py::{name}"


WANTED = {node(test): code for tests in BROKEN.values() for test, code in tests.items()}


@pytest.fixture(scope="module")
def said(session_dir, binaries):
    """Runs those tests: {test: [what diagnose said, ...]}, and which of them were skipped."""
    file = session_dir / "said"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *(str(HERE / n) for n in WANTED)], cwd=paths.TOP,
                          env=os.environ | {"MX_SAID": str(file)}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    passed, skipped = (int((re.search(rf"(\d+) {word}", done.stdout) or [0, 0])[1]) for word in ("passed", "skipped"))
    assert passed + skipped == len(WANTED), done.stdout
    found = {}
    for line in file.read_text().splitlines():
        one = json.loads(line)
        found.setdefault(one["test"], []).append(one)
    assert len(set(found) & set(WANTED)) >= passed, set(WANTED) - set(found)
    return found


def test_there_are_as_many_as_were_promised():
    assert (len(BROKEN), len(HEALTHY)) == (28, 10)
    assert len(WANTED) == sum(map(len, BROKEN.values())), "two set-ups have one test"


@pytest.mark.parametrize("setup", BROKEN)
def test_a_broken_set_up(said, setup):
    """diagnose says the code of this row, with a cause and a fix of which no placeholder is left."""
    for test, code in BROKEN[setup].items():
        if node(test) not in said:
            pytest.skip(f"{test} was skipped here")
        mine = [o for o in said[node(test)] if o["code"] == code]
        assert mine, said[node(test)]
        one = mine[0]
        assert one["verdict"] == "broken" and one["cause"] and one["fix"]
        assert not re.search(r"\{[a-z:_]+\}", one["cause"] + one["fix"])


def test_each_has_its_own(said):
    """No two set-ups have a code or a cause in common, nor a fix."""
    for what in ("code", "cause", "fix"):
        owner = {}
        for setup, tests in BROKEN.items():
            for test, code in tests.items():     # which may go on when the fix is done: that is another code
                for one in (o for o in said.get(node(test), []) if o["code"] == code):
                    assert owner.setdefault(one[what], setup) == setup, (what, one[what])
        assert what != "code" or set(owner) == set(WANTED.values()) or len(said) < len(WANTED)


@pytest.mark.parametrize("setup", HEALTHY)
def test_a_healthy_set_up(setup):
    """Its test walks to a mail that the server has taken: `walked` holds it to that."""
    test = getattr(test_diagnose_healthy, HEALTHY[setup])
    assert "walked" in inspect.signature(test).parameters and "walked(" in inspect.getsource(test)
