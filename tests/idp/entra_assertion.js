// What Entra asks of a client assertion signed with the key of a certificate. The signature is checked by jose.
import crypto from 'node:crypto';
import { compactVerify, errors } from 'jose';
import { Refusal } from './entra_refusal.js';

const TYPES = ['JWT', 'http://openid.net/specs/jwt/1.0'];
const HEADER = { PS256: 'x5t#S256', RS256: 'x5t' };	// RS256 with x5t#S256 is refused
const HASH = { PS256: 'sha256', RS256: 'sha1' };
const SKEW = 300;	// seconds; what Entra allows is not documented

const digest = (cert, alg) => crypto.createHash(HASH[alg]).update(cert.raw).digest('base64url');
const iso = (s) => (Math.abs(s) < 8.64e12 ? new Date(s * 1000).toISOString() : '(none)');

// Header and claims, or null: base64url without padding, and JSON objects.
export function decode(jwt) {
  const parts = String(jwt).split('.');
  if (parts.length !== 3 || !parts.every((p) => /^[A-Za-z0-9_-]+$/.test(p))) return null;
  try {
    const [header, claims] = parts.slice(0, 2).map((p) => JSON.parse(Buffer.from(p, 'base64url').toString()));
    return header && claims && typeof header === 'object' && typeof claims === 'object' ? { header, claims } : null;
  } catch {
    return null;
  }
}

function certificateOf(header, app, id, now) {
  const sent = header[HEADER[header.alg]];
  const refuse = (what, reason) => new Refusal(700027, {
    what, reason, id, thumbprint: Buffer.from(String(sent ?? header['x5t#S256'] ?? header.x5t), 'base64url').toString('hex').toUpperCase(),
  });
  const unknown = 'The certificate with identifier used to sign the client assertion is not registered on application.';
  const bad = 'Client assertion failed signature validation.';
  if (header.x5t === undefined && header['x5t#S256'] === undefined) throw new Refusal(50027);
  const cert = (app.certificates ?? []).map((pem) => new crypto.X509Certificate(pem)).find((c) => digest(c, header.alg) === sent);
  if (!cert) throw refuse(unknown, 'The key was not found.');
  if (Date.parse(cert.validTo) / 1000 < now) throw refuse(bad, 'The key used is expired.');
  return { cert, bad: () => refuse(bad, 'The provided signature value did not match the expected signature value.') };
}

// Throws a Refusal, or returns. used: the jtis that came before; now: seconds.
export async function checkAssertion(jwt, { app, id, audience, used, now }) {
  const parsed = decode(jwt);
  if (!parsed) throw new Refusal(50027);
  const { header, claims } = parsed;
  if (!TYPES.includes(header.typ)) throw new Refusal(5002727);
  if (!HEADER[header.alg]) throw new Refusal(5002738, { alg: header.alg });
  const { cert, bad } = certificateOf(header, app, id, now);
  try {
    await compactVerify(jwt, cert.publicKey, { algorithms: [header.alg] });
  } catch (err) {
    if (err instanceof errors.JOSEError || err instanceof TypeError) throw bad();	// TypeError: a key too small or of another kind
    throw err;
  }
  if (typeof claims.iss !== 'string' || typeof claims.sub !== 'string') throw new Refusal(50027);
  if (claims.iss !== claims.sub) throw new Refusal(50048);
  if (claims.iss !== id) throw new Refusal(700021);
  if (claims.aud !== audience) throw new Refusal(700023);
  if (!Number.isFinite(claims.exp)) throw new Refusal(50027);
  if (claims.exp + SKEW <= now || (claims.nbf !== undefined && !(claims.nbf - SKEW <= now))) {
    throw new Refusal(700024, { now: iso(now), from: iso(claims.nbf), until: iso(claims.exp) });
  }
  if (typeof claims.jti !== 'string' || !claims.jti || used.has(claims.jti)) throw new Refusal(50027);
  used.add(claims.jti);
}
