// application/x-www-form-urlencoded, strictly: what a lenient parser would repair is a fault of the client.

const PLAIN = /^(?:[A-Za-z0-9*._~+-]|%[0-9A-Fa-f]{2})*$/;

function part(text) {
  if (!PLAIN.test(text)) return undefined;
  try { return decodeURIComponent(text.replace(/\+/g, ' ')); } catch { return undefined; }	// no UTF-8
}

// An object without prototype, or undefined: an octet that is not encoded, half an escape, no UTF-8, a name twice, an empty pair.
export function parseForm(text) {
  const fields = Object.create(null);
  for (const pair of text.split('&')) {
    const at = pair.indexOf('=');
    const name = at > 0 ? part(pair.slice(0, at)) : undefined;
    const value = part(pair.slice(at + 1));
    if (name === undefined || value === undefined || name in fields) return undefined;
    fields[name] = value;
  }
  return fields;
}
