// The endpoints at which machines of Azure's get the tokens of their managed identities, for the tests: plain HTTP on the
// loopback, and the admin endpoint of idp.js.
//
//   node azure.js CONFIG.json
//
// CONFIG: { kind: imds | app-service | azure-arc, port, adminPort, keysDir, jwksFile, tenant, issuer, resources: [..], identities:
// [ { client_id, object_id, resource_id, system, sub } ], header, tokensDir, realmDir, gid, settings }; see README.md.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { SignJWT } from 'jose';
import { adminServer } from './admin.js';
import { Book } from './book.js';
import { signingKey } from './tokens.js';

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const EXCHANGE = /^api:\/\/AzureADTokenExchange(USGov|China)?$/;
const book = new Book();

// script: answers that come first, each once: { status, headers, body }. realm: what a challenge names in place of the key's file.
// distrust: no answer to a challenge is right. keepKeys: key files are left. echo: whoever proves himself is refused in his own words.
const settings = { lifetime: 86399, roles: ['SMTP.SendAsApp'], delayMs: 0, script: [], realm: null, distrust: false, keepKeys: false, echo: false, keyMode: 0o640,
  ...config.settings, clients: {} };

const { jwks, pem, kid } = await signingKey();
const signer = crypto.createPrivateKey({ key: jwks.keys[0], format: 'jwk' });
const { kty, n, e } = jwks.keys[0];
fs.writeFileSync(config.jwksFile, JSON.stringify({ keys: [{ kty, n, e, kid, alg: 'RS256', use: 'sig' }] }));
const dir = path.join(config.keysDir, 'default', 'RS256');	// where Dovecot looks for the key of a token
fs.mkdirSync(dir, { recursive: true });
fs.writeFileSync(path.join(dir, kid), pem);

const KINDS = {
  imds: { path: '/metadata/identity/oauth2/token', version: '2018-02-01', selectors: { client_id: 'client_id', object_id: 'object_id', msi_res_id: 'resource_id' } },
  'app-service': { path: '/msi/token', version: '2019-08-01', selectors: { client_id: 'client_id', object_id: 'object_id', mi_res_id: 'resource_id' } },
  'azure-arc': { path: '/metadata/identity/oauth2/token', version: '2020-06-01', selectors: { msi_res_id: 'resource_id' } },
};
const kind = KINDS[config.kind];

class No extends Error {
  constructor(status, body, headers = {}) { super(`HTTP ${status}`); Object.assign(this, { status, body, headers }); }
}

// A refusal as the platform words it.
function no(status, error, description) {
  if (config.kind === 'app-service') return new No(status, { statusCode: status, message: description, correlationId: crypto.randomUUID() });
  return new No(status, { error, error_description: description });
}

function identityOf(query) {
  const given = Object.keys(kind.selectors).filter((s) => query.has(s));
  if (given.length > 1) throw no(400, 'invalid_request', 'Only one of the identity parameters may be given');
  if (given.length === 1) {
    const found = config.identities.find((i) => i[kind.selectors[given[0]]] === query.get(given[0]));
    if (found) return found;
    throw no(400, 'invalid_request', config.kind === 'app-service'
      ? 'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.' : 'Identity not found');
  }
  const system = config.identities.find((i) => i.system) ?? (config.identities.length === 1 ? config.identities[0] : undefined);
  if (system) return system;
  throw no(400, 'invalid_request', config.identities.length ? 'Multiple user assigned identities exist, please specify the clientId / '
    + 'resourceId of the identity in the token request' : 'Identity not found');
}

// Azure Arc's: who reads the file is somebody on this machine with rights. Each key serves once.
const outstanding = new Set();
function challenge(req) {
  const answer = req.headers.authorization;
  if (answer === undefined) {
    const key = crypto.randomBytes(48).toString('base64');
    const name = `${crypto.randomUUID()}.key`;
    const file = path.join(config.tokensDir, name);
    fs.writeFileSync(file, key, { mode: 0o600 });
    if (config.gid !== undefined) fs.chownSync(file, 0, config.gid);
    fs.chmodSync(file, settings.keyMode);
    outstanding.add(`${key} ${file}`);
    throw new No(401, undefined, { 'WWW-Authenticate': `Basic realm=${settings.realm ?? path.join(config.realmDir, name)}` });
  }
  const found = [...outstanding].find((o) => answer === `Basic ${o.split(' ')[0]}`);
  if (!found || settings.distrust) throw new No(401, undefined, { 'WWW-Authenticate': 'Basic realm=' });
  outstanding.delete(found);
  if (!settings.keepKeys) fs.unlinkSync(found.split(' ')[1]);
}

async function token(req, url) {
  if (url.pathname !== kind.path) throw new No(404, undefined);
  if (req.method !== 'GET') throw new No(405, undefined);
  if (config.kind === 'app-service') {
    if (req.headers['x-identity-header'] !== config.header) throw no(401, 'unauthorized', 'The header is wrong');
  } else if (req.headers.metadata !== 'true') {
    throw no(400, 'bad_request_102', 'Required metadata header not specified');
  }
  if (req.headers['x-forwarded-for'] || req.headers.via) throw no(400, 'invalid_request', 'The request came by a proxy');
  const query = url.searchParams;
  if (query.get('api-version') !== kind.version) throw no(400, 'invalid_request', 'api-version was not found or not supported');
  const resource = query.get('resource');
  if (!resource) throw no(400, 'invalid_request', 'Required audience parameter not specified');
  if (config.kind === 'azure-arc') challenge(req);
  if (settings.echo) throw no(400, 'invalid_request', `${req.headers.authorization ?? req.headers['x-identity-header']} is not liked`);
  const identity = identityOf(query);
  if (!config.resources.includes(resource) && !EXCHANGE.test(resource)) {
    if (config.kind === 'app-service') throw no(500, '', 'An unexpected error occured while fetching the AAD Token.');
    throw no(400, 'invalid_resource', `AADSTS500011: The resource principal named ${resource} was not found in the tenant named ${config.tenant}.`);
  }
  return grant(identity, resource);
}

// Numbers are strings; App Service tells the end alone.
async function grant(identity, resource) {
  const now = Math.floor(Date.now() / 1000);
  const life = settings.lifetime;
  const assertion = EXCHANGE.test(resource);
  const access = await new SignJWT({
    aud: resource, iss: assertion ? `https://login.microsoftonline.com/${config.tenant}/v2.0` : config.issuer, iat: now, nbf: now, exp: now + life,
    appid: identity.client_id, appidacr: '2', idtyp: 'app', ver: '1.0', ...(assertion || !settings.roles.length ? {} : { roles: settings.roles }),
    oid: identity.object_id, sub: assertion ? identity.object_id : identity.sub ?? identity.object_id, tid: config.tenant,
  }).setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid }).sign(signer);
  const reply = { access_token: access, expires_on: String(now + life), resource, token_type: 'Bearer', client_id: identity.client_id };
  if (config.kind === 'app-service') return reply;
  return { ...reply, refresh_token: '', expires_in: String(life), not_before: String(now - 300) };
}

async function serve(req, res) {
  const started = Date.now();
  for await (const chunk of req) void chunk;
  const url = new URL(req.url, 'http://localhost');
  if (settings.delayMs) await new Promise((resolve) => { setTimeout(resolve, settings.delayMs); });
  let answer = settings.script.shift();
  if (!answer) {
    try {
      answer = { status: 200, body: await token(req, url) };
    } catch (err) {
      if (!(err instanceof No)) process.stderr.write(`server_error ${err.stack}\n`);
      answer = err instanceof No ? err : { status: 500 };
    }
  }
  // not its proof: the book would take the challenge's key for a client's name
  const get = (h) => (h === 'authorization' ? '' : req.headers[h] ?? '');
  const ctx = { method: req.method, path: url.pathname, status: answer.status, body: answer.body, req: {}, get };
  book.add(ctx, Date.now() - started);
  Object.assign(book.log.at(-1), { query: Object.fromEntries(url.searchParams), proven: req.headers.authorization !== undefined });
  res.writeHead(answer.status, { 'Content-Type': 'application/json; charset=utf-8', ...answer.headers });
  res.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
}

const open = (s, port) => new Promise((resolve, reject) => {
  s.once('error', reject);
  s.listen(port, '127.0.0.1', resolve);
});
await open(http.createServer(serve), config.port);
await open(adminServer({ book, settings, revokeAll: async () => 0 }), config.adminPort);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
process.stdout.write(`READY ${JSON.stringify({ kid })}\n`);
