// The client for browsers: gRPC-Web or Connect.

import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { type Client, clientOver } from "./client.js";
import { interceptors } from "./interceptors.js";
import { baseUrl, type ConnectOptions, DEFAULT_DEADLINE_MS } from "./options.js";

export * from "./index.js";

export interface WebConnectOptions extends ConnectOptions {
  /** Connect sends JSON, which the browser's developer tools show. Default: gRPC-Web. */
  protocol?: "grpc-web" | "connect";
}

/** A client of the gateway at "host:port" or a URL, whose operator has allowed the page's origin. */
export function connect(address: string, options: WebConnectOptions = {}): Client {
  const createTransport = options.protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  return clientOver(
    createTransport({
      baseUrl: baseUrl(address, false),
      defaultTimeoutMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
      interceptors: interceptors(options.token),
      fetch: fetchOrUnavailable,
    }),
  );
}

/** A gateway that cannot be reached is unavailable, as for the other clients, and the call is tried again. */
const fetchOrUnavailable: typeof fetch = async (input, init) => {
  try {
    return await fetch(input, init);
  } catch (error) {
    throw init?.signal?.aborted ? error : new ConnectError(String(error), Code.Unavailable, undefined, undefined, error);
  }
};
