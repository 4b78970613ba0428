"""The scenarios by name; the first line of each one's description is what --list shows."""

import limits
import trouble
import usual

SCENES = {"delivery": usual.delivery, "expiry": usual.expiry, "outage": trouble.outage, "rejected": trouble.rejected, "hve": limits.hve,
          "throttled": limits.throttled}
