// Entra ID's token endpoint for client credentials, for the tests: HTTPS on the loopback, and the admin endpoint of idp.js.
//
//   node entra.js CONFIG.json
//
// CONFIG: { port, base, adminPort, cert, key, keysDir, tenants: [..], resources: [..], settings, apps: [ { client_id, tenants,
// secrets: [ { value, expires } ], certificates: [ PEM ], federated: [ { issuer, subject, audience } ], sub, lifetime, bytes,
// roles, oid, claims, principal, refuse } ], issuers: { ISSUER: FILE } }; see README.md.
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { SignJWT } from 'jose';
import { adminServer } from './admin.js';
import { Book, basicPair } from './book.js';
import { checkAssertion } from './entra_assertion.js';
import { checkFederated, isFederated } from './entra_federated.js';
import { parseForm } from './entra_form.js';
import { Refusal } from './entra_refusal.js';
import { padTo, signingKey } from './tokens.js';

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const base = config.base ?? `https://127.0.0.1:${config.port}`;	// as clients name it
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const book = new Book();
const used = new Map();		// client id -> the jtis it has used

// What tests may change while it runs; an app is under `clients`. ahead: seconds that this clock is ahead of the machine's.
const settings = { lifetime: 3599, bytes: 0, delayMs: 0, ahead: 0, refuse: null, roles: ['SMTP.SendAsApp'], ...config.settings, clients: {} };
for (const { client_id: id, ...app } of config.apps) settings.clients[id] = app;
const setting = (id, name) => settings.clients[id]?.[name] ?? settings[name];
const seconds = () => Date.now() / 1000 + settings.ahead;

const { jwks, pem, kid } = await signingKey();
const signer = crypto.createPrivateKey({ key: jwks.keys[0], format: 'jwk' });
if (config.keysDir) {	// where Dovecot looks for the key of a token
  const dir = path.join(config.keysDir, 'default', 'RS256');
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, kid), pem);
}

function checkTenant(tenant) {
  if (['common', 'organizations', 'consumers', ''].includes(tenant)) throw new Refusal(50059);
  if (!GUID.test(tenant) && !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(tenant)) throw new Refusal(900023, { tenant });
  if ((settings.abroad ?? []).includes(tenant)) throw new Refusal(900439);
  if (!config.tenants.includes(tenant)) throw new Refusal(90002, { tenant });
}

function checkScope(scope, tenant) {
  if (!scope) throw new Refusal(90014, { parameter: 'scope' });
  const all = scope.split(' ');
  if (all.some((s) => s === '')) throw new Refusal(70011, { scope });
  const wrong = all.find((s) => !s.endsWith('/.default'));
  if (wrong) throw new Refusal(1002012, { scope: wrong });
  if (all.length > 1) throw new Refusal(700022);
  const resource = scope.slice(0, -'/.default'.length);
  if (!config.resources.includes(resource)) throw new Refusal(500011, { resource, tenant });
  return resource;
}

function checkSecret(secret, app, id) {
  const found = (app.secrets ?? []).find((s) => s.value === secret);
  if (!found) throw new Refusal(7000215, { id });
  if (found.expires && Date.parse(found.expires) / 1000 <= seconds()) throw new Refusal(7000222, { id });
}

// The order of tenant, app, scope and credential is a guess; where it matters Entra's own is not documented.
async function token(ctx, tenant) {
  if (ctx.method !== 'POST') throw new Refusal(900561, { method: ctx.method });
  checkTenant(tenant);
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(ctx.get('content-type'))) throw new Refusal(900144, { parameter: 'grant_type' });
  if (!ctx.form) throw new Refusal(9002313);
  const form = ctx.form;
  if (!form.grant_type) throw new Refusal(900144, { parameter: 'grant_type' });
  if (form.grant_type !== 'client_credentials') throw new Refusal(70003, { grant: form.grant_type });
  if (form.resource !== undefined) throw new Refusal(901002);
  const [basic, basicSecret] = basicPair(ctx) ?? [];
  const id = form.client_id || basic;
  if (!id) throw new Refusal(900144, { parameter: 'client_id' });
  const refuse = setting(id, 'refuse');
  if (refuse) throw new Refusal(refuse, { id, tenant });
  const app = settings.clients[id];
  if (!app || !(app.tenants ?? config.tenants).includes(tenant)) throw new Refusal(700016, { id, tenant });
  if (app.principal === false) throw new Refusal(7000229, { id, tenant });
  const resource = checkScope(form.scope, tenant);
  const proofs = [form.client_assertion, form.client_secret, basicSecret].filter((p) => p !== undefined);
  if (!proofs[0]) throw new Refusal(7000218);
  if (proofs.length > 1) throw new Refusal(9002313);	// RFC 6749 section 2.3: one way only
  if (form.client_assertion === undefined) {
    checkSecret(proofs[0], app, id);
  } else {
    if (!form.client_assertion_type) throw new Refusal(900144, { parameter: 'client_assertion_type' });
    if (form.client_assertion_type !== JWT_BEARER) throw new Refusal(9002313);
    if (isFederated(form.client_assertion, app, id)) {
      await checkFederated(form.client_assertion, { app, issuers: config.issuers ?? {}, now: seconds() });
      return grant(id, tenant, resource, '2');
    }
    if (!used.has(id)) used.set(id, new Set());
    await checkAssertion(form.client_assertion, {
      app, id, now: seconds(), used: used.get(id), audience: `${base}/${tenant}/oauth2/v2.0/token`,
    });
  }
  return grant(id, tenant, resource, form.client_assertion === undefined ? '1' : '2');
}

// The object id of an app's service principal, which New-ServicePrincipal wants: made of the app's id, another one in each tenant.
function objectId(id, tid) {
  const h = crypto.createHash('sha256').update(`${id} ${tid}`).digest('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-8${h.slice(17, 20)}-${h.slice(20, 32)}`;
}

// A token that looks like Entra's to a client, and that a mail server of the tests can verify.
// Its sub is the mailbox for Dovecot's sake; Entra's is the oid. Without roles the app has none that an administrator has consented to.
async function grant(id, tenant, resource, proof) {
  const now = Math.floor(seconds());
  const lifetime = setting(id, 'lifetime');
  const tid = GUID.test(tenant) ? tenant : config.tenants.find((t) => GUID.test(t)) ?? tenant;
  const oid = setting(id, 'oid') ?? objectId(id, tid);
  const roles = setting(id, 'roles');
  const jwt = {
    header: { typ: 'JWT' },
    payload: {
      aud: resource, iss: `https://sts.windows.net/${tid}/`, iat: now, nbf: now, exp: now + lifetime, appid: id, appidacr: proof,
      idtyp: 'app', oid, ...(roles?.length ? { roles } : {}), sub: setting(id, 'sub') ?? oid, tid,
      uti: crypto.randomBytes(16).toString('base64url'), ver: '1.0', ...setting(id, 'claims'),
    },
  };
  padTo(jwt, setting(id, 'bytes'), kid);
  const access = await new SignJWT(jwt.payload).setProtectedHeader({ ...jwt.header, alg: 'RS256', kid }).sign(signer);
  return { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token: access };
}

async function serve(req, res) {
  const started = Date.now();
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('latin1');
  const ctx = {
    method: req.method, path: req.url, req: {}, get: (name) => req.headers[name.toLowerCase()] ?? '', form: parseForm(text),
  };
  ctx.req.body = ctx.form ?? {};
  const delay = setting(ctx.req.body.client_id, 'delayMs');
  if (delay) await new Promise((resolve) => { setTimeout(resolve, delay); });
  const correlation = ctx.get('client-request-id') || undefined;
  let answer;
  try {
    const at = /^\/([^/?]*)\/oauth2\/v2\.0\/token$/.exec(req.url);
    answer = at ? { status: 200, headers: {}, body: await token(ctx, at[1]) } : { status: 404, headers: {}, body: undefined };
  } catch (err) {
    if (!(err instanceof Refusal)) process.stderr.write(`server_error ${err.stack}\n`);
    answer = err instanceof Refusal ? err.answer(seconds(), correlation) : { status: 500, headers: {}, body: undefined };
    ctx.aadsts = err.code;
  }
  ctx.status = answer.status;
  ctx.body = answer.body;
  book.add(ctx, Date.now() - started);
  res.sendDate = false;
  res.writeHead(answer.status, {
    'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store, no-cache',
    Date: new Date(seconds() * 1000).toUTCString(),
    ...(correlation && ctx.get('return-client-request-id') === 'true' ? { 'client-request-id': correlation } : {}),
    ...answer.headers,
  });
  res.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
}

const server = https.createServer({
  cert: fs.readFileSync(config.cert),
  key: fs.readFileSync(config.key),
  minVersion: 'TLSv1.2',
}, serve);
const admin = adminServer({ book, settings, revokeAll: async () => 0 });
const open = (s, port) => new Promise((resolve, reject) => {
  s.once('error', reject);
  s.listen(port, '127.0.0.1', resolve);
});
await open(server, config.port);
await open(admin, config.adminPort);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
process.stdout.write(`READY ${JSON.stringify({ base, kid })}\n`);
