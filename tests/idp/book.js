// The request log and its counts. No secret, signature or token is ever put in.
import querystring from 'node:querystring';

// Id and secret of Basic (form-decoded, RFC 6749 2.3.1), or undefined.
export function basicPair(ctx) {
  const basic = /^Basic\s+(\S+)$/i.exec(ctx.get('authorization'));
  if (!basic) return undefined;
  const [, ...pair] = /^([^:]*):?(.*)$/s.exec(Buffer.from(basic[1], 'base64').toString('latin1'));
  return pair.map((part) => { try { return decodeURIComponent(part.replace(/\+/g, ' ')); } catch { return part; } });
}

// The client that Basic names.
export function basicId(ctx) {
  return basicPair(ctx)?.[0];
}

// Header and claims of an assertion: without its signature nobody can use it.
function assertionOf(jwt) {
  try {
    const [header, claims] = jwt.split('.').slice(0, 2).map((p) => JSON.parse(Buffer.from(p, 'base64url').toString()));
    return { header, claims };
  } catch {
    return undefined;
  }
}

// The client that the body names. Reads the body: oidc-provider then takes it from req.body.
export async function bodyId(ctx) {
  const chunks = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  ctx.req.body = querystring.parse(Buffer.concat(chunks).toString('utf8'));
  return ctx.req.body.client_id;
}

export class Book {
  constructor() { this.reset(); }

  reset() {
    this.log = [];
    this.counts = { total: 0, path: {}, client: {}, grant: {}, status: {} };
  }

  // One request that was answered.
  add(ctx, ms) {
    const body = ctx.oidc?.body ?? ctx.req.body ?? {};
    const id = ctx.oidc?.client?.clientId ?? basicId(ctx) ?? body.client_id;
    const grant = body.grant_type;
    const entry = {
      at: new Date().toISOString(),
      method: ctx.method,
      path: ctx.path,
      status: ctx.status,
      client: id,
      grant,
      auth: ctx.get('authorization') ? 'basic' : body.client_assertion ? 'assertion' : body.assertion ? 'grant' : 'body',
      scope: body.scope,
      error: ctx.body?.error,
      aadsts: ctx.aadsts,
      assertion: body.client_assertion ?? body.assertion ? assertionOf(body.client_assertion ?? body.assertion) : undefined,
      fields: Object.keys(body).sort(),
      userAgent: ctx.get('user-agent') || undefined,
      accept: ctx.get('accept') || undefined,
      ms,
    };
    this.log.push(entry);
    if (this.log.length > 20000) this.log.shift();
    const c = this.counts;
    c.total += 1;
    for (const [table, key] of [[c.path, ctx.path], [c.client, id], [c.grant, grant], [c.status, ctx.status]]) {
      if (key !== undefined) table[key] = (table[key] ?? 0) + 1;
    }
  }
}
