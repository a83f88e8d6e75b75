// The client for Node: gRPC over HTTP/2.

import type { SecureClientSessionOptions } from "node:http2";

import { createGrpcTransport } from "@connectrpc/connect-node";

import { type Client, clientOver } from "./client.js";
import { interceptors } from "./interceptors.js";
import { baseUrl, type ConnectOptions, DEFAULT_DEADLINE_MS } from "./options.js";

export * from "./index.js";

export interface NodeConnectOptions extends ConnectOptions {
  /** TLS with these options, also where the address is not an https URL. */
  tls?: Pick<SecureClientSessionOptions, "ca" | "cert" | "key" | "servername">;
}

/** A client of the gateway at "host:port" or a URL. The first call opens the connection. */
export function connect(address: string, options: NodeConnectOptions = {}): Client {
  return clientOver(
    createGrpcTransport({
      baseUrl: baseUrl(address, options.tls !== undefined),
      defaultTimeoutMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
      interceptors: interceptors(options.token),
      nodeOptions: options.tls,
      pingIntervalMs: 30_000,
      pingTimeoutMs: 20_000,
    }),
  );
}
