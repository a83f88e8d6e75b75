// What every call gets: the token, and retries as the shared service config says.

import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

import { serviceConfig } from "./service-config.js";

const policy = serviceConfig.methodConfig[0].retryPolicy;

export function interceptors(token?: string): Interceptor[] {
  return [...(token ? [bearer(token)] : []), retrying];
}

const bearer = (token: string): Interceptor => (next) => (request) => {
  request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};

const retrying: Interceptor = (next) => async (request) => {
  // Only calls without side effects are made again, and no stream that may have begun.
  const mayRetry = !request.stream && request.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      const unavailable = ConnectError.from(error).code === Code.Unavailable;
      if (!mayRetry || !unavailable || attempt >= policy.maxAttempts || request.signal.aborted) throw error;
      const backoff = seconds(policy.initialBackoff) * policy.backoffMultiplier ** (attempt - 1);
      await pause(Math.min(backoff, seconds(policy.maxBackoff)) * 1000 * Math.random(), request.signal);
    }
  }
};

const seconds = (text: string) => Number.parseFloat(text);

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
