// An identity provider for the tests: oidc-provider over HTTPS on the loopback, with a small admin endpoint beside it.
//
//   node idp.js CONFIG.json
//
// CONFIG: { port, adminPort, cert, key, keysDir, settings, clients: [ { client_id, client_secret, auth, certificates, alg,
// sub, claims, format, lifetime, bytes, refresh, introspector, bearer } ] }; see README.md. Prints one line "READY {json}" when both ports are open.
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { createLocalJWKSet, jwtVerify } from 'jose';
import Provider, { errors } from 'oidc-provider';
import { adminServer } from './admin.js';
import { Book, basicId, bodyId } from './book.js';
import { people } from './people.js';
import { bitsFor, padTo, publicJwk, signingKey } from './tokens.js';

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const issuer = `https://127.0.0.1:${config.port}`;
const resource = 'urn:mta-xoauth2:mail';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const book = new Book();

// What tests may change while the provider runs: for all clients, and by client id in `clients`.
const settings = { lifetime: 3600, bytes: 0, delayMs: 0, refuse: null, ...config.settings, clients: {} };
for (const c of config.clients) {
  settings.clients[c.client_id] = Object.fromEntries(['sub', 'claims', 'format', 'lifetime', 'bytes', 'refuse', 'interval', 'codeLifetime']
    .filter((k) => c[k] !== undefined).map((k) => [k, c[k]]));
}
const scripted = () => [settings, ...Object.values(settings.clients)].some((s) => s.delayMs || s.refuse);
const setting = (id, name) => settings.clients[id]?.[name] ?? settings[name];

const persons = people({ setting, resource });

const { jwks, pem, kid } = await signingKey();
if (config.keysDir) {	// where Dovecot looks for the key of a token: default/ALG/KID
  const dir = path.join(config.keysDir, 'default', 'RS256');
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, kid), pem);
}

const provider = new Provider(issuer, {
  clients: config.clients.map((c) => ({
    client_id: c.client_id,
    ...(c.client_secret ? { client_secret: c.client_secret } : {}),
    token_endpoint_auth_method: c.auth ?? (c.bearer ? 'none' : 'client_secret_post'),
    ...(c.alg ? { token_endpoint_auth_signing_alg: c.alg } : {}),
    ...(c.certificates ? { jwks: { keys: c.certificates.map(publicJwk) } } : {}),
    grant_types: c.introspector ? [] : c.grants ?? [c.bearer ? JWT_BEARER : c.refresh ? 'refresh_token' : 'client_credentials'],
    ...(c.redirect ? { application_type: 'native' } : {}),
    redirect_uris: c.redirect ? [c.redirect] : [],
    response_types: c.redirect ? ['code'] : [],
  })),
  jwks,
  cookies: { keys: ['only for tests'] },
  clientAuthMethods: ['client_secret_post', 'client_secret_basic', 'private_key_jwt', 'none'],
  scopes: ['openid', 'offline_access', 'mail'],
  ttl: {
    ClientCredentials: (ctx, token) => setting(token.clientId, 'lifetime'),
    RefreshToken: 86400,
    Grant: 86400,
    DeviceCode: (ctx, code, client) => setting(client.clientId, 'codeLifetime') ?? 600,
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: persons.url },
  // a token that was used is dead, and to use it again ends its grant
  rotateRefreshToken: (ctx) => setting(ctx.oidc.client.clientId, 'rotate') ?? true,
  extraTokenClaims: (ctx, token) => ({
    sub: ctx.bearerSubject ?? setting(token.clientId, 'sub') ?? token.clientId, ...setting(token.clientId, 'claims'),
  }),
  formats: {
    bitsOfOpaqueRandomness: (ctx, token) => bitsFor(token?.clientId && setting(token.clientId, 'bytes')),
    customizers: {
      jwt(ctx, token, jwt) {
        jwt.header = { typ: 'JWT' };	// Dovecot 2.3 refuses at+jwt
        jwt.payload.sub = ctx.bearerSubject ?? setting(token.clientId, 'sub') ?? jwt.payload.sub;
        padTo(jwt, setting(token.clientId, 'bytes'), kid);
      },
    },
  },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: persons.deviceFlow,
    userinfo: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, indicator, client) => ({
        scope: 'mail',
        audience: resource,
        accessTokenTTL: setting(client.clientId, 'lifetime'),
        accessTokenFormat: setting(client.clientId, 'format') ?? 'jwt',
        jwt: { sign: { alg: 'RS256', kid } },
      }),
    },
  },
});

// RFC 7523 section 2.1: a token for whom the client's own key says.
provider.registerGrantType(JWT_BEARER, async (ctx, next) => {
  const { client, params } = ctx.oidc;
  const keys = config.clients.find((c) => c.client_id === client.clientId).certificates.map(publicJwk);
  const rules = { issuer: client.clientId, audience: `${issuer}/token`, typ: 'JWT', maxTokenAge: 3600, requiredClaims: ['sub', 'exp', 'iat'] };
  try {
    ctx.bearerSubject = (await jwtVerify(params.assertion ?? '', createLocalJWKSet({ keys }), rules)).payload.sub;
  } catch (err) {
    throw new errors.InvalidGrant('the assertion is not good', err.message);
  }
  const token = new provider.ClientCredentials({ client, scope: params.scope });
  token.resourceServer = new provider.ResourceServer(resource, {
    scope: 'mail', audience: resource, accessTokenTTL: setting(client.clientId, 'lifetime'), accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256', kid } },
  });
  ctx.oidc.entity('ClientCredentials', token);
  ctx.body = { access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType, scope: token.scope };
  await next();
}, ['assertion', 'scope']);

const issued = new Map();	// opaque tokens, for revoke-all
provider.on('client_credentials.saved', (token) => issued.set(token.jti, token));
provider.on('client_credentials.destroyed', (token) => issued.delete(token.jti));
provider.on('server_error', (ctx, err) => process.stderr.write(`server_error ${err.stack}\n`));

// Every request goes through here: scripted refusals first, then the provider; both are counted.
provider.use(async (ctx, next) => {
  const started = Date.now();
  let delay;
  let refuse;
  if (ctx.path === '/token' && scripted()) {
    const id = basicId(ctx) ?? await bodyId(ctx);
    delay = setting(id, 'delayMs');
    refuse = setting(id, 'refuse');
  }
  if (delay) await new Promise((resolve) => { setTimeout(resolve, delay); });
  if (refuse) {
    ctx.status = refuse.status ?? 401;
    ctx.set(refuse.headers ?? {});
    ctx.body = refuse.body ?? { error: refuse.error ?? 'invalid_client', error_description: refuse.error_description };
  } else if (!await persons.interaction(ctx, provider)) {
    await next();
    if (ctx.path === '/device/auth' && ctx.status === 200) {	// oidc-provider leaves it at the RFC's five seconds
      ctx.body.interval = setting(ctx.oidc.client.clientId, 'interval') ?? 1;
    }
  }
  book.add(ctx, Date.now() - started);
});

// A grant as a login would make it, and its first refresh token.
async function grantTo({ client: id, account = 'somebody' }) {
  const client = await provider.Client.find(id);
  const grant = new provider.Grant({ accountId: account, clientId: id });
  grant.addOIDCScope('offline_access');
  grant.addResourceScope(resource, 'mail');
  const token = new provider.RefreshToken({
    accountId: account, client, grantId: await grant.save(), scope: 'offline_access mail', resource, gty: 'authorization_code',
  });
  return { grant: token.grantId, refresh_token: await token.save() };
}

const server = https.createServer({
  cert: fs.readFileSync(config.cert),
  key: fs.readFileSync(config.key),
  minVersion: 'TLSv1.2',
}, provider.callback());
const admin = adminServer({
  book,
  settings,
  grantTo,
  async grantAlive({ grant }) { return { alive: Boolean(await provider.Grant.find(grant)) }; },
  async revokeGrant({ grant }) { await (await provider.Grant.find(grant)).destroy(); return {}; },
  async revokeAll() {
    const tokens = [...issued.values()];
    await Promise.all(tokens.map((t) => t.destroy()));
    return tokens.length;
  },
});

const open = (s, port) => new Promise((resolve, reject) => {
  s.once('error', reject);
  s.listen(port, '127.0.0.1', resolve);
});
await open(server, config.port);
await open(admin, config.adminPort);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
process.stdout.write(`READY ${JSON.stringify({ issuer, kid, resource })}\n`);
