// npm smtp-server with STARTTLS and XOAUTH2, for tokens longer than Dovecot takes (12 KB lines).
//
//   node smtp_server.js CONFIG.json
//
// CONFIG: { port, cert, key, introspect: { url, id, secret, ca } | null, users: { MAILBOX: TOKEN | "*" }, dir }. A token is
// checked by introspection, or must be the user's, or any ("*"). Every mail is written to dir/N.json. Prints "READY {}".
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { SMTPServer } from 'smtp-server';

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
let count = 0;

function introspect(token) {
  const { url, id, secret, ca } = config.introspect;
  const basic = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64');
  return new Promise((resolve, reject) => {
    const req = https.request(url, {
      method: 'POST',
      ca: fs.readFileSync(ca),
      headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
    }, async (res) => {
      const chunks = [];
      for await (const chunk of res) chunks.push(chunk);
      try { resolve(JSON.parse(Buffer.concat(chunks).toString())); } catch (err) { reject(err); }
    });
    req.on('error', reject);
    req.end(new URLSearchParams({ token }).toString());
  });
}

async function allowed(user, token) {
  if (config.introspect) {
    const info = await introspect(token);
    return info.active === true && info.sub === user;
  }
  const want = config.users?.[user];
  return want === '*' || (want !== undefined && want === token);
}

const server = new SMTPServer({
  name: 'localhost',
  secure: false,
  cert: fs.readFileSync(config.cert),
  key: fs.readFileSync(config.key),
  authMethods: ['XOAUTH2'],
  disableReverseLookup: true,
  logger: false,
  onAuth(auth, session, callback) {
    allowed(auth.username, auth.accessToken ?? '').then((ok) => {
      process.stdout.write(`auth method=${auth.method} user=${auth.username} token_bytes=${auth.accessToken?.length ?? 0} `
        + `secure=${session.secure} ok=${ok}\n`);
      if (ok) callback(null, { user: auth.username });
      else callback(null, { data: { status: '401', schemes: 'bearer', scope: 'mail' } });
    }, callback);
  },
  onData(stream, session, callback) {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      count += 1;
      const name = path.join(config.dir, `${String(count).padStart(6, '0')}.json`);
      fs.writeFileSync(`${name}.new`, JSON.stringify({
        sender: session.envelope.mailFrom && session.envelope.mailFrom.address,
        recipients: session.envelope.rcptTo.map((r) => r.address),
        user: session.user,
        data: Buffer.concat(chunks).toString('latin1'),
      }));
      fs.renameSync(`${name}.new`, name);
      callback();
    });
  },
});
server.on('error', (err) => process.stderr.write(`${err.message}\n`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
server.listen(config.port, '127.0.0.1', () => process.stdout.write('READY {}\n'));
