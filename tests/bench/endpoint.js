// A token endpoint for the benchmark: HTTPS, HTTP/2 or HTTP/1.1 as the client asks, random tokens, no judgement.
//
//   node endpoint.js '{"port":..., "cert":FILE, "key":FILE, "counts":FILE, "bytes":2048, "lifetime":3600, "h2":true}'
//
// counts: a file of 40 bytes, written at each change, five little-endian numbers of 64 bits: requests received, requests
// answered, connections accepted, TLS handshakes finished, connections open. A reader needs no request to know them.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http2 = require('node:http2');
const https = require('node:https');

const config = JSON.parse(process.argv[2]);
const fd = fs.openSync(config.counts, 'w+');
const counts = new BigUint64Array(5);
const bytes = Buffer.from(counts.buffer);
const RECEIVED = 0, ANSWERED = 1, ACCEPTED = 2, HANDSHAKES = 3, OPEN = 4;

function count(which, by) {
	counts[which] += by;
	fs.writeSync(fd, bytes, 0, bytes.length, 0);
}

function answer(request, response) {
	count(RECEIVED, 1n);
	request.resume();
	request.on('end', () => {
		const token = crypto.randomBytes(config.bytes).toString('base64url').slice(0, config.bytes);
		const body = JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: config.lifetime });
		count(ANSWERED, 1n);
		response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length, 'cache-control': 'no-store' });
		response.end(body);
	});
}

// noDelay: what waits 40 ms for an acknowledgement waits for seconds of a daemon's hour that passes in a minute.
const tls = { noDelay: true, cert: fs.readFileSync(config.cert), key: fs.readFileSync(config.key) };
// libcurl resets many a stream that has been answered. A server bears 33 of them a second; an hour that passes in one minute
// has sixty times as many as the same hour has in truth, and must not be cut off for it.
const noDefence = { streamResetBurst: 1e9, streamResetRate: 1e9 };
const server = config.h2
	? http2.createSecureServer({ ...tls, ...noDefence, allowHTTP1: true, settings: { maxConcurrentStreams: 100 } }, answer)
	: https.createServer(tls, answer);

// Nothing is closed here by the clock: the daemon's time runs ahead of this one's.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.timeout = 0;
server.maxRequestsPerSocket = 0;
server.on('connection', (socket) => {
	count(ACCEPTED, 1n);
	count(OPEN, 1n);
	socket.setNoDelay(true);
	socket.on('close', () => { count(OPEN, -1n); });
	socket.on('error', () => {});
});
server.on('secureConnection', () => count(HANDSHAKES, 1n));
server.on('tlsClientError', () => {});
count(RECEIVED, 0n);
server.listen(config.port, '127.0.0.1', 1024, () => console.log('READY {}'));
