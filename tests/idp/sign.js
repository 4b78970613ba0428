// Signs JWTs made by hand, with jose: reads a JSON array of { key: PEM (PKCS#8), header, claims } and prints one of strings.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { CompactSign } from 'jose';

const wanted = JSON.parse(fs.readFileSync(0, 'utf8'));
const made = wanted.map(({ key, header, claims }) => new CompactSign(Buffer.from(JSON.stringify(claims)))
  .setProtectedHeader(header).sign(crypto.createPrivateKey(key)));
process.stdout.write(JSON.stringify(await Promise.all(made)));
