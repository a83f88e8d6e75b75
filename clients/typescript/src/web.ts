// The client for browsers: gRPC-Web.

import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { type Client, clientOver } from "./client.js";
import { interceptors } from "./interceptors.js";
import { baseUrl, type ConnectOptions, DEFAULT_DEADLINE_MS } from "./options.js";

export * from "./index.js";

/** A client of the gateway at a URL, over gRPC-Web. */
export function connect(address: string, options: ConnectOptions = {}): Client {
  return clientOver(
    createGrpcWebTransport({
      baseUrl: baseUrl(address, false),
      defaultTimeoutMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
      interceptors: interceptors(options.token),
    }),
  );
}
