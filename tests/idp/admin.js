// The admin endpoint of idp.js: plain HTTP with JSON, on the loopback only.
//
//   GET  /counts      { total, path: {..}, client: {..}, grant: {..}, status: {..} }
//   GET  /log         the requests, oldest first
//   GET  /settings
//   POST /reset       counts and log begin anew
//   POST /revoke-all  every opaque token is destroyed; { revoked: N }
//   POST /grant       { client, account } -> { grant, refresh_token }: as if somebody had logged in; idp.js alone
//   POST /grant-alive, /grant-revoke   { grant }
//   POST /set         merged into the settings; { "clients": { ID: {..} } } for one client; null takes a value back
import http from 'node:http';

function merge(into, from) {
  for (const [key, value] of Object.entries(from)) {
    if (value === null) delete into[key];
    else into[key] = value;
  }
}

function change(settings, { clients = {}, ...rest }) {
  merge(settings, rest);
  for (const [id, value] of Object.entries(clients)) {
    settings.clients[id] ??= {};
    merge(settings.clients[id], value);
  }
  return settings;
}

async function body(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

export function adminServer({ book, settings, revokeAll, grantTo, grantAlive, revokeGrant }) {
  const routes = {
    'GET /counts': () => book.counts,
    'GET /log': () => book.log,
    'GET /settings': () => settings,
    'POST /reset': () => { book.reset(); return {}; },
    'POST /revoke-all': async () => ({ revoked: await revokeAll() }),
    'POST /grant': async (req) => grantTo(await body(req)),
    'POST /grant-alive': async (req) => grantAlive(await body(req)),
    'POST /grant-revoke': async (req) => revokeGrant(await body(req)),
    'POST /set': async (req) => change(settings, await body(req)),
  };
  return http.createServer(async (req, res) => {
    let status = 200;
    let answer;
    try {
      const route = routes[`${req.method} ${req.url}`];
      if (!route) throw Object.assign(new Error('no such thing'), { status: 404 });
      answer = await route(req);
    } catch (err) {
      status = err.status ?? 400;
      answer = { error: String(err.message) };
    }
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(answer));
  });
}
