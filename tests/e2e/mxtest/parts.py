"""The test files in parts of about the same length, for runs side by side: always the same files in the same part.

SECONDS: what a file took on two busy cores; those that are not named take a fifth of a second for each test. A wrong figure costs
a minute and no result, so there is no need to keep them up.
"""

SECONDS = {
    "test_abuse.py": 28, "test_azure.py": 10, "test_certificate.py": 30, "test_clients.py": 12, "test_cold.py": 9,
    "test_delivery.py": 18, "test_enable.py": 428, "test_enable_exim.py": 54, "test_entra.py": 17, "test_exim.py": 47,
    "test_exim_refusals.py": 29, "test_exim_senders.py": 11, "test_faults.py": 17, "test_feedback.py": 24, "test_google.py": 56,
    "test_identity.py": 67, "test_infra.py": 17, "test_login.py": 107, "test_login_browser.py": 24, "test_metrics.py": 19,
    "test_murder.py": 52, "test_no_tls.py": 18, "test_outage.py": 23, "test_policy.py": 72, "test_postmulti.py": 110,
    "test_provider_down.py": 44, "test_proxy.py": 14, "test_recipes.py": 98, "test_refresh.py": 10,
    "test_refresh_device.py": 25, "test_refresh_store.py": 46, "test_refresh_token.py": 70, "test_rejected.py": 17,
    "test_relays.py": 53, "test_reload.py": 22, "test_secrecy.py": 37, "test_secret.py": 81, "test_senders.py": 37,
    "test_sizes.py": 50, "test_socketmap.py": 24, "test_sockets.py": 9, "test_systemd.py": 160, "test_tls_faults.py": 8,
    "test_tokenless.py": 58, "test_transport.py": 38,
}


def part_of(files, parts):
    """{file: its part, from 1}; files: {name: number of tests}."""
    cost = {name: SECONDS.get(name, n / 5) for name, n in files.items()}
    load, found = [0] * parts, {}
    for name in sorted(cost, key=lambda name: (-cost[name], name)):
        least = load.index(min(load))
        load[least] += cost[name]
        found[name] = least + 1
    return found


def parse(text):
    """"1/2" as (1, 2)."""
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"a part is given as 1/2, not as {text!r}")
    return int(part), int(parts)
