// connect-node's clients. Arguments: descriptor set, base URL, protocol, HTTP version, whether to compress, and how many milliseconds the
// call has that is to be late.
// Calls everything once and prints what came of it as one line of JSON, for the test to judge.
import { ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

import { contracts } from "./descriptors.mjs";

const [descriptors, baseUrl, protocol, httpVersion, compressed, late] = process.argv.slice(2);
const { echo, stream, errorInfo } = contracts(descriptors);
const gzip = compressed === "gzip" ? { sendCompression: compressionGzip, acceptCompression: [compressionGzip], compressMinBytes: 0 } : {};
const make = { connect: createConnectTransport, grpc: createGrpcTransport, "grpc-web": createGrpcWebTransport }[protocol];
const transport = make({ baseUrl, httpVersion, ...gzip });
const echoes = createClient(echo, transport);
const streams = createClient(stream, transport);
const sizes = [0, 10, 100_000];
const asked = sizes.map((size) => ({ size }));

async function failure(call) {
  try {
    await call();
  } catch (reason) {
    const error = ConnectError.from(reason);
    return { code: error.code, message: error.rawMessage, reasons: error.findDetails(errorInfo).map((info) => info.reason) };
  }
  return null;
}

async function* each(items) {
  yield* items;
}

async function payloads(responses) {
  const found = [];
  for await (const response of responses) {
    found.push(response.payload.length);
  }
  return found;
}

const report = { said: [], failed: [] };
for (const size of sizes) {
  const { id, n, text, payload } = await echoes.say({ id: "a", n: -7n, tags: ["x", "ü"], payload: new Uint8Array(size) });
  report.said.push([id, Number(n), text, payload.length]);
}
for (let code = 1; code <= 16; code++) {
  report.failed.push(await failure(() => echoes.fail({ code, message: "no ☺", reason: "BECAUSE" })));
}
report.metadata = {};
await echoes.say(
  {},
  {
    headers: { "head-a": "1", "head-b-bin": "AP8", "trail-a": "2", "trail-b-bin": "qw" },
    onHeader: (headers) => (report.metadata.headers = [headers.get("head-a"), headers.get("head-b-bin")]),
    onTrailer: (trailers) => (report.metadata.trailers = [trailers.get("trail-a"), trailers.get("trail-b-bin")]),
  },
);
report.late = await failure(() => echoes.sleep({ seconds: 1e6 }, { timeoutMs: Number(late) }));
report.remaining = (await echoes.inspect({}, { timeoutMs: 1_000_000 })).remaining;
report.repeated = await payloads(streams.repeat({ answers: asked }));
report.broken = await failure(() => payloads(streams.repeat({ answers: asked, end: { code: 9, message: "no ☺" } })));
const { count, size } = await streams.collect(each(sizes.map((size) => ({ payload: new Uint8Array(size) }))));
report.collected = [Number(count), Number(size)];
if (httpVersion === "2") {
  report.conversed = await payloads(streams.converse(each([{ answers: asked }, { answers: asked }])));
}
report.together = (await Promise.all(Array.from({ length: 50 }, (_, n) => echoes.say({ n: BigInt(n) })))).map(({ n }) => Number(n));
console.log(JSON.stringify(report));
process.exit(0);
