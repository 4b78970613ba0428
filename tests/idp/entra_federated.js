// What Entra asks of an assertion that another issuer has signed: it must fit a federated credential of the app to the letter,
// and the issuer's keys verify it (by jose).
import fs from 'node:fs';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import { decode } from './entra_assertion.js';
import { Refusal } from './entra_refusal.js';

const SKEW = 300;

// An app's own assertion names the app as its issuer; `federated` of an app may be empty.
export function isFederated(jwt, app, id) {
  const parsed = decode(jwt);
  return app.federated !== undefined && parsed !== null && parsed.claims.iss !== id;
}

// The credential that fits, or a Refusal: issuer before audience before subject is a guess.
function matching(claims, credentials) {
  const audiences = [claims.aud].flat();
  const values = { issuer: claims.iss, subject: claims.sub, audience: audiences[0] };
  if (!credentials.length) throw new Refusal(70021, values);
  const issued = credentials.filter((c) => c.issuer === claims.iss);
  if (!issued.length) throw new Refusal(700211, values);
  const heard = issued.filter((c) => audiences.includes(c.audience));
  if (!heard.length) throw new Refusal(700212, values);
  const found = heard.find((c) => c.subject === claims.sub);
  if (found) return found;
  const nearly = heard.some((c) => c.subject.toLowerCase() === String(claims.sub).toLowerCase());
  throw new Refusal(nearly ? 7002138 : 700213, values);
}

// Throws a Refusal, or returns. issuers: { ISSUER: file with its JWKS }, read anew; now: seconds. It may come again.
export async function checkFederated(jwt, { app, issuers, now }) {
  const { header, claims } = decode(jwt);
  if (header.alg !== 'RS256') throw new Refusal(5002738, { alg: header.alg });
  const { issuer } = matching(claims, app.federated);
  if (!Number.isFinite(claims.exp)) throw new Refusal(50027);
  try {
    await jwtVerify(jwt, createLocalJWKSet(JSON.parse(fs.readFileSync(issuers[issuer], 'utf8'))), {
      algorithms: ['RS256'], issuer, currentDate: new Date(now * 1000), clockTolerance: SKEW,
    });
  } catch (err) {
    if (err instanceof errors.JWTExpired || err instanceof errors.JWTClaimValidationFailed) {
      const iso = (s) => (Number.isFinite(s) ? new Date(s * 1000).toISOString() : '(none)');
      throw new Refusal(700024, { now: iso(now), from: iso(claims.nbf), until: iso(claims.exp) });
    }
    if (err instanceof errors.JOSEError) throw new Refusal(50013);
    throw err;
  }
}
