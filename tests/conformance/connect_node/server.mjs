// connect-node's server over HTTP/2 without TLS. Argument: descriptor set. Prints its port, then a line for each call that waits to be
// cancelled and a line for each that was. Ends when its input does.
import { createServer } from "node:http2";

import { ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import { contracts } from "./descriptors.mjs";

const { echo, stream, errorInfo } = contracts(process.argv[2]);

function begin(context) {
  for (const [name, value] of context.requestHeader) {
    if (name.startsWith("head-")) {
      context.responseHeader.set(name, value);
    } else if (name.startsWith("trail-")) {
      context.responseTrailer.set(name, value);
    }
  }
}

function finish(end) {
  if (end?.code) {
    throw new ConnectError(end.message, end.code);
  }
}

function aborted(context) {
  return new Promise((_, reject) => {
    const end = () => {
      console.log("cancelled");
      reject(context.signal.reason);
    };
    console.log("waiting");
    if (context.signal.aborted) {
      end(); // its deadline has passed already, and there is no event any more
    } else {
      context.signal.addEventListener("abort", end);
    }
  });
}

function* payloads(answers, from = 0) {
  for (const [index, { size }] of answers.entries()) {
    yield { index: BigInt(from + index), payload: new Uint8Array(size) };
  }
}

const echoes = {
  say(request, context) {
    begin(context);
    return { id: request.id, n: request.n, text: request.tags.join(","), payload: request.payload };
  },
  fail(request) {
    const details = request.reason ? [{ desc: errorInfo, value: { reason: request.reason, domain: "echo" } }] : [];
    throw new ConnectError(request.message, request.code, undefined, details);
  },
  async sleep(_, context) {
    await aborted(context);
  },
  inspect(_, context) {
    return { remaining: context.timeoutMs() / 1000 };
  },
};

const streams = {
  async *repeat(request, context) {
    begin(context);
    yield* payloads(request.answers);
    if (request.forever) {
      await aborted(context);
    }
    finish(request.end);
  },
  async collect(requests) {
    let count = 0n;
    let size = 0n;
    for await (const request of requests) {
      finish(request.end);
      count += 1n;
      size += BigInt(request.payload.length);
    }
    return { count, size };
  },
  async *converse(requests, context) {
    begin(context);
    let index = 0;
    for await (const request of requests) {
      yield* payloads(request.answers, index);
      index += request.answers.length;
      finish(request.end);
    }
  },
};

const server = createServer(connectNodeAdapter({ routes: (router) => router.service(echo, echoes).service(stream, streams) }));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));
