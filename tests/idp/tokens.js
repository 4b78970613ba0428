// Keys, and tokens of a wanted size.
import crypto from 'node:crypto';
import { promisify } from 'node:util';

// A fresh RSA key: { jwks: the private set for the provider, pem: the public key, kid }.
export async function signingKey() {
  const { publicKey, privateKey } = await promisify(crypto.generateKeyPair)('rsa', { modulusLength: 2048 });
  const kid = crypto.randomBytes(6).toString('hex');
  return {
    kid,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] },
    pem: publicKey.export({ type: 'spki', format: 'pem' }),
  };
}

// The public key of a certificate, { pem, kid } or its PEM alone, as a JWK.
export function publicJwk(certificate) {
  const { pem, kid: name } = typeof certificate === 'string' ? { pem: certificate } : certificate;
  return { ...crypto.createPublicKey(pem).export({ format: 'jwk' }), use: 'sig', ...(name ? { kid: name } : {}) };
}

const b64length = (n) => Math.ceil((n * 4) / 3);
const RS256_2048 = b64length(256);

// Adds a claim `pad` so that the signed token has `bytes` octets, give or take one; a smaller one is left as it is.
export function padTo(jwt, bytes, kid) {
  if (!bytes) return;
  const header = b64length(Buffer.byteLength(JSON.stringify({ alg: 'RS256', ...jwt.header, kid })));
  const payload = Buffer.byteLength(JSON.stringify({ ...jwt.payload, pad: '' }));
  const room = Math.floor(((bytes - header - RS256_2048 - 2) * 3) / 4) - payload;
  if (room > 0) jwt.payload.pad = crypto.randomBytes(room).toString('base64url').slice(0, room);
}

// Bits of randomness that give an opaque token of `bytes` octets (six bits an octet); 43 octets by default.
export function bitsFor(bytes) {
  return bytes ? bytes * 6 : 256;
}
