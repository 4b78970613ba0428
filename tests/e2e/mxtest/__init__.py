"""Real servers on the loopback for the end-to-end tests and ./quickstart; see README.md beside this folder."""
