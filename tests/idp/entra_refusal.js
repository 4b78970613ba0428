// Entra's refusals, by the numbers of entra_errors.json.
import crypto from 'node:crypto';
import fs from 'node:fs';

const table = JSON.parse(fs.readFileSync(new URL('entra_errors.json', import.meta.url), 'utf8'));

export class Refusal extends Error {
  // code: AADSTS number; values: for the places {name} of its text
  constructor(code, values = {}) {
    super(`AADSTS${code}`);
    if (!table[code]) throw new Error(`entra_errors.json has no ${code}`);
    this.code = Number(code);
    this.values = values;
  }

  // { status, headers, body } as Entra has them. correlation: the request's client-request-id, if it had one.
  answer(now, correlation = crypto.randomUUID()) {
    const { status, error, text, headers = {} } = table[this.code];
    const said = text.replace(/\{(\w+)\}/g, (place, name) => this.values[name] ?? place);
    const trace = crypto.randomUUID();
    const timestamp = new Date(now * 1000).toISOString().replace('T', ' ').replace(/\.\d+Z$/, 'Z');
    return {
      status,
      headers,
      body: {
        error,
        error_description: `AADSTS${this.code}: ${said} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
        error_codes: [this.code],
        timestamp,
        trace_id: trace,
        correlation_id: correlation,
        error_uri: `https://login.microsoftonline.com/error?code=${this.code}`,
      },
    };
  }
}
