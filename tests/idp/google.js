// Google's token endpoint for service accounts, for the tests: HTTPS on the loopback, and the admin endpoint of idp.js.
//
//   node google.js CONFIG.json
//
// CONFIG: { port, adminPort, cert, key, keysDir, settings, accounts: [ { email, client_id, keys: { KID: PEM }, scopes, state } ] };
// see README.md. Assertions are verified by jose.
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { SignJWT, compactVerify, errors } from 'jose';
import { adminServer } from './admin.js';
import { Book } from './book.js';
import { decode } from './entra_assertion.js';
import { parseForm } from './entra_form.js';
import { padTo, signingKey } from './tokens.js';

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const issuer = `https://127.0.0.1:${config.port}`;
const endpoint = `${issuer}/token`;
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const HOUR = 3600;
const SKEW = 300;	// seconds; what Google allows is not documented
const SHORT_LIVED = 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. '
  + 'Check your iat and exp values in the JWT claim.';
const book = new Book();

// What tests may change while it runs; a service account is under `clients`, by its address. scopes: those of its domain-wide
// delegation, [] for none; state: "disabled" or "deleted". mailboxes: the directory, null for any of `domain`.
const settings = {
  lifetime: 3599, bytes: 0, delayMs: 0, ahead: 0, refuse: null, domain: 'example.test', mailboxes: null, ...config.settings, clients: {},
};
for (const { email, ...account } of config.accounts) settings.clients[email] = account;
const seconds = () => Date.now() / 1000 + settings.ahead;

const { jwks, pem, kid: ownKid } = await signingKey();
const signer = crypto.createPrivateKey({ key: jwks.keys[0], format: 'jwk' });
if (config.keysDir) {	// where Dovecot looks for the key of a token
  const dir = path.join(config.keysDir, 'default', 'RS256');
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, ownKid), pem);
}

class Refusal extends Error {
  constructor(error, description, status = 400) {
    super(error);
    this.answer = { status, body: { error, error_description: description } };
  }
}

async function checkSignature(jwt, header, account) {
  const key = account.keys?.[header.kid];
  if (!key) throw new Refusal('invalid_grant', 'Invalid JWT Signature.');
  try {
    await compactVerify(jwt, crypto.createPublicKey(key), { algorithms: ['RS256'] });
  } catch (err) {
    if (err instanceof errors.JOSEError || err instanceof TypeError) throw new Refusal('invalid_grant', 'Invalid JWT Signature.');
    throw err;
  }
}

function checkTimes({ iat, exp }) {
  const now = seconds();
  if (!Number.isInteger(iat) || !Number.isInteger(exp) || exp <= iat || exp - iat > HOUR || iat > now + SKEW || exp < now - SKEW) {
    throw new Refusal('invalid_grant', SHORT_LIVED);
  }
}

const exists = (mailbox) => (settings.mailboxes ? settings.mailboxes.includes(mailbox) : mailbox.endsWith(`@${settings.domain}`));

// The order of the checks is a guess.
async function token(req, form, note) {
  if (req.method !== 'POST') throw new Refusal('invalid_request', 'Method not allowed.', 405);
  if (!form || !/^application\/x-www-form-urlencoded *(;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw new Refusal('invalid_request', 'Invalid parameter value.');
  }
  if (form.grant_type !== JWT_BEARER) throw new Refusal('unsupported_grant_type', `Invalid grant_type: ${form.grant_type ?? ''}`);
  const strange = Object.keys(form).filter((k) => !['grant_type', 'assertion'].includes(k));
  if (strange.length) throw new Refusal('invalid_request', `Parameter not allowed for this message type: ${strange[0]}`);
  const parsed = decode(form.assertion);
  if (!parsed) throw new Refusal('invalid_grant', 'Invalid JWT: malformed.');
  const { header, claims } = parsed;
  note.client = claims.iss;
  if (settings.refuse) throw new Refusal(settings.refuse.error, settings.refuse.error_description, settings.refuse.status);
  if (header.alg !== 'RS256' || header.typ !== 'JWT') throw new Refusal('invalid_grant', 'Invalid JWT: unsupported algorithm or type.');
  const account = settings.clients[claims.iss];
  if (!account) throw new Refusal('invalid_grant', 'Invalid grant: account not found');
  if (account.state === 'deleted') throw new Refusal('deleted_client', 'The OAuth client was deleted.', 401);
  if (account.state === 'disabled') throw new Refusal('disabled_client', 'The OAuth client was disabled.', 401);
  await checkSignature(form.assertion, header, account);
  if (claims.aud !== endpoint) throw new Refusal('invalid_grant', `Invalid JWT: Failed audience check. The right audience is ${endpoint}`);
  checkTimes(claims);
  if (typeof claims.scope !== 'string' || !claims.scope) throw new Refusal('invalid_scope', 'Empty or missing scope not allowed.');
  if (!claims.scope.split(' ').every((s) => /^https:\/\/(mail|www)\.google(apis)?\.com\//.test(s))) {
    throw new Refusal('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
  }
  if (typeof claims.sub !== 'string' || !claims.scope.split(' ').every((s) => (account.scopes ?? []).includes(s))) {
    throw new Refusal('unauthorized_client', 'Client is unauthorized to retrieve access tokens using this method, or client not '
      + 'authorized for any of the scopes requested.', 401);
  }
  if (!exists(claims.sub)) throw new Refusal('invalid_grant', 'Invalid email or User ID');
  return grant(claims);
}

// Google's tokens are opaque; this one a mail server of the tests can verify, and see whose it is.
async function grant({ iss, sub, scope }) {
  const now = Math.floor(seconds());
  const jwt = {
    header: { typ: 'JWT' },
    payload: { iss: issuer, sub, scope, aud: 'mail', client: iss, iat: now, exp: now + settings.lifetime, jti: crypto.randomUUID() },
  };
  padTo(jwt, settings.bytes, ownKid);
  const access = await new SignJWT(jwt.payload).setProtectedHeader({ ...jwt.header, alg: 'RS256', kid: ownKid }).sign(signer);
  return { access_token: access, expires_in: settings.lifetime, token_type: 'Bearer' };
}

async function serve(req, res) {
  const started = Date.now();
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const form = parseForm(Buffer.concat(chunks).toString('latin1'));
  const ctx = { method: req.method, path: req.url, req: { body: form ?? {} }, get: (name) => req.headers[name.toLowerCase()] ?? '' };
  const note = {};
  if (settings.delayMs) await new Promise((resolve) => { setTimeout(resolve, settings.delayMs); });
  let answer;
  try {
    if (req.url !== '/token') throw new Refusal('invalid_request', 'Not found.', 404);
    answer = { status: 200, body: await token(req, form, note) };
  } catch (err) {
    if (!(err instanceof Refusal)) process.stderr.write(`server_error ${err.stack}\n`);
    answer = err instanceof Refusal ? err.answer : { status: 500, body: { error: 'internal_failure' } };
  }
  ctx.status = answer.status;
  ctx.body = answer.body;
  if (note.client) ctx.oidc = { body: ctx.req.body, client: { clientId: note.client } };
  book.add(ctx, Date.now() - started);
  res.writeHead(answer.status, { 'Content-Type': 'application/json; charset=UTF-8', 'Cache-Control': 'no-cache, no-store, max-age=0, must-revalidate' });
  res.end(JSON.stringify(answer.body, null, 2));
}

const server = https.createServer({
  cert: fs.readFileSync(config.cert), key: fs.readFileSync(config.key), minVersion: 'TLSv1.2',
}, serve);
const admin = adminServer({ book, settings, revokeAll: async () => 0 });
const open = (s, port) => new Promise((resolve, reject) => {
  s.once('error', reject);
  s.listen(port, '127.0.0.1', resolve);
});
await open(server, config.port);
await open(admin, config.adminPort);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
process.stdout.write(`READY ${JSON.stringify({ issuer, kid: ownKid })}\n`);
