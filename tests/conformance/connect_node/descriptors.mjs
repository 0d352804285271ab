// The tests' contracts, from the descriptor set that the test wrote.
import { readFileSync } from "node:fs";

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

export function contracts(path) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
  return {
    echo: registry.getService("echo.v1.EchoService"),
    stream: registry.getService("stream.v1.StreamService"),
    errorInfo: registry.getMessage("google.rpc.ErrorInfo"),
  };
}
