// The client for Node: gRPC or Connect over HTTP/2.

import type { SecureClientSessionOptions } from "node:http2";

import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";

import { type Client, clientOver } from "./client.js";
import { interceptors } from "./interceptors.js";
import { baseUrl, type ConnectOptions, DEFAULT_DEADLINE_MS } from "./options.js";

export * from "./index.js";

export interface NodeConnectOptions extends ConnectOptions {
  /** TLS with these options, also where the address is not an https URL. */
  tls?: Pick<SecureClientSessionOptions, "ca" | "cert" | "key" | "servername">;
  /** Default: gRPC. */
  protocol?: "grpc" | "connect";
}

/** A client of the gateway at "host:port" or a URL. The first call opens the connection. */
export function connect(address: string, options: NodeConnectOptions = {}): Client {
  const common = {
    baseUrl: baseUrl(address, options.tls !== undefined),
    defaultTimeoutMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    interceptors: interceptors(options.token),
    nodeOptions: options.tls,
    pingIntervalMs: 30_000,
    pingTimeoutMs: 20_000,
  };
  const isConnect = options.protocol === "connect";
  return clientOver(isConnect ? createConnectTransport({ ...common, httpVersion: "2" }) : createGrpcTransport(common));
}
