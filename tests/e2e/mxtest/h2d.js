// A token endpoint that speaks HTTP/2 alone, counts connections and requests, and loses them as told.
//
//   node h2d.js CONFIG.json
//
// CONFIG: { port, admin, cert, key }. Prints "READY {}". A POST to the admin port (plain HTTP) with
// { delay: milliseconds, next: [what to do with the next requests], now: what to do with all connections } sets what is
// given, and returns { connections, open, requests }: how many there were, are open, and how many whole requests came.
// next: "grant", "refuse" (REFUSED_STREAM), "goaway" (a GOAWAY that leaves the request out), "destroy" (TCP ends without a
// word). token: what it grants. now: "goaway", "destroy".
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const state = { connections: 0, requests: 0, delay: 0, next: [] };
const sessions = new Set();
const sockets = new Map(); // by the client's port: a session lets nobody touch its own

const server = http2.createSecureServer({
  cert: fs.readFileSync(config.cert),
  key: fs.readFileSync(config.key),
  settings: { maxConcurrentStreams: 100 },
});
server.on('secureConnection', (socket) => {
  const port = socket.remotePort;
  state.connections += 1;
  sockets.set(port, socket);
  socket.on('close', () => sockets.delete(port));
});
server.on('session', (session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
  session.on('error', () => {});
});
server.on('sessionError', () => {});

function lose(session, how, last) {
  if (how === 'goaway') {
    session.goaway(http2.constants.NGHTTP2_NO_ERROR, last);
    setTimeout(() => session.destroy(), 20);
  } else {
    sockets.get(session.socket.remotePort)?.destroy();
  }
}

server.on('stream', async (stream) => {
  stream.on('error', () => {});
  try {
    for await (const chunk of stream) void chunk; // a request is one when all of it is there
  } catch {
    return undefined;
  }
  const what = state.next.shift() ?? 'grant';
  state.requests += 1;
  if (what === 'refuse') return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  if (what !== 'grant') return lose(stream.session, what, Math.max(0, stream.id - 2));
  const token = state.token ?? `token-${state.requests}`;
  await new Promise((done) => { setTimeout(done, state.delay); });
  if (stream.destroyed) return undefined;
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  return stream.end(JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 3600 }));
});

const admin = http.createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const { now, ...set } = JSON.parse(Buffer.concat(chunks).toString() || '{}');
  Object.assign(state, set);
  if (now) for (const session of [...sessions]) lose(session, now);
  res.end(JSON.stringify({ connections: state.connections, open: sessions.size, requests: state.requests }));
});

server.listen(config.port, '127.0.0.1', () => {
  admin.listen(config.admin, '127.0.0.1', () => console.log('READY {}'));
});
